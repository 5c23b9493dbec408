"""`memrix lm estimate`: an n-gram language model from text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from memrix.cli.messages import message
from memrix.cli.outputs import check_distinct, check_output


def estimate(
    *texts: Path,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    order: int = 4,
) -> None:
    """Estimate an n-gram language model of words from texts.

    Words are separated by blanks and used unchanged: write them as the lexicon of decoding does, in one case and
    without punctuation. Prints the size of the model.

    Uses `lmplz` of KenLM if it is on the PATH, otherwise `tlm` of IRSTLM, which is downloaded from Debian.

    Parameters
    ----------
    texts
        Files of UTF-8 text, one sentence per line.
    output
        File to write the language model to; its name ends in .arpa or .arpa.gz.
    order
        Number of words in the longest n-grams, 2 to 6.
    """
    from memrix._support.tables import columns
    from memrix.asr.search.estimation import check_estimation, estimate as estimate_from
    from memrix.asr.search.perplexity import check_texts, sentences_of

    check_estimation(output, order)
    check_texts(texts)
    check_distinct(*texts, output)
    check_output(output)

    from rich.console import Console

    with Console(stderr=True).status("estimating"):
        made = estimate_from(sentences_of(texts), output, order)
    rows = [
        ("sentences", str(made.sentences)),
        ("words", str(made.words)),
        *((f"{n}-grams", str(count)) for n, count in enumerate(made.model.counts or (), start=1)),
        ("smoothing", made.smoothing),
        ("program", made.program),
    ]
    print(columns(rows))
    message(f"language model: {output}")
