"""Folders of pretrained models, looked through before a library loads them: no code, no pickles, no false sizes.

Anything else than weights in safetensors files and settings in JSON is never run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from memrix.asr.outside import explained, reason_of, user_path
from memrix.errors import AssetError
from memrix.toolkit import parse_json, shown

Shapes = Mapping[str, tuple[int, ...]]

_CONFIG, _WEIGHTS, _INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".joblib", ".npy"})
_UNSOUND = (OSError, SafetensorError, json.JSONDecodeError)  # what safe_open raises
_LARGEST_JSON = 64 << 20  # bytes
_TOKENIZER = "tokenizer.json"  # read by its own library, which runs nothing

_CODE_KEYS = {
    "auto_map": "its own code",
    "custom_pipelines": "its own code",
    "custom_generate": "its own code",
    "trust_remote_code": "a wish that its code be trusted",
    "use_kernels": "compiled code of the hub",
    "kernel_config": "compiled code of the hub",
    "allow_all_kernels": "compiled code of the hub",
    "quantization_config": "weights that another library has quantized",
}
_KERNEL_KEY = "_implementation"  # of attention or experts; the name of a repository is code to be fetched

_LARGEST_SIZE = 1 << 24
"""No size of a model's description is above: the largest vocabularies have a million entries."""
_DEEPEST = 16
_LAYER_COUNT = re.compile(r"layers?$|depth$|blocks?$|stages$")

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class ModelFolder:
    """A folder whose settings and weights were looked through.

    Attributes:
        path: of the folder.
        config: what its ``config.json`` says.
        shapes: of its tensors, by name.
        weights: its safetensors files.
    """

    path: Path
    config: Mapping[str, Any]
    shapes: Shapes
    weights: tuple[Path, ...]


SAFELY = {"trust_remote_code": False, "local_files_only": True}
"""How transformers loads from a folder that was looked through: nothing else is fetched, and no code is run."""


@contextmanager
def loading(what: str, fix: str) -> Iterator[None]:
    """Any failure of a loader as an AssetError: transformers and its file readers raise errors of many kinds."""
    try:
        yield
    except Exception as error:
        said = f": {error}" if isinstance(error, AssetError) else f" ({reason_of(error)})"
        raise AssetError(f"{what}{said}; {fix}") from error


def is_hub_name(name: str) -> bool:
    """Whether a text has the form of a name on the Hugging Face hub, ``owner/name``."""
    return _HUB_NAME.fullmatch(name) is not None and ".." not in name


def open_model_folder(name: str) -> ModelFolder:
    """A local folder, or a model of the hub, of which settings and safetensors files alone are fetched.

    Raises:
        AssetError: it is out of reach or damaged, contains code, or pickles instead of weights, or declares sizes
            that its weights do not have.
    """
    path = user_path(name, AssetError, "the name of a model")
    if not path.is_dir():
        path = _fetched(name)
    config = _checked_settings(path)
    weights = _weight_files(path)
    shapes = _shapes(weights)
    require_sizes(config, len(shapes), str(path / _CONFIG))
    return ModelFolder(path, config, shapes, weights)


def require_no_code(table: object, source: str) -> None:
    """Make sure that settings of a model of transformers name no code, at any depth.

    Raises:
        AssetError: they do; it is named.
    """
    for key, value in _entries(table, source):
        what = _CODE_KEYS.get(key)
        if what is None and key.endswith(_KERNEL_KEY):
            names = value.values() if isinstance(value, dict) else [value]
            what = "compiled code of the hub" if any(sign in str(name) for name in names for sign in "/:@") else None
        if what is not None and value not in (None, False):
            raise AssetError(
                f"{source} contains {what} ({key}: {shown(value)}), which memrix never runs; give a model whose "
                f"architecture transformers has, saved without {key}"
            )


def require_sizes(config: object, tensors: int, source: str) -> None:
    """Make sure that settings of a model of transformers, at any depth, can be those of so many tensors.

    Raises:
        AssetError: a size beyond all models, more layers than there are tensors, or no finite number.
    """
    for key, value in _entries(config, source):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            raise AssetError(f"{source} declares {key} = {value}, expected a finite number; copy it again")
        most = max(tensors, 1) if _LAYER_COUNT.search(key) else _LARGEST_SIZE
        if value > most or (isinstance(value, int) and value < -_LARGEST_SIZE):
            whose = " for its tensors" if most < _LARGEST_SIZE else "; copy it again"
            raise AssetError(f"{source} declares {key} = {shown(value)}, expected at most {most}{whose}")


def _entries(table: object, source: str, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Keys and values of a table, and of those inside of it; items of lists by the key of the list."""
    if depth > _DEEPEST:
        raise AssetError(f"{source} is nested too deeply; expected settings of a model")
    items = (
        table.items()
        if isinstance(table, dict)
        else ((key, item) for item in table)
        if isinstance(table, list)
        else ()
    )
    for name, value in items:
        yield str(name), value
        yield from _entries(value, source, str(name), depth + 1)


def _fetched(name: str) -> Path:
    if not is_hub_name(name):
        raise AssetError(f"there is no folder {shown(name)}, and models of the hub are named owner/name")
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(name, allow_patterns=["*.json", "merges.txt"]))
    # Large models have their weights several times, in other types.
    wanted = [_WEIGHTS]
    if (folder / _INDEX).is_file():
        wanted += _indexed(folder)
    return Path(snapshot_download(name, allow_patterns=["*.json", "merges.txt", *wanted]))


def _checked_settings(folder: Path) -> Mapping[str, Any]:
    """What ``config.json`` says, when no file of settings names code."""
    if (folder / _ADAPTER).is_file():
        raise AssetError(
            f"{folder} holds an adapter ({_ADAPTER}), which would fetch another model; merge it into its model "
            "(merge_and_unload of peft) and save that"
        )
    for path in sorted(folder.glob("*.json")):
        if path.name not in (_TOKENIZER, _CONFIG):
            require_no_code(_table(path), str(path))
    config = _table(folder / _CONFIG)
    if not isinstance(config, dict):
        raise AssetError(f"{folder / _CONFIG} is no table of settings; copy it again")
    require_no_code(config, str(folder / _CONFIG))
    return config


def _table(path: Path) -> Any:  # noqa: ANN401
    if not path.exists():
        raise AssetError(f"there is no {path.name} in {path.parent}")
    with explained(AssetError, f"{path} cannot be read", caught=(OSError, ValueError)):
        if path.stat().st_size > _LARGEST_JSON:
            raise AssetError(f"{path} is larger than {_LARGEST_JSON} bytes, which no settings of a model are")
        return parse_json(path.read_bytes())


def _weight_files(folder: Path) -> tuple[Path, ...]:
    names = [_WEIGHTS] if (folder / _WEIGHTS).is_file() else _indexed(folder) if (folder / _INDEX).is_file() else []
    if names:
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise AssetError(f"{folder} lacks {', '.join(missing)}, which its {_INDEX} names")
        return tuple(folder / name for name in names)
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles:
        raise AssetError(
            f"the weights in {folder} are in {', '.join(pickles)}: files that can run code as they are read, so "
            f"memrix reads {_WEIGHTS} alone. If you trust whoever wrote them, convert them: in Python, "
            f"`from transformers import AutoModel; AutoModel.from_pretrained({str(folder)!r}).save_pretrained("
            f"'converted')` with the class of the model in place of AutoModel, and copy the other .json files there"
        )
    raise AssetError(f"there is no {_WEIGHTS} in {folder}")


def _indexed(folder: Path) -> list[str]:
    """Files that the index of divided weights names."""
    table = _table(folder / _INDEX)
    files = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(files, dict) or not files:
        raise AssetError(f"{folder / _INDEX} names no files of weights; copy it again")
    names = sorted({str(name) for name in files.values()})
    strange = [name for name in names if not re.fullmatch(r"[\w.-]+\.safetensors", name)]
    if strange:
        raise AssetError(
            f"{folder / _INDEX} names {', '.join(map(shown, strange[:5]))}; weights are read from .safetensors files "
            "of that folder alone"
        )
    return names


def _shapes(files: tuple[Path, ...]) -> Shapes:
    """Shapes of all tensors; nothing but the heads of the files is read."""
    shapes: dict[str, tuple[int, ...]] = {}
    with ExitStack() as stack:
        for path in files:
            with explained(AssetError, f"{path} is no sound safetensors file", caught=_UNSOUND):
                file = stack.enter_context(safe_open(path, framework="pt"))
            shapes |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    return shapes
