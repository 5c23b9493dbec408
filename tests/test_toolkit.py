"""What applications share with memrix is there by its public name, and torch only for whoever reads tensors."""

import subprocess
import sys

import pytest

from memrix import toolkit


@pytest.mark.parametrize("name", toolkit.__all__)
def test_every_name_is_there_and_told(name):
    assert getattr(toolkit, name) is not None
    assert name in toolkit.__doc__


def test_other_names_are_not():
    with pytest.raises(AttributeError, match=r"module 'memrix\.toolkit' has no attribute 'nothing'"):
        toolkit.__getattr__("nothing")


def test_torch_is_imported_with_archives_alone():
    code = (
        "import sys; from memrix.toolkit import file_path, shown; before = 'torch' in sys.modules;"
        "from memrix.toolkit import read_archive; print(before, 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == [
        "False",
        "True",
    ]
