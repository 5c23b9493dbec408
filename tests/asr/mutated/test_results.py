"""Journals that were changed: an error of memrix's own, or the same batches."""

import json

import pytest

from memrix.asr.evaluation.records import BatchRecord, UtteranceRecord
from memrix.asr.journal import Journal
from memrix.asr.kept import with_hash
from tests.asr.mutated.drawing import COUNTS, changed, explore, or_error, plain_values
from tests.mutations import json_text

pytestmark = pytest.mark.filterwarnings("ignore")


def recorded(path):
    journal = Journal(path, BatchRecord)
    utterance = UtteranceRecord("a", "said", "heard", 1, 4, 0.3, 3, 9.0, 100.0, 2.0)
    journal.append(BatchRecord(0, 10, 0.5, 7, 1, (utterance,)))
    return journal.batches


@pytest.mark.parametrize("count", COUNTS)
def test_a_journal_is_refused_or_the_same(place, count):
    path = place / "journal.jsonl"
    path.unlink(missing_ok=True)
    batches = recorded(path)
    table = json.loads(path.read_text())

    def check(other):
        path.write_text(json_text(other) + "\n", encoding="utf-8", errors="surrogatepass")
        found = or_error(Journal, path, BatchRecord)
        assert found is None or found.batches in ({}, batches)

    def forged(other):
        path.write_text(json_text(with_hash(other)) + "\n", encoding="utf-8")
        found = or_error(Journal, path, BatchRecord)
        for batch in found.batches.values() if found else ():
            counts = [(item.errors, item.words) for item in batch.utterances]
            assert all(type(number) is int and number >= 0 for pair in counts for number in pair)

    explore(changed(table), check, count)
    del table["sha256"]
    explore(changed(table, plain_values()).filter(lambda tree: isinstance(tree, dict)), forged, count)
