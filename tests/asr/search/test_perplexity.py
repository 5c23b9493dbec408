import pytest

from memrix.asr.search.language_model import LanguageModel, open_language_model
from memrix.asr.search.perplexity import perplexity
from memrix.errors import DataError
from tests.asr.search.tiny import UNKNOWN, log10_of, write_arpa


@pytest.fixture
def model(tmp_path):
    return open_language_model(write_arpa(tmp_path))


def test_perplexity_is_the_inverse_mean_probability_of_words_and_ends(model):
    found = perplexity(model, ["tea eat a", "", "tee"])
    total = log10_of(["tea", "eat", "a"]) + log10_of(["tee"])
    assert (found.sentences, found.words, found.out_of_vocabulary) == (2, 4, 0.0)
    assert found.known == pytest.approx(10 ** (-total / 6), rel=1e-5)
    assert found.all == found.known


def test_unknown_words_are_counted_and_left_out_of_the_usual_figure(model):
    found = perplexity(model, ["tea pot", "cup pot tea"])
    assert found.unknown == {"pot": 2, "cup": 1}
    assert list(found.unknown) == ["pot", "cup"]
    assert found.out_of_vocabulary == 3 / 5
    total = log10_of(["tea", "pot"]) + log10_of(["cup", "pot", "tea"])
    assert found.all == pytest.approx(10 ** (-total / 7), rel=1e-5)
    # "pot" after "tea" and "cup" after "<s>" back off from these words.
    unknown = 3 * UNKNOWN[0] - 0.3 - 0.4
    assert found.known == pytest.approx(10 ** (-(total - unknown) / 4), rel=1e-5)


def test_texts_without_words_have_no_perplexity(model):
    with pytest.raises(DataError, match="got no words"):
        perplexity(model, [" ", ""])


def test_a_binary_file_does_not_tell_what_it_knows(tmp_path):
    with pytest.raises(DataError, match="give the ARPA file it is from"):
        perplexity(LanguageModel(tmp_path / "model.bin", None, None, None), ["tea"])
