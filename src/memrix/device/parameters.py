"""The measured parameters of a memristor cell, as the ``synaptogen`` package publishes them."""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memrix.errors import HardwareError

Array = NDArray[np.floating[Any]]

SYNAPTOGEN = "synaptogen"
FEATURES = ("HRS resistance (log10 ohm)", "SET voltage", "LRS resistance (ohm)", "RESET voltage")
HRS, SET_VOLTAGE, LRS, RESET_VOLTAGE = range(len(FEATURES))


@dataclass(frozen=True, eq=False)
class DeviceParameters:
    """Statistics of one device technology (Hennen et al., 10.3389/fnins.2022.941753).

    Attributes:
        source: where the numbers come from: ``synaptogen`` or the path of a file.
        low_resistance: polynomial of the low-resistance extreme ``I_LL(U)`` in A over V, highest degree first.
        high_resistance: the same of the high-resistance extreme ``I_HH(U)``.
        read_voltage: voltage in V at which resistances are defined.
        full_reset_voltage: voltage in V from which a reset is complete.
        reset_exponent: curvature of the current along a partial reset.
        feature_polynomials: ``[4, degree + 1]``, normal score to feature score, highest degree first.
        mixture_weights: ``[components]``, sums to 1.
        mixture_means: ``[components, 8]``: four offsets, then four scales of the features of a device.
        mixture_cholesky: ``[components, 8, 8]``, lower triangular.
        autoregression: ``[4, 4 * (order + 1)]``: noise matrix, then the history from oldest to newest.
    """

    source: str
    low_resistance: Array
    high_resistance: Array
    read_voltage: float
    full_reset_voltage: float
    reset_exponent: float
    feature_polynomials: Array
    mixture_weights: Array
    mixture_means: Array
    mixture_cholesky: Array
    autoregression: Array

    @property
    def low_resistance_conductance(self) -> float:
        """Conductance in S of the low-resistance extreme at the read voltage."""
        return float(np.polyval(self.low_resistance, self.read_voltage) / self.read_voltage)

    @property
    def high_resistance_conductance(self) -> float:
        """Conductance in S of the high-resistance extreme at the read voltage; negative by construction."""
        return float(np.polyval(self.high_resistance, self.read_voltage) / self.read_voltage)

    @property
    def innovation(self) -> Array:
        """``[4, 4]``: what one vector of standard normals adds to the feature scores in a cycle."""
        return self.autoregression[:, : len(FEATURES)]


def load_parameters(source: str = SYNAPTOGEN) -> DeviceParameters:
    """Read device parameters from the ``synaptogen`` package, or from a JSON file of the same layout.

    Raises:
        HardwareError: the file is missing, is not JSON, or lacks a field.
    """
    if source == SYNAPTOGEN:
        text = (resources.files("synaptogen") / "default_params.json").read_text(encoding="utf-8")
    else:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise HardwareError(
                f"device parameters {source!r} cannot be read ({error}); give "
                f"{SYNAPTOGEN!r} or the path of a JSON file laid out like its default_params.json"
            ) from error
    return _parsed(text, source)


@functools.lru_cache(maxsize=8)
def _parsed(text: str, source: str) -> DeviceParameters:
    try:
        parameters = _parse(json.loads(text), source)
        _require_usable(parameters)
        return parameters
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise HardwareError(
            f"device parameters {source!r} are not laid out like synaptogen's default_params.json: {error!r}; "
            f"compare the file with the one in the synaptogen package"
        ) from error


def _parse(raw: dict[str, Any], source: str) -> DeviceParameters:
    orders = sorted(key for key in raw if key.startswith("VAR_"))
    if not orders:
        raise KeyError("VAR_<order>")
    weights = np.asarray(raw["wk"], dtype=np.float64)
    doubled = 2 * len(FEATURES)
    # The file interleaves the components: row i holds row i of every component's factor, side by side.
    cholesky = np.asarray(raw["LDtD"], dtype=np.float64).reshape(doubled, len(weights), doubled)
    return DeviceParameters(
        source=source,
        low_resistance=np.asarray(raw["LLRS"], dtype=np.float64),
        high_resistance=np.asarray(raw["HHRS"], dtype=np.float64),
        read_voltage=float(raw["U₀"]),
        full_reset_voltage=float(raw["Umax"]),
        reset_exponent=float(raw["η"]),
        feature_polynomials=np.asarray(raw["γ"], dtype=np.float64).reshape(len(FEATURES), -1),
        mixture_weights=weights / weights.sum(),
        mixture_means=np.asarray(raw["μDtD"], dtype=np.float64).reshape(doubled, len(weights)).T.copy(),
        mixture_cholesky=cholesky.transpose(1, 0, 2).copy(),
        autoregression=np.asarray(raw[orders[-1]], dtype=np.float64).reshape(len(FEATURES), -1),
    )


def _require_usable(parameters: DeviceParameters) -> None:
    """Raise ValueError where the numbers cannot describe a device."""
    for field in dataclasses.fields(parameters):
        value = getattr(parameters, field.name)
        if field.name != "source" and not (np.size(value) and np.all(np.isfinite(value))):
            raise ValueError(f"{field.name} is empty or not finite")
    for name in ("low_resistance", "high_resistance"):
        polynomial = getattr(parameters, name)
        if len(polynomial) < 2 or polynomial[-1] != 0:
            raise ValueError(f"the polynomial of the {name} extreme must end in 0: no current without a voltage")
    if parameters.low_resistance_conductance <= parameters.high_resistance_conductance:
        raise ValueError("the low-resistance extreme must conduct better than the high-resistance one")
    if parameters.feature_polynomials.shape[1] < 2:
        raise ValueError("the feature polynomials need a degree of at least 1")
