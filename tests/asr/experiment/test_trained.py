import gzip
import json
import shutil
from pathlib import Path

import pytest
import torch

import memrix
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.evaluation.opening import open_evaluation
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.experiment.run import run_experiment
from memrix.asr.experiment.settings import ExperimentSettings
from memrix.asr.recognizer_files import load_recognizer
from memrix.asr.trained_recognizers import open_trained, shipped_recognizers, write_trained
from memrix.cli.main import main
from memrix.errors import CheckpointError, DataError
from tests.asr.experiment.conftest import Listener
from tests.conftest import TEXTS


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
    assert trained.priors == done.result.trained.priors
    listener = Listener()
    settings = ExperimentSettings(corpus=quick().corpus, chips=1, **trained.settings())
    again = run_experiment(settings, tmp_path, listener)
    # Nothing is trained, tuned or estimated, and no prior is found.
    assert listener.notes == []
    assert not [*tmp_path.glob("*.json")]
    rates, known = ([row.wer for row in item.evaluation.summary] for item in (again, done.result))
    assert rates == pytest.approx(known, abs=0.15)
    assert again.trained == trained


@pytest.mark.parametrize(("trained", "name"), [("float", "float"), ("low-bit-3", "3-bit")])
def test_recognizers_are_kept_packed(done, kept, trained, name):
    whole = done.folder / trained / "model.safetensors"
    packed = kept / f"{name}.safetensors"
    assert packed.stat().st_size < 0.6 * whole.stat().st_size  # most of so small a file are its texts
    found, wanted = (load_recognizer(path)[0] for path in (packed, whole))
    assert found.description == wanted.description
    for name, module in found.named_modules():
        other = wanted.get_submodule(name)
        if hasattr(module, "quantized_weight"):
            assert torch.equal(module.quantized_weight(), other.quantized_weight()), name
        elif isinstance(getattr(module, "weight", None), torch.Tensor):
            rows, expected = (
                each.weight.detach().flatten(1) if each.weight.dim() > 1 else each.weight[None]
                for each in (module, other)
            )
            assert bool(((rows - expected).abs().amax(1) <= 1.1e-3 * expected.abs().amax(1)).all()), name


def test_folders_that_lack_something(kept, tmp_path):
    with pytest.raises(CheckpointError, match="did you mean 'queen-small'"):
        open_trained("queen-smal")
    with pytest.raises(CheckpointError, match="--save-trained"):
        open_trained(str(tmp_path / "nowhere"))
    folder = shutil.copytree(kept, tmp_path / "kept")
    (folder / "search.json").write_text(json.dumps({"settings": {"lm": 1}}))
    with pytest.raises(DataError, match=r"search\.json holds no decoding settings"):
        open_trained(str(folder))
    (folder / "search.json").write_text(json.dumps({"settings": {}, "priors": {"3": [2]}}))
    with pytest.raises(DataError, match=r"search\.json holds no label priors"):
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


def test_what_memrix_brings_is_whole():
    trained = open_trained("queen-small")
    assert set(trained.priors) == {None, 4, 3}
    require_whole(trained, [4, 3])


@pytest.mark.slow
def test_whisper_is_whole_and_small():
    trained = open_trained("whisper-queen")
    assert trained.search is None
    assert all(path.stat().st_size < 10e6 for path in (trained.floating, *dict(trained.low_bit).values()))
    require_whole(trained, [4])


def require_whole(trained, expected):
    assert [bits for bits, _ in trained.low_bit] == expected
    floating = load_recognizer(trained.floating)[0]
    assert "hardware" not in floating.description
    for bits, path in trained.low_bit:
        assert load_recognizer(path)[0].description["hardware"]["weight_bits"] == bits
    folder = trained.floating.parent
    card = (folder / "README.md").read_text()
    for part in ("## Data", "## License", "## Word error rates"):
        assert part in card


def test_a_wheel_carries_at_most_8_megabytes_of_weights():
    package = Path(memrix.__file__).parent
    assert sum(path.stat().st_size for path in package.rglob("*.safetensors")) <= 8e6
    # And nothing else of their size.
    others = [path for path in package.rglob("*") if path.is_file() and path.suffix not in (".safetensors", ".pyc")]
    assert all(path.stat().st_size < 1e6 for path in others)


def test_they_transcribe_recordings_that_no_corpus_was_prepared_of(kept, tones, tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    cuts = list(open_corpus(str(tones)).cuts("test"))[:4]
    texts = [cut.supervisions[0].text.capitalize() + "!" for cut in cuts]
    paths = [cut.recording.sources[0].source for cut in cuts]
    lines = [json.dumps({"audio": str(path), "text": text}) for path, text in zip(paths, texts, strict=True)]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    options = ["--calibration-clips", "1", "--hardware", "ideal", "--json", str(tmp_path / "result.json")]
    assert main(["evaluate", "--model", str(kept), "--corpus", str(tmp_path / "mine.jsonl"), *options]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert [row["weight_bits"] for row in result["rows"]] == [None, 3, 3]
    assert result["rows"][0]["wer"] < 0.2
    assert result["decoding"]["words"] == 4


def test_one_file_alone_needs_a_corpus_to_find_words_with(done, tmp_path, monkeypatch, kept_recordings):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "words.dict").write_text("".join(f"{word} W AH N\n" for text in TEXTS for word in text.split()))
    settings = EvaluationSettings(
        str(done.folder / "float" / "model.safetensors"),
        str(kept_recordings),
        dictionaries=(str(tmp_path / "words.dict"),),
    )
    with pytest.raises(DataError, match="has no split 'train' to find a language model with; name a folder"):
        open_evaluation(settings, Listener())


def test_an_installed_package_brings_recognizers(kept, tmp_path, monkeypatch):
    shutil.copytree(kept, tmp_path / "memrix_tones")
    (tmp_path / "memrix_tones" / "__init__.py").touch()
    installed = tmp_path / "memrix_tones-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: memrix-tones\nVersion: 1.0\n")
    gone = "tones-gone = memrix_tones_gone"
    (installed / "entry_points.txt").write_text(f"[memrix.recognizers]\ntones = memrix_tones\n{gone}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "tones" in shipped_recognizers()
    assert "tones-gone" not in shipped_recognizers()
    assert open_trained("tones").floating == tmp_path / "memrix_tones" / "float.safetensors"
    with pytest.raises(CheckpointError, match=r"no trained recognizers 'tone'.*tones"):
        open_trained("tone")
