from pathlib import Path

import pytest

from memrix.asr.corpora import queen
from memrix.asr.corpora.preparation import fixed_splits
from memrix.asr.corpora.queen import Line, QueenArchive, prepare_queen, usable_lines
from memrix.asr.corpora.transcripts import normalized
from memrix.asr.packages import fetch_debian
from memrix.errors import DataError
from tests.asr.miniature import write_queen


def test_lines_go_to_their_fixed_splits(tmp_path):
    corpus = prepare_queen(tmp_path / "out", write_queen(tmp_path / "game"))
    said = {split: [cut.supervisions[0].text for cut in corpus.cuts(split)] for split in corpus.splits}
    assert said == {
        "train": ["you cannot fly", "take me with you", "it is a rock", "it is nice"],
        "dev": ["good morning sir"],
        "test": ["who are you"],
    }
    cut = next(iter(corpus.cuts("dev")))
    assert cut.supervisions[0].speaker == "secr"
    # The clips are at 11,025 Hz.
    assert cut.load_audio().shape[1] == pytest.approx(16_000, abs=400)


def test_what_is_left_out_is_counted(tmp_path):
    corpus = prepare_queen(tmp_path / "out", write_queen(tmp_path / "game"))
    left_out = corpus.description["left_out"]
    assert left_out == {"digits": 1, "less than two words": 2, "not in the fixed splits": 2}
    assert corpus.description["source"] == str(tmp_path / "game")


def test_sounds_that_are_no_words_are_left_out():
    kept, left_out = usable_lines([Line("a", "one two", "me"), Line("b", "pfft one", "me")])
    assert ([line.id for line in kept], left_out) == (["a"], {"sounds that are no words": 1})


def test_another_folder_is_told_with_what_it_holds(tmp_path):
    (tmp_path / "queen.tbl").touch()
    with pytest.raises(
        DataError, match=r"looked for the archive .*queen\.1c and found none: .* holds queen\.tbl; give"
    ):
        prepare_queen(tmp_path / "out", tmp_path)


def test_broken_clips_are_listed_and_can_be_left_out(tmp_path, monkeypatch):
    folder = write_queen(tmp_path / "game")
    monkeypatch.setattr(
        QueenArchive, "audio", lambda self, name: b"no sound" if name == "180001P1" else AUDIO(self, name)
    )
    with pytest.raises(
        DataError, match=r"1 parts of the corpus queen.*\n  180001P1: 180001P1 cannot be read as audio"
    ):
        prepare_queen(tmp_path / "out", folder)
    assert prepare_queen(tmp_path / "out", folder, skip_bad=True).splits == ("train", "dev")


AUDIO = QueenArchive.audio


def is_plausible(text: str, seconds: float) -> bool:
    """Whether so many words fit into so many seconds: otherwise, a transcript and its clip do not belong together."""
    return 0.5 <= len(text.split()) / max(seconds, 1e-3) <= 6.0


@pytest.fixture
def real_queen(monkeypatch):
    """The package of the game, in the user's cache, where it is kept."""
    monkeypatch.delenv("MEMRIX_CACHE")
    monkeypatch.undo()
    return fetch_debian(queen._PACKAGE, queen._HASHES) / queen._ARCHIVE


@pytest.mark.slow
def test_the_fixed_splits_cover_exactly_the_usable_lines_of_the_real_game(real_queen: Path):
    import io

    from memrix.asr.audio import SAMPLE_RATE, read_audio_stream

    archive = QueenArchive(real_queen)
    lines = archive.lines()
    assert len(lines) == 6544
    kept, left_out = usable_lines(lines)
    assert left_out == {"sounds that are no words": 88, "less than two words": 489, "digits": 15}
    plausible = {
        line.id
        for line in kept
        if is_plausible(
            normalized(line.text), len(read_audio_stream(io.BytesIO(archive.audio(line.id)), line.id)) / SAMPLE_RATE
        )
    }
    splits = fixed_splits("queen")
    assert plausible == set(splits)
    speakers = {
        split: {line.speaker for line in kept if splits.get(line.id) == split} for split in ("train", "dev", "test")
    }
    assert speakers["train"].isdisjoint(speakers["dev"] | speakers["test"])
    assert speakers["dev"].isdisjoint(speakers["test"])
