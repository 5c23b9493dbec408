import re

import numpy as np
import pytest
import soundfile
from lhotse import CutSet

from memrix.asr.corpora.lhotse_manifests import prepare_manifests
from memrix.errors import DataError
from tests.asr.miniature import write_manifests


@pytest.fixture
def manifests(tmp_path):
    return write_manifests(tmp_path / "mine")


def rewrite(manifests, change, split="train"):
    path = manifests / f"{split}.jsonl.gz"
    cuts = [change(cut) for cut in CutSet.from_file(path).to_eager()]
    CutSet.from_cuts(cuts).to_file(path)


def test_cuts_are_taken_over_with_their_audio_where_it_is(manifests, tmp_path, monkeypatch):
    corpus = prepare_manifests("mine", tmp_path / "out", manifests)
    assert corpus.splits == ("train", "dev", "test")
    monkeypatch.chdir(tmp_path)
    cut = next(iter(corpus.cuts("train")))
    assert cut.supervisions[0].text == "hello number one two"
    assert cut.recording.sources[0].source == str(manifests / "train-0.wav")
    assert cut.load_audio().shape == (1, 16_000)


def test_other_rates_are_read_at_16_khz(tmp_path):
    corpus = prepare_manifests("mine", tmp_path / "out", write_manifests(tmp_path / "mine", rate=8000))
    cut = next(iter(corpus.cuts("dev")))
    assert (cut.sampling_rate, cut.num_samples, cut.load_audio().shape) == (16_000, 16_000, (1, 16_000))


def test_windows_of_long_recordings_are_taken_over(manifests, tmp_path):
    rewrite(manifests, lambda cut: cut.truncate(offset=0.25, duration=0.5))
    cut = next(iter(prepare_manifests("mine", tmp_path / "out", manifests).cuts("train")))
    whole, _ = soundfile.read(manifests / "train-0.wav")
    np.testing.assert_allclose(cut.load_audio()[0], whole[4000:12_000], atol=1e-4)


def without_supervision(cut):
    cut.supervisions = []
    return cut


def without_recording(cut):
    cut.recording = None
    return cut


def with_text(text):
    def change(cut):
        cut.supervisions[0].text = text
        return cut

    return change


def with_second_channel(cut):
    cut.recording.sources[0].channels = [0, 1]
    cut.recording.channel_ids = [0, 1]
    return cut


def with_other_length(cut):
    cut.recording.num_samples, cut.recording.duration = 32_000, 2.0
    return cut


def of_one_id(cut):
    cut.id = "same"
    return cut


def in_memory(cut):
    cut.recording.sources[0].type = "url"
    return cut


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_supervision, "train-0 has 0 supervisions, expected one"),
        (with_text(None), "train-0: it has no transcript"),
        (with_text("in 1999"), r"train-0: the transcript 'in 1999' has 1 9"),
        (with_second_channel, "train-0: its recording has 2 channels"),
        (with_other_length, r"train-0: .*train-0\.wav lasts 1 s, and 2 s in the manifest"),
        (in_memory, "train-0: its audio is a url, expected a file"),
        (without_recording, "train-0 has no recording"),
        (lambda cut: cut.pad(2.0), "a MixedCut, expected a MonoCut"),
    ],
)
def test_cuts_that_cannot_be_used_are_listed(manifests, tmp_path, change, said):
    rewrite(manifests, change)
    with pytest.raises(DataError) as caught:
        prepare_manifests("mine", tmp_path / "out", manifests)
    first, *problems = str(caught.value).splitlines()
    assert first.startswith("2 parts of the corpus mine cannot be used")
    assert problems[0].startswith("  train.jsonl.gz, line 1: ")
    assert re.search(said, problems[0])
    corpus = prepare_manifests("mine", tmp_path / "out", manifests, skip_bad=True)
    assert corpus.splits == ("dev", "test")


def test_ids_that_occur_twice_are_a_problem(manifests, tmp_path):
    rewrite(manifests, of_one_id)
    with pytest.raises(DataError, match="same: another utterance has this id"):
        prepare_manifests("mine", tmp_path / "out", manifests)


def test_missing_and_broken_audio_is_a_problem(manifests, tmp_path):
    (manifests / "train-0.wav").unlink()
    (manifests / "dev-1.wav").write_bytes(b"RIFF, but no sound")
    with pytest.raises(DataError, match=r"(?s)line 1: train-0: no audio file at .*line 2: dev-1: .*cannot be read"):
        prepare_manifests("mine", tmp_path / "out", manifests)


def test_lines_that_are_no_cuts_are_problems(manifests, tmp_path):
    import gzip

    (manifests / "train.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1}\nnot JSON\n'))
    with pytest.raises(DataError, match=r"(?s)line 1: no cut of lhotse.*line 2: no cut of lhotse"):
        prepare_manifests("mine", tmp_path / "out", manifests)


def test_a_damaged_manifest_is_an_error(manifests, tmp_path):
    content = (manifests / "dev.jsonl.gz").read_bytes()
    (manifests / "dev.jsonl.gz").write_bytes(content[:-20])
    with pytest.raises(DataError, match=r"dev\.jsonl\.gz cannot be read"):
        prepare_manifests("mine", tmp_path / "out", manifests)


def test_a_folder_without_manifests_is_told_with_what_it_holds(tmp_path):
    with pytest.raises(
        DataError, match=r"looked for lhotse's cuts train\.jsonl\.gz, .* found none: .* holds nothing"
    ):
        prepare_manifests("mine", tmp_path / "out", tmp_path)
