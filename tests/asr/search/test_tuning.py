import numpy as np
import pytest

from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.language_model import open_language_model
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.settings import SearchSettings
from memrix.asr.search.tuning import tune
from memrix.errors import DataError
from tests.asr.search.tiny import random_log_probabilities, write_arpa

SYMBOLS = ("<blank>", "T", "IY", "IY#", "T#", "AH#")
WORDS = {"tea": [("T", "IY#")], "eat": [("IY", "T#")], "a": [("AH#",)]}
LM_SCALES, PRIOR_SCALES = (0.0, 0.5, 1.0, 2.0), (0.0, 0.3, 0.6)


@pytest.fixture(scope="module")
def search(tmp_path_factory) -> BeamSearch:
    model = open_language_model(write_arpa(tmp_path_factory.mktemp("lm")))
    prior = np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    return BeamSearch(SYMBOLS, Lexicon(WORDS), model, SearchSettings(beam_size=50), prior)


@pytest.fixture(scope="module")
def dev(search):
    """Utterances whose references are what is found with scales of 1.0 and 0.3."""
    utterances = [random_log_probabilities(6, len(SYMBOLS), seed) for seed in range(30)]
    settings = SearchSettings(beam_size=50, lm_scale=1.0, prior_scale=0.3)
    return utterances, search.with_settings(settings).transcribe_each(utterances)


def test_scales_without_errors_are_found(search, dev):
    found = tune(search, *dev, lm_scales=LM_SCALES, prior_scales=PRIOR_SCALES)
    assert (found.best.lm_scale, found.best.prior_scale) == (1.0, 0.3)
    assert found.best.beam_size == 50
    best = next(point for point in found.points if (point.lm_scale, point.prior_scale) == (1.0, 0.3))
    assert (best.errors, best.word_error_rate) == (0, 0.0)
    assert sum(point.errors > 0 for point in found.points) > 3
    assert len(found.points) == len(set(found.points))
    assert found.at_edge == ()


def test_progress_is_told_after_each_pair(search, dev):
    told = []
    found = tune(
        search,
        *dev,
        lm_scales=(1.0, 2.0),
        prior_scales=(0.3,),
        progress=lambda done, total, point: told.append((done, total, point)),
    )
    assert told == [(1, 2, found.points[0]), (2, 2, found.points[1])]
    assert [point.lm_scale for point in found.points] == [1.0, 2.0]


def test_a_best_value_at_the_end_of_what_was_tried_is_told(search, dev):
    found = tune(search, *dev, lm_scales=(0.0, 1.0), prior_scales=(0.3, 0.6))
    assert found.at_edge == ("lm_scale", "prior_scale")


def test_of_equally_good_scales_the_smaller_are_taken(search):
    silence = [np.log(np.array([[0.95, 0.01, 0.01, 0.01, 0.01, 0.01]])).repeat(3, axis=0)]
    found = tune(search, silence, ["tea"], lm_scales=(1.0, 0.5), prior_scales=(0.3, 0.1))
    assert (found.best.lm_scale, found.best.prior_scale) == (0.5, 0.1)


def test_processes_find_the_same(search, dev):
    alone = tune(search, *dev, lm_scales=LM_SCALES, prior_scales=(0.3,))
    assert tune(search, *dev, lm_scales=LM_SCALES, prior_scales=(0.3,), n_jobs=2) == alone


def test_what_cannot_be_tuned_is_refused(search, dev):
    utterances, references = dev
    with pytest.raises(DataError, match="30 utterances and 29 references"):
        tune(search, utterances, references[:-1])
    with pytest.raises(DataError, match=r"(?s)lm_scales are empty.*prior_scales must be from 0 on, got -1"):
        tune(search, utterances, references, lm_scales=(), prior_scales=(-1,))
    with pytest.raises(DataError, match="needs reference words"):
        tune(search, utterances[:1], ["..."])
    alone = BeamSearch(SYMBOLS, Lexicon(WORDS), None, SearchSettings(prior_scale=0.0))
    with pytest.raises(DataError, match="needs the prior of the labels"):
        tune(alone, utterances, references)
