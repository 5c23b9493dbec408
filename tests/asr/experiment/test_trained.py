import gzip
import json
import shutil

import pytest
import torch

from memrix.asr.experiment.report import rows_of
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.experiment.trained import open_trained, shipped_recognizers, write_trained
from memrix.asr.recognizer_files import load_recognizer
from memrix.errors import CheckpointError, DataError


@pytest.fixture(scope="module")
def kept(done, tmp_path_factory):
    """A folder of what an experiment has trained."""
    folder = tmp_path_factory.mktemp("trained") / "kept"
    write_trained(folder, done.result.trained)
    return folder


def test_an_experiment_goes_on_elsewhere_from_what_another_has_trained(quick, done, kept, tmp_path):
    trained = open_trained(str(kept))
    assert trained.search == done.result.trained.search
    with pytest.warns(DeprecationWarning, match="use TrainedRecognizers.low_bit"):
        assert trained.coarse == trained.low_bit
    assert [bits for bits, _ in trained.low_bit] == [3]
    assert gzip.decompress(trained.language_model.read_bytes()) == done.result.trained.language_model.read_bytes()
    said = []
    settings = ExperimentSettings(corpus=quick().corpus, chips=1, **trained.settings())
    again = run_experiment(settings, tmp_path, said.append)
    assert all(text.startswith("measuring") for text in said)
    assert [row.rate for row in rows_of(again)] == pytest.approx([row.rate for row in rows_of(done.result)], abs=0.15)


def test_weights_are_kept_at_half_precision(done, kept):
    whole = done.folder / "float" / "model.safetensors"
    half = kept / "float.safetensors"
    assert half.stat().st_size < 0.8 * whole.stat().st_size
    kept, wanted = (load_recognizer(path)[0].state_dict() for path in (half, whole))
    for name, value in kept.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-6)


def test_folders_that_lack_something(kept, tmp_path):
    with pytest.raises(CheckpointError, match="did you mean 'queen-small'"):
        open_trained("queen-smal")
    with pytest.raises(CheckpointError, match="--save-trained"):
        open_trained(str(tmp_path / "nowhere"))
    folder = shutil.copytree(kept, tmp_path / "kept")
    (folder / "search.json").write_text(json.dumps({"settings": {"lm": 1}}))
    with pytest.raises(DataError, match=r"search\.json holds no decoding settings"):
        open_trained(str(folder))
    (folder / "search.json").unlink()
    (folder / "float.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks float\.safetensors, search\.json"):
        open_trained(str(folder))


def test_a_binary_language_model_is_refused(kept, tmp_path):
    trained = open_trained(str(kept))
    binary = tmp_path / "lm.bin"
    binary.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n" + bytes(100))
    with pytest.raises(DataError, match="only an ARPA file"):
        write_trained(tmp_path / "out", type(trained)(trained.floating, (), binary, trained.search))


@pytest.mark.parametrize("name", shipped_recognizers())
def test_what_memrix_brings_is_whole_and_small(name):
    trained = open_trained(name)
    assert [bits for bits, _ in trained.low_bit] == [4, 3]
    floating = load_recognizer(trained.floating)[0]
    assert "hardware" not in floating.description
    for bits, path in trained.low_bit:
        assert load_recognizer(path)[0].description["hardware"]["weight_bits"] == bits
    folder = trained.floating.parent
    assert all(path.stat().st_size < 10e6 for path in folder.iterdir())
    card = (folder / "README.md").read_text()
    for part in ("## Data", "## License", "## Word error rates"):
        assert part in card
