"""`memrix demo`: the main job on its embedded defaults."""

from __future__ import annotations

from pathlib import Path

from memrix.cli.options import Flag, Threads

RESULTS = Path("results")

TRAINED = "queen-small"
CORPUS = "queen"
HARDWARE = ("physical", "tuned")
UTTERANCES = 60
MINUTES = 3

WHISPER = "whisper-tiny.en"
WHISPER_CORPUS = "asterisk"
WHISPER_HARDWARE = "tuned"
WHISPER_WEIGHT_BITS = (6, 5)
WHISPER_UTTERANCES = 20
WHISPER_LONGEST_CLIP = 10.0  # s; one long clip must not decide the figure of so few
WHISPER_MINUTES = 8


def demo(
    *,
    whisper: Flag = False,
    fresh: Flag = False,
    threads: Threads = None,
) -> None:
    """Measure how a speech recognizer degrades on a simulated memristor chip.

    A Conformer that was trained with low-bit weights transcribes held-out characters of a game: in float, quantized,
    and on chips. Writes figures and a chart to the folder results. An interrupted demo resumes where it stopped at
    the next call.

    Parameters
    ----------
    whisper
        Evaluate the pretrained Whisper tiny.en, not trained with low-bit weights, on recordings of telephone prompts.
    fresh
        Discard the results of earlier calls.
    """
    from memrix.cli.outputs import check_output
    from memrix.cli.threads import check_threads

    check_threads(threads)
    figures, chart = (RESULTS / f"demo{'-whisper' if whisper else ''}.{ending}" for ending in ("json", "png"))
    check_output(figures)
    check_output(chart)
    if whisper:
        _whisper(figures, chart, fresh=fresh, threads=threads)
    else:
        _conformer(figures, chart, fresh=fresh, threads=threads)


def _conformer(figures: Path, chart: Path, *, fresh: bool, threads: int | None) -> None:
    from memrix.cli.messages import message

    message(
        f"A Conformer of 3 million parameters, trained in float and with low-bit weights, transcribes {UTTERANCES} "
        f"lines of the game Flight of the Amazon Queen, spoken by held-out characters: in float, quantized, and on "
        f"simulated memristor chips ({' and '.join(HARDWARE)})."
    )
    message(
        f"This takes about {MINUTES} minutes on two cores, and at the first call the time to fetch the recordings "
        "(35 MB). Ctrl-C keeps finished work; the next call resumes from there. --whisper evaluates Whisper instead."
    )

    from memrix.asr.evaluation.settings import EvaluationSettings
    from memrix.asr.trained_recognizers import open_trained
    from memrix.cli.evaluate import execute

    bits = open_trained(TRAINED).settings()["weight_bits"]
    settings = EvaluationSettings(model=TRAINED, corpus=CORPUS, hardware=HARDWARE, weight_bits=bits, limit=UTTERANCES)
    execute(settings, json=figures, chart=chart, fresh=fresh, threads=threads)


def _whisper(figures: Path, chart: Path, *, fresh: bool, threads: int | None) -> None:
    from memrix.cli.evaluate import execute
    from memrix.cli.messages import message

    bits = ", ".join(map(str, WHISPER_WEIGHT_BITS))
    message(
        f"Whisper tiny.en (37.8 M parameters) transcribes {WHISPER_UTTERANCES} recordings of the Asterisk prompts: "
        f"in float, then with weights of {bits} bits, each quantized digitally and on a simulated memristor "
        f"chip (preset {WHISPER_HARDWARE!r})."
    )
    message(
        f"This takes about {WHISPER_MINUTES} minutes on two cores, and at the first call the time to fetch model and "
        "recordings (100 MB). Ctrl-C keeps finished work; the next call resumes from there."
    )

    from memrix.asr.evaluation.settings import EvaluationSettings

    settings = EvaluationSettings(
        model=WHISPER,
        corpus=WHISPER_CORPUS,
        hardware=(WHISPER_HARDWARE,),
        weight_bits=WHISPER_WEIGHT_BITS,
        limit=WHISPER_UTTERANCES,
        longest_clip=WHISPER_LONGEST_CLIP,
    )
    execute(settings, json=figures, chart=chart, fresh=fresh, threads=threads)
