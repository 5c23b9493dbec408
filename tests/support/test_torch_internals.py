"""Names that torch does not promise are used in one file, and memrix computes the same without them."""

import ast
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import memrix
from memrix._support import torch_internals

SOURCE = Path(memrix.__file__).parent
PLACE = Path(torch_internals.__file__)
LATER = {"torch.compiler.is_exporting"}
"""Public names that the oldest torch of ``pyproject.toml`` does not have."""


def dotted(node):
    """``torch.nn.Linear`` as a list of names; None of anything else."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *names[::-1]] if isinstance(node, ast.Name) else None


def names_of_torch(text):
    """Every name of torch that a module uses, in full."""
    tree, homes, found = ast.parse(text), {"torch": ["torch"]}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "torch":
                    found.add(alias.name)
                    homes[alias.asname or "torch"] = alias.name.split(".") if alias.asname else ["torch"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            for alias in node.names:
                homes[alias.asname or alias.name] = [*node.module.split("."), alias.name]
                found.add(f"{node.module}.{alias.name}")
    for node in ast.walk(tree):
        names = dotted(node)
        if names and names[0] in homes:
            found.add(".".join([*homes[names[0]], *names[1:]]))
    return found


def not_promised(text):
    """Names of torch in a module that are private, operators by their names, or too new."""
    return {
        name
        for name in names_of_torch(text)
        if any(part.startswith("_") and not part.endswith("__") for part in name.split("."))
        or name.startswith("torch.ops.aten")
        or name in LATER
    }


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_one_file_alone_uses_what_torch_does_not_promise(path):
    found = not_promised(path.read_text(encoding="utf-8"))
    assert found if path == PLACE else not found


@pytest.mark.parametrize(
    "line",
    [
        "import torch\ntorch._C._get_tracing_state()",
        "import torch\ntorch.ops.aten.mm",
        "import torch\ntorch.compiler.is_exporting()",
        "import torch as t\nt._assert_async",
        "from torch import nn\nnn.modules.batchnorm._NormBase",
        "from torch.utils._pytree import tree_map",
        "import torch._dynamo",
    ],
    ids=["call", "operator", "too new", "alias", "through nn", "import from", "import"],
)
def test_such_a_name_elsewhere_would_be_found(line):
    assert not_promised(line)
    assert not not_promised("import torch\ntorch.nn.Linear.__init__\ntorch.jit.is_tracing()")


@pytest.fixture
def bare(monkeypatch):
    """The file as it is where torch has none of the names."""
    monkeypatch.delattr(torch._C, "_functorch")
    monkeypatch.delattr(torch._C, "_current_graph_task_id")
    monkeypatch.delattr(torch, "_assert_async")
    monkeypatch.delattr(torch.compiler, "is_exporting", raising=False)
    monkeypatch.delattr(torch.utils._pytree, "tree_leaves")
    monkeypatch.setattr(torch.ops, "aten", SimpleNamespace())
    spec = importlib.util.spec_from_file_location("bare_internals", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    return module


def test_without_them_nothing_is_a_transform_or_a_recomputation(bare):
    assert bare.innermost_transform() is None
    assert not bare.is_wrapped(torch.ones(1))
    assert not bare.in_backward()
    assert not bare.exporting()


def test_with_them_a_backward_pass_is_seen():
    seen = []
    x = torch.ones(1, requires_grad=True)
    y = x * 2
    y.register_hook(lambda gradient: seen.append(torch_internals.in_backward()))
    y.backward()
    assert seen == [True]
    assert not torch_internals.in_backward()


def test_gradients_are_clipped_the_same(bare):
    values = torch.tensor([-4.0, -3.5, -3.4, 0.0, 3.4, 3.5, 4.0])
    gradient = torch.arange(1.0, 8.0)
    expected = torch.tensor([0.0, 0.0, 3.0, 4.0, 5.0, 0.0, 0.0])
    for module in (torch_internals, bare):
        assert torch.equal(module.clip_gradient(gradient, values, -3.5, 3.5), expected)


def test_what_does_not_hold_fails(bare):
    for module in (torch_internals, bare):
        module.require_later(torch.tensor(True), "holds")
        with pytest.raises(RuntimeError, match="an index beyond"):
            module.require_later(torch.tensor(False), "an index beyond")


def test_leaves_of_plain_containers_are_the_same(bare):
    tree = ({"x": 1, "y": [2, (3,)]}, 4, [])
    assert bare.tree_leaves(tree) == torch_internals.tree_leaves(tree) == [1, 2, 3, 4]


def test_normalizations_without_their_shared_class(monkeypatch):
    layers = [nn.BatchNorm1d(2), nn.BatchNorm3d(2), nn.InstanceNorm2d(2), nn.SyncBatchNorm(2)]
    assert all(isinstance(layer, torch_internals.normalizations()) for layer in layers)
    monkeypatch.delattr(nn.modules.batchnorm, "_NormBase")
    assert all(isinstance(layer, torch_internals.normalizations()) for layer in layers)
    assert not isinstance(nn.LayerNorm(2), torch_internals.normalizations())


def test_operators_that_torch_does_not_have_are_left_out():
    assert torch_internals.operators({"mm": 1, "no_such_operator": 2}) == {torch.ops.aten.mm: 1}


def test_a_compiler_without_the_setting_is_left_alone(monkeypatch):
    config = SimpleNamespace()
    monkeypatch.setattr(torch._dynamo, "config", config)
    torch_internals.allow_recurrent_graphs()
    assert not vars(config)
    config.allow_rnn = False
    torch_internals.allow_recurrent_graphs()
    assert config.allow_rnn
