"""`memrix demo`: the main job on its embedded defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from memrix.cli.options import Flag, Threads
from memrix.errors import SettingsError

if TYPE_CHECKING:
    from memrix.asr.evaluation.results import EvaluationResult

RESULTS = Path("results")
TRANSCRIPTS = 4  # that are printed
COSTED = 1  # utterances that energy and latency are counted on


@dataclass(frozen=True)
class Demo:
    """What a demo evaluates.

    Attributes:
        title: what it does, in a sentence.
        settings: of the evaluation.
        minutes: that it takes on two cores, at most.
        download: size of what the first call fetches, in MB.
    """

    title: str
    settings: dict[str, Any]
    minutes: int
    download: int


WHISPER = Demo(
    "Whisper tiny.en (37.8 million parameters), trained for weights of 4 bits, transcribes lines of the game Flight "
    "of the Amazon Queen, spoken by held-out characters: in float, quantized, and on simulated memristor chips "
    "(physical and realistic).",
    {
        "model": "whisper-queen",
        "corpus": "queen",
        "hardware": ("physical", "realistic"),
        "weight_bits": (4,),
        "limit": 60,
        "join": True,
        "costs": COSTED,
    },
    minutes=3,
    download=105,
)
CONFORMER = Demo(
    "A Conformer of 3 million parameters, trained in float and with low-bit weights, transcribes 60 lines of the "
    "game Flight of the Amazon Queen, spoken by held-out characters: in float, quantized, and on simulated memristor "
    "chips (physical and tuned).",
    {
        "model": "queen-small",
        "corpus": "queen",
        "hardware": ("physical", "tuned"),
        "weight_bits": (4, 3),
        "limit": 60,
        "costs": COSTED,
    },
    minutes=3,
    download=65,
)


def demo(
    *,
    conformer: Flag = False,
    fresh: Flag = False,
    whisper: Annotated[bool, Parameter(negative="", show=False)] = False,
    threads: Threads = None,
) -> None:
    """Measure how a speech recognizer degrades on a simulated memristor chip.

    Whisper tiny.en, trained with weights of 4 bits, transcribes held-out characters of a game: in float, quantized,
    and on chips. Prints some transcripts side by side, word error rates, and the cost of an utterance; writes figures
    and a chart to the folder results. An interrupted demo resumes where it stopped at the next call.

    Parameters
    ----------
    conformer
        Evaluate the small Conformer with weights of 4 and 3 bits instead, which needs less memory and downloads.
    fresh
        Discard the results of earlier calls.
    """
    from memrix.cli.messages import message
    from memrix.cli.outputs import check_output
    from memrix.cli.threads import check_threads

    check_threads(threads)
    if whisper:
        message("Warning: --whisper is out of date: Whisper is what `memrix demo` runs, unless --conformer is given")
    chosen, name = (CONFORMER, "demo-conformer") if conformer else (WHISPER, "demo")
    figures, chart = (RESULTS / f"{name}.{ending}" for ending in ("json", "png"))
    check_output(figures)
    check_output(chart)
    _require_installed(chosen.settings["model"])
    message(chosen.title)
    message(
        f"This takes about {chosen.minutes} minutes on two cores, and at the first call the time to fetch what it "
        f"needs ({chosen.download} MB). Ctrl-C keeps finished work; the next call resumes from there."
    )

    from memrix.asr.evaluation.settings import EvaluationSettings
    from memrix.cli.evaluate import execute

    settings = EvaluationSettings(**chosen.settings)
    result = execute(settings, json=figures, chart=chart, fresh=fresh, threads=threads)
    _show_transcripts(result)
    _show_costs(result)


def _require_installed(name: str) -> None:
    from memrix.asr.trained_recognizers import shipped_recognizers

    if name not in shipped_recognizers():
        raise SettingsError(
            f"the recognizer {name} is not installed: it is a package of its own, memrix-{name}. Install it (in a "
            f"clone of memrix: `pip install ./recognizers/{name}`), or run `memrix demo --conformer`"
        )


def _show_transcripts(result: EvaluationResult) -> None:
    """The transcripts in which executions differ, and others if there are too few."""
    from rich.console import Console

    console = Console()
    differ = [item for item in result.transcripts if len(set(item.heard.values())) > 1]
    same = [item for item in result.transcripts if item not in differ]
    for item in [*differ, *same][:TRANSCRIPTS]:
        width = max(map(len, ("said", *item.heard)))
        console.print()
        for name, text in {"said": item.reference, **item.heard}.items():
            errors = "" if name == "said" else f"  ({item.errors[name]} of {item.words} words wrong)"
            console.print(f"{name:>{width}}: {text}{errors}", markup=False, highlight=False)


def _show_costs(result: EvaluationResult) -> None:
    """Energy, latency and area, by hardware."""
    from memrix.costing.units import in_joule, in_second, in_square_meter

    for row in result.rows:
        if row.costs is not None:
            energy, latency = in_joule(row.costs["energy"]), in_second(row.costs["latency"])
            area, seconds = in_square_meter(row.costs["area"]), row.costs["seconds"]
            print(f"{row}: {energy} and {latency} for {seconds:.3g} s of audio, on {area}")
