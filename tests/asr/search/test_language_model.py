import gzip
import hashlib

import pytest

from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.language_model import open_language_model
from memrix.errors import DataError
from tests.asr.search.tiny import ARPA, log10_of, write_arpa


@pytest.mark.parametrize("zipped", [False, True])
def test_an_arpa_file_is_known_by_its_content(tmp_path, zipped):
    file = tmp_path / "model"
    content = ARPA.encode()
    file.write_bytes(gzip.compress(content) if zipped else content)
    model = open_language_model(file)
    assert (model.order, model.counts, model.has_unknown) == (2, (7, 5), True)
    assert model.words == {"tea", "tee", "eat", "a"}
    assert model.unknown(["tea", "pot", "a", "cup"]) == ["pot", "cup"]
    assert model.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("sentence", ["", "tea", "tea eat a tea", "a a tee", "pot tea"])
def test_kenlm_scores_as_by_hand(tmp_path, sentence, zipped, capfd):
    file = tmp_path / "model"
    file.write_bytes(gzip.compress(ARPA.encode()) if zipped else ARPA.encode())
    words = sentence.split()
    vocabulary = sorted(set(words))
    kenlm = load_kenlm(file, vocabulary)
    state, total = kenlm.start(False), 0.0
    for word in words:
        state, log10 = kenlm.score(state, vocabulary.index(word))
        total += log10
    assert total + kenlm.finish(state)[1] == pytest.approx(log10_of(words), abs=1e-5)
    # KenLM would draw a progress bar.
    assert capfd.readouterr() == ("", "")


def test_a_binary_file_of_kenlm_is_taken_without_its_words(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(100))
    model = open_language_model(file)
    assert (model.order, model.words, model.has_unknown) == (None, None, None)
    assert model.unknown(["tea"]) == []
    with pytest.raises(DataError, match=r"KenLM cannot use .*; estimate or copy it again"):
        load_kenlm(file, ["tea"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[5:], r"it begins with '\\\\'; expected ARPA|is no language model that is known"),
        (lambda text: "", "it begins with ''"),
        (lambda text: text.replace("ngram 1=7\n", ""), r"no sound ARPA header.*counts for the orders \[2\]"),
        (lambda text: text.replace("ngram 1=7", "ngram 1=8"), "7 unigrams where the header says 8"),
        (lambda text: text.replace("\t</s>\n", "\t</x>\n"), "the mark </s> is missing"),
        (lambda text: text.replace("-99\t<s>\t-0.4", "-99\t<t>\t-0.4"), "the mark <s> is missing"),
        (lambda text: text.replace("-0.5\ttea", "0.5\ttea"), "has a probability above 1"),
        (lambda text: text.replace("-0.5\ttea", "half\ttea"), "is no unigram"),
        (lambda text: text.replace("-0.5\ttea", "nan\ttea"), "is no unigram"),
        (lambda text: text.replace("\ttee\t", "\ttea\t"), "the unigram tea occurs twice"),
        (lambda text: text[: text.index("\teat")], "it ends within the unigrams"),
        (lambda text: text.replace("ngram 2=5", "".join(f"ngram {i}=5\n" for i in range(2, 8))), "up to 7 words"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        open_language_model(write_arpa(tmp_path, change(ARPA)))


def test_all_that_is_wrong_with_unigrams_is_said_at_once(tmp_path):
    broken = ARPA.replace("-0.5\ttea", "half\ttea").replace("-0.9\ttee", "9\ttee").replace("\t</s>\n", "\t</x>\n")
    with pytest.raises(DataError, match=r"(?s)'half\\ttea.*tee.*probability above 1.*</s> is missing"):
        open_language_model(write_arpa(tmp_path, broken))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("\\end\\\n", ""), "End of file"),
        (lambda text: text[: text.index("-0.4\teat a")], "End of file"),
        (lambda text: text.replace("ngram 2=5", "ngram 2=6"), "KenLM cannot use"),
        (lambda text: text.replace("\ta tea", "\tthe tea"), "KenLM cannot use"),
    ],
)
def test_n_grams_that_are_broken_are_refused_when_they_are_loaded(tmp_path, change, message):
    model = open_language_model(write_arpa(tmp_path, change(ARPA)))
    with pytest.raises(DataError, match=message):
        load_kenlm(model.path, ["tea"])


def test_a_file_that_is_missing_or_cut_off_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no language model can be read from .*gone\.arpa"):
        open_language_model(tmp_path / "gone.arpa")
    cut = tmp_path / "cut.arpa.gz"
    cut.write_bytes(gzip.compress(ARPA.encode())[:60])
    with pytest.raises(DataError, match=r"cannot be read .*; it may be damaged"):
        open_language_model(cut)
    latin = tmp_path / "latin.arpa"
    latin.write_bytes(ARPA.replace("tee", "té").encode("latin-1"))
    with pytest.raises(DataError, match=r"utf-8.*damaged"):
        open_language_model(latin)


def test_blanks_that_are_parts_of_words_do_not_part_them(tmp_path):
    file = tmp_path / "model.arpa"
    file.write_text(ARPA.replace("tee", "té\u00a0té"), encoding="utf-8")
    model = open_language_model(file)
    assert model.words == {"tea", "té\u00a0té", "eat", "a"}
