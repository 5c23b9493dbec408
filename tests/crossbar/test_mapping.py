import pytest
import torch

from memrix.crossbar import Tile
from memrix.crossbar.mapping import Layout


def layout(*shape: int, bits: int = 3, mapping: str = "bit-sliced", tile: Tile | None = None) -> Layout:
    return Layout.of(*shape, weight_bits=bits, mapping=mapping, tile=tile or Tile())


def test_three_bits_take_two_differential_pairs():
    sliced = layout(1, 384, 1536)
    assert sliced.row_tiles == 3
    assert sliced.tiles == 3 * 12 * 2
    assert sliced.cells == 384 * 1536 * 4
    assert sliced.utilization == 1.0


def test_multi_level_cells_hold_a_weight_in_one_pair():
    for bits, share in ((3, 1 / 2), (6, 1 / 5)):
        sliced, levels = layout(1, 384, 1536, bits=bits), layout(1, 384, 1536, bits=bits, mapping="multi-level")
        assert levels.cells == 384 * 1536 * 2 == share * sliced.cells
        assert levels.conversions == share * sliced.conversions
        assert levels.plane_weights == [2 ** (bits - 1) - 1]


def test_a_tile_that_is_not_full_is_counted_whole():
    odd = layout(1, 100, 130, bits=2, tile=Tile(64, 128))
    assert (odd.row_tiles, odd.rows, odd.tiles) == (2, 64, 4)
    assert odd.utilization == 100 * 130 / (4 * 64 * 128)
    assert odd.conversions == 2 * 130


@pytest.mark.parametrize("mapping", ["bit-sliced", "multi-level"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_planes_and_polarities_add_up_to_the_integers(mapping, bits):
    limit = 2 ** (bits - 1) - 1
    integers = torch.arange(-limit, limit + 1, dtype=torch.int32).view(1, 1, -1)
    here = layout(*integers.shape, bits=bits, mapping=mapping)
    total = torch.zeros(integers.shape)
    for plane, positive, negative in here.targets(integers):
        assert not bool((positive.bool() & negative.bool()).any())
        total += (positive.float() - negative.float()) * here.plane_weights[plane]
    torch.testing.assert_close(total, integers.float())


def test_digits_of_more_than_one_bit_add_up_too():
    integers = torch.arange(-15, 16, dtype=torch.int32).view(1, 1, -1)
    here = Layout(1, 1, 31, planes=2, levels=3, tile=Tile())
    planes = list(here.targets(integers))
    total = sum((positive - negative) * here.plane_weights[plane] for plane, positive, negative in planes)
    torch.testing.assert_close(total, integers.float())
    assert here.plane_weights == [3, 12]
