import numpy as np
import pytest
import soundfile

from memrix.asr.corpora.asterisk import asterisk, prepare_asterisk
from memrix.asr.corpora.preparation import fixed_splits
from memrix.asr.corpus import Corpus, Utterance
from memrix.errors import DataError

TEXTS = {"activated": "Activated.", "conf-nonextended": "It can't be.", "added": "Added: 2", "agent-incorrect": "No!"}


@pytest.fixture
def prompts(tmp_path, monkeypatch):
    utterances = []
    for name, text in {**TEXTS, "of-another-version": "New."}.items():
        soundfile.write(tmp_path / f"{name}.wav", np.full(4000, 0.25), 8000)
        utterances.append(Utterance(name, tmp_path / f"{name}.wav", text))
    corpus = Corpus("asterisk", tuple(utterances), "two packages")
    monkeypatch.setattr("memrix.asr.corpora.asterisk.asterisk", lambda: corpus)
    return tmp_path


def test_prompts_go_to_their_fixed_splits(prompts, tmp_path):
    corpus = prepare_asterisk(tmp_path / "out")
    said = {split: [cut.supervisions[0].text for cut in corpus.cuts(split)] for split in corpus.splits}
    assert said == {"train": ["activated"], "dev": ["it can't be"], "test": ["no"]}
    assert corpus.description["left_out"] == {"digits": 1, "not in the fixed splits": 1}
    assert next(iter(corpus.cuts("dev"))).load_audio().shape == (1, 8000)


def test_broken_prompts_are_listed(prompts, tmp_path):
    (prompts / "activated.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"activated: .*cannot be read as audio"):
        prepare_asterisk(tmp_path / "out")
    assert prepare_asterisk(tmp_path / "out", skip_bad=True).splits == ("dev", "test")


def test_there_is_no_other_source(tmp_path):
    with pytest.raises(DataError, match="are fetched from Debian packages, got the source"):
        prepare_asterisk(tmp_path / "out", tmp_path)


@pytest.mark.slow
def test_the_fixed_splits_cover_exactly_the_real_prompts(monkeypatch):
    monkeypatch.undo()
    assert {prompt.id for prompt in asterisk().utterances} == set(fixed_splits("asterisk"))
