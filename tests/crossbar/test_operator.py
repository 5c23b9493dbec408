"""The operators that torch sees: their functions take what their schemas say, by the same names."""

import inspect

import pytest
import torch

from memrix.crossbar import operator

FUNCTIONS = {
    operator.read_operator: (operator._read, operator._fake),
    operator.read_rows_operator: (operator._read_rows, operator._fake_rows),
}


@pytest.mark.parametrize("called", FUNCTIONS, ids=str)
def test_functions_take_the_arguments_of_the_schema_in_its_order(called):
    names = [argument.name for argument in called._schema.arguments]
    for function in FUNCTIONS[called]:
        assert list(inspect.signature(function).parameters) == names


def test_fake_readings_have_the_shape_of_readings():
    shape = [2, 5, 3, 4, 2, 128]  # groups, inputs, outputs, planes, base, rows
    empty = torch.empty(0)
    arguments = (empty, torch.empty(2, 5, 12), empty, empty, empty)
    made = operator._fake(torch.empty(2, 7, 6, 5), 2, *arguments, empty, None, None, None, shape, 1.0, False, "layer")
    assert made.shape == (2, 7 * 6, 3)
    rows = operator._fake_rows(torch.empty(9), *arguments[1:], empty, None, None, shape, 1.0, "layer")
    assert rows.shape == (9, 3)
