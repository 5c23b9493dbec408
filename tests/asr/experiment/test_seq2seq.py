"""An experiment of a sequence-to-sequence model: the same way as that of a CTC model."""

import pytest

from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.recognizer_files import open_recognizer
from memrix.asr.trained_recognizers import open_trained, write_trained
from tests.asr.experiment.conftest import Listener
from tests.asr.tones import tone_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings(whisper_folder, tmp_path_factory):
    tones = tone_corpus(tmp_path_factory.mktemp("few-tones"), train=4, held_out=3).folder
    return ExperimentSettings(
        model=str(whisper_folder),
        corpus=str(tones),
        hardware=("ideal", "paper"),
        weight_bits=(3,),
        chips=1,
        epochs=1,
        low_bit_epochs=(1,),
        limit=2,
        calibration_clips=2,
    )


@pytest.fixture(scope="module")
def done(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whisper")
    return run_experiment(settings, folder), folder


def test_it_is_trained_in_float_and_with_low_bit_weights_and_evaluated(done):
    result, folder = done
    assert [str(row) for row in result.evaluation.rows] == [
        *("float", "quantized, 3 bit", "ideal, 3 bit, chip 0", "paper, 3 bit, chip 0")
    ]
    floating, quantized, ideal, _ = result.evaluation.rows
    assert floating.label_error_rate is None
    assert ideal.loss == pytest.approx(quantized.loss, rel=1e-3)
    assert quantized.loss != floating.loss
    assert result.evaluation.decoding is None
    low_bit = open_recognizer(str(folder / "low-bit-3" / "model.safetensors"))
    assert low_bit.description["hardware"]["weight_range"] == "mean-square-error"


def test_its_recognizers_are_saved_and_used_again(settings, done, tmp_path):
    write_trained(tmp_path / "kept", done[0].trained)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"float.safetensors", "3-bit.safetensors"}
    trained = open_trained(str(tmp_path / "kept"))
    listener = Listener()
    given = {"corpus": settings.corpus, "hardware": ("ideal",), "chips": 1, "limit": 2, "calibration_clips": 2}
    again = run_experiment(ExperimentSettings(**given, **trained.settings()), tmp_path / "again", listener)
    assert listener.notes == []
    assert again.evaluation.rows[0].words > 0
