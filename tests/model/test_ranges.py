"""Every setting of a chip has a range; whatever lies outside ends in an error that gives it."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from memrix import Hardware
from memrix.crossbar import Drift, Ideal, PreCycled, ResetRamp, ResetSet, WriteVerify
from memrix.errors import SettingsError

PROTOCOLS = [ResetSet(), PreCycled(), WriteVerify(), ResetRamp(), Ideal()]
# Neither a number, a name nor a part that any setting takes.
NONSENSE = {
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "1e300": 1e300,
    "-1e300": -1e300,
    "complex": 1 + 1j,
    "huge": 10**5000,
    "minus huge": -(10**5000),
    "bytes": b"1",
    "list": [1],
    "array": np.array([1, 1]),
    "tensor": torch.ones(2),
    "numpy NaN": np.float32("nan"),
    "numpy complex": np.complex64(1j),
    "object": object(),
    "type": int,
}


def settings() -> list[tuple[Hardware, str]]:
    """Every number, choice and flag of a chip, by its dotted name, of every protocol."""
    found: list[tuple[Hardware, str]] = []
    for protocol in PROTOCOLS:
        hardware = Hardware(programming=protocol)
        for field in dataclasses.fields(hardware):
            part = getattr(hardware, field.name)
            if field.name == "programming" or (dataclasses.is_dataclass(part) and protocol == ResetSet()):
                found += [(hardware, f"{field.name}.{inside.name}") for inside in dataclasses.fields(part)]
            elif protocol == ResetSet():
                found.append((hardware, field.name))
    return found


SETTINGS = settings()
PARTS = ("device", "tile", "dac", "adc", "faults", "relaxation", "telegraph", "drift")


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE.keys())
def test_no_setting_takes_what_is_nonsense(value):
    taken, messages = [], {}
    for hardware, name in SETTINGS:
        if name in PARTS:
            continue
        try:
            hardware.replace(**{name: value})
            taken.append(f"{type(hardware.programming).__name__}: {name}")
        except SettingsError as error:
            messages[name] = str(error)
    assert not taken
    assert not [name for name, message in messages.items() if name.rpartition(".")[2] not in message]
    assert max(map(len, messages.values())) < 600


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE.keys())
@pytest.mark.parametrize("part", ["programming", *PARTS])
def test_no_part_is_nonsense(part, value):
    with pytest.raises(SettingsError):
        Hardware(**{part: value})
    with pytest.raises(SettingsError):
        Hardware.from_dict({part: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("dac.vmax", 10.0, r"dac\.vmax must be a number from 0\.001 to 1\.5 V \(below, noise.*\), got 10\.0"),
        ("dac.vmax", 1e-9, r"dac\.vmax"),
        ("dac.bits", 15, "dac.bits must be an integer from 2 to 14, got 15"),
        ("adc.gain", 1e300, r"adc\.gain must be a number from 1e-06 to 1e\+06 \(no amplifier.*\), got 1e\+300"),
        ("adc.gain", 0, r"adc\.gain"),
        ("device.temperature", 4.0, r"device\.temperature must be a number from 77 to 600 K \(the cells were"),
        ("device.temperature", 1e6, r"device\.temperature"),
        ("device.bandwidth", 1e15, r"device\.bandwidth must be a number from 1 to 1e\+12 Hz"),
        ("programming.pulse_width", 10.0, r"programming\.pulse_width must be a number from 1e-10 to 1 s"),
        ("drift.reference_seconds", 1e-12, r"drift\.reference_seconds must be a number from 1e-09 to 1e\+12 s"),
        ("column_calibration", 1, r"column_calibration must be one of True, False, got 1"),
        ("adc.per_layer", "yes", r"adc\.per_layer must be one of True, False, got 'yes'"),
        ("noise", True, "noise must be one of 'physical'"),
        ("weight_bits", True, "weight_bits"),
        ("dac.vmax", True, r"dac\.vmax"),
        ("faults.stuck_on", True, r"faults\.stuck_on"),
    ],
)
def test_errors_give_the_range_and_why_it_ends(name, value, said):
    with pytest.raises(SettingsError, match=said):
        Hardware().replace(**{name: value})


@pytest.mark.parametrize(
    ("protocol", "name", "value"),
    [
        (WriteVerify(), "test_voltage", 2.0),
        (WriteVerify(), "test_voltage", 1e-6),
        (WriteVerify(), "tolerance", 1e3),
        (WriteVerify(), "read_bandwidth", 1e-3),
        (WriteVerify(), "read_bits", 30),
        (ResetRamp(), "start", 1e20),
        (ResetRamp(), "stop", 1e20),
        (ResetRamp(), "step", 1e20),
        (ResetRamp(), "on", 1e20),
    ],
)
def test_read_back_has_ranges_too(protocol, name, value):
    with pytest.raises(SettingsError, match=rf"programming\.{name} must be"):
        Hardware(programming=protocol).replace(**{f"programming.{name}": value})


def test_drift_lets_no_conductance_grow_without_bounds():
    with pytest.raises(SettingsError, match=r"grow by a factor of 10\*\*24\.0"):
        Drift(seconds=1e12, exponent=-1.0, exponent_spread=0.0 + 1 / 3, reference_seconds=1.0)
    with pytest.raises(SettingsError, match="grow by a factor"):
        Drift(seconds=1e6, exponent=0.0, exponent_spread=0.5)
    Drift(seconds=1e6, exponent=0.05, exponent_spread=0.05)


def test_scalars_of_numpy_become_python_s_numbers(tmp_path):
    plain = {"weight_bits": 5, "dac.vmax": 0.5, "adc.range_bits": 6, "drift.seconds": 3600.0, "tile.rows": 64}
    scalars = {
        "weight_bits": np.int64(5),
        "dac.vmax": np.float32(0.5),
        "adc.range_bits": np.uint8(6),
        "drift.seconds": np.float64(3600),
        "tile.rows": np.int16(64),
        "column_calibration": np.bool_(False),
    }
    hardware = Hardware().replace(**scalars)
    assert hardware == Hardware().replace(**plain)
    for ending in ("toml", "json"):
        hardware.save(tmp_path / f"chip.{ending}")
        assert Hardware.load(tmp_path / f"chip.{ending}") == hardware
