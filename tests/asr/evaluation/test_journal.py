import pytest

from memrix.asr.evaluation.journal import Journal
from memrix.asr.evaluation.results import BatchRecord, Execution, UtteranceRecord
from memrix.errors import DataError

FLOAT, CHIP = Execution("float"), Execution("chip", 4, 0)


def record(index=0, errors=1):
    utterance = UtteranceRecord("a", "said", "gehört", errors, 4, 0.1 + 0.2, 3, 9.0, 100.0, 2.0)
    return BatchRecord(index, 0, 1 / 3, 0, 0, (utterance,))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path))
    return tmp_path


def test_batches_are_there_when_the_journal_is_opened_again(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(FLOAT, record(0))
    journal.append(CHIP, record(3))
    again = Journal(tmp_path / "journal.jsonl")
    assert again.batches(FLOAT) == {0: record(0)}
    assert again.batches(CHIP) == {3: record(3)}
    assert again.batches(Execution("quantized", 4)) == {}


def test_a_torn_last_line_is_dropped_and_overwritten(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(FLOAT, record(0))
    journal.append(FLOAT, record(1))
    path.write_bytes(path.read_bytes()[:-20])
    journal = Journal(path)
    assert set(journal.batches(FLOAT)) == {0}
    journal.append(FLOAT, record(1))
    assert set(Journal(path).batches(FLOAT)) == {0, 1}


def test_a_batch_measured_twice_counts_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    first, second = Journal(path), Journal(path)
    first.append(FLOAT, record(0, errors=1))
    second.append(FLOAT, record(0, errors=2))
    assert Journal(path).batches(FLOAT) == {0: record(0, errors=1)}


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"execution": {"kind": "float"}, "batch": {"index": 0}}'])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    Journal(path).append(FLOAT, record(0))
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match="line 2 of the journal"):
        Journal(path)


def test_each_description_has_a_journal_of_its_own(cache):
    Journal.of_run({"seed": 0, "limit": 2}).append(FLOAT, record(0))
    assert Journal.of_run({"limit": 2, "seed": 0}).batches(FLOAT) == {0: record(0)}
    assert Journal.of_run({"limit": 2, "seed": 1}).batches(FLOAT) == {}


def test_a_fresh_journal_is_empty(cache):
    Journal.of_run({"seed": 0}).append(FLOAT, record(0))
    assert Journal.of_run({"seed": 0}, fresh=True).batches(FLOAT) == {}
    assert Journal.of_run({"seed": 0}).batches(FLOAT) == {}
