import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput

from memrix.asr.corpora.catalog import load_corpus
from memrix.asr.corpus import Utterance, split
from memrix.asr.evaluation.batches import batch_of
from memrix.asr.scoring import word_error_rate
from memrix.asr.seq2seq.model import SequenceToSequence
from memrix.asr.seq2seq.pretrained import load_pretrained, load_seq2seq, speech_model_of
from memrix.errors import AssetError, ConversionError, DataError

# Tokens of the tiny model: the letters a to z, space and apostrophe, then the special ones.
A, SPACE, END, START, NO_TIMESTAMPS, VOCABULARY = 0, 26, 28, 29, 30, 31


@pytest.fixture(scope="module")
def pretrained(whisper_folder):
    return load_pretrained(str(whisper_folder))


@pytest.fixture(scope="module")
def recognizer(pretrained):
    return speech_model_of(pretrained, "tiny")


def with_settings(pretrained, **settings) -> SequenceToSequence:
    """A recognizer whose copy of the model has other settings of generation."""
    model = copy.deepcopy(pretrained.model)
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    return speech_model_of(replace(pretrained, model=model), "tiny")


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    """Three clips of noise of 0.4, 1 and 2 seconds."""
    folder = tmp_path_factory.mktemp("clips")
    generator = np.random.default_rng(0)
    made = []
    for name, seconds, text in (("a", 0.4, "cab"), ("b", 1.0, "a bee"), ("c", 2.0, "see  the sea")):
        soundfile.write(folder / f"{name}.wav", 0.1 * generator.standard_normal(int(seconds * 16_000)), 16_000)
        made.append(Utterance(name, folder / f"{name}.wav", text))
    return made


@pytest.fixture(scope="module")
def batch(recognizer, utterances):
    return batch_of(recognizer, utterances)


@pytest.fixture(scope="module")
def encoded(recognizer, batch):
    return recognizer.encode(batch)


def test_a_batch_holds_audio_of_a_full_window_and_what_was_said(recognizer, batch):
    assert {name: value.shape for name, value in recognizer.inputs(batch).items()} == {
        "input_features": (3, 80, 3000)
    }
    assert batch.ids == ("a", "b", "c")
    assert batch.texts == ("cab", "a bee", "see  the sea")
    assert batch.samples.tolist() == [6400, 16_000, 32_000]


def test_targets_are_the_text_and_the_end(batch):
    c_a_b = [SPACE, 2, 0, 1]
    assert batch.targets[0].tolist() == [*c_a_b, END, *[0] * (13 - 5)]
    assert batch.target_counts.tolist() == [5, 7, 13]


def test_a_multilingual_model_is_asked_for_an_english_transcript(pretrained, utterances):
    tokenizer = copy.deepcopy(pretrained.tokenizer)
    tokenizer.add_tokens(["<|en|>", "<|transcribe|>"], special_tokens=True)
    model = copy.deepcopy(pretrained.model)
    model.generation_config.is_multilingual = True
    recognizer = speech_model_of(replace(pretrained, model=model, tokenizer=tokenizer), "tiny")
    tokens = recognizer.calibration_inputs(batch_of(recognizer, utterances[:1]))["decoder_input_ids"]
    assert tokens[0, :5].tolist() == [START, 31, 32, NO_TIMESTAMPS, SPACE]


def test_a_tokenizer_without_the_prompt_is_an_error(pretrained):
    with pytest.raises(AssetError, match=r"the tokenizer lacks <\|en\|>, <\|transcribe\|>"):
        with_settings(pretrained, is_multilingual=True)


def test_calibration_runs_the_decoder_on_prompt_and_reference(recognizer, batch):
    inputs = recognizer.calibration_inputs(batch)
    assert inputs["decoder_input_ids"][0, :6].tolist() == [START, NO_TIMESTAMPS, SPACE, 2, 0, 1]
    assert recognizer.network(**inputs).logits.shape == (3, 14, VOCABULARY)


def test_the_encoder_output_has_1500_frames(recognizer, encoded):
    assert encoded.shape == (3, 1500, 16)
    assert not encoded.requires_grad


def test_a_transcript_is_cut_at_8_tokens_and_5_per_second_or_where_it_repeats_itself(pretrained, batch, encoded):
    recognizer = with_settings(pretrained, suppress_tokens=list(range(A + 1, NO_TIMESTAMPS)))
    transcripts = recognizer.transcribe(batch, encoded)
    # The longer ones may have 13 and 18 letters: of three times four, four are left.
    assert transcripts == ["a" * (8 + 2), "a" * 4, "a" * 4]


def test_the_cap_does_not_depend_on_the_reference(pretrained, utterances):
    recognizer = with_settings(pretrained, suppress_tokens=list(range(A + 1, NO_TIMESTAMPS)))
    batch = batch_of(recognizer, [replace(utterances[0], text="a much longer text than before")])
    encoded = recognizer.encode(batch)
    assert recognizer.transcribe(batch, encoded) == ["a" * 10]


def test_the_end_of_the_text_ends_the_transcript(pretrained, batch, encoded):
    recognizer = with_settings(pretrained, suppress_tokens=[*range(END), START])
    assert recognizer.transcribe(batch, encoded) == ["", "", ""]


def test_tokens_that_may_not_come_first_come_later(pretrained, batch, encoded):
    recognizer = with_settings(pretrained, suppress_tokens=[*range(A + 1, END), START], begin_suppress_tokens=[END])
    model = copy.deepcopy(recognizer.network)
    # The end of the text is now likelier than any letter, whatever was heard.
    model.proj_out = torch.nn.Linear(16, VOCABULARY)
    model.proj_out.weight.data.zero_()
    model.proj_out.bias.data.zero_()[END] = 1.0
    assert recognizer.with_network(model).transcribe(batch, encoded) == ["a", "a", "a"]


def test_a_batch_is_transcribed_as_its_utterances_are_alone(recognizer, utterances, batch, encoded):
    together = recognizer.transcribe(batch, encoded)
    alone = []
    for row, utterance in enumerate(utterances):
        single = batch_of(recognizer, [utterance])
        alone += recognizer.transcribe(single, encoded[row : row + 1])
    assert together == alone
    assert len(set(together)) > 1


def test_the_cache_changes_no_token(recognizer, batch, encoded):
    transcripts = recognizer.transcribe(batch, encoded)
    written = [START, NO_TIMESTAMPS]
    for _ in range(8 + 2):
        logits = recognizer.network(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded[:1]),
            decoder_input_ids=torch.tensor([written]),
            use_cache=False,
        ).logits[0, -1, :NO_TIMESTAMPS]
        written.append(int(logits.argmax()))
        if written[-1] == END:
            break
    assert transcripts[0] == recognizer.tokenizer.decode(written, skip_special_tokens=True).strip()


def test_the_model_that_is_given_is_the_one_that_runs(recognizer, batch):
    other = copy.deepcopy(recognizer.network)
    torch.nn.init.zeros_(other.model.encoder.layer_norm.weight)
    torch.nn.init.ones_(other.model.encoder.layer_norm.bias)
    assert torch.equal(recognizer.with_network(other).encode(batch), torch.ones(3, 1500, 16))


def test_the_loss_is_the_cross_entropy_of_text_and_end(recognizer, batch, encoded):
    losses, tokens = recognizer.reference_loss(batch, encoded)
    assert losses.dtype == torch.float64
    assert tokens.tolist() == [5, 7, 13]
    for row, count in enumerate(tokens.tolist()):
        logits = recognizer.network(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded[row : row + 1]),
            decoder_input_ids=torch.tensor([[START, NO_TIMESTAMPS, *batch.targets[row, : count - 1].tolist()]]),
        ).logits[0, 1:]
        expected = F.cross_entropy(logits.double(), batch.targets[row, :count], reduction="sum")
        torch.testing.assert_close(losses[row], expected, rtol=1e-5, atol=0)


def test_a_model_that_knows_nothing_loses_the_logarithm_of_the_vocabulary_per_token(recognizer, batch, encoded):
    model = copy.deepcopy(recognizer.network)
    model.proj_out = torch.nn.Linear(16, VOCABULARY, bias=False)
    torch.nn.init.zeros_(model.proj_out.weight)
    losses, tokens = recognizer.with_network(model).reference_loss(batch, encoded)
    torch.testing.assert_close(losses, tokens.double() * math.log(VOCABULARY), rtol=1e-6, atol=0)


def test_torchs_generator_is_left_alone(recognizer, utterances):
    state = torch.get_rng_state()
    batch = batch_of(recognizer, utterances)
    encoded = recognizer.encode(batch)
    recognizer.transcribe(batch, encoded)
    recognizer.reference_loss(batch, encoded)
    assert torch.equal(torch.get_rng_state(), state)


def test_outputs_that_are_not_finite_are_an_error(recognizer, batch, encoded):
    broken = copy.deepcopy(recognizer.network)
    torch.nn.init.constant_(broken.model.encoder.layer_norm.weight, math.nan)
    torch.nn.init.constant_(broken.model.decoder.layer_norm.weight, math.nan)
    with pytest.raises(ConversionError, match="encoder output holds values that are not finite"):
        recognizer.with_network(broken).encode(batch)
    for run in (recognizer.with_network(broken).transcribe, recognizer.with_network(broken).reference_loss):
        with pytest.raises(ConversionError, match="decoder output holds values that are not finite"):
            run(batch, encoded)


def test_an_empty_batch_is_an_error(recognizer):
    with pytest.raises(DataError, match="at least one utterance"):
        batch_of(recognizer, [])


def test_a_clip_longer_than_the_window_is_named(recognizer, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(31 * 8000), 8000)
    with pytest.raises(DataError, match=r"d lasts 31\.0 s, at most 30 s fit"):
        recognizer.encode(batch_of(recognizer, [Utterance("d", tmp_path / "long.wav", "text")]))


def test_a_transcript_longer_than_the_decoder_is_named(recognizer, utterances):
    # Two tokens are the prompt; a space comes before the text.
    room = recognizer.network.config.max_target_positions - 2
    longest = batch_of(recognizer, [replace(utterances[0], text="a" * (room - 1))])
    assert longest.targets.shape == (1, room + 1)
    assert recognizer.calibration_inputs(longest)["decoder_input_ids"].shape == (1, room + 2)
    with pytest.raises(DataError, match=f"a: the transcript has {room + 1} tokens, at most {room} fit"):
        batch_of(recognizer, [replace(utterances[0], text="a" * room)])


def test_missing_audio_is_named(recognizer, tmp_path):
    with pytest.raises(DataError, match=r"no audio file at .*gone\.wav"):
        batch_of(recognizer, [Utterance("d", tmp_path / "gone.wav", "text")])


@pytest.mark.slow
def test_tiny_en_hears_the_asterisk_prompts_with_less_than_8_percent_errors():
    recognizer = load_seq2seq("whisper-tiny.en")
    evaluation, _ = split(load_corpus("asterisk"), 60, 4)
    errors, words = [], []
    for start in range(0, 60, 10):
        batch = batch_of(recognizer, evaluation.utterances[start : start + 10])
        encoded = recognizer.encode(batch)
        for reference, heard in zip(batch.texts, recognizer.transcribe(batch, encoded), strict=True):
            count = recognizer.word_errors(reference, heard)
            errors.append(count.errors)
            words.append(count.words)
    assert sum(words) >= 100
    assert word_error_rate(errors, words) < 0.08


@pytest.mark.slow
def test_no_reference_of_the_asterisk_prompts_comes_near_the_cap():
    recognizer = load_seq2seq("whisper-tiny.en")
    for utterance in load_corpus("asterisk").utterances:
        batch = batch_of(recognizer, [utterance])
        tokens = int(batch.target_counts[0]) - 1  # without the end
        assert recognizer._cap(int(batch.samples[0]) / 16_000) >= tokens + 8, utterance.id
