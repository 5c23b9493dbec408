"""Measurements and journals that were changed: an error of memrix's own, or the same result."""

import json

import pytest

from memrix.asr.evaluation.journal import Journal
from memrix.asr.evaluation.results import BatchRecord, Execution, UtteranceRecord
from memrix.asr.experiment.systems import Measurement, System
from memrix.asr.kept import with_hash
from tests.asr.mutated.drawing import COUNTS, changed, explore, or_error, plain_values
from tests.mutations import json_text

pytestmark = pytest.mark.filterwarnings("ignore")


MEASURED = Measurement(System("chip", 3, "paper", 1), ("a", "b"), (1, 0), (4, 5), 3, 20, ("one", ""), 1000, 0.01, 2.5)


@pytest.mark.parametrize("count", COUNTS)
def test_a_kept_measurement_is_refused_or_the_same(place, count):
    path = place / "measurement.json"
    MEASURED.save(path, "key")

    def check(other):
        path.write_text(json_text(other), encoding="utf-8", errors="surrogatepass")
        assert or_error(Measurement.load, path, "key") in (None, MEASURED)

    explore(changed(json.loads(path.read_text())), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_forged_measurement_has_the_types_of_one(place, count):
    path = place / "measurement.json"
    MEASURED.save(path, "key")
    table = json.loads(path.read_text())
    del table["sha256"]

    def check(other):
        path.write_text(json_text(with_hash(other)), encoding="utf-8")
        found = or_error(Measurement.load, path, "key")
        if found is not None:
            assert len(found.ids) == len(found.errors) == len(found.words) == len(found.hypotheses)
            assert all(type(count) is int and count >= 0 for count in (*found.errors, *found.words, found.cells))
            assert 0 <= found.clipped <= 1

    explore(changed(table, plain_values()).filter(lambda tree: isinstance(tree, dict)), check, count)


def recorded(path):
    journal = Journal(path)
    utterance = UtteranceRecord("a", "said", "heard", 1, 4, 0.3, 3, 9.0, 100.0, 2.0)
    journal.append(Execution("chip", 4, 0), BatchRecord(0, 10, 0.5, 7, 1, (utterance,)))
    return journal.batches(Execution("chip", 4, 0))


@pytest.mark.parametrize("count", COUNTS)
def test_a_journal_is_refused_or_the_same(place, count):
    path = place / "journal.jsonl"
    path.unlink(missing_ok=True)
    batches = recorded(path)
    table = json.loads(path.read_text())

    def check(other):
        path.write_text(json_text(other) + "\n", encoding="utf-8", errors="surrogatepass")
        found = or_error(Journal, path)
        assert found is None or found.batches(Execution("chip", 4, 0)) == batches

    def forged(other):
        path.write_text(json_text(with_hash(other)) + "\n", encoding="utf-8")
        or_error(Journal, path)

    explore(changed(table), check, count)
    del table["sha256"]
    explore(changed(table, plain_values()).filter(lambda tree: isinstance(tree, dict)), forged, count)
