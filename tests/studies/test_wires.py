"""What wires cost a layer, and what programming for them gives back."""

from __future__ import annotations

from memrix import Hardware, ResetSet
from memrix.studies.standard_layer import StandardLayer
from memrix.studies.wires import study_wires

SMALL = StandardLayer(inputs=32, outputs=16, vectors=128, chips=1)
CHIP = Hardware.preset("ideal")


def test_programmed_for_the_wires_a_layer_is_as_good_as_with_perfect_ones() -> None:
    perfect, separate, interleaved = study_wires(CHIP, SMALL, ohms=(1.0,), sizes=(32,)).rows
    assert (perfect.ohms, perfect.compensated, perfect.ratio) == (0.0, None, None)
    for row in (separate, interleaved):
        assert row.compensated is not None
        assert row.compensated < 1e-3 < row.corrected < row.error / 2
        assert row.scales[0] < row.scales[1] < 1
    assert interleaved.scales[0] < separate.scales[0]


def test_a_protocol_without_levels_has_the_correction_of_columns_alone() -> None:
    study = study_wires(CHIP.replace(programming=ResetSet()), SMALL, ohms=(1.0,), sizes=(16,))
    assert [row.compensated for row in study.rows] == [None] * 3
    assert len(study.to_markdown().splitlines()) == 2 + 3


def test_wires_beyond_any_scale_are_told_in_the_table() -> None:
    row = study_wires(CHIP, SMALL, ohms=(400.0,), sizes=(32,)).rows[1]
    assert "give smaller tiles" in row.problem
    assert row.compensated is None
