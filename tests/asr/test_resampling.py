"""Intervals over chips and utterances: of simulated experiments whose true rates are known."""

import numpy as np
import pytest

from memrix.asr.resampling import draws, variances
from memrix.asr.scoring import compare, resampled, wer_interval, word_error_rate
from memrix.errors import DataError

FLOAT_RATE = 0.35  # as on the lines of the game
LOST, GAINED = 0.05, 0.03  # shares of errors that another system corrects, and of right words that it gets wrong
QUANTIZED_RATE = FLOAT_RATE * (1 - LOST) + (1 - FLOAT_RATE) * GAINED
CHIP_RATE = QUANTIZED_RATE * (1 - LOST) + (1 - QUANTIZED_RATE) * GAINED


def changed(generator, errors, words, gained):
    """What another system makes of the same utterances."""
    return errors - generator.binomial(errors, LOST) + generator.binomial(words - errors, gained)


def experiment(generator, chips, deviation, utterances=300):
    """Words, and errors in float, quantized and on chips whose true rates differ by a standard deviation."""
    words = generator.integers(1, 14, size=utterances)
    rates = generator.beta(1.4, 1.4 * (1 - FLOAT_RATE) / FLOAT_RATE, size=utterances)
    floating = generator.binomial(words, rates)
    quantized = changed(generator, floating, words, GAINED)
    # All of a chip's words suffer from its cells alike.
    shifts = generator.normal(0.0, deviation / (1 - QUANTIZED_RATE), size=chips)
    gained = np.clip(GAINED + shifts, 0.0, 1.0)
    on_chips = np.stack([changed(generator, quantized, words, share) for share in gained])
    return words, floating, quantized, on_chips


def coverage(chips, deviation, trials, resamples=1000):
    """Shares of trials whose intervals hold the true WER, and its true excess over float and over quantized."""
    generator = np.random.default_rng(chips)
    truths = (CHIP_RATE, CHIP_RATE / FLOAT_RATE - 1, CHIP_RATE / QUANTIZED_RATE - 1)
    held = np.zeros(3)
    for trial in range(trials):
        words, floating, quantized, on_chips = experiment(generator, chips, deviation)
        found = [
            wer_interval(on_chips, words, resamples=resamples, seed=trial),
            compare(on_chips, floating, words, resamples=resamples, seed=trial).relative_interval,
            compare(on_chips, quantized, words, resamples=resamples, seed=trial).relative_interval,
        ]
        held += [low <= truth <= high for (low, high), truth in zip(found, truths, strict=True)]
    return held / trials


@pytest.mark.slow
@pytest.mark.parametrize("chips", [2, 3, 5, 10])
def test_intervals_of_a_few_chips_hold_the_truth_about_95_times_in_100(chips):
    # Deviations of WER over chips; those that were measured are 0.1 to 1 %.
    shares = np.stack([coverage(chips, deviation, trials=200) for deviation in (0.003, 0.007, 0.012)])
    # 200 trials at 95 %: +- 1.5 %; 600: +- 0.9 %.
    assert shares.min() >= 0.90
    assert ((shares.mean(axis=0) >= 0.92) & (shares.mean(axis=0) <= 0.98)).all()


def test_intervals_of_two_chips_hold_the_truth_about_95_times_in_100():
    for share in coverage(2, 0.007, trials=40, resamples=200):
        # 40 trials at 95 %: 38 +- 1.4; of utterances alone, about 32 of the third.
        assert share >= 0.85


def test_one_chip_is_drawn_over_its_utterances_alone():
    words, _, _, on_chips = experiment(np.random.default_rng(0), 1, 0.01)
    assert wer_interval(on_chips, words) == wer_interval(on_chips[0], words)
    assert variances(on_chips, words).chips == 0.0


def test_chips_that_are_one_and_the_same_add_nothing():
    words, _, quantized, (chip,) = experiment(np.random.default_rng(1), 1, 0.0)
    assert wer_interval([chip] * 5, words) == wer_interval(chip, words)
    assert compare([chip] * 5, quantized, words) == compare(chip, quantized, words)


def test_chips_that_differ_widen_the_interval_by_what_they_differ():
    words = np.full(400, 10)
    errors = np.tile([3, 5], 200)
    same = variances(np.stack([errors, errors]), words)
    # Sums of 400 utterances that stand 1 off their mean: 400 words of variance, and 399 degrees of freedom.
    assert same.utterances == pytest.approx(400 * 400 / 399)
    apart = variances(np.stack([errors - 1, errors + 1]), words)
    # Sums of two chips that stand 400 off their mean: variance 2 * 400^2, of the mean of two half of that.
    assert apart.chips == pytest.approx(400**2)
    assert apart.utterances == pytest.approx(same.utterances)
    low, high = wer_interval(np.stack([errors - 1, errors + 1]), words)
    # One degree of freedom: 12.7 standard deviations of 400 words in 4,000.
    assert high - 0.4 == pytest.approx(12.7 * 0.1, rel=0.2)
    assert low == 0.0


def test_few_chips_know_less_of_their_deviation_than_many():
    generator = np.random.default_rng(2)
    words = generator.integers(1, 14, size=300)
    errors = generator.binomial(words, 0.3)
    pair = np.stack([np.maximum(errors - 1, 0), errors + 1])
    two = wer_interval(pair, words)
    ten = wer_interval(np.tile(pair, (5, 1)), words)
    assert two[1] - two[0] > 3 * (ten[1] - ten[0])


def test_draws_of_several_chips_have_the_variance_that_is_estimated():
    words, _, _, on_chips = experiment(np.random.default_rng(3), 30, 0.06)
    found = variances(on_chips, words)
    drawn, drawn_words = draws(on_chips, words, 20_000, 0)
    share = on_chips.sum() / (30 * words.sum())
    assert np.var(drawn - share * drawn_words) == pytest.approx(found.total, rel=0.1)
    assert found.chips > found.utterances / 10


def test_the_rate_of_several_chips_is_their_mean():
    assert word_error_rate([[1, 0], [2, 1]], [5, 5]) == 4 / 20


def test_chips_without_an_error_leave_what_one_of_them_leaves():
    assert wer_interval([[0] * 20] * 5, [5] * 20) == wer_interval([0] * 20, [5] * 20)


def test_one_utterance_on_two_chips_has_the_binomial_part_and_that_of_the_chips():
    alone = wer_interval([2], [10])
    low, high = wer_interval([[1], [3]], [10])
    assert low == 0.0
    assert high > alone[1] + 0.5


def test_several_baselines_are_refused():
    chips = [[1, 2], [2, 2]]
    with pytest.raises(DataError, match="has one baseline, got 2"):
        compare([1, 2], chips, [5, 5])
    with pytest.raises(DataError, match="error counts for 2, 1 utterances, word counts for 2"):
        wer_interval([[1, 2], [1]], [5, 5])


def test_an_interval_says_what_it_was_taken_over():
    assert resampled("float") == resampled("quantized") == "utterances"
    assert resampled("chip") == "utterances, on this chip alone"
    assert resampled("chip", 5) == "utterances and chips"
