import torch
from torch import Tensor

from memrix import Hardware
from memrix.crossbar.columns import column_corrections
from tests.crossbar.test_crossbar import FINE, codes, crossbar, integers

IDEAL = Hardware.preset("ideal").replace(weight_bits=4, **{"tile.rows": 32})
GAIN = torch.tensor([0.8, 1.0, 1.3]).view(1, 1, 3)


def corrected(readings: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    return readings * gain + offset


def results(vectors: Tensor, weights: Tensor) -> Tensor:
    return torch.bmm(vectors / 128, weights.float())


def test_a_known_gain_of_every_column_is_undone_exactly():
    array, vectors = crossbar(IDEAL), codes(60)[:, 0].float()
    array.difference.view(-1, array.layout.planes, 3).mul_(GAIN)
    gain, offset = column_corrections(array, vectors, integers(4))
    torch.testing.assert_close(gain, (1 / GAIN).expand_as(gain), rtol=1e-4, atol=0)
    torch.testing.assert_close(offset, torch.zeros_like(offset), rtol=0, atol=2e-3)
    fixed = corrected(array(vectors[:, None])[:, 0], gain, offset)
    torch.testing.assert_close(fixed, results(vectors, integers(4)), rtol=0, atol=5e-3)


def test_a_known_offset_of_every_column_is_undone_exactly():
    # A row at full voltage with a weight that was not meant adds a constant to every reading.
    vectors, meant = codes(60)[:, 0].float(), integers(4)
    vectors[..., 0] = 128
    meant[:, 0] = 0
    held = meant.clone()
    held[:, 0] = torch.tensor([3, -2, 5], dtype=torch.int32)
    gain, offset = column_corrections(crossbar(IDEAL, weights=held), vectors, meant)
    torch.testing.assert_close(gain, torch.ones_like(gain), rtol=0, atol=1e-5)
    expected = torch.tensor([-3.0, 2.0, -5.0]).expand_as(offset)
    torch.testing.assert_close(offset, expected, rtol=0, atol=1e-3)


def test_columns_of_scattered_cells_come_nearer_to_what_was_meant():
    array, weights = crossbar(Hardware(weight_bits=4, noise="off").replace(**FINE)), integers(4)
    gain, offset = column_corrections(array, codes(400)[:, 0].float(), weights)
    unseen = codes(200)[:, 0].roll(7, dims=2).float()
    meant, read = results(unseen, weights), array(unseen[:, None])[:, 0]
    assert (corrected(read, gain, offset) - meant).norm() < (read - meant).norm()


def test_counts_and_noise_of_the_crossbar_start_anew():
    hardware = Hardware(weight_bits=4)
    array, untouched = crossbar(hardware), crossbar(hardware)
    column_corrections(array, codes(60)[:, 0].float(), integers(4))
    assert (array.counts.conversions, array.counts.clipped) == (0, 0)
    assert torch.equal(array(codes(5)), untouched(codes(5)))


def test_a_column_that_always_reads_the_same_keeps_its_gain():
    # Sums of a thirtieth are no whole numbers: their mean is not exactly what was read.
    vectors = torch.full((2, 30, 70), 77.0)
    gain, offset = column_corrections(crossbar(Hardware(weight_bits=4, noise="off")), vectors, integers(4))
    assert torch.equal(gain, torch.ones_like(gain))
    assert torch.isfinite(offset).all()


def test_a_column_without_weights_is_taken_to_zero():
    weights = integers(4)
    weights[..., 1] = 0
    gain, offset = column_corrections(crossbar(Hardware(weight_bits=4), weights=weights), codes(50)[:, 0], weights)
    assert torch.all(gain[..., 1] == 0)
    assert torch.all(offset[..., 1] == 0)
