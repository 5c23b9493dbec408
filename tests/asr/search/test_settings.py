import math

import pytest

from memrix.asr.search.settings import SearchSettings
from memrix.errors import DataError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam_size", 0),
        ("beam_size", 1.5),
        ("token_beam", -1),
        ("threshold", 0.0),
        ("threshold", math.nan),
        ("lm_scale", -1.0),
        ("lm_scale", math.inf),
        ("prior_scale", math.nan),
        ("word_score", math.inf),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(DataError, match=rf"{name} (is|must be) a .*, got {value}"):
        SearchSettings(**{name: value})


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(DataError, match=r"(?s)beam_size.*token_beam.*lm_scale"):
        SearchSettings(beam_size=0, token_beam=0, lm_scale=-1)
