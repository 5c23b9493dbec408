import torch

from memrix.crossbar import Tile
from memrix.crossbar.mapping import Layout, cells_on, planes_of


def test_three_bits_take_two_differential_pairs():
    layout = Layout(groups=1, inputs=384, outputs=1536, planes=planes_of(3), tile=Tile(128, 128))
    assert layout.row_tiles == 3
    assert layout.tiles == 3 * 12 * 2
    assert layout.cells == 384 * 1536 * 4
    assert layout.utilisation == 1.0


def test_a_tile_that_is_not_full_is_counted_whole():
    layout = Layout(groups=1, inputs=100, outputs=130, planes=1, tile=Tile(64, 128))
    assert (layout.row_tiles, layout.rows, layout.tiles) == (2, 64, 4)
    assert layout.utilisation == 100 * 130 / (4 * 64 * 128)
    assert layout.conversions == 2 * 130


def test_planes_and_polarities_add_up_to_the_integers():
    integers = torch.arange(-7, 8, dtype=torch.int32).view(1, 3, 5)
    total = torch.zeros_like(integers)
    for plane, positive, negative in cells_on(integers, planes_of(4)):
        assert not bool((positive & negative).any())
        total += (positive.int() - negative.int()) << plane
    assert torch.equal(total, integers)
