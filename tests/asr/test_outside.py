"""Files with a byte-order mark are read; NUL and lone surrogates are named, in a path and in a text."""

import codecs
import gzip
import json
from pathlib import Path

import pytest

from memrix.asr.audio import read_audio
from memrix.asr.corpora.catalog import load_corpus, prepare_corpus
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.corpora.tedlium2 import read_stm
from memrix.asr.corpus import Corpus, Utterance
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.files import write_whole
from memrix.asr.models.settings import build_network, model_settings
from memrix.asr.pronunciation import read_dictionary
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.estimation import estimate
from memrix.asr.search.language_model import open_language_model
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.perplexity import check_texts, sentences_of
from memrix.asr.search.settings import SearchSettings
from memrix.asr.seq2seq.pretrained import load_pretrained
from memrix.asr.trained_recognizers import kept_search, open_trained
from memrix.asr.training.loop import train
from memrix.asr.training.settings import TrainingSettings
from memrix.cli.main import EXIT_ERROR, main
from memrix.errors import DataError, MemrixError
from tests.asr.miniature import write_librispeech, write_manifests
from tests.asr.search.tiny import ARPA, log10_of
from tests.asr.tones import tone_corpus

MARK = codecs.BOM_UTF8
BROKEN = ["a\0b", "a\ud800b"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))


class TestByteOrderMarksAreNoPartOfTheText:
    def test_own_recordings(self, recordings):
        manifest = recordings / "manifest.jsonl"
        manifest.write_bytes(MARK + manifest.read_bytes())
        assert len(load_corpus(str(recordings)).utterances) == 8
        manifest.unlink()
        for clip in recordings.glob("*.wav"):
            clip.with_suffix(".txt").write_bytes(MARK + b"one two")
        assert {utterance.text for utterance in load_corpus(str(recordings)).utterances} == {"one two"}

    def test_manifests_and_descriptions(self, tmp_path):
        source = write_manifests(tmp_path / "mine")
        for path in source.glob("*.jsonl.gz"):
            path.write_bytes(gzip.compress(MARK + gzip.decompress(path.read_bytes())))
        folder = prepare_corpus("mine", source, tmp_path / "out").folder
        for path in folder.glob("*.jsonl.gz"):
            path.write_bytes(gzip.compress(MARK + gzip.decompress(path.read_bytes())))
        (folder / "corpus.json").write_bytes(MARK + (folder / "corpus.json").read_bytes())
        assert len(open_corpus(str(folder)).cuts("train")) == 2

    def test_copies_of_corpora(self, tmp_path):
        root = write_librispeech(
            tmp_path, {part: {"1-2-3": "HELLO THERE"} for part in ("train-a", "dev-a", "test-a")}
        )
        for number, path in enumerate(sorted(root.rglob("*.trans.txt"))):
            name = path.with_name("1-2-3.flac").rename(path.with_name(f"1-2-{number}.flac")).stem
            path.write_bytes(MARK + f"{name} HELLO THERE\n".encode())
        assert len(prepare_corpus("librispeech", root, tmp_path / "out").cuts("train")) == 1
        (tmp_path / "talk.stm").write_bytes(MARK + b"talk 1 me 0.0 1.0 <o,f0,male> hello there\n")
        problems = []
        assert [segment.text for segment in read_stm(tmp_path / "talk.stm", problems)] == ["hello there"]
        assert problems == []

    def test_settings_and_searches(self, tmp_path):
        (tmp_path / "settings.toml").write_bytes(MARK + b"epochs = 3\n")
        assert TrainingSettings.load(tmp_path / "settings.toml").epochs == 3
        (tmp_path / "search.json").write_bytes(MARK + b'{"settings": {"beam_size": 7}}')
        assert kept_search(tmp_path / "search.json", "") == SearchSettings(beam_size=7)

    def test_dictionaries_and_sentences(self, tmp_path):
        (tmp_path / "words.dict").write_bytes(MARK + b"hello HH AH L OW\n")
        assert read_dictionary(tmp_path / "words.dict") == {"hello": (("HH", "AH", "L", "OW"),)}
        (tmp_path / "text.txt").write_bytes(MARK + b"hello there\n")
        assert list(sentences_of([tmp_path / "text.txt"])) == ["hello there\n"]

    @pytest.mark.parametrize("zipped", [False, True])
    def test_language_models(self, tmp_path, zipped):
        path = tmp_path / "lm.arpa"
        content = MARK + ARPA.encode()
        path.write_bytes(gzip.compress(content) if zipped else content)
        assert open_language_model(path).counts == (7, 5)
        kenlm = load_kenlm(path, ["tea"])
        state, log10 = kenlm.score(kenlm.start(False), 0)
        assert log10 + kenlm.finish(state)[1] == pytest.approx(log10_of(["tea"]), abs=1e-5)


ENTRIES = {
    "load_corpus": load_corpus,
    "open_corpus": open_corpus,
    "prepare_corpus from": lambda path: prepare_corpus("mine", Path(path)),
    "prepare_corpus to": lambda path: prepare_corpus("mine", None, Path(path)),
    "prepare_corpus": prepare_corpus,
    "read_audio": lambda path: read_audio(Path(path)),
    "read_dictionary": read_dictionary,
    "settings": TrainingSettings.load,
    "train": lambda path: train(TrainingSettings(), path),
    "experiment": lambda path: run_experiment(ExperimentSettings(), path),
    "corpus of a training": lambda path: TrainingSettings.from_dict({"corpus": path}),
    "open_trained": open_trained,
    "load_recognizer": load_recognizer,
    "language model": lambda path: open_language_model(Path(path)),
    "kenlm": lambda path: load_kenlm(Path(path), []),
    "estimate": lambda path: estimate(["a b"], Path(f"{path}.arpa")),
    "texts": lambda path: check_texts([Path(path)]),
    "load_pretrained": load_pretrained,
    "ctc": lambda path: build_network(model_settings({"kind": "transformers", "checkpoint": path}), 3),
    "write": lambda path: write_whole(Path(path), b""),
}


@pytest.mark.parametrize("path", BROKEN, ids=["NUL", "surrogate"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_paths_that_no_file_can_have_are_named(entry, path):
    with pytest.raises(MemrixError, match=r"(?i)NUL|\\x00|surrogate|\\ud800"):
        ENTRIES[entry](path)


@pytest.mark.parametrize("path", BROKEN, ids=["NUL", "surrogate"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--corpus", "?"],
        ["evaluate", "--model", "?"],
        ["evaluate", "--json", "?"],
        ["evaluate", "--chart", "?.png"],
        ["train", "--config", "?", "--output", "run"],
        ["experiment", "paper", "--corpus", "?"],
        ["experiment", "paper", "--output", "?"],
        ["experiment", "paper", "--trained", "?"],
        ["corpus", "show", "?"],
        ["corpus", "prepare", "mine", "--source", "?"],
        ["lm", "perplexity", "?", "?"],
    ],
    ids=" ".join,
)
def test_commands_name_them_too(arguments, path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([part.replace("?", path) for part in arguments]) == EXIT_ERROR
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("text", BROKEN, ids=["NUL", "surrogate"])
def test_texts_that_no_file_can_hold_are_named(text, tmp_path):
    for utterance in (Utterance(text, Path("a.wav"), "one"), Utterance("a", Path("a.wav"), text)):
        with pytest.raises(DataError, match=r"holds a (NUL character|lone surrogate \(U\+D800\)) at position 1"):
            Corpus("mine", (utterance,), "here")
    with pytest.raises(DataError, match="at position 1"):
        Lexicon({text: [("A",)]})
    with pytest.raises(DataError, match="at position 1"):
        estimate([text], tmp_path / "lm.arpa")
    (tmp_path / "list.jsonl").write_text(json.dumps({"audio": "a.wav", "text": text}))
    with pytest.raises(DataError, match="at position 1"):
        load_corpus(str(tmp_path / "list.jsonl"))


def test_texts_of_a_manifest_are_named_with_their_line(tmp_path):
    folder = tone_corpus(tmp_path / "tones", train=1, held_out=1).folder
    cut = json.loads(gzip.decompress((folder / "train.jsonl.gz").read_bytes()))
    for text in BROKEN:
        cut["supervisions"][0]["text"] = text
        (folder / "train.jsonl.gz").write_bytes(gzip.compress(json.dumps(cut).encode()))
        with pytest.raises(DataError, match=r"line 1: train-0: supervisions\.0\.text: "):
            open_corpus(str(folder)).cuts("train")
