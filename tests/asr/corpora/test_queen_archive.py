import io

import pytest
import soundfile

from memrix.asr.corpora.queen import Line, QueenArchive
from memrix.errors import DataError
from tests.asr.miniature import write_queen


@pytest.fixture
def path(tmp_path):
    return write_queen(tmp_path) / "queen.1c"


def test_lines_of_dialogues_cutscenes_and_descriptions_are_found(path):
    assert QueenArchive(path).lines() == [
        Line("020001P2", "you cannot fly (sighs)", "and1"),
        Line("020007J1", "take me with you", "joe"),
        Line("020007J2", "right now", "joe"),
        Line("100006P1", "good morning, sir", "secr"),
        Line("100008P1", "wait 5 minutes", "secr"),
        Line("180001P1", "who are you", "faye"),
        Line("180006P1", "hm", "faye"),
        Line("C100A002", "look", "cutscene"),
        Line("C100A003", "out there!", "cutscene"),
        Line("JOE00411", "it is a rock", "joe"),
        Line("JOE00421", "it is nice", "joe"),
    ]


def test_clips_are_there(path):
    assert soundfile.info(io.BytesIO(QueenArchive(path).audio("020001P2"))).samplerate == 11_025


def test_a_missing_archive_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"queen\.1c cannot be read \(No such file"):
        QueenArchive(tmp_path / "queen.1c")


def test_another_file_is_an_error(tmp_path):
    (tmp_path / "queen.1c").write_bytes(b"QTBM, it is not")
    with pytest.raises(DataError, match="begins with other than QTBL"):
        QueenArchive(tmp_path / "queen.1c")


@pytest.mark.parametrize("length", [10, 100, 3000])
def test_an_archive_that_was_cut_off_is_an_error(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match="ends before what its table promises"):
        QueenArchive(path)


def test_damaged_texts_are_an_error(path):
    content = bytearray(path.read_bytes())
    size_of_first = 15 + 17
    content[size_of_first : size_of_first + 4] = (30).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"AND1\.DOG in .*queen\.1c is damaged"):
        QueenArchive(path).lines()
