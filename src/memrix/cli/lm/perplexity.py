"""`memrix lm perplexity`: how well a language model predicts a text."""

from __future__ import annotations

from pathlib import Path

_UNKNOWN_SHOWN = 8


def perplexity(language_model: Path, text: Path, /) -> None:
    """Measure the perplexity of a text, and count the words that the language model does not know.

    Each line is one sentence, and its end counts as one predicted word.

    Parameters
    ----------
    language_model
        ARPA file, plain or gzipped.
    text
        UTF-8 text, one sentence per line, its words written as in the language model.
    """
    from memrix._support.tables import columns
    from memrix.asr.search.language_model import open_language_model
    from memrix.asr.search.perplexity import check_texts, perplexity as perplexity_of, sentences_of

    check_texts([text])
    found = perplexity_of(open_language_model(language_model), sentences_of([text]))
    rows = [
        ("sentences", str(found.sentences)),
        ("words", str(found.words)),
        ("perplexity", f"{found.known:.2f}"),
        ("with unknown words", f"{found.all:.2f}"),
        ("unknown words", f"{found.unknown.total()} ({100 * found.out_of_vocabulary:.2f} %)"),
    ]
    if found.unknown:
        most = [f"{word} {count}" for word, count in found.unknown.most_common(_UNKNOWN_SHOWN)]
        rows.append(("most often", ", ".join(most)))
    print(columns(rows))
