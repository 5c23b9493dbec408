import pytest
from torch import nn

import memrix
from memrix.errors import ConversionError
from memrix.nn.quantized import QuantizedLayer

PHYSICAL = memrix.Hardware.preset("physical")


def bracketed() -> nn.Module:
    """Names as of weights in a list: ``a[0]``, ``a0``, ``blocks[1].up``, ``blocks1.up``."""
    model = nn.Module()
    model.add_module("a[0]", nn.Linear(4, 4))
    model.add_module("a0", nn.Linear(4, 4))
    for name in ("blocks[1]", "blocks1"):
        model.add_module(name, nn.ModuleDict({"up": nn.Linear(4, 4)}))
    return model


def quantized(layers=None, hardware=PHYSICAL) -> list[str]:
    model = bracketed()
    memrix.quantize(model, hardware, layers=layers)
    return [name for name, module in model.named_modules() if isinstance(module, QuantizedLayer)]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("a[0]", ["a[0]"]),
        ("a[[]0]", ["a[0]"]),
        ("a[0-9]", ["a0"]),
        ("blocks[[]1].*", ["blocks[1].up"]),
        ("blocks[1].up", ["blocks[1].up"]),
        ("blocks[1].*", ["blocks1.up"]),
    ],
)
def test_an_exact_name_comes_before_the_pattern_that_it_is(pattern, meant):
    assert quantized(layers=pattern) == meant
    assert quantized(hardware={pattern: PHYSICAL}) == meant


def test_a_hardware_pattern_may_leave_out_a_name_with_brackets():
    assert "a[0]" not in quantized(hardware={"*": PHYSICAL, "a[0]": None})
    assert "a0" in quantized(hardware={"*": PHYSICAL, "a[0]": None})


def test_brackets_that_were_not_meant_as_a_set_are_explained():
    model = nn.Module()
    model.add_module("blocks[1]", nn.ModuleDict({"up": nn.Linear(4, 4)}))
    with pytest.raises(ConversionError, match=r"'blocks\[1\]\.\*' matches no layer .*'blocks\[\[\]1\]\.\*' matches"):
        memrix.quantize(model, PHYSICAL, layers="blocks[1].*")
    with pytest.raises(ConversionError, match=r"none that holds a weight itself; 'blocks\[\[\]1\]\.\*' matches"):
        memrix.quantize(model, PHYSICAL, layers="blocks[1]")
