"""Files of speech recognition that were damaged or forged: an error of memrix's own, or the same result."""

import gzip
import json
import random
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memrix.archive import FileKind, read_archive, write_archive
from memrix.asr.corpora.catalogue import load_corpus
from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.experiment.systems import Measurement, System
from memrix.asr.experiment.trained import kept_search
from memrix.asr.kept import with_hash
from memrix.asr.labels import PhonemeLabels, PieceLabels
from memrix.asr.models.conformer import ConformerSettings
from memrix.asr.pronunciation import read_dictionary
from memrix.asr.recogniser_files import load_recogniser, new_recogniser, quantize_recogniser, save_recogniser
from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.language_model import open_language_model
from memrix.asr.search.settings import SearchSettings
from memrix.asr.training.settings import TrainingSettings
from memrix.asr.training.state import read_state, write_state
from memrix.asr.whisper.journal import Journal
from memrix.asr.whisper.pretrained import load_pretrained
from memrix.asr.whisper.results import BatchRecord, Execution, UtteranceRecord
from memrix.errors import CalibrationError, MemrixError
from memrix.hardware import Hardware
from memrix.quantization import Quantization
from tests.asr.search.tiny import ARPA
from tests.asr.tones import PRONUNCIATIONS, tone_corpus
from tests.mutations import LONG_NUMBER, NASTY, NASTY_TEXTS, json_text, mutations

RECOGNIZER = FileKind("recognizer", "`memrix train`", "`memrix train`")
FEW, MANY = 30, 1000
COUNTS = [FEW, pytest.param(MANY, marks=pytest.mark.slow)]

pytestmark = pytest.mark.filterwarnings("ignore")


def explore(strategy, check, count):
    """Run a check on so many draws, the same ones each time."""

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def run(drawn):
        check(drawn)

    run()


def changed(tree, values=NASTY):
    """Trees that differ from one in one field, or in two."""
    once = st.sampled_from([mutated for _, mutated in mutations(tree, values)])
    return once | once.flatmap(
        lambda mutated: st.sampled_from([again for _, again in mutations(mutated, values[::5])] or [mutated])
    )


def with_other_bytes(content):
    """A file with a few bytes changed, cut off, or doubled."""

    def damaged(seed):
        draw = random.Random(seed)
        parts = bytearray(content)
        for _ in range(draw.choice((1, 1, 1, 5))):
            parts[draw.randrange(len(parts))] = draw.randrange(256)
        return bytes(draw.choice((parts, parts[: draw.randrange(len(parts))], parts + parts)))

    return st.integers(0, 10**9).map(damaged)


def or_error(call, *arguments):
    """What a call returns, or None where it ends in an error of memrix."""
    try:
        return call(*arguments)
    except MemrixError:
        return None


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("mutated")


def small(labels):
    torch.manual_seed(0)
    sizes = {"width": 8, "blocks": 1, "heads": 2, "feed_forward": 8, "kernel": 3, "channels": (2, 2, 2, 2)}
    return new_recogniser(ConformerSettings(**sizes, dropout=0.0), labels)


def phonemes():
    return PhonemeLabels({word: (tuple(way.split()),) for word, way in PRONUNCIATIONS.items()})


@pytest.fixture(scope="module", params=["float", "coarse", "pieces"])
def recogniser_file(request, place):
    labels = PieceLabels.trained(["one two three four"] * 3, 16) if request.param == "pieces" else phonemes()
    recogniser = small(labels)
    if request.param == "coarse":
        quantize_recogniser(recogniser, Hardware.preset("paper"), Quantization())
        for name, buffer in recogniser.network.named_buffers():
            if name.endswith("input_range"):
                buffer.fill_(2.0)
    path = place / f"{request.param}.safetensors"
    save_recogniser(path, recogniser, {"epochs": [{"epoch": 0}]})
    return path


def require_sound(recogniser):
    audio = torch.linspace(-0.1, 0.1, 4000).sin().unsqueeze(0)
    try:
        with torch.no_grad():
            found, lengths = recogniser(audio, torch.tensor([4000]))
    except CalibrationError:  # a range that was not found yet is a sound one
        return
    assert found.shape[2] == len(recogniser.labels.symbols)
    assert int(lengths[0]) <= found.shape[1]
    assert found.exp().sum(dim=2).allclose(torch.ones(()), atol=1e-4)


@pytest.mark.parametrize("count", COUNTS)
def test_a_recogniser_of_another_description_is_refused_or_sound(recogniser_file, place, count):
    tensors, description = read_archive(recogniser_file, RECOGNIZER)
    path = place / "other.safetensors"

    def check(other):
        write_archive(path, tensors, other)
        found = or_error(load_recogniser, path)
        if found is not None:
            require_sound(found[0])

    explore(changed(description, tuple(value for value in NASTY if value is not LONG_NUMBER)), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_recogniser_of_other_tensors_is_refused_or_sound(recogniser_file, place, count):
    tensors, description = read_archive(recogniser_file, RECOGNIZER)
    path = place / "other.safetensors"
    changes = {
        "shape": lambda value: value.flatten()[:-1],
        "type": lambda value: value.long(),
        "half": lambda value: value.half(),
        "complex": lambda value: value.to(torch.complex64),
        "zero": torch.zeros_like,
        "nan": lambda value: value + torch.nan,
        "infinite": lambda value: value + torch.inf,
        "large": lambda value: value * 1e30,
        "empty": lambda value: value.new_zeros(0),
        "huge": lambda value: value.double() * 1e308,
    }

    def check(drawn):
        name, kind = drawn
        write_archive(path, {**tensors, name: changes[kind](tensors[name])}, description)
        found = or_error(load_recogniser, path)
        if found is not None and kind not in ("large", "huge"):
            require_sound(found[0])

    explore(st.tuples(st.sampled_from(sorted(tensors)), st.sampled_from(sorted(changes))), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_recogniser_is_refused_or_the_same(recogniser_file, place, count):
    tensors, _ = read_archive(recogniser_file, RECOGNIZER)
    path = place / "other.safetensors"

    def check(content):
        path.write_bytes(content)
        found = or_error(load_recogniser, path)
        if found is not None:
            for name, value in found[0].state_dict().items():
                assert torch.equal(value.nan_to_num(), tensors[name].nan_to_num())

    explore(with_other_bytes(recogniser_file.read_bytes()), check, count)


SETTINGS = {
    "corpus": "queen",
    "dictionaries": ["words.dict"],
    "method": "quantization-aware",
    "model": {"preset": "small", "width": 24, "channels": [2, 2, 2, 2]},
    "labels": {"kind": "pieces", "size": 100},
    "augmentation": {"speeds": [0.9, 1.0], "time_mask_frames": 2},
    "hardware": {"preset": "paper", "weight_bits": 3, "adc": {"range_bits": 5}},
    "quantization": {"weight_noise": 0.05, "noise_start_epoch": 1},
    "optimiser": {"learning_rates": [1e-3, 8e-3], "phases": [1.0], "weight_decay": 0.1},
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
            assert 1 <= found[0].beam_size <= 1 << 20
            assert "sha256" not in other or found[0] == SearchSettings()

    explore(changed(whole) | changed(hashless), check, count)


MEASURED = Measurement(System("chip", 3, "paper", 1), ("a", "b"), (1, 0), (4, 5), 3, 20, ("one", ""), 1000, 0.01, 2.5)


@pytest.mark.parametrize("count", COUNTS)
def test_a_kept_measurement_is_refused_or_the_same(place, count):
    path = place / "measurement.json"
    MEASURED.save(path, "key")

    def check(other):
        path.write_text(json_text(other), encoding="utf-8", errors="surrogatepass")
        assert or_error(Measurement.load, path, "key") in (None, MEASURED)

    explore(changed(json.loads(path.read_text())), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_forged_measurement_has_the_types_of_one(place, count):
    path = place / "measurement.json"
    MEASURED.save(path, "key")
    table = json.loads(path.read_text())
    del table["sha256"]

    def check(other):
        path.write_text(json_text(with_hash(other)), encoding="utf-8")
        found = or_error(Measurement.load, path, "key")
        if found is not None:
            assert len(found.ids) == len(found.errors) == len(found.words) == len(found.hypotheses)
            assert all(type(count) is int and count >= 0 for count in (*found.errors, *found.words, found.cells))
            assert 0 <= found.clipped <= 1

    explore(changed(table, plain_values()).filter(lambda tree: isinstance(tree, dict)), check, count)


def plain_values():
    """Values that ``json.dumps`` writes."""
    return tuple(value for value in NASTY if value is not LONG_NUMBER)


def recorded(path):
    journal = Journal(path)
    utterance = UtteranceRecord("a", "said", "heard", 1, 4, 0.3, 3, 9.0, 100.0, 2.0)
    journal.append(Execution("chip", 4, 0), BatchRecord(0, 10, 0.5, 7, 1, (utterance,)))
    return journal.batches(Execution("chip", 4, 0))


@pytest.mark.parametrize("count", COUNTS)
def test_a_journal_is_refused_or_the_same(place, count):
    path = place / "journal.jsonl"
    path.unlink(missing_ok=True)
    batches = recorded(path)
    table = json.loads(path.read_text())

    def check(other):
        path.write_text(json_text(other) + "\n", encoding="utf-8", errors="surrogatepass")
        found = or_error(Journal, path)
        assert found is None or found.batches(Execution("chip", 4, 0)) == batches

    def forged(other):
        path.write_text(json_text(with_hash(other)) + "\n", encoding="utf-8")
        or_error(Journal, path)

    explore(changed(table), check, count)
    del table["sha256"]
    explore(changed(table, plain_values()).filter(lambda tree: isinstance(tree, dict)), forged, count)


def other_lines(text):
    """ARPA files with a field of a line replaced, or a line removed, doubled or moved."""
    fields = (
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1e308",
        "1",
        "",
        "<s>",
        "</s>",
        "<unk>",
        "9" * 30,
        "\0",
        "é",
        "\\end\\",
    )

    def damaged(seed):
        draw = random.Random(seed)
        lines = text.split("\n")
        for _ in range(draw.choice((1, 1, 2, 4))):
            number = draw.randrange(len(lines))
            kind = draw.choice(("field", "field", "field", "remove", "double", "move", "count"))
            if kind == "remove" and len(lines) > 1:
                del lines[number]
            elif kind == "double":
                lines.insert(number, lines[number])
            elif kind == "move":
                lines.insert(draw.randrange(len(lines)), lines[number])
            elif kind == "count":
                stated = draw.choice((-1, 0, 1, 4, 6, 8, 10**6, 10**12, 10**30, "9" * 5000))
                lines[draw.randrange(1, 3) % len(lines)] = f"ngram {draw.randrange(4)}={stated}"
            else:
                parts = lines[number].replace("\t", " ").split(" ")
                parts[draw.randrange(len(parts))] = draw.choice(fields)
                lines[number] = "\t".join(parts)
        return "\n".join(lines)

    return st.integers(0, 10**9).map(damaged)


@pytest.mark.parametrize("count", COUNTS)
def test_a_language_model_is_refused_or_gives_numbers(place, count):
    path = place / "lm.arpa"

    def check(text):
        content = text.encode("utf-8", "surrogatepass")
        path.write_bytes(gzip.compress(content) if len(text) % 2 else content)
        model = or_error(open_language_model, path)
        kenlm = None if model is None else or_error(load_kenlm, path, ["tea", "eat", "pot"])
        if kenlm is not None:
            state, total = kenlm.start(False), 0.0
            for word in (0, 1, 2, 0):
                state, log10 = kenlm.score(state, word)
                total += log10
            assert -1e5 < total + kenlm.finish(state)[1] < 1e5

    explore(other_lines(ARPA), check, count)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"), train=2, held_out=2).folder


@pytest.mark.parametrize("count", COUNTS)
def test_a_manifest_is_refused_or_of_files_in_its_folder(tones, place, count):
    from memrix.asr.corpora.manifest_lines import parsed_cut

    first = json.loads(gzip.decompress((tones / "train.jsonl.gz").read_bytes()).decode().splitlines()[0])
    rich = {
        **first,
        "custom": {"part": "clean", "snr": 3.5, "tags": ["a", 1]},
        "features": {"storage_type": "lilcom_chunky", "num_features": 80},
    }
    rich["recording"]["transforms"] = [{"name": "Speed", "kwargs": {"factor": 0.9}}]
    rich["supervisions"][0]["alignment"] = {"word": [["one", 0.0, 0.5, 1.0]]}
    paths = []

    def check(other):
        cut = or_error(parsed_cut, json_text(other))
        if cut is not None:
            built = cut.built(lambda name: paths.append(name) or f"audio/{len(paths)}.wav")
            assert all(source.type == "file" for source in built.recording.sources)
            assert built.to_dict()["type"] == "MonoCut"

    explore(changed(first) | changed(rich), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_manifest_is_refused_or_the_same(tones, place, count):
    folder = place / "corpus"
    folder.mkdir(exist_ok=True)
    (folder / "corpus.json").write_bytes((tones / "corpus.json").read_bytes())
    content = (tones / "train.jsonl.gz").read_bytes()

    def check(damaged):
        (folder / "train.jsonl.gz").write_bytes(damaged)
        corpus = open_corpus(str(folder))
        cuts = or_error(corpus.cuts, "train")
        assert cuts is None or [cut.id for cut in cuts] == ["train-0", "train-1"]

    explore(with_other_bytes(content), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_the_description_of_a_corpus_is_refused_or_can_be_shown(tones, place, count):
    from memrix.cli.corpus import _print_table

    folder = place / "described"
    folder.mkdir(exist_ok=True)
    table = json.loads((tones / "corpus.json").read_text())
    table |= {"left_out": {"digits": 3}, "skipped": ["x: y"], "dictionary": "words.dict"}

    def check(other):
        (folder / "corpus.json").write_text(json_text(other), encoding="utf-8", errors="surrogatepass")
        corpus = or_error(open_corpus, str(folder))
        if corpus is not None:
            _print_table(corpus, corpus.description.get("statistics", {}))
            assert all(isinstance(item, int) for item in corpus.description.get("left_out", {}).values())

    explore(changed(table), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_list_of_recordings_is_refused_or_read(place, count):
    path = place / "list.jsonl"

    def check(other):
        path.write_text(json_text(other) + "\n", encoding="utf-8", errors="surrogatepass")
        or_error(lambda: load_corpus(str(path)).fingerprint)

    explore(changed({"audio": "a.wav", "text": "hello there", "id": "a"}), check, count)


@pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS)
def test_texts_that_are_no_tree_are_refused_everywhere(place, tones, text):
    path = place / "nasty.json"
    path.write_text(text, encoding="utf-8")
    assert or_error(kept_search, path, "remove it") is None
    assert or_error(Measurement.load, path, "key") is None
    path.write_text(text + "\n", encoding="utf-8")
    assert or_error(Journal, path) is None or text == ""
    (place / "nasty.jsonl").write_text(text, encoding="utf-8")
    assert or_error(load_corpus, str(place / "nasty.jsonl")) is None
    folder = place / "nasty"
    folder.mkdir(exist_ok=True)
    (folder / "corpus.json").write_text(text, encoding="utf-8")
    assert or_error(open_corpus, str(folder)) is None
    (folder / "corpus.json").write_bytes((tones / "corpus.json").read_bytes())
    (folder / "train.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    assert or_error(open_corpus(str(folder)).cuts, "train") is None


@pytest.mark.parametrize("count", COUNTS)
def test_a_dictionary_is_refused_or_read(place, count):
    path = place / "words.dict"
    content = "".join(f"{word} {way}\n" for word, way in PRONUNCIATIONS.items()).encode()

    def check(damaged):
        path.write_bytes(damaged)
        found = or_error(read_dictionary, path)
        assert found is None or all(way for ways in found.values() for way in ways)

    explore(with_other_bytes(content), check, count)


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_state_is_refused_or_whole(place, count):
    path = place / "last.ckpt"
    epoch = {"epoch": 0, "loss": 1.0, "dev_loss": 1.0, "dev_error_rate": 0.5, "seconds": 2.0}
    moments = {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}
    state = {
        "recogniser": {"mean": torch.ones(2)},
        "optimiser": {"state": {0: moments}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "epoch": 1,
        "batch": 0,
        "loss": 0.0,
        "labels": 0,
        "history": [epoch],
    }
    write_state(path, state)

    def check(damaged):
        path.write_bytes(damaged)
        found = or_error(read_state, path)
        assert found is None or found.keys() == {"format", *state}

    explore(with_other_bytes(path.read_bytes()), check, count)


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
