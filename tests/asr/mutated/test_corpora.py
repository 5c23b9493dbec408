"""Manifests, descriptions, lists and dictionaries that were changed: an error, or files of the folder alone."""

import gzip
import json

import pytest

from memrix.asr.corpora.catalog import load_corpus
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.evaluation.records import BatchRecord
from memrix.asr.journal import Journal
from memrix.asr.pronunciation import read_dictionary
from memrix.asr.trained_recognizers import kept_priors, kept_search
from tests.asr.mutated.drawing import COUNTS, changed, explore, or_error, with_other_bytes
from tests.asr.tones import PRONUNCIATIONS
from tests.mutations import NASTY_TEXTS, json_text

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("count", COUNTS)
def test_a_manifest_is_refused_or_of_files_in_its_folder(tones, place, count):
    from memrix.asr.corpora.manifest_lines import parsed_cut

    first = json.loads(gzip.decompress((tones / "train.jsonl.gz").read_bytes()).decode().splitlines()[0])
    rich = {
        **first,
        "custom": {"part": "clean", "snr": 3.5, "tags": ["a", 1]},
        "features": {"storage_type": "lilcom_chunky", "num_features": 80},
    }
    rich["recording"]["transforms"] = [{"name": "Speed", "kwargs": {"factor": 0.9}}]
    rich["supervisions"][0]["alignment"] = {"word": [["one", 0.0, 0.5, 1.0]]}
    paths = []

    def check(other):
        cut = or_error(parsed_cut, json_text(other))
        if cut is not None:
            built = cut.built(lambda name: paths.append(name) or f"audio/{len(paths)}.wav")
            assert all(source.type == "file" for source in built.recording.sources)
            assert built.to_dict()["type"] == "MonoCut"

    explore(changed(first) | changed(rich), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_manifest_is_refused_or_the_same(tones, place, count):
    folder = place / "corpus"
    folder.mkdir(exist_ok=True)
    (folder / "corpus.json").write_bytes((tones / "corpus.json").read_bytes())
    content = (tones / "train.jsonl.gz").read_bytes()

    def check(damaged):
        (folder / "train.jsonl.gz").write_bytes(damaged)
        corpus = open_corpus(str(folder))
        cuts = or_error(corpus.cuts, "train")
        assert cuts is None or [cut.id for cut in cuts] == ["train-0", "train-1"]

    explore(with_other_bytes(content), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_the_description_of_a_corpus_is_refused_or_can_be_shown(tones, place, count):
    from memrix.cli.corpus import _print_table

    folder = place / "described"
    folder.mkdir(exist_ok=True)
    table = json.loads((tones / "corpus.json").read_text())
    table |= {"left_out": {"digits": 3}, "skipped": ["x: y"], "dictionary": "words.dict"}

    def check(other):
        (folder / "corpus.json").write_text(json_text(other), encoding="utf-8", errors="surrogatepass")
        corpus = or_error(open_corpus, str(folder))
        if corpus is not None:
            _print_table(corpus, corpus.description.get("statistics", {}))
            assert all(isinstance(item, int) for item in corpus.description.get("left_out", {}).values())

    explore(changed(table), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_list_of_recordings_is_refused_or_read(place, count):
    path = place / "list.jsonl"

    def check(other):
        path.write_text(json_text(other) + "\n", encoding="utf-8", errors="surrogatepass")
        or_error(lambda: load_corpus(str(path)).fingerprint)

    explore(changed({"audio": "a.wav", "text": "hello there", "id": "a"}), check, count)


@pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS)
def test_texts_that_are_no_tree_are_refused_everywhere(place, tones, text):
    path = place / "nasty.json"
    path.write_text(text, encoding="utf-8")
    assert or_error(kept_search, path, "remove it") is None
    assert not or_error(kept_priors, path, "remove it")
    path.write_text(text + "\n", encoding="utf-8")
    assert or_error(Journal, path, BatchRecord) is None or text == ""
    (place / "nasty.jsonl").write_text(text, encoding="utf-8")
    assert or_error(load_corpus, str(place / "nasty.jsonl")) is None
    folder = place / "nasty"
    folder.mkdir(exist_ok=True)
    (folder / "corpus.json").write_text(text, encoding="utf-8")
    assert or_error(open_corpus, str(folder)) is None
    (folder / "corpus.json").write_bytes((tones / "corpus.json").read_bytes())
    (folder / "train.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    assert or_error(open_corpus(str(folder)).cuts, "train") is None


@pytest.mark.parametrize("count", COUNTS)
def test_a_dictionary_is_refused_or_read(place, count):
    path = place / "words.dict"
    content = "".join(f"{word} {way}\n" for word, way in PRONUNCIATIONS.items()).encode()

    def check(damaged):
        path.write_bytes(damaged)
        found = or_error(read_dictionary, path)
        assert found is None or all(way for ways in found.values() for way in ways)

    explore(with_other_bytes(content), check, count)
