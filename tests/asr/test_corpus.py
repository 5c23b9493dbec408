from pathlib import Path

import numpy as np
import pytest
import soundfile

from memrix.asr.corpus import Corpus, Utterance, check_audio, shorter_than, split
from memrix.errors import DataError


def write_clip(path, seconds=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(int(16_000 * seconds), 0.1), 16_000)
    return path


def corpus_of(*ids, folder=Path("nowhere")):
    return Corpus("toy", tuple(Utterance(name, folder / f"{name}.wav", f"text of {name}") for name in ids), "made up")


def test_an_empty_corpus_is_refused():
    with pytest.raises(DataError, match="the corpus toy is empty"):
        corpus_of()


def test_longer_clips_are_left_out_and_counted(tmp_path):
    for name, seconds in (("a", 0.2), ("b", 0.5), ("c", 0.6)):
        write_clip(tmp_path / f"{name}.wav", seconds)
    kept = shorter_than(corpus_of("a", "b", "c", folder=tmp_path), 0.5)
    assert [utterance.id for utterance in kept.utterances] == ["a", "b"]
    assert kept.source == "made up; 1 recordings of more than 0.5 s left out"
    with pytest.raises(DataError, match=r"no recording of the corpus toy lasts at most 0\.1 s"):
        shorter_than(kept, 0.1)


def test_ids_that_occur_twice_are_all_listed():
    with pytest.raises(DataError, match=r"a: 2 utterances have this id\n  b: 3 utterances"):
        corpus_of("a", "b", "a", "b", "b", "c")


def test_empty_transcripts_are_all_listed(tmp_path):
    with pytest.raises(DataError, match=r"a: the transcript is empty\n  b: the transcript is empty"):
        Corpus("toy", (Utterance("a", tmp_path, ""), Utterance("b", tmp_path, " \n")), "made up")


def test_the_fingerprint_depends_on_ids_texts_and_sizes_but_not_on_order(tmp_path):
    for name in ("a", "b"):
        write_clip(tmp_path / f"{name}.wav")
    fingerprint = corpus_of("a", "b", folder=tmp_path).fingerprint
    assert corpus_of("b", "a", folder=tmp_path).fingerprint == fingerprint
    assert corpus_of("a", folder=tmp_path).fingerprint != fingerprint
    write_clip(tmp_path / "a.wav", seconds=0.2)
    assert corpus_of("a", "b", folder=tmp_path).fingerprint != fingerprint


def test_the_fingerprint_does_not_depend_on_where_the_files_are(tmp_path):
    write_clip(tmp_path / "here" / "a.wav")
    write_clip(tmp_path / "there" / "a.wav")
    here, there = (corpus_of("a", folder=tmp_path / place) for place in ("here", "there"))
    assert here.fingerprint == there.fingerprint


def test_good_audio_passes_the_check_unchanged(tmp_path):
    write_clip(tmp_path / "a.wav")
    corpus = corpus_of("a", folder=tmp_path)
    assert check_audio(corpus) == (corpus, ())


@pytest.fixture
def partly_bad(tmp_path):
    """One good clip, one missing, one corrupt, one too long."""
    write_clip(tmp_path / "good.wav")
    (tmp_path / "corrupt.wav").write_text("not audio")
    write_clip(tmp_path / "long.wav", seconds=30.1)
    return corpus_of("good", "missing", "corrupt", "long", folder=tmp_path)


def test_all_bad_files_are_listed_with_reason_and_mend(partly_bad):
    with pytest.raises(DataError, match=r"3 of 4 recordings .*--skip-bad") as caught:
        check_audio(partly_bad)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == ["missing", "corrupt", "long"]
    assert "no audio file at" in lines[0]
    assert "cannot be read as audio" in lines[1]
    assert "lasts 30.1 s, at most 30 s" in lines[2]


def test_bad_files_are_skipped_on_request_with_a_message_each(partly_bad):
    corpus, skipped = check_audio(partly_bad, skip_bad=True)
    assert [utterance.id for utterance in corpus.utterances] == ["good"]
    assert [message.split(":")[0] for message in skipped] == ["missing", "corrupt", "long"]


def test_skipping_everything_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"2 of 2 recordings .*none is left"):
        check_audio(corpus_of("a", "b", folder=tmp_path), skip_bad=True)


NAMES = tuple(f"clip{number}" for number in range(20))


def ids(corpus):
    return [utterance.id for utterance in corpus.utterances]


def test_the_parts_are_disjoint_and_of_the_sizes_asked_for():
    evaluation, calibration = split(corpus_of(*NAMES), 12, 5)
    assert (len(ids(evaluation)), len(ids(calibration))) == (12, 5)
    assert not set(ids(evaluation)) & set(ids(calibration))


def test_without_a_limit_evaluation_takes_the_rest():
    evaluation, calibration = split(corpus_of(*NAMES), None, 5)
    assert set(ids(evaluation)) | set(ids(calibration)) == set(NAMES)


def test_the_draw_does_not_depend_on_the_order_of_the_files():
    assert split(corpus_of(*NAMES), 8, 4) == split(corpus_of(*reversed(NAMES)), 8, 4)


def test_another_seed_draws_other_utterances():
    assert ids(split(corpus_of(*NAMES), 8, 4, seed=0)[0]) != ids(split(corpus_of(*NAMES), 8, 4, seed=1)[0])


def test_a_higher_limit_adds_utterances_and_changes_nothing_else():
    small, small_calibration = split(corpus_of(*NAMES), 5, 4)
    large, large_calibration = split(corpus_of(*NAMES), 10, 4)
    assert ids(large)[:5] == ids(small)
    assert large_calibration == small_calibration


@pytest.mark.parametrize(("limit", "calibration"), [(17, 4), (None, 20), (1, 20)])
def test_too_few_utterances_are_an_error(limit, calibration):
    with pytest.raises(DataError, match=r"toy has 20 utterances; \d+ are needed"):
        split(corpus_of(*NAMES), limit, calibration)


@pytest.mark.parametrize(("limit", "calibration"), [(0, 4), (-1, 4), (5, 0)])
def test_counts_below_one_are_an_error(limit, calibration):
    with pytest.raises(DataError, match="at least one utterance each"):
        split(corpus_of(*NAMES), limit, calibration)


def test_a_part_of_a_recording_is_an_utterance(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.linspace(0, 0.5, 32_000), 16_000)
    whole, part = Utterance("a", tmp_path / "a.wav", "one"), Utterance("b", tmp_path / "a.wav", "two", 0.5, 1.0)
    np.testing.assert_array_equal(part.samples(), whole.samples()[8_000:24_000])
    assert (whole.duration(), part.duration()) == (2.0, 1.0)


def test_another_part_is_another_corpus(tmp_path):
    prints = {
        Corpus("c", (Utterance("a", tmp_path / "a.wav", "one", *part),), "s").fingerprint
        for part in ((), (0.5, 1.0), (0.5, 1.5))
    }
    assert len(prints) == 3
