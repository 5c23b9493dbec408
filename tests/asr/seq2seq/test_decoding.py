"""Greedy decoding ends loops."""

import pytest

from memrix.asr.seq2seq.decoding import end_loop


@pytest.mark.parametrize(
    ("tokens", "left"),
    [
        pytest.param([1, 2, 3, 4] * 3, [1, 2, 3, 4], id="a phrase three times"),
        pytest.param([9, 1, 2, 3, 4, 5, *[6, 7, 8, 9, 5] * 3], [9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5], id="after others"),
        pytest.param([1, 2, 3, 4] * 2, None, id="twice is speech"),
        pytest.param([7] * 11, None, id="no no no"),
        pytest.param([1, 2, 3] * 3, None, id="a short phrase"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_a_phrase_that_is_repeated_again_and_again_ends_a_transcript(tokens, left):
    written = list(tokens)
    assert end_loop(written) == (left is not None)
    assert written == (tokens if left is None else left)
