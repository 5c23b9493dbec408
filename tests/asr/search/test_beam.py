import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.language_model import open_language_model
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.prior import label_prior
from memrix.asr.search.settings import SearchSettings
from memrix.errors import DataError, InputError
from tests.asr.search.tiny import ARPA, exhaustive, random_log_probabilities, write_arpa

PHONEMES = ("<blank>", "T", "IY", "IY#", "T#", "AH#")
WORDS = {"tea": [("T", "IY#")], "eat": [("IY", "T#")], "a": [("AH#",)]}
LETTERS = ("<blank>", "t", "o", "l")
SPELLED = {"to": ["to"], "too": ["too"], "tool": ["tool"], "o": ["o"]}
LETTER_WORDS = {word: [tuple(way) for way in ways] for word, ways in SPELLED.items()}
EVERYTHING = {"beam_size": 100_000, "token_beam": 10, "threshold": 1e6}


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    return open_language_model(write_arpa(tmp_path_factory.mktemp("lm")))


def search_for(language_model, symbols, words, **values) -> BeamSearch:
    values = {**EVERYTHING, "prior_scale": 0.0, **values}
    return BeamSearch(symbols, Lexicon(words), language_model, SearchSettings(**values))


@pytest.mark.parametrize("log_add", [False, True])
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(0.0, 3.0), st.floats(-2.0, 2.0))
def test_the_best_words_are_those_of_trying_every_path(language_model, log_add, seed, frames, lm_scale, word_score):
    scores = random_log_probabilities(frames, len(PHONEMES), seed)
    values = {"lm_scale": lm_scale, "word_score": word_score, "log_add": log_add}
    all_scores = exhaustive(scores, PHONEMES, WORDS, **values)
    found = search_for(language_model, PHONEMES, WORDS, **values).transcribe_each([scores])[0]
    assert all_scores[found] == pytest.approx(max(all_scores.values()), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.floats(-1.0, 3.0))
def test_doubled_letters_need_a_blank_between(language_model, seed, frames, word_score):
    scores = random_log_probabilities(frames, len(LETTERS), seed)
    values = {"lm_scale": 1.0, "word_score": word_score}
    all_scores = exhaustive(scores, LETTERS, LETTER_WORDS, **values)
    found = search_for(language_model, LETTERS, LETTER_WORDS, **values).transcribe_each([scores])[0]
    assert all_scores[found] == pytest.approx(max(all_scores.values()), abs=1e-4)


def test_a_letter_that_lasts_is_not_a_doubled_one():
    search = search_for(None, LETTERS, {word: LETTER_WORDS[word] for word in ("to", "too")})
    lasting, doubled = heard("t", "o", "o", symbols=LETTERS), heard("t", "o", "<blank>", "o", symbols=LETTERS)
    assert search.transcribe_each([lasting, doubled]) == ["to", "too"]


def heard(*labels: str, symbols: tuple[str, ...] = PHONEMES, certainty: float = 0.9) -> np.ndarray:
    """Log-probabilities of frames that are each heard as one label."""
    probabilities = np.full((len(labels), len(symbols)), (1 - certainty) / (len(symbols) - 1), dtype=np.float32)
    for frame, label in enumerate(labels):
        probabilities[frame, symbols.index(label)] = certainty
    return np.log(probabilities)


def test_the_last_label_of_a_word_may_last_several_frames(language_model):
    search = search_for(language_model, PHONEMES, WORDS, lm_scale=0.0)
    frames = heard("T", "IY#", "IY#", "IY#", "IY", "T#", "T#", certainty=0.999)
    assert search.transcribe_each([frames]) == ["tea eat"]


@pytest.mark.parametrize(("word_score", "text"), [(1.0, "a a"), (-1.0, "a")])
def test_a_label_that_is_also_a_word_may_be_said_twice_for_one_or_for_two(word_score, text):
    search = search_for(None, PHONEMES, WORDS, word_score=word_score)
    assert search.transcribe_each([heard("AH#", "<blank>", "AH#")]) == [text]


def test_the_default_settings_are_those_of_the_paper():
    assert SearchSettings().beam_size == 1024
    assert SearchSettings().token_beam == 12
    assert SearchSettings().threshold == 14.0


@pytest.mark.parametrize("lm_scale", [0.0, 2.0])
def test_words_of_one_spelling_are_told_apart_by_the_language_model(language_model, lm_scale):
    words = {"tee": [("T", "IY#")], "tea": [("T", "IY#")], **{"eat": WORDS["eat"]}}
    search = search_for(language_model, PHONEMES, words, lm_scale=lm_scale)
    # Without a language model they are equal, and the first one in the lexicon is taken.
    assert search.transcribe_each([heard("T", "IY#", "IY", "T#")]) == ["tea eat" if lm_scale else "tee eat"]


@pytest.mark.parametrize("wanted", range(20))
def test_any_number_of_words_may_share_a_spelling(tmp_path, wanted):
    names = [f"word{i}" for i in range(20)]
    unigrams = "".join(f"{-0.5 if i == wanted else -2.0}\t{name}\t0\n" for i, name in enumerate(names))
    text = f"\\data\\\nngram 1=23\nngram 2=1\n\n\\1-grams:\n-3\t<unk>\n-99\t<s>\t0\n-1\t</s>\n{unigrams}\n"
    model = open_language_model(write_arpa(tmp_path, f"{text}\\2-grams:\n-2\tword0 word1\n\n\\end\\\n"))
    words = {**{name: [("T", "IY#")] for name in names}, "eat": WORDS["eat"]}
    search = search_for(model, PHONEMES, words, lm_scale=1.0, token_beam=2)
    assert search.transcribe_each([heard("T", "IY#", "IY#", "IY", "T#")]) == [f"{names[wanted]} eat"]


def test_seven_words_of_one_spelling_are_weighed_as_by_trying_every_path(tmp_path):
    model = open_language_model(write_arpa(tmp_path))
    words = {**{f"tee{i}": [("T", "IY#")] for i in range(7)}, **WORDS}
    for seed in range(20):
        scores = random_log_probabilities(4, len(PHONEMES), seed)
        all_scores = exhaustive(scores, PHONEMES, words, lm_scale=0.5)
        found = search_for(model, PHONEMES, words, lm_scale=0.5).transcribe_each([scores])[0]
        assert all_scores[found] == pytest.approx(max(all_scores.values()), abs=1e-4)


def test_a_word_of_two_spellings_is_found_by_either(language_model):
    search = search_for(language_model, PHONEMES, {**WORDS, "tea": [("T", "IY#"), ("T", "AH#")]}, lm_scale=0.0)
    assert search.transcribe_each([heard("T", "IY#"), heard("T", "AH#")]) == ["tea", "tea"]


def test_the_language_model_overrules_what_is_heard_only_as_its_scale_grows(language_model):
    frames = heard("IY", "T#", "<blank>", "AH#", certainty=0.4)
    texts = [
        search_for(language_model, PHONEMES, WORDS, lm_scale=scale).transcribe_each([frames])[0]
        for scale in (0.0, 1.0, 30.0)
    ]
    assert texts[0] == "eat a"
    assert texts[2] == "tea"


def test_a_prior_is_taken_off_by_its_scale():
    words = {"tea": [("T", "IY#")], "eat": [("IY", "T#")]}
    prior = torch.tensor([0.2, 0.02, 0.36, 0.02, 0.36, 0.04])
    frames = np.log(np.array([[0.1, 0.25, 0.35, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.25, 0.35, 0.1]], dtype=np.float32))
    texts = [
        BeamSearch(
            PHONEMES, Lexicon(words), None, SearchSettings(lm_scale=0.0, prior_scale=scale), prior
        ).transcribe_each([frames])[0]
        for scale in (0.0, 1.0)
    ]
    scores = frames - np.log(prior.numpy())
    assert texts[1] == max(exhaustive(scores, PHONEMES, words, lm_scale=0.0).items(), key=lambda item: item[1])[0]
    assert texts == ["eat", "tea"]


def test_words_that_the_language_model_does_not_know_can_be_found(language_model):
    search = search_for(language_model, PHONEMES, {**WORDS, "tat": [("T", "T#")]}, lm_scale=1.0)
    assert search.transcribe_each([heard("T", "T#")]) == ["tat"]


def test_words_that_a_closed_language_model_excludes_are_refused(tmp_path):
    closed = ARPA.replace("ngram 1=7", "ngram 1=6").replace("-1.2\t<unk>\n", "")
    model = open_language_model(write_arpa(tmp_path, closed))
    with pytest.raises(DataError, match=r"knows neither tat of the lexicon nor <unk>"):
        search_for(model, PHONEMES, {**WORDS, "tat": [("T", "T#")]})
    assert search_for(model, PHONEMES, WORDS).transcribe_each([heard("T", "IY#")]) == ["tea"]


def test_without_a_language_model_any_words_follow_each_other():
    search = search_for(None, PHONEMES, WORDS)
    assert search.transcribe_each([heard("T", "IY#", "T", "IY#", "AH#")]) == ["tea tea a"]


def test_silence_is_an_empty_text(language_model):
    search = search_for(language_model, PHONEMES, WORDS)
    nothing = np.zeros((0, len(PHONEMES)), dtype=np.float32)
    assert search.transcribe_each([heard("<blank>", "<blank>"), nothing]) == ["", ""]
    assert search.transcribe_each([]) == []


def test_frames_beyond_the_length_do_not_count(language_model):
    search = search_for(language_model, PHONEMES, WORDS, lm_scale=0.5)
    batch = torch.from_numpy(np.stack([heard("T", "IY#", "IY", "T#"), heard("AH#", "<blank>", "T", "IY#")]))
    assert search.transcribe(batch, torch.tensor([2, 1])) == ["tea", "a"]


def test_processes_find_the_same_as_one_in_the_same_order(language_model):
    search = search_for(language_model, PHONEMES, WORDS, lm_scale=0.5)
    items = [random_log_probabilities(3 + seed % 5, len(PHONEMES), seed) for seed in range(23)]
    alone = search.transcribe_each(items)
    assert len(set(alone)) > 5
    assert search.transcribe_each(items, n_jobs=2) == alone
    assert search.with_settings(SearchSettings(prior_scale=0.0)).transcribe_each(items, n_jobs=2) != alone


def test_a_search_can_be_sent_to_another_process(language_model):
    search = search_for(language_model, PHONEMES, WORDS)
    assert pickle.loads(pickle.dumps(search)).transcribe_each([heard("T", "IY#")]) == ["tea"]


def test_other_settings_share_the_network(language_model):
    search = search_for(language_model, PHONEMES, WORDS)
    other = search.with_settings(SearchSettings(prior_scale=0.0, lm_scale=0.0))
    assert other.settings.lm_scale == 0.0
    assert search.settings.lm_scale == SearchSettings().lm_scale
    assert other._network is search._network


@pytest.mark.parametrize("unheard", [-120.0, -1000.0])
def test_the_prior_of_a_label_that_is_never_heard_is_taken(unheard):
    said = heard("T", "IY#")
    said[:, PHONEMES.index("AH#")] = unheard
    said -= np.log(np.exp(said).sum(axis=1, keepdims=True))
    prior = label_prior([(torch.tensor(said).unsqueeze(0), torch.tensor([len(said)]))])
    search = BeamSearch(PHONEMES, Lexicon(WORDS), None, SearchSettings(lm_scale=0.0, prior_scale=0.3), prior)
    assert np.isfinite(search._scores(said)).all()
    assert search._scores(said).dtype == np.float32
    assert search.transcribe_each([said]) == ["tea"]


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (None, "needs the prior of the labels"),
        (torch.full((5,), 0.2), r"has shape \[5\], expected \[6\]"),
        (torch.tensor([1.0, 0, 0, 0, 0, 0]), "must be positive"),
        (torch.full((6,), 1.0), "sum to 6"),
        (torch.full((6,), torch.nan), "must be positive"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(prior, message):
    with pytest.raises(DataError, match=message):
        BeamSearch(PHONEMES, Lexicon(WORDS), None, SearchSettings(prior_scale=0.3), prior)


def test_inputs_that_do_not_fit_are_refused_all_at_once(language_model):
    search = search_for(language_model, PHONEMES, WORDS)
    with pytest.raises(DataError, match=r"utterance 0 has shape \[2, 3\], utterance 2 has shape \[4\]"):
        search.transcribe_each([np.zeros((2, 3)), heard("T"), np.zeros(4)])
    with pytest.raises(DataError, match="give the output of log_softmax"):
        search.transcribe_each([np.exp(heard("T"))])
    with pytest.raises(InputError, match="utterances 1 are not numbers"):
        search.transcribe_each([heard("T"), heard("T") * np.nan])
    with pytest.raises(DataError, match=r"0 to the 3 frames of the batch, but utterance 1 has 4"):
        search.transcribe(torch.zeros(2, 3, 6), torch.tensor([3, 4]))
    with pytest.raises(DataError, match="n_jobs"):
        search.transcribe_each([heard("T")], n_jobs=0)
    with pytest.raises(DataError, match=r"prior_scale=0.5 needs the prior"):
        search.with_settings(SearchSettings())
