import gzip
import math
import os
import stat
import sys
from collections import Counter
from pathlib import Path

import pytest

from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.estimation import estimate, unseen_words
from memrix.asr.search.ngram_tools import find_estimator
from memrix.asr.search.perplexity import perplexity
from memrix.errors import AssetError, DataError

TEXTS = ["the cat sat", "the dog sat", " ", "a  cat\tsat", "the cat"]

STAND_IN = """#!{python}
import sys
arguments = sys.argv[1:]
named = dict(zip(arguments, arguments[1:])) | dict(a.split("=") for a in arguments if "=" in a)
if named.get("-lm") == {fails!r}:
    sys.exit("Error: lower order count-of-counts cannot be estimated properly\\nHint: another method")
text = open(named.get("--text") or named["-tr"]).read()
words = sorted(set(text.split()) - {{"<s>", "</s>"}})[{lost}:]
with open(named.get("--arpa") or named["-oarpa"], "w") as arpa:
    arpa.write(f"\\\\data\\\\\\nngram 1={{len(words) + 3}}\\nngram 2=1\\n\\n\\\\1-grams:\\n")
    arpa.write("-1\\t<s>\\t0\\n-1\\t</s>\\n-0.5\\t<unk>\\n")
    arpa.write("".join(f"-1\\t{{word}}\\t0\\n" for word in words))
    arpa.write(f"\\n\\\\2-grams:\\n-0.5\\t<s> {{words[0]}}\\n\\n\\\\end\\\\\\n")
"""


def install(folder: Path, name: str, monkeypatch, fails: str = "", lost: int = 0, script: str = STAND_IN) -> None:
    """A program of that name, the only one on the PATH, that makes a language model of nothing but words."""
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(script.format(python=sys.executable, fails=fails, lost=lost))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent))


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))


def unknown_log10(path: Path) -> float:
    kenlm = load_kenlm(path, ["<unk>"])
    return kenlm.score(kenlm.start(True), 0)[1]


def test_lmplz_on_the_path_is_taken(tmp_path, monkeypatch):
    install(tmp_path, "lmplz", monkeypatch)
    made = estimate(TEXTS, tmp_path / "out" / "lm.arpa.gz", order=2)
    assert (made.program, made.smoothing) == ("lmplz", "modified Kneser-Ney")
    assert (made.sentences, made.words) == (4, 11)
    assert made.model.words == {"the", "cat", "sat", "dog", "a"}
    assert gzip.decompress(made.model.path.read_bytes()).startswith(b"\\data\\")
    assert [file.name for file in made.model.path.parent.iterdir()] == ["lm.arpa.gz"]
    assert unknown_log10(made.model.path) == pytest.approx(-0.5)


def test_the_same_text_gives_the_same_file(tmp_path, monkeypatch):
    install(tmp_path, "lmplz", monkeypatch)
    first = estimate(TEXTS, tmp_path / "a.arpa.gz", order=2).model
    assert estimate(TEXTS, tmp_path / "b.arpa.gz", order=2).model.sha256 == first.sha256


def test_tlm_shares_the_probability_of_unknown_words_among_them(tmp_path, monkeypatch):
    install(tmp_path, "tlm", monkeypatch)
    made = estimate(TEXTS, tmp_path / "lm.arpa", order=2)
    assert (made.program, made.smoothing) == ("tlm", "improved shift-beta")
    # the 3, cat 3, sat 3, dog 1, a 1: two words once and none twice, so Chao's bound is 2 * 1 / 2.
    assert unseen_words(Counter({"the": 3, "cat": 3, "sat": 3, "dog": 1, "a": 1})) == 1.0
    assert unknown_log10(made.model.path) == pytest.approx(-0.5)
    made = estimate(["a b c d e f g", "a"], tmp_path / "lm.arpa", order=2)
    # Six words once and one twice: 36 / 2.
    assert unknown_log10(made.model.path) == pytest.approx(-0.5 - math.log10(18), abs=1e-5)


def test_too_little_text_for_discounts_is_smoothed_otherwise_and_that_is_said(tmp_path, monkeypatch):
    install(tmp_path, "tlm", monkeypatch, fails="isb")
    assert estimate(TEXTS, tmp_path / "lm.arpa", order=2).smoothing == "Witten-Bell"


def test_a_program_that_fails_is_an_error_with_its_last_line(tmp_path, monkeypatch):
    install(tmp_path, "lmplz", monkeypatch, script="#!/bin/sh\necho out of memory >&2\nexit 3\n")
    with pytest.raises(AssetError, match=r"lmplz could not estimate .*: out of memory; see what it says"):
        estimate(TEXTS, tmp_path / "lm.arpa")
    assert not (tmp_path / "lm.arpa").exists()


def test_a_program_that_loses_words_is_an_error(tmp_path, monkeypatch):
    install(tmp_path, "lmplz", monkeypatch, lost=1)
    with pytest.raises(AssetError, match=r"has 4 words where the text has 5 \(not in it: a\)"):
        estimate(TEXTS, tmp_path / "lm.arpa", order=2)


@pytest.mark.skipif(Path("/usr/lib/irstlm/bin/tlm").exists(), reason="IRSTLM is installed")
def test_without_a_program_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssetError, match=r"irstlm cannot be fetched.*put lmplz of KenLM .* on the PATH"):
        find_estimator()


@pytest.mark.parametrize("order", [1, 7, -1])
def test_an_order_out_of_range_is_refused(tmp_path, order):
    with pytest.raises(DataError, match=f"is 2 to 6, got {order}; 4 is usual"):
        estimate(TEXTS, tmp_path / "lm.arpa", order=order)


def test_a_text_without_words_is_refused(tmp_path):
    with pytest.raises(DataError, match="got no words"):
        estimate(["", "  \n"], tmp_path / "lm.arpa")


def test_words_with_a_meaning_of_their_own_are_all_listed(tmp_path):
    with pytest.raises(DataError, match=r"(?s)remove them:\n  </s> \(2 times\)\n  <unk> \(1 times\)"):
        estimate(["a </s> b", "</s> <unk>"], tmp_path / "lm.arpa")


def test_a_name_that_is_not_of_an_arpa_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"must end in \.arpa or \.arpa\.gz"):
        estimate(TEXTS, tmp_path / "lm.bin")


def test_a_place_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    install(tmp_path, "lmplz", monkeypatch)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written .*; name another place"):
        estimate(TEXTS, tmp_path / "file" / "lm.arpa", order=2)


@pytest.mark.slow
@pytest.mark.parametrize("order", [2, 4, 6])
def test_the_real_irstlm_is_fetched_and_foresees_its_text(tmp_path, order):
    if find_estimator().name != "tlm":
        pytest.skip("lmplz is installed")
    texts = [f"the {noun} {verb} the {other}" for noun in NOUNS for verb in VERBS for other in NOUNS] + RARE
    made = estimate(texts, tmp_path / "lm.arpa.gz", order=order)
    assert made.model.order == order
    foreseen = perplexity(made.model, texts)
    # After "the" there are twelve nouns, and before and after a noun four verbs.
    assert 1.5 < foreseen.known < 6
    assert foreseen.out_of_vocabulary == 0
    other = perplexity(made.model, ["the unheard cat"])
    assert other.unknown == {"unheard": 1}
    assert os.listdir(tmp_path / "cache" / "debian")


@pytest.mark.slow
def test_the_real_irstlm_makes_a_model_of_one_sentence(tmp_path):
    if find_estimator().name != "tlm":
        pytest.skip("lmplz is installed")
    assert estimate(["hello"], tmp_path / "lm.arpa").smoothing == "Witten-Bell"


NOUNS = ["cat", "dog", "bird", "fish", "cow", "horse", "tree", "house", "man", "child", "king", "queen"]
VERBS = ["sees", "likes", "hears", "knows"]
RARE = ["hello there", "good bye", "good night and good luck", "hello hello"]
