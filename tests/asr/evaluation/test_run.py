import json
from dataclasses import replace

import pytest
import torch

import memrix
from memrix.asr.corpora.catalog import load_corpus
from memrix.asr.evaluation.batches import joined
from memrix.asr.evaluation.opening import open_recognizers
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.evaluation.run import evaluate
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.recognizer_files import quantize_recognizer, save_recognizer
from memrix.asr.seq2seq.pretrained import load_seq2seq
from memrix.asr.speech_model import Example, SpeechBatch
from memrix.errors import CheckpointError, ConversionError, DataError, SettingsError
from memrix.hardware import Hardware


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMRIX_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def recognizer(whisper_folder):
    return load_seq2seq(str(whisper_folder))


@pytest.fixture
def corpus(kept_recordings):
    return load_corpus(str(kept_recordings))


@pytest.fixture(scope="module")
def whole(recognizer, kept_recordings, tmp_path_factory):
    """The result of an evaluation that nothing interrupts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMRIX_CACHE", str(tmp_path_factory.mktemp("cache")))
        return evaluate(settings(chips=2), recognizer, load_corpus(str(kept_recordings)))


def settings(**changes):
    given = {"weight_bits": (8, 3), "limit": 5, "calibration_clips": 2, "batch_size": 2, **changes}
    hardware = given.pop("hardware", Hardware.preset("physical"))
    return EvaluationSettings("tiny", "recordings", hardware, **given)


def without_times(result):
    data = result.to_dict()
    for row in (*data["rows"], *data["summary"]):
        del row["seconds_per_audio_second"]
    return data


class Listener(Reporter):
    """Remembers what was said."""

    def __init__(self):
        self.notes = []
        self.rows = []

    def note(self, text):
        self.notes.append(text)

    def row(self, execution, row):
        self.rows.append(str(execution))


class Interruption(Reporter):
    """Presses Ctrl-C when the execution of that name has finished so many utterances."""

    def __init__(self, execution, utterances):
        self.execution = execution
        self.utterances = utterances

    def stage(self, name, total):
        return self.Stage(self, name)

    class Stage:
        def __init__(self, interruption, name):
            self.interruption, self.name = interruption, name

        def __enter__(self):
            return self.advance

        def __exit__(self, *error):
            pass

        def advance(self, done):
            if self.name == self.interruption.execution and done >= self.interruption.utterances:
                raise KeyboardInterrupt


def test_every_execution_has_a_row_in_order(whole):
    assert [(row.execution, row.weight_bits, row.chip) for row in whole.rows] == [
        ("float", None, None),
        ("quantized", 8, None),
        ("chip", 8, 0),
        ("chip", 8, 1),
        ("quantized", 3, None),
        ("chip", 3, 0),
        ("chip", 3, 1),
    ]
    assert {row.utterances for row in whole.rows} == {5}
    assert whole.corpus["utterances"] == 5


def test_the_quantized_network_is_nearer_to_float_at_more_bits(whole):
    exact, fine, low_bit = (row for row in whole.rows if row.execution != "chip")
    assert exact.output_error == 0
    assert 0 < fine.output_error < low_bit.output_error


def test_an_ideal_chip_is_the_quantized_network(recognizer, corpus, cache):
    ideal = settings(weight_bits=(6,), hardware=Hardware.preset("ideal"))
    _, quantized, chip = evaluate(ideal, recognizer, corpus).rows
    assert chip.loss == pytest.approx(quantized.loss, rel=1e-4)
    assert chip.output_error == pytest.approx(quantized.output_error, rel=1e-3)
    assert chip.errors == quantized.errors


def test_more_bits_take_more_cells(whole):
    fine, low_bit = whole.rows[2], whole.rows[5]
    # A weight of b bits lies in b - 1 differential pairs.
    assert low_bit.cells * 7 == fine.cells * 2


def test_chips_differ_and_say_what_their_converters_clip(whole):
    first, second = whole.rows[5:]
    assert first.output_error != second.output_error
    assert 0 <= first.clipped < 1
    assert whole.rows[4].clipped is None


def test_another_seed_gives_other_chips(whole, recognizer, corpus, cache):
    other = evaluate(settings(weight_bits=(3,), seed=1), recognizer, corpus)
    assert other.rows[2].output_error != whole.rows[5].output_error


def test_the_recognizer_is_left_untouched(recognizer, corpus, cache):
    before = {name: value.clone() for name, value in recognizer.network.state_dict().items()}
    evaluate(settings(weight_bits=(3,), limit=1), recognizer, corpus)
    after = recognizer.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("execution", "utterances"), [("float", 2), ("quantized, 8 bit", 5), ("custom, 3 bit, chip 1", 4)]
)
def test_an_interrupted_run_ends_with_the_same_figures(whole, recognizer, corpus, cache, execution, utterances):
    with pytest.raises(KeyboardInterrupt):
        evaluate(settings(chips=2), recognizer, corpus, reporter=Interruption(execution, utterances))
    listener = Listener()
    resumed = evaluate(settings(chips=2), recognizer, corpus, reporter=listener)
    assert "batches are kept from an earlier call" in listener.notes[0]
    assert without_times(resumed) == without_times(whole)


def test_a_finished_run_is_not_measured_again_unless_afresh(recognizer, corpus, cache):
    few = settings(weight_bits=(3,), limit=1)
    first = evaluate(few, recognizer, corpus)
    again = evaluate(few, recognizer, corpus)
    # Times included: they can only agree if they come from the journal.
    assert again == first
    fresh = evaluate(few, recognizer, corpus, fresh=True)
    assert fresh != first
    assert without_times(fresh) == without_times(first)


def test_more_bits_and_chips_add_to_what_is_measured(recognizer, corpus, cache):
    first = evaluate(settings(weight_bits=(3,), limit=1), recognizer, corpus)
    more = evaluate(settings(weight_bits=(3, 5), limit=1, chips=2), recognizer, corpus)
    assert more.rows[:3] == first.rows


def test_a_pattern_that_names_no_layer_stops_before_the_work(recognizer, corpus, cache):
    listener = Listener()
    with pytest.raises(ConversionError, match="proj_oud"):
        evaluate(settings(digital=("proj_oud",)), recognizer, corpus, reporter=listener)
    assert listener.rows == []


def test_changed_audio_is_measured_again(recognizer, recordings, cache):
    corpus = load_corpus(str(recordings))
    few = settings(weight_bits=(3,), limit=1)
    evaluate(few, recognizer, corpus)
    for utterance in corpus.utterances:
        content = bytearray(utterance.audio.read_bytes())
        content[-1000:] = bytes(1000)
        utterance.audio.write_bytes(content)
    listener = Listener()
    evaluate(few, recognizer, corpus, reporter=listener)
    assert listener.notes == []


def test_front_end_and_output_layer_stay_digital_unless_asked_for(recognizer, corpus, cache):
    few = {"weight_bits": (3,), "limit": 1}
    kept = evaluate(settings(**few), recognizer, corpus)
    on_chip = evaluate(settings(**few, digital=()), recognizer, corpus)
    # Output layer 31 x 16 and convolutions 16 x 80 x 3 and 16 x 16 x 3, with 2 planes of 2 cells a weight.
    assert on_chip.rows[2].cells - kept.rows[2].cells == (31 * 16 + 16 * 80 * 3 + 16 * 16 * 3) * 4


def test_bad_audio_stops_the_evaluation_by_name(recognizer, recordings, cache):
    (recordings / "clip2.wav").write_bytes(b"not audio")
    with pytest.raises(DataError, match=r"clip2\.wav"):
        evaluate(settings(), recognizer, load_corpus(str(recordings)))


def test_bad_audio_is_skipped_on_request_and_counted(recognizer, recordings, cache):
    (recordings / "clip2.wav").write_bytes(b"not audio")
    listener = Listener()
    skipping = settings(weight_bits=(3,), limit=1, skip_bad=True)
    result = evaluate(skipping, recognizer, load_corpus(str(recordings)), reporter=listener)
    assert result.corpus["skipped"] == 1
    assert "clip2.wav" in result.corpus["skipped_because"][0]
    assert "clip2.wav" in listener.notes[0]


def test_a_result_says_how_it_was_made(whole, recognizer, tmp_path):
    whole.save(tmp_path / "result.json")
    data = json.loads((tmp_path / "result.json").read_text())
    assert set(data["versions"]) == {"memrix", "torch", "transformers", "synaptogen", "python"}
    assert data["hardware"] == {"custom": Hardware.preset("physical").replace(weight_bits=8).to_dict()}
    assert data["settings"]["weight_bits"] == [8, 3]
    assert data["settings"]["digital"] == ["model.encoder.conv1", "model.encoder.conv2", "proj_out"]
    assert [(row["execution"], row["chips"]) for row in data["summary"][:3]] == [
        ("float", 0),
        ("quantized", 0),
        ("chip", 2),
    ]
    assert data["corpus"]["words"] == data["rows"][0]["words"]
    assert data["model"] == recognizer.source


@pytest.fixture(scope="module")
def trained(whisper_folder, tmp_path_factory):
    """A recognizer with low-bit weights in a file, as a training writes it."""
    model = load_seq2seq(str(whisper_folder))
    batch = SpeechBatch.of([Example("a", "one", torch.randn(8000), torch.tensor([1, 28]), torch.zeros(0, 80).bool())])
    hardware = Hardware.preset("paper").replace(weight_bits=3, weight_range="mean-square-error")
    memrix.calibrate(model.network, [model.calibration_inputs(batch)], model.chip_choice(hardware))
    quantize_recognizer(model, hardware, memrix.Quantization(learned_steps=True))
    path = tmp_path_factory.mktemp("trained") / "model.safetensors"
    save_recognizer(path, model)
    return str(path)


def opened(whisper_folder, *files, bits=(3,)):
    """A float model, and those of low-bit weights in files."""
    given = settings(weight_bits=bits, hardware=("ideal",), low_bit=files)
    return open_recognizers(replace(given, model=str(whisper_folder)), None)


def test_a_trained_recognizer_is_evaluated_with_the_integers_of_its_training(
    recognizer, corpus, cache, trained, whisper_folder
):
    low_bit = opened(whisper_folder, f"3:{trained}")[1]
    given = settings(weight_bits=(3,), hardware=("ideal",), low_bit=(f"3:{trained}",))
    result = evaluate(given, recognizer, corpus, low_bit=low_bit, calibration=corpus)
    _, quantized, chip = result.rows
    assert chip.loss == pytest.approx(quantized.loss, rel=1e-4)
    untrained = evaluate(settings(weight_bits=(3,), hardware=("ideal",)), recognizer, corpus).rows[1]
    assert quantized.loss != untrained.loss
    assert result.corpus["utterances"] == 5  # of eight, none of which calibration takes
    assert "model.safetensors, SHA-256" in result.low_bit["3"]


def test_files_of_other_bits_are_refused(trained, whisper_folder):
    with pytest.raises(CheckpointError, match=r"recognizer of 3 bit, expected one of 4 bit"):
        opened(whisper_folder, f"4:{trained}", bits=(4,))
    with pytest.raises(CheckpointError, match=r"recognizer of 3 bit, expected one in float"):
        open_recognizers(EvaluationSettings(model=trained), None)


def test_several_kinds_of_chips_are_measured_in_one_call(recognizer, corpus, cache):
    named, few = ("ideal", "tuned"), {"weight_bits": (3,), "limit": 1}
    result = evaluate(settings(hardware=named, **few), recognizer, corpus)
    kinds = [(row.execution, row.hardware) for row in result.rows]
    assert kinds == [("float", None), ("quantized", None), ("chip", "ideal"), ("chip", "tuned")]
    assert set(result.hardware) == set(named)
    # One that is tuned gets its samples whatever was calibrated before.
    alone = evaluate(settings(hardware=("tuned",), **few), recognizer, corpus, fresh=True)
    assert alone.rows[2].loss == result.rows[3].loss


def test_costs_of_an_utterance_are_counted_once_and_change_no_figure(recognizer, corpus, cache):
    few = {"weight_bits": (3,), "limit": 1, "chips": 2}
    plain = evaluate(settings(**few), recognizer, corpus)
    counted = evaluate(settings(**few, costs=1), recognizer, corpus)
    assert [row.costs is None for row in counted.rows] == [True, True, False, True]
    costs = counted.summary[2].costs
    assert costs == counted.rows[2].costs
    assert (costs["inputs"], costs["seconds"]) == (1, 0.5)
    assert costs["energy"] == pytest.approx(sum(costs["by_cause"].values()))
    assert costs["latency"] > 0
    assert costs["conversions"] > 0
    # Times included: batches are those that were kept.
    assert [replace(row, costs=None) for row in counted.rows] == list(plain.rows)
    assert evaluate(settings(**few, costs=1), recognizer, corpus) == counted


def test_utterances_joined_to_windows_are_transcribed_together(recognizer, corpus, cache):
    found = evaluate(settings(join=True, weight_bits=(8,)), recognizer, corpus)
    alone = evaluate(settings(weight_bits=(8,)), recognizer, corpus)
    first, by_one = found.rows[0], alone.rows[0]
    assert 0 < first.words <= by_one.words  # numbers that meet are one
    assert first.utterances < by_one.utterances == 5
    windows = joined(recognizer, corpus.utterances)
    assert sum(map(len, (window.parts for window in windows))) == len(corpus.utterances)
    assert all(window.duration() <= recognizer.window.seconds or len(window.parts) == 1 for window in windows)
    assert all(len(window.samples()) == pytest.approx(16_000 * window.duration(), abs=16) for window in windows)


def test_a_model_without_windows_joins_nothing(recognizer, corpus, monkeypatch):
    monkeypatch.setattr(recognizer, "window", None)
    with pytest.raises(SettingsError, match="takes each utterance as it is"):
        joined(recognizer, corpus.utterances)
