"""The public names of memrix, page by page, and what their docstrings have to say."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Iterator

PROTOCOLS = ["ResetSet", "PreCycled", "WriteVerify", "ResetRamp", "Ideal"]
PARTS = ["Device", "Tile", "Wires", "DAC", "ADC", "Faults", "Relaxation", "TelegraphNoise", "Drift"]
OF_MODELS = [
    "check",
    "calibrate",
    "quantize",
    "compensate",
    "learned_steps",
    "set_epoch",
    "pack_weights",
    "unpack_weights",
    "program",
]
OF_CHIPS = [
    "summary",
    "costs",
    "write",
    "age",
    "recalibrate",
    "to_digital",
    "reseed",
    "reset_statistics",
    "save",
    "load",
    "export",
    "netlist",
]
RESULTS = ["Quantization", "Seeds", "Check", "Calibration", "Summary", "Costs", "CostConstants"]
STUDIES = ["sweep", "monte_carlo", "sensitivity", "attribution", "allocate", "report", "Metric"]
FOUND = ["SweepResult", "MonteCarloResult", "Sensitivity", "Attribution", "Allocation"]
SPEECH = {
    "transcribing.transcriber": ["Transcriber"],
    "recognizer_files": ["load_recognizer", "save_recognizer"],
    "search.beam": ["BeamSearch"],
    "search.lexicon": ["Lexicon"],
    "search.estimation": ["estimate"],
    "search.prior": ["label_prior"],
    "search.tuning": ["tune"],
    "training.settings": ["TrainingSettings"],
    "experiment.settings": ["ExperimentSettings"],
    "evaluation.settings": ["EvaluationSettings"],
}
"""What the documents use of ``memrix.asr``, which has no list of public names of its own."""

PAGES = {
    "models": (
        "Models and chips",
        "Functions that take a model or a chip, their settings and their results. "
        "[From a network to a chip](../guide.md) explains them in their order.",
    ),
    "hardware": (
        "Hardware",
        "The description of a chip. [Every hardware setting](settings.md) has units and defaults in one table, and "
        "[Presets](presets.md) the files to copy.",
    ),
    "studies": (
        "Studies",
        "Figures on many chips. How to use them: [Studies](../studies.md), "
        "[Which layer, which cause](../attribution.md) and [One page of results](../report.md).",
    ),
    "layers": (
        "Layers",
        "Layers of memrix, and what a layer of your own is made of: [Add your own layer](../own-layer.md).",
    ),
    "device": (
        "Devices",
        "One cell, its device model, and the fit of a model to measurements: [Your own device](../device.md).",
    ),
    "protocols": (
        "Protocols",
        "What a programming protocol of your own is built from: "
        "[Add a programming protocol](../own-protocol.md). The protocols of memrix are on the page "
        "[Hardware](hardware.md).",
    ),
    "speech": (
        "Speech",
        "What the pages on speech recognition use. It needs `pip install memrix[asr]`.",
    ),
    "errors": (
        "Errors",
        "The class says whose mistake it is; the message says what was given, what is expected and how to fix it. "
        "All are also names of `memrix` itself.",
    ),
    "toolkit": ("Toolkit", "What applications share with memrix, as `memrix.asr` does."),
}
"""The pages of the reference: title and introduction."""

MODULES = {
    "models": {"memrix": OF_MODELS + OF_CHIPS + RESULTS},
    "hardware": {"memrix": ["Hardware", *PARTS, *PROTOCOLS]},
    "studies": {"memrix": STUDIES + FOUND},
    "layers": {"memrix.nn": None},
    "device": {"memrix.device": None, "memrix.device.fitting": None},
    "protocols": {"memrix.crossbar.protocols": None},
    "speech": {f"memrix.asr.{module}": names for module, names in SPEECH.items()},
    "errors": {"memrix.errors": None},
    "toolkit": {"memrix.toolkit": None},
}
"""The modules of each page, and their names; None: all that no other page has."""


def modules_of(page: str) -> Iterator[tuple[str, list[str]]]:
    """The modules of a page of the reference, each with its names."""
    for module, names in MODULES[page].items():
        # The protocols of memrix are shown with the hardware.
        yield module, names or [name for name in public(module) if name not in PROTOCOLS]


def public(module: str) -> list[str]:
    """The public names of a module, without its submodules and its version."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None) or [
        name for name, value in vars(found).items() if getattr(value, "__module__", None) == module
    ]
    return [name for name in names if not name.startswith("_") and not inspect.ismodule(getattr(found, name))]


def problems() -> list[str]:
    """What is missing: names without a page, and docstrings that leave something out."""
    found = []
    shown = {name for page in PAGES for module, names in modules_of(page) for name in names}
    found += [f"memrix.{name} is on no page of the reference" for name in public("memrix") if name not in shown]
    for page in PAGES:
        for module, names in modules_of(page):
            for name in names:
                found += [f"{module}.{name}: {problem}" for problem in told(importlib.import_module(module), name)]
    return found


def told(module: object, name: str) -> Iterator[str]:
    """What the docstring of a public name leaves out."""
    value = getattr(module, name)
    text = inspect.getdoc(value) or ""
    if inspect.isclass(value):
        if dataclasses.is_dataclass(value):
            inherited = "\n".join(
                inspect.getdoc(base) or "" for base in value.__mro__ if dataclasses.is_dataclass(base)
            )
            yield from _missing("Attributes", [field.name for field in dataclasses.fields(value)], inherited)
        for member, method in vars(value).items():
            function = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
            # An override says what the method that it overrides says.
            public = inspect.isfunction(function) and not member.startswith("_")
            if public:
                yield from _told_of_method(member, function, inspect.getdoc(getattr(value, member)) or "")
    elif inspect.isroutine(inspect.unwrap(value)) if callable(value) else False:
        arguments = inspect.signature(value).parameters
        yield from _missing("Args", [argument for argument in arguments if not argument.startswith("_")], text)
    if not text and (inspect.isclass(value) or callable(value)):
        yield "has no docstring"


def _told_of_method(name: str, function: Callable[..., object], text: str) -> Iterator[str]:
    """What the docstring of a method leaves out: a sentence can speak of two arguments without a list of them."""
    if not text:
        yield f"{name} has no docstring"
    arguments = [argument for argument in inspect.signature(function).parameters if argument not in ("self", "cls")]
    unsaid = [argument for argument in arguments if not re.search(rf"\b{argument}\b", text)]
    if len(unsaid) > 2 and "Arguments as for" not in text:
        yield f"the docstring of {name} says nothing of {', '.join(unsaid)}"


def _missing(section: str, names: list[str], text: str) -> Iterator[str]:
    for name in names:
        if not name.startswith("_") and not re.search(rf"(?m)^ +\**{name}:", text):
            yield f"{section} of its docstring has no {name!r}"


def reference_page(page: str) -> str:
    """A page of the reference: what it is about, and the docstrings of its names."""
    title, introduction = PAGES[page]
    text = [f"# {title}\n", introduction + "\n"]
    for module, names in modules_of(page):
        text += [f"::: {module}.{name}\n" for name in names]
    return "\n".join(text)


def index_page() -> str:
    """All pages of the reference, with their names."""
    text = ["# Reference\n", "Every public name, from its docstring. `import memrix` gives most of them.\n"]
    text += ["| page | names |", "| --- | --- |"]
    for page, (title, _) in PAGES.items():
        links = [f"[`{name}`][{module}.{name}]" for module, names in modules_of(page) for name in names]
        text.append(f"| [{title}]({page}.md) | {', '.join(links)} |")
    text += [
        "| [Every hardware setting](settings.md) | type, unit, default and effect of each |",
        "| [Presets](presets.md) | the files of the chips that come with memrix |",
        "| [Command line](commands.md) | `memrix` and its commands |",
    ]
    return "\n".join(text) + "\n"
