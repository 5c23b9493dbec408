"""Results in files and of this process: found, told apart, and read back into the records of studies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from memrix._support.documents import file_path, load_tree, parse_json
from memrix._support.lazy import installed_version
from memrix._support.validation import shown
from memrix.costing import CostConstants, Costs
from memrix.costing.counts import DigitalCounts, LayerCounts
from memrix.errors import DataError, MemrixError, SettingsError
from memrix.reporting.evaluation import Evaluation
from memrix.reporting.plain import made
from memrix.studies.allocation_chips import MeasuredChips
from memrix.studies.allocation_result import Allocation, LayerBits
from memrix.studies.attribution_result import Attribution
from memrix.studies.estimates import Estimate
from memrix.studies.grid import described
from memrix.studies.metric import Measured
from memrix.studies.monte_carlo_result import MonteCarloResult
from memrix.studies.rows import TrialRow
from memrix.studies.sensitivity_result import Sensitivity
from memrix.studies.store import STUDY
from memrix.studies.sweep_result import SweepResult

Tree = Mapping[str, Any]
_HOW_MADE = ("command", "arguments", "hardware", "hardware_given", "memrix", "versions")


@dataclass(frozen=True)
class Found:
    """A result.

    Attributes:
        kind: a key of ``KINDS``.
        result: its record.
        source: what it was read from; of a result of this process, its class.
        about: how it was made: what its file says beside the figures.
        content: the figures as text: the same of the same result.
    """

    kind: str
    result: Any
    source: str
    about: Tree
    content: str = ""

    @property
    def version(self) -> str | None:
        """Of memrix, that has made it; None where the file does not say."""
        found = self.about.get("memrix") or self.about.get("versions", {}).get("memrix")
        return None if found is None else str(found)


def found_in(results: Iterable[Any]) -> tuple[Found, ...]:
    """Results of folders, with all that is in these, of files, and of objects that ``memrix`` has returned.

    Raises:
        DataError: there is no such file, it is damaged, or nothing is a result of memrix.
        SettingsError: an object is no result.
    """
    found: dict[str, Found] = {}
    places = []
    for each in results:
        if isinstance(each, (str, os.PathLike)):
            path = file_path(each, DataError, "the path of results")
            places.append(str(path))
            of_place: Iterable[Found] = _of_path(path)
        else:
            of_place = [_of_object(each)]
        for one in of_place:
            # The folder of a study holds what --json has written too.
            if one.content not in found or len(one.about) > len(found[one.content].about):
                found[one.content] = one
    if not found and places:
        raise DataError(_nothing_in(places))
    return tuple(found.values())


def _of_path(path: Path) -> Iterator[Found]:
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            if (kind := _kind_of(tree := _tree(file))) is not None:
                yield _read(kind, tree, str(file))
        return
    if (kind := _kind_of(tree := _tree(path))) is None:
        raise DataError(
            f"{str(path)!r} holds no result of memrix; a report takes files that --json of `memrix study`, "
            f"`memrix evaluate` or `memrix experiment` has written, and folders of these"
        )
    yield _read(kind, tree, str(path))


def _tree(file: Path) -> Any:  # noqa: ANN401
    return load_tree(file, parse_json, "the result", DataError, "name a folder or a file of results")


def _of_object(given: Any) -> Found:  # noqa: ANN401
    tree = given.to_dict() if hasattr(given, "to_dict") and not hasattr(given, "iloc") else None
    if (kind := _kind_of(tree)) is None or tree is None:
        raise SettingsError(
            f"a report takes folders and files of results, and what studies, memrix.costs and evaluations return; "
            f"got {shown(given)}"
        )
    return _read(kind, {"memrix": installed_version("memrix"), **tree}, type(given).__name__)


def _kind_of(tree: Any) -> str | None:  # noqa: ANN401
    """Which result a table is; None: none."""
    if not isinstance(tree, dict):
        return None
    return next((kind for kind, (keys, _) in KINDS.items() if keys <= tree.keys()), None)


def _read(kind: str, tree: Tree, source: str) -> Found:
    about = {name: tree[name] for name in _HOW_MADE if isinstance(tree.get(name), (str, dict))}
    try:
        result = KINDS[kind][1](tree)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, MemrixError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        version = Found(kind, None, source, about).version
        by = "" if version is None else f", by memrix {version}"
        raise DataError(
            f"{source!r} was written as {kind}{by}, and memrix {installed_version('memrix')} cannot read it: "
            f"{problem}; run its command again"
        ) from error
    return Found(kind, result, source, about, repr({name: tree[name] for name in tree if name not in _HOW_MADE}))


def _nothing_in(places: list[str]) -> str:
    studies = [place for place in places if (Path(place) / STUDY).is_file()]
    if studies:
        return (
            f"the folder {studies[0]!r} holds trials of a study, and no table of them yet; run the command of the "
            f"study again, which reads these trials"
        )
    named = ", ".join(map(repr, places))
    return (
        f"there is no result of memrix in {named}; a report shows what `memrix study ... --json FILE`, "
        f"`memrix evaluate --json FILE` and folders of `memrix study sweep` hold"
    )


def _sweep(tree: Tree) -> SweepResult:
    settings = tree["settings"]
    known = {described(each["settings"]): made(Estimate, each, "settings") for each in settings}
    names = list(settings[0]["settings"])
    return SweepResult(*_trials(tree, names), settings[0]["confidence"], known=known)


def _chips(tree: Tree) -> MonteCarloResult:
    estimate = made(Estimate, tree)
    return MonteCarloResult(*_trials(tree, []), estimate.confidence, tree["reached"], known={described({}): estimate})


def _trials(tree: Tree, names: list[str]) -> tuple[str, bool | None, tuple[TrialRow, ...], Measured]:
    metric = tree["metric"]
    rows = tuple(
        TrialRow(
            {name: each[name] for name in names},
            each["chip"],
            each["seed"],
            None if each[metric] is None else _one(each[metric]),
            each["failure"],
            each["seconds"],
        )
        for each in tree["trials"]
    )
    return metric, tree["higher_is_better"], rows, _one(tree["digital"])


def _one(figure: float) -> Measured:
    """A figure whose items are not there any more."""
    return Measured(torch.tensor([figure], dtype=torch.float64), torch.ones(1, dtype=torch.float64))


def _allocation(tree: Tree) -> Allocation:
    chips = [
        MeasuredChips(each["name"], int(each["cells"]), each["energy"], tuple(map(_one, each["metric"])))
        for each in tree["chips"]
    ]
    plain = {name: tree[name] for name in ("metric", "higher_is_better", "reference", "budget", "limit")}
    layers = made(tuple[LayerBits, ...], tree["layers"], "layers")
    return Allocation(
        **plain, layers=layers, hardware={}, allocated=chips[0], uniform=tuple(chips[1:]), given=chips[-1]
    )


def _costs(tree: Tree) -> Costs:
    tree = tree.get("costs", tree)
    layers = made(tuple[LayerCounts, ...], tree["counts"], "counts")
    digital = made(tuple[DigitalCounts, ...], tree["digital"], "digital")
    return Costs(layers, digital, tree["inputs"], CostConstants.from_dict(tree["constants"]))


KINDS: dict[str, tuple[set[str], Callable[[Tree], Any]]] = {
    "evaluate": ({"summary", "rows", "corpus"}, lambda tree: made(Evaluation, tree)),
    "sweep": ({"settings", "trials"}, _sweep),
    "chips": ({"reached", "trials"}, _chips),
    "sensitivity": ({"groups", "reference"}, lambda tree: made(Sensitivity, tree)),
    "attribution": ({"network", "remedies"}, lambda tree: made(Attribution, tree)),
    "allocate": ({"budget", "limit"}, _allocation),
    "cost": ({"by_cause", "counts"}, _costs),
    "utterance cost": ({"costs", "utterances"}, _costs),
}
"""Results by the fields that tell them, and what reads them."""
