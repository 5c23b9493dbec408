import warnings

import numpy as np
import pytest

from memrix.asr.scoring import (
    ErrorCount,
    compare,
    count_errors,
    count_label_errors,
    wer_interval,
    word_error_rate,
)
from memrix.errors import DataError


def difference_interval(*counts, **settings):
    return compare(*counts, **settings).difference_interval


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "words"),
    [
        ("the cat sat", "the cat sat", 0, 3),
        ("the cat sat", "The cat, sat!", 0, 3),
        ("press one", "Press 1.", 0, 2),
        ("the cat sat", "the bat sat", 1, 3),
        ("the cat sat", "the sat", 1, 3),
        ("the cat sat", "the black cat sat", 1, 3),
        ("the cat sat", "a dog", 3, 3),
        ("the cat sat", "", 3, 3),
        ("the cat sat", "...", 3, 3),
        ("(silence)", "", 0, 0),
        ("(silence)", "two words", 2, 0),
    ],
)
def test_errors_are_counted_as_by_hand(reference, hypothesis, errors, words):
    assert count_errors(reference, hypothesis) == ErrorCount(errors, words)


def test_the_rate_is_all_errors_over_all_words():
    assert word_error_rate([1, 0, 2], [10, 5, 5]) == 3 / 20


def test_an_interval_holds_the_rate_and_narrows_with_confidence():
    errors, words = [0, 1, 0, 2, 1, 0, 0, 3], [5, 6, 4, 9, 8, 2, 7, 10]
    low, high = wer_interval(errors, words)
    assert 0 <= low < word_error_rate(errors, words) < high
    narrow_low, narrow_high = wer_interval(errors, words, confidence=0.5)
    assert low < narrow_low < narrow_high < high


def test_the_same_seed_gives_the_same_interval():
    errors, words = [0, 1, 0, 2, 1, 0, 0, 3], [5, 6, 4, 9, 8, 2, 7, 10]
    assert wer_interval(errors, words, seed=3) == wer_interval(errors, words, seed=3)
    assert wer_interval(errors, words, seed=3, resamples=50) != wer_interval(errors, words, seed=4, resamples=50)


def test_a_95_percent_interval_holds_the_true_rate_about_95_times_in_100():
    generator = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        words = generator.integers(1, 15, size=80)
        errors = generator.binomial(words, 0.1)
        low, high = wer_interval(errors.tolist(), words.tolist(), resamples=500, seed=trial)
        held += low <= 0.1 <= high
    # 200 trials at 95 %: 190 +- 3.1.
    assert 180 <= held <= 198


def test_a_paired_interval_holds_the_true_difference_about_95_times_in_100():
    generator = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        words = generator.integers(1, 15, size=80)
        common = generator.binomial(words, 0.1)
        worse = common + generator.binomial(words, 0.05)
        low, high = difference_interval(worse.tolist(), common.tolist(), words.tolist(), resamples=500, seed=trial)
        held += low <= 0.05 <= high
    assert 180 <= held <= 198


def test_pairing_makes_the_interval_of_a_difference_narrower():
    generator = np.random.default_rng(2)
    words = generator.integers(1, 15, size=200)
    common = generator.binomial(words, 0.3)
    worse = common + generator.binomial(words, 0.02)
    low, high = difference_interval(worse.tolist(), common.tolist(), words.tolist())
    alone_low, alone_high = wer_interval(common.tolist(), words.tolist())
    assert high - low < 0.6 * (alone_high - alone_low)


def test_a_difference_changes_its_sign_with_the_order():
    a, b, words = [3, 0, 1, 2], [1, 0, 0, 2], [5, 4, 6, 5]
    low, high = difference_interval(a, b, words)
    assert difference_interval(b, a, words) == pytest.approx((-high, -low), abs=0.02)
    assert low <= 3 / 20 <= high


def test_no_errors_in_100_words_leave_a_rate_of_up_to_3_6_percent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = wer_interval([0] * 20, [5] * 20)
    assert low == 0.0
    # Clopper and Pearson: 1 - 0.025 ** (1 / 100).
    assert high == pytest.approx(0.03622, abs=1e-5)


def test_one_utterance_gives_the_binomial_interval_over_its_words():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = wer_interval([1], [10])
    assert (low, high) == pytest.approx((0.00253, 0.44502), abs=1e-5)


def test_more_errors_than_words_in_one_utterance_stay_inside_the_interval():
    low, high = wer_interval([12], [4])
    assert low < 1.0
    assert high == 3.0


def test_equal_transcripts_leave_a_small_difference_on_either_side():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = difference_interval([1, 2, 0], [1, 2, 0], [40, 30, 30])
    assert (low, high) == pytest.approx((-0.03622, 0.03622), abs=1e-5)


def test_one_utterance_gives_a_difference_of_the_right_sign():
    low, high = difference_interval([0], [3], [10])
    assert low < -0.3 < high < 0.0


@pytest.mark.parametrize(
    ("errors", "words"),
    [([-1, 2], [5, 5]), ([[1.5]], [5]), ([float("nan")], [5]), ([1], [-5]), ([10**30], [5]), (["1"], [5])],
)
def test_what_is_no_count_is_refused(errors, words):
    for score in (word_error_rate, wer_interval):
        with pytest.raises(DataError, match="are counted: integers from 0, got"):
            score(errors, words)


@pytest.mark.parametrize(
    ("errors", "words"),
    [([], []), ([1, 2], [3]), ([1], [3, 4]), ([0, 1], [0, 0])],
)
def test_counts_that_cannot_be_scored_are_refused(errors, words):
    for score in (word_error_rate, wer_interval):
        with pytest.raises(DataError, match=r"both must agree|needs reference words"):
            score(errors, words)
    with pytest.raises(DataError, match=r"both must agree|needs reference words"):
        compare(errors, errors, words)


@pytest.mark.parametrize("settings", [{"confidence": 0.0}, {"confidence": 95}, {"resamples": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(DataError, match=r"0\.95 and 2000 are usual"):
        wer_interval([1, 2], [5, 5], **settings)
    with pytest.raises(DataError, match=r"0\.95 and 2000 are usual"):
        compare([1, 2], [1, 1], [5, 5], **settings)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        (["K", "AE", "T#"], ["K", "AE", "T#"], 0),
        (["K", "AE", "T#"], ["K", "AE", "T"], 1),
        (["K", "AE", "T#"], ["K", "T#"], 1),
        (["K", "AE", "T#"], ["K", "K", "AE", "T#"], 1),
        (["K", "AE", "T#"], [], 3),
        ([1, 2, 300, 4], [2, 300, 5], 2),
        ([], [7], 1),
    ],
)
def test_label_errors_are_counted_as_by_hand(reference, hypothesis, errors):
    assert count_label_errors(reference, hypothesis) == ErrorCount(errors, len(reference))


def test_a_comparison_gives_the_difference_and_its_share_of_the_baseline():
    errors, baseline, words = [2, 1, 0, 3, 1, 2], [1, 1, 0, 2, 1, 1], [10, 10, 5, 15, 10, 10]
    found = compare(errors, baseline, words)
    assert (found.rate, found.baseline_rate) == (9 / 60, 6 / 60)
    assert found.difference == pytest.approx(0.05)
    assert found.relative == pytest.approx(0.5)
    assert found.difference_interval[0] <= found.difference <= found.difference_interval[1]
    assert found.relative_interval[0] <= found.relative <= found.relative_interval[1]
    assert found == compare(errors, baseline, words)
    assert found != compare(errors, baseline, words, seed=1)


def test_a_comparison_with_the_systems_swapped_has_the_same_p_value():
    generator = np.random.default_rng(3)
    words = generator.integers(1, 15, size=200)
    first, second = generator.binomial(words, 0.20), generator.binomial(words, 0.22)
    one = compare(first.tolist(), second.tolist(), words.tolist())
    other = compare(second.tolist(), first.tolist(), words.tolist())
    assert one.p_value == other.p_value
    assert one.difference == -other.difference


def test_p_values_of_equally_good_systems_are_below_5_percent_about_5_times_in_100():
    generator = np.random.default_rng(4)
    below = 0
    for trial in range(300):
        words = generator.integers(1, 15, size=100)
        common = generator.binomial(words, 0.1)
        first, second = common + generator.binomial(words, 0.05), common + generator.binomial(words, 0.05)
        below += compare(first.tolist(), second.tolist(), words.tolist(), resamples=500, seed=trial).p_value < 0.05
    # 300 trials at 5 %: 15 +- 3.8.
    assert 5 <= below <= 27


def test_a_relative_interval_holds_the_true_share_about_95_times_in_100():
    generator = np.random.default_rng(5)
    held = 0
    for trial in range(200):
        words = generator.integers(1, 15, size=150)
        baseline = generator.binomial(words, 0.2)
        worse = baseline + generator.binomial(words, 0.05)
        low, high = compare(
            worse.tolist(), baseline.tolist(), words.tolist(), resamples=500, seed=trial
        ).relative_interval
        held += low <= 0.25 <= high
    assert 180 <= held <= 198


def test_a_clear_difference_is_told_from_none():
    words = [10] * 50
    assert compare([3] * 25 + [2] * 25, [1] * 50, words).p_value < 0.001
    assert compare([1] * 50, [1] * 50, words).p_value == 1.0
    assert compare([3], [1], [10]).p_value == 1.0


def test_errors_beside_a_baseline_without_any_are_infinitely_more():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare([1, 0, 2, 1], [0, 0, 0, 0], [5, 5, 5, 5])
        none = compare([0, 0], [0, 0], [5, 5])
    assert found.relative == np.inf
    assert found.relative_interval[1] == np.inf
    assert none.relative == 0.0
    assert none.relative_interval == (0.0, 0.0)
