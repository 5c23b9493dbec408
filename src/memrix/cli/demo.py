"""`memrix demo`: the main job on its embedded default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

MODEL = "whisper-tiny.en"
CORPUS = "asterisk"
HARDWARE = "tuned"
WEIGHT_BITS = (6, 5)
UTTERANCES = 20
LONGEST_CLIP = 10.0  # s; one long clip must not decide the figure of so few
MINUTES = 8
RESULTS = Path("results")


def demo(
    *,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    threads: int | None = None,
) -> None:
    """Show what a real speech recogniser loses on a simulated memristor chip.

    Runs whisper-tiny.en on real recordings: in float, quantised, and on a chip. Writes figures and a chart
    to the folder results. Interrupted, it keeps what is done and goes on at the next call.

    Parameters
    ----------
    fresh
        Forget what earlier calls have measured.
    threads
        CPU threads; PyTorch's own choice by default.
    """
    from memrix.cli.evaluate import execute
    from memrix.cli.messages import message
    from memrix.cli.outputs import check_output

    bits = ", ".join(map(str, WEIGHT_BITS))
    message(
        f"Whisper tiny.en (37.8 M parameters) hears {UTTERANCES} recordings of the Asterisk prompts: in "
        f"float, then with weights of {bits} bits, each quantised digitally and on a simulated memristor "
        f"chip (preset {HARDWARE!r})."
    )
    message(
        f"This takes about {MINUTES} minutes on two cores, and at the first call the time to fetch model and "
        "recordings (100 MB). Ctrl-C keeps what is done; the next call goes on from there."
    )
    figures, chart = RESULTS / "demo.json", RESULTS / "demo.png"
    check_output(figures)
    check_output(chart)

    from memrix.asr.settings import EvaluationSettings
    from memrix.hardware import Hardware

    settings = EvaluationSettings(
        model=MODEL,
        corpus=CORPUS,
        hardware=Hardware.named(HARDWARE),
        hardware_name=HARDWARE,
        weight_bits=WEIGHT_BITS,
        limit=UTTERANCES,
        longest_clip=LONGEST_CLIP,
    )
    execute(settings, json=figures, chart=chart, fresh=fresh, threads=threads)
