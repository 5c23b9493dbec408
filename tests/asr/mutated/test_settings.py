"""Settings of trainings, searches and pretrained models that were changed: an error, or whole settings."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from memrix.asr.kept import with_hash
from memrix.asr.search.settings import SearchSettings
from memrix.asr.seq2seq.pretrained import load_pretrained
from memrix.asr.trained_recognizers import kept_search
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import AssetError, MemrixError
from tests.asr.mutated.drawing import COUNTS, FEW, MANY, changed, explore, or_error
from tests.mutations import NASTY_TEXTS, json_text

pytestmark = pytest.mark.filterwarnings("ignore")


SETTINGS = {
    "corpus": "queen",
    "dictionaries": ["words.dict"],
    "method": "quantization-aware",
    "model": {"preset": "small", "width": 24, "channels": [2, 2, 2, 2]},
    "labels": {"kind": "subwords", "size": 100},
    "augmentation": {"speeds": [0.9, 1.0], "time_mask_frames": 2},
    "hardware": {"preset": "paper", "weight_bits": 3, "adc": {"range_bits": 5}},
    "quantization": {"weight_noise": 0.05, "noise_start_epoch": 1},
    "optimizer": {"learning_rates": [1e-3, 8e-3], "phases": [1.0], "weight_decay": 0.1},
    "epochs": 3,
    "seconds_per_batch": 10.0,
    "average": 2,
    "seed": 1,
    "precision": "32",
    "devices": 1,
}
CTC_SETTINGS = {
    "model": {
        "kind": "transformers",
        "config": {"model_type": "parakeet_ctc", "encoder_config": {"hidden_size": 32, "num_hidden_layers": 1}},
    }
}


@pytest.mark.parametrize("table", [SETTINGS, CTC_SETTINGS], ids=["conformer", "transformers"])
@pytest.mark.parametrize("count", COUNTS)
def test_settings_are_refused_or_whole(table, count):
    def check(other):
        found = or_error(TrainingSettings.from_dict, other)
        if found is not None:
            assert TrainingSettings.from_dict(found.model_dump(mode="json")) == found

    explore(changed(table), check, count)


@pytest.mark.parametrize("text", [*NASTY_TEXTS.values(), "a = " + "[" * 10_000, "epochs = " + "9" * 5000])
def test_texts_that_are_no_settings_are_refused(place, text):
    path = place / "settings.toml"
    path.write_text(text, encoding="utf-8")
    assert or_error(TrainingSettings.load, path) in (None, TrainingSettings())


@pytest.mark.parametrize("count", COUNTS)
def test_a_search_is_refused_or_within_its_ranges(place, count):
    path = place / "search.json"
    whole = with_hash({"key": "k", "settings": asdict(SearchSettings()), "points": []})
    hashless = {"settings": asdict(SearchSettings())}

    def check(other):
        path.write_text(json_text(other), encoding="utf-8", errors="surrogatepass")
        found = or_error(kept_search, path, "remove it")
        if found is not None:
            assert 1 <= found.beam_size <= 1 << 20
            assert "sha256" not in other or found == SearchSettings()

    explore(changed(whole) | changed(hashless), check, count)


@pytest.fixture(scope="module")
def whisper(whisper_folder, place):
    import shutil

    folder = shutil.copytree(whisper_folder, place / "whisper")
    names = ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer_config.json")
    return SimpleNamespace(folder=folder, tables={name: json.loads((folder / name).read_text()) for name in names})


@pytest.mark.parametrize("count", [FEW // 4, pytest.param(MANY // 10, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "file", ["config.json", "generation_config.json", "preprocessor_config.json", "tokenizer_config.json"]
)
def test_settings_of_a_pretrained_model_are_refused_or_read(whisper, file, count):
    path = whisper.folder / file
    whole = path.read_text()

    def check(other):
        path.write_text(json_text(other), encoding="utf-8", errors="surrogatepass")
        found = or_error(load_pretrained, str(whisper.folder))
        assert found is None or found.model.config.d_model == 16

    try:
        explore(changed(whisper.tables[file]), check, count)
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("name", ["feature_size", "n_fft", "chunk_length", "sampling_rate", "hop_length"])
def test_features_of_another_size_are_refused_before_memory_is_taken(whisper, name):
    path = whisper.folder / "preprocessor_config.json"
    whole = path.read_text()
    path.write_text(json_text({**whisper.tables["preprocessor_config.json"], name: 1_000_000_000}))
    try:
        with pytest.raises(AssetError, match=f"{name} = 1000000000, expected"):
            load_pretrained(str(whisper.folder))
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("value", [float("-inf"), [float("nan")], [[[float("inf")]]], [[[10**30]]]])
def test_numbers_of_a_config_are_finite_however_deep_they_lie(value):
    config = {"model_type": "parakeet_ctc", "encoder_config": {"hidden_size": 32, "other": value}}
    with pytest.raises(MemrixError, match="other"):
        TrainingSettings.from_dict({"model": {"kind": "transformers", "config": config}})
