import pytest

from memrix.asr.alignment import Edits
from memrix.asr.evaluation.errors import error_report, write_error_reports, write_trn
from memrix.asr.evaluation.records import BatchRecord, Execution, UtteranceRecord
from memrix.asr.evaluation.results import transcripts_of
from memrix.asr.scoring import count_errors
from memrix.errors import DataError

SAID = {"a": "The cat sat.", "b": "A dog ran off", "c (1)": "yes"}
HEARD = {"a": "the cat sat", "b": "a log ran", "c (1)": "the yes"}
CHIP = "paper, 4 bit, chip 0"


def batch(heard):
    records = (
        UtteranceRecord(id, SAID[id], text, *count_errors(SAID[id], text), 1.0, 1, 0.0, 1.0, 1.0)
        for id, text in heard.items()
    )
    return BatchRecord(0, 0, 1.0, 0, 0, tuple(records))


@pytest.fixture
def transcripts():
    return transcripts_of({Execution("float"): [batch(SAID)], Execution("chip", 4, 0, "paper"): [batch(HEARD)]})


def test_errors_are_counted_by_kind(transcripts):
    assert [item.edits[CHIP] for item in transcripts] == [Edits(0, 0, 0), Edits(1, 1, 0), Edits(0, 0, 1)]


def test_the_worst_utterances_are_first(transcripts):
    assert error_report(transcripts, CHIP).splitlines() == [
        "paper, 4 bit, chip 0: 3 errors in 8 words (37.50 %), 1 substituted, 1 deleted, 1 inserted",
        "2 of 3 utterances have errors",
        "",
        "most frequent substitutions",
        "    1  dog -> log",
        "",
        "most frequent deletions",
        "    1  off",
        "",
        "most frequent insertions",
        "    1  the",
        "",
        "b: 2 errors in 4 words, 1 substituted, 1 deleted, 0 inserted",
        "  reference   a DOG ran OFF",
        "  transcript  a LOG ran ***",
        "",
        "c (1): 1 errors in 1 words, 0 substituted, 0 deleted, 1 inserted",
        "  reference   *** yes",
        "  transcript  THE yes",
    ]


def test_a_report_without_errors_says_so(transcripts):
    assert error_report(transcripts, "float").splitlines() == [
        "float: 0 errors in 8 words (0.00 %), 0 substituted, 0 deleted, 0 inserted",
        "0 of 3 utterances have errors",
    ]


def test_each_execution_has_its_files(transcripts, tmp_path):
    assert write_error_reports(transcripts, tmp_path / "e.txt") == [
        tmp_path / "e.float.txt",
        tmp_path / "e.paper-4-bit-chip-0.txt",
    ]
    reference, _, chip = write_trn(transcripts, tmp_path / "e.trn")
    assert (reference.name, chip.name) == ("e.reference.trn", "e.paper-4-bit-chip-0.trn")
    assert reference.read_text() == "the cat sat (a)\na dog ran off (b)\nyes (c_1)\n"
    assert chip.read_text() == "the cat sat (a)\na log ran (b)\nthe yes (c_1)\n"


def test_a_result_without_transcripts_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="holds no transcripts; evaluate again"):
        write_trn((), tmp_path / "e.trn")
