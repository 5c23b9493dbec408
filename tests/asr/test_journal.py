import pytest

from memrix.asr.evaluation.records import BatchRecord, UtteranceRecord
from memrix.asr.journal import Journal
from memrix.errors import DataError


def record(index=0, errors=1):
    utterance = UtteranceRecord("a", "said", "gehört", errors, 4, 0.1 + 0.2, 3, 9.0, 100.0, 2.0, 2, 7)
    return BatchRecord(index, 0, 1 / 3, 0, 0, (utterance,))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def test_batches_are_there_when_the_journal_is_opened_again(path):
    journal = Journal(path, BatchRecord)
    journal.append(record(0))
    journal.append(record(3))
    assert Journal(path, BatchRecord).batches == {0: record(0), 3: record(3)}


def test_a_torn_last_line_is_dropped_and_overwritten(path):
    journal = Journal(path, BatchRecord)
    journal.append(record(0))
    journal.append(record(1))
    path.write_bytes(path.read_bytes()[:-20])
    journal = Journal(path, BatchRecord)
    assert set(journal.batches) == {0}
    journal.append(record(1))
    assert set(Journal(path, BatchRecord).batches) == {0, 1}


def test_a_batch_measured_twice_counts_once(path):
    first, second = Journal(path, BatchRecord), Journal(path, BatchRecord)
    first.append(record(0, errors=1))
    second.append(record(0, errors=2))
    assert Journal(path, BatchRecord).batches == {0: record(0, errors=1)}


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"index": 0, "utterances": []}'])
def test_a_damaged_line_is_named(path, line):
    Journal(path, BatchRecord).append(record(0))
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match="line 2 of the journal"):
        Journal(path, BatchRecord)
