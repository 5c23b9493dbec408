"""Device parameters as files, in the layout of ``default_params.json`` of the ``synaptogen`` package."""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from memrix._support.documents import file_path, parse_json, read_text, write_whole
from memrix._support.preset_names import SYNAPTOGEN
from memrix._support.records import closest
from memrix._support.validation import shown
from memrix.device.parameters import FEATURES, HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE, Array, DeviceParameters
from memrix.device.ranges import LEAST_READ_VOLTAGE
from memrix.errors import SettingsError

_ORDER = re.compile(r"VAR_([0-9]{1,4})")
_HIGHEST_ORDER = 1000
# Exponent, and voltages in V; whether pulses reach them is told where cells are programmed.
_SCALARS = {"η": (1e-3, 100.0), "U₀": (LEAST_READ_VOLTAGE, 100.0), "Umax": (LEAST_READ_VOLTAGE, 100.0)}
_LARGEST = 1e12  # of any coefficient: ohms are the largest numbers there are
_DOUBLED = 2 * len(FEATURES)


def load_parameters(source: str = SYNAPTOGEN) -> DeviceParameters:
    """Read device parameters from the ``synaptogen`` package, or from a JSON file of the same layout.

    Args:
        source: ``synaptogen``, or the path of the file.

    Raises:
        SettingsError: the file is missing, is not JSON, or lists every field that is missing or inconsistent.
    """
    if source == SYNAPTOGEN:
        text = (resources.files("synaptogen") / "default_params.json").read_text(encoding="utf-8")
    else:
        path = file_path(source, SettingsError, "device parameters are named by a path, which")
        try:
            text = read_text(path)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"device parameters {str(source)!r} cannot be read ({error}); give "
                f"{SYNAPTOGEN!r} or the path of a JSON file laid out like its default_params.json"
            ) from error
    return parse_parameters(text, str(source))


def save_parameters(parameters: DeviceParameters, path: str | Path) -> None:
    """Write device parameters to a JSON file that ``load_parameters`` reads.

    Args:
        parameters: of a device.
        path: of the file, which is replaced if it exists.

    Raises:
        SettingsError: the file cannot be written.
    """
    path = file_path(path, SettingsError, "the path of device parameters")
    write_whole(path, format_parameters(parameters).encode(), SettingsError)


def format_parameters(parameters: DeviceParameters) -> str:
    """The text of a file that ``load_parameters`` reads."""
    cholesky = parameters.mixture_cholesky.transpose(1, 0, 2).reshape(_DOUBLED, -1)
    fields = {
        "η": parameters.reset_exponent,
        "U₀": parameters.read_voltage,
        "Umax": parameters.full_reset_voltage,
        "γ": parameters.feature_polynomials.tolist(),
        "wk": parameters.mixture_weights.tolist(),
        "μDtD": parameters.mixture_means.T.tolist(),
        "LDtD": cholesky.tolist(),
        "HHRS": parameters.high_resistance.tolist(),
        "LLRS": parameters.low_resistance.tolist(),
        **{f"VAR_{order:03}": matrix.tolist() for order, matrix in sorted(parameters.autoregressions.items())},
    }
    return json.dumps(fields, ensure_ascii=False, indent=1) + "\n"


@functools.lru_cache(maxsize=8)
def parse_parameters(text: str, source: str) -> DeviceParameters:
    """Parameters of the text of a file, which ``source`` names.

    Raises:
        SettingsError: the text is not JSON, or lists every field that is missing or inconsistent.
    """
    try:
        raw = parse_json(text)
    except ValueError as error:
        raise SettingsError(f"device parameters {source!r} are not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        problems = [f"the file must hold a table of fields, got {type(raw).__name__}"]
    elif not (problems := _malformed(raw)):
        parameters = _parse(raw, source)
        problems = _inconsistent(parameters)
        if not problems:
            return parameters
    raise SettingsError(
        f"device parameters {source!r} are not laid out like the default_params.json of the synaptogen package:\n  "
        + "\n  ".join(problems)
    )


def _malformed(raw: dict[str, Any]) -> list[str]:
    """What is wrong with single fields: missing, unknown, not numbers, not finite, of another shape."""
    known = (*_SCALARS, "LLRS", "HHRS", "γ", "wk", "μDtD", "LDtD")
    problems = [
        f"there is no field {shown(name)}{closest(name, known)}"
        for name in raw
        if name not in known and not _ORDER.fullmatch(name)
    ]
    for name, (low, high) in _SCALARS.items():
        value = raw.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            problems.append(f"{name} must be a number from {low:g} to {high:g}, " + _got(raw, name))
    components = _shape(raw.get("wk"))[0] if len(_shape(raw.get("wk"))) == 1 else None
    wide = None if components is None else _DOUBLED * components
    shapes: dict[str, tuple[int | None, ...]] = {
        "LLRS": (None,),
        "HHRS": (None,),
        "γ": (len(FEATURES), None),
        "wk": (None,),
        "μDtD": (_DOUBLED, components),
        "LDtD": (_DOUBLED, wide),
    }
    orders = [name for name in raw if _ORDER.fullmatch(name)]
    if not orders:
        problems.append("there is no field VAR_<order>, such as VAR_010: an autoregression over the cycles")
    for name in orders:
        shapes[name] = (len(FEATURES), len(FEATURES) * (int(name.removeprefix("VAR_")) + 1))
        if not 0 < int(name.removeprefix("VAR_")) <= _HIGHEST_ORDER:
            problems.append(f"{name}: an autoregression has an order from 1 to {_HIGHEST_ORDER}")
    for name, expected in shapes.items():
        shape = _shape(raw.get(name))
        if len(shape) != len(expected) or any(e not in (None, s) for e, s in zip(expected, shape, strict=True)):
            wanted = " x ".join("any" if size is None else str(size) for size in expected)
            problems.append(f"{name} must be a table of {wanted} numbers, " + _got(raw, name))
        elif not np.size(raw[name]) or not np.all(np.abs(np.asarray(raw[name], dtype=np.float64)) <= _LARGEST):
            problems.append(f"{name} is empty or holds a number that is not finite, or beyond {_LARGEST:g}")
    return problems


def _shape(value: object) -> tuple[int, ...]:
    """Of a rectangular table of numbers; a scalar's shape for anything else."""
    rows = value if isinstance(value, list) else []
    leaves = [item for row in rows for item in (row if isinstance(row, list) else [row])]
    if not all(type(item) in (int, float) for item in leaves):
        return ()
    try:
        array = np.asarray(rows)
    except ValueError:
        return ()
    return array.shape if array.dtype.kind in "iuf" and isinstance(value, list) else ()


def _got(raw: dict[str, Any], name: str) -> str:
    if name not in raw:
        return "but it is missing"
    shape = _shape(raw[name])
    return f"got {' x '.join(map(str, shape))}" if shape else f"got {shown(raw[name])}"


def _parse(raw: dict[str, Any], source: str) -> DeviceParameters:
    def array(name: str) -> Array:
        return np.asarray(raw[name], dtype=np.float64)

    weights = array("wk")
    # The file interleaves the components: row i holds row i of every component's factor, side by side.
    cholesky = array("LDtD").reshape(_DOUBLED, len(weights), _DOUBLED).transpose(1, 0, 2)
    orders = {int(name.removeprefix("VAR_")): name for name in raw if _ORDER.fullmatch(name)}
    return DeviceParameters(
        source=source,
        low_resistance=array("LLRS"),
        high_resistance=array("HHRS"),
        read_voltage=float(raw["U₀"]),
        full_reset_voltage=float(raw["Umax"]),
        reset_exponent=float(raw["η"]),
        feature_polynomials=array("γ"),
        mixture_weights=_normalized(weights),
        mixture_means=array("μDtD").T.copy(),
        mixture_cholesky=cholesky.copy(),
        autoregressions={order: array(orders[order]) for order in sorted(orders)},
    )


def _normalized(weights: Array) -> Array:
    # What was normalized before stays as it is, to the last bit: a device is saved as it was read.
    total = weights.sum()
    return weights if abs(total - 1) < 1e-12 else weights / (total or 1.0)


def _inconsistent(parameters: DeviceParameters) -> list[str]:
    """Why numbers of the right shapes cannot describe a device."""
    problems = []
    for name, polynomial in (("LLRS", parameters.low_resistance), ("HHRS", parameters.high_resistance)):
        if len(polynomial) < 2 or polynomial[-1] != 0:
            problems.append(f"{name}, a polynomial, must end in 0: no current without a voltage")
    if parameters.low_resistance_conductance <= parameters.high_resistance_conductance:
        problems.append("LLRS must conduct better than HHRS at the voltage U₀")
    problems += _implausible(parameters)
    if parameters.feature_polynomials.shape[1] < 2:
        problems.append("γ, four polynomials, needs a degree of at least 1")
    if np.any(parameters.mixture_weights < 0) or not np.isclose(parameters.mixture_weights.sum(), 1.0):
        problems.append("wk, the weights of the mixture, must not be negative, and not all 0")
    if np.any(np.triu(parameters.mixture_cholesky, 1)):
        problems.append("LDtD must hold lower triangular matrices, one beside the other")
    if parameters.read_voltage >= parameters.full_reset_voltage:
        problems.append(
            f"U₀ = {parameters.read_voltage} V, where resistances are read, must lie below "
            f"Umax = {parameters.full_reset_voltage} V, where a reset is complete"
        )
    return problems


_TYPICAL = (
    ("log10 of the high resistance in ohm", HRS, 0.0, 15.0),
    ("the SET voltage in V", SET_VOLTAGE, -100.0, 100.0),
    ("the low resistance in ohm", LRS, 1.0, 1e12),
    ("the RESET voltage in V", RESET_VOLTAGE, -100.0, 100.0),
)


def _implausible(parameters: DeviceParameters) -> list[str]:
    """Features of the median cycle of a mean device that no cell can have."""
    with np.errstate(all="ignore"):
        means = parameters.mixture_weights @ parameters.mixture_means  # four offsets, then four scales
        typical = means[: len(FEATURES)] + means[len(FEATURES) :] * parameters.feature_polynomials[:, -1]
    return [
        f"{name} must be from {low:g} to {high:g} in the median cycle of a mean device, got {typical[feature]:g}"
        for name, feature, low, high in _TYPICAL
        if not low <= typical[feature] <= high
    ]
