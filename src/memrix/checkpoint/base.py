"""The base of a packed model: weights that are not stored, since the model has them in common with another one.

In place of such a tensor ``name`` a file keeps ``name.sha256``, by which the tensor of the base is recognized.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from memrix._support.documents import file_path
from memrix._support.tables import listed
from memrix._support.validation import shown
from memrix.errors import CheckpointError, SettingsError

SHA256 = "sha256"
_BYTES = 32
_WIDER = (torch.float16, torch.bfloat16)

Base = nn.Module | Mapping[str, Tensor] | str | Path


def weights_of(base: Base) -> Mapping[str, Tensor]:
    """Weights of a base by their names.

    Args:
        base: a model, a ``state_dict``, or the path of a safetensors file with one.

    Raises:
        CheckpointError: the file is missing or cannot be read.
        SettingsError: it is nothing of these.
    """
    if isinstance(base, nn.Module):
        state: dict[str, Tensor] = base.state_dict()
        return state
    if isinstance(base, Mapping):
        return base
    if not isinstance(base, (str, Path)):
        raise SettingsError(
            f"base must be a model, a state_dict or the path of a safetensors file, got {type(base).__name__}"
        )
    try:
        return load_file(file_path(base, CheckpointError, "the path of a base"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"there is no file {str(base)!r}; give the weights that the model started from"
        ) from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the base {str(base)!r} cannot be read ({error}); expected a safetensors file with the weights that the "
            "model started from"
        ) from error


def name_of(base: Base) -> str:
    """What a base is called in files and messages, unless it is given a name."""
    return Path(base).name if isinstance(base, (str, Path)) else type(base).__name__


def digest_of(tensor: Tensor) -> Tensor:
    """SHA-256 of the numbers of a tensor, uint8 ``[32]``: the same in half precision and cast to single precision."""
    plain = tensor.detach().cpu().contiguous()
    plain = plain.float() if plain.dtype in _WIDER else plain
    hashed = hashlib.sha256(f"{plain.dtype}{list(plain.shape)}".encode())
    hashed.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return torch.frombuffer(bytearray(hashed.digest()), dtype=torch.uint8)


def borrowed(name: str, tensor: Tensor, base: Mapping[str, Tensor]) -> Tensor | None:
    """The digest to keep in place of a tensor that a base has too; None where the tensor has to be stored."""
    other = base.get(name)
    if other is None or other.shape != tensor.shape or tensor.nbytes <= _BYTES:
        return None
    # By value: the sign of a zero is lost where weights are averaged.
    mine, theirs = (part.detach().cpu() for part in (tensor, other))
    kind = torch.promote_types(mine.dtype, theirs.dtype)
    return digest_of(other) if torch.equal(mine.to(kind), theirs.to(kind)) else None


def lent(digests: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a base, by the names of digests.

    Raises:
        CheckpointError: the base lacks tensors, or has others.
    """
    broken = [
        name for name, digest in digests.items() if digest.dtype is not torch.uint8 or digest.shape != (_BYTES,)
    ]
    if broken:
        raise CheckpointError(f"{shown(broken[0])}.{SHA256} must be uint8 [{_BYTES}]; write the file again")
    missing = [name for name in digests if name not in base]
    others = [name for name in digests if name in base and not torch.equal(digest_of(base[name]), digests[name])]
    if missing or others:
        parts = [f"{len(missing)} are missing ({listed(missing)})"] if missing else []
        parts += [f"{len(others)} differ ({listed(others)})"] if others else []
        raise CheckpointError(
            f"of {len(digests)} tensors that are to be those of the base, {' and '.join(parts)}; their SHA-256 tells"
        )
    return {name: base[name] for name in digests}
