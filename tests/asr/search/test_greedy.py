import itertools

import pytest
import torch
from hypothesis import given, strategies as st

from memrix.asr.search.greedy import greedy_labels
from memrix.errors import DataError, InputError


def certain(*paths: list[int], labels: int = 4) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(paths), labels).float().mul(20).log_softmax(dim=2)


def test_repeats_collapse_and_blanks_part_them():
    batch = certain([0, 1, 1, 0, 1, 2, 2, 3], [3, 3, 3, 3, 0, 0, 0, 0])
    assert greedy_labels(batch, torch.tensor([8, 8])) == [[1, 1, 2, 3], [3]]


def test_frames_beyond_the_length_do_not_count():
    batch = certain([1, 2, 3, 3], [1, 2, 3, 3], [1, 2, 3, 3])
    assert greedy_labels(batch, torch.tensor([0, 1, 3])) == [[], [1], [1, 2, 3]]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_the_path_of_labels_with_blanks_between_gives_the_labels_back(path):
    collapsed = [label for label, _ in itertools.groupby(path) if label != 0]
    assert greedy_labels(certain(path), torch.tensor([len(path)])) == [collapsed]
    spread = [frame for label in collapsed for frame in (label, label, 0)] or [0]
    assert greedy_labels(certain(spread), torch.tensor([len(spread)])) == [collapsed]


def test_no_utterances_have_no_labels():
    assert greedy_labels(torch.zeros(0, 5, 3), torch.zeros(0, dtype=torch.int64)) == []


@pytest.mark.parametrize(
    ("shape", "lengths"), [((2, 3), [3, 3]), ((2, 3, 4), [3]), ((2, 3, 4), [3, 4]), ((2, 3, 4), [-1, 3])]
)
def test_shapes_and_lengths_that_do_not_fit_are_refused(shape, lengths):
    with pytest.raises(DataError, match=r"expected log-probabilities \[batch|lengths must be from 0 to the 3 frames"):
        greedy_labels(torch.zeros(shape), torch.tensor(lengths))


def test_values_that_are_no_log_probabilities_are_refused():
    with pytest.raises(InputError, match="utterances 0 are not numbers"):
        greedy_labels(torch.full((1, 2, 3), torch.nan), torch.tensor([2]))
    with pytest.raises(DataError, match="give the output of log_softmax"):
        greedy_labels(torch.ones(1, 2, 3), torch.tensor([2]))
