"""Bits of each layer for as many cells, or as much energy, or the fewest cells."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import memrix
from memrix import Hardware, MetricError, SettingsError, allocate
from memrix.studies.metric import Metric

from .studied_models import labeled, network

CHIP = Hardware.preset("physical").replace(weight_bits=3)
FEW = {"bits": (2, 3, 4, 6), "chips": 2}


class Uneven(nn.Module):
    """Two equal layers side by side, of which the outputs of one hardly count."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.loud, self.faint = nn.Linear(24, 8), nn.Linear(24, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.loud(x) + 0.05 * self.faint(x)


def test_the_layer_that_counts_gets_the_bits_and_the_loss_falls_at_equal_cells() -> None:
    model = Uneven().eval()
    found = allocate(model, CHIP, labeled(model), "loss", **FEW)
    assert found.bits == {"loud": 4, "faint": 2}
    assert found.allocated.cells <= found.given.cells == 2 * 2 * 24 * 8 * 2
    gain, interval = found.gain(found.uniform[0])
    assert interval is not None
    assert gain > interval[0] > 0


def test_its_hardware_is_what_calibrate_quantize_and_program_take_and_a_file_holds(tmp_path: Path) -> None:
    model = Uneven().eval()
    batches = labeled(model)
    found = allocate(model, CHIP, batches, "loss", **FEW)
    found.hardware.save(tmp_path / "chip.toml")
    hardware = Hardware.load(tmp_path / "chip.toml")
    assert hardware == found.hardware
    memrix.calibrate(model, [x for x, _ in batches], hardware)
    chip = memrix.program(model, hardware, seed=1)
    assert {layer.name: layer.weight_bits for layer in memrix.summary(chip).layers} == found.bits
    assert Metric.of("loss").measure(chip, batches).mean == pytest.approx(found.allocated.measured[1].mean, rel=1e-5)
    memrix.quantize(model, hardware)


def test_hardware_of_a_mapping_stays_one_and_keeps_what_else_it_says() -> None:
    model = Uneven().eval()
    chips = {"loud": CHIP, "faint": CHIP.replace(**{"dac.bits": 6})}
    found = allocate(model, chips, labeled(model), "loss", split=False, **FEW)
    assert {name: chip.dac.bits for name, chip in found.hardware.items()} == {"loud": 8, "faint": 6}
    assert not any(chip.adc.per_layer for chip in found.hardware.values())


@pytest.mark.slow
def test_a_budget_of_energy_is_kept() -> None:
    model = Uneven().eval()
    found = allocate(model, CHIP, labeled(model), "loss", "energy", **FEW)
    assert found.allocated.energy is not None
    assert found.given.energy is not None
    assert found.allocated.energy <= 1.01 * found.given.energy
    assert found.allocated.mean < found.given.mean


@pytest.mark.slow
def test_the_fewest_cells_for_a_loss() -> None:
    model = network()
    batches = labeled(model)
    found = allocate(model, CHIP.replace(weight_bits=4), batches, "loss", "loss", **FEW)
    assert found.allocated.mean <= found.limit == found.given.mean
    assert found.allocated.cells <= found.given.cells
    looser = allocate(model, CHIP, batches, "loss", "loss", 4 * found.limit, **FEW)
    assert looser.allocated.cells < found.allocated.cells


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"limit": 100}, SettingsError, "no allocation takes 100 cells or less: 2 bits for every layer take"),
        ({"budget": "loss", "limit": 0.0}, SettingsError, "no allocation reaches a loss of 0: with the least error"),
        ({"budget": "cell"}, SettingsError, "budget must be"),
        ({"limit": -1.0}, SettingsError, "limit must be"),
        ({"bits": [4]}, SettingsError, "two numbers of bits or more"),
        ({"bits": [4, 40]}, SettingsError, "weight_bits must be"),
        ({"batches": []}, MetricError, "no batch"),
        ({"metric": lambda model, batch: 0.0}, SettingsError, "it is not known whether"),
        ({"layers": ["lout"]}, memrix.ConversionError, "did you mean 'loud'"),
    ],
    ids=["cells", "loss", "budget", "limit", "bits", "most", "batches", "direction", "layers"],
)
def test_bad_input_is_told(changes: dict[str, object], error: type[Exception], message: str) -> None:
    model = Uneven().eval()
    given = {"hardware": CHIP, "batches": labeled(model), "metric": "loss", "chips": 1, "bits": (2, 4), **changes}
    with pytest.raises(error, match=message):
        allocate(model, **given)


def test_it_prints_tables_and_draws_a_chart() -> None:
    model = Uneven().eval()
    found = allocate(model, CHIP, labeled(model), "loss", **FEW)
    assert "allocated is better by" in str(found)
    assert list(found.to_frame()["bits"]) == list(found.bits.values())
    assert [row["name"] for row in found.to_dict()["chips"]] == [each.name for each in found.chips]
    bars = found.plot().axes[0].patches
    assert [bar.get_height() for bar in bars] == list(found.bits.values())
