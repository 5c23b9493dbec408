"""Words of a transcript laid beside those of its reference: substitutions, deletions, insertions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Pair = tuple[str | None, str | None]
"""A word of the reference and one of the transcript; None where one of them has none."""


@dataclass(frozen=True)
class Edits:
    """Errors of a transcript by kind.

    Attributes:
        substitutions: words that are another one.
        deletions: words of the reference that are missing.
        insertions: words that were not said.
    """

    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """Of all kinds."""
        return self.substitutions + self.deletions + self.insertions

    def __str__(self) -> str:
        return f"{self.substitutions} substituted, {self.deletions} deleted, {self.insertions} inserted"


def count_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> Edits:
    """Errors by kind: as few as possible, as word error rates count them, and of those with the fewest substitutions.

    NIST's sclite, to which a substitution is worth 4 and a gap 3, counts the same, unless more errors with fewer
    substitutions are cheaper to it.
    """
    from rapidfuzz.distance import Levenshtein

    # A gap is worth more than all substitutions, which are worth one more than a gap: the sum tells both numbers.
    gap = len(reference) + len(hypothesis) + 1
    errors, substitutions = divmod(Levenshtein.distance(reference, hypothesis, weights=(gap, gap, gap + 1)), gap)
    deletions = (errors - substitutions + len(reference) - len(hypothesis)) // 2
    return Edits(substitutions, deletions, errors - substitutions - deletions)


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Pair]:
    """The pairs of an alignment with the errors that ``count_edits`` counts."""
    rows, columns = len(reference), len(hypothesis)
    gap = rows + columns + 1
    # Of the words from here on, what they cost and the step that is best: 0 takes both words, 1 and 2 one of them.
    best = [[(0, 0)] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows, -1, -1):
        for column in range(columns, -1, -1):
            steps = []
            if row < rows and column < columns:
                cost = 0 if reference[row] == hypothesis[column] else gap + 1
                steps.append((best[row + 1][column + 1][0] + cost, 0))
            if row < rows:
                steps.append((best[row + 1][column][0] + gap, 1))
            if column < columns:
                steps.append((best[row][column + 1][0] + gap, 2))
            best[row][column] = min(steps, default=(0, 0))
    pairs: list[Pair] = []
    row = column = 0
    while row < rows or column < columns:
        step = best[row][column][1]
        pairs.append((None if step == 2 else reference[row], None if step == 1 else hypothesis[column]))
        row, column = row + (step != 2), column + (step != 1)
    return pairs


def aligned_lines(pairs: Sequence[Pair]) -> tuple[str, str]:
    """Reference and transcript, word below word: errors in capitals, asterisks where there is no word."""
    columns = [[word if a == b else (word or "***").upper() for word in (a, b)] for a, b in pairs]
    widths = [max(map(len, filter(None, column))) for column in columns]
    first, second = (
        " ".join(f"{column[side] or '':<{width}}" for column, width in zip(columns, widths, strict=True)).rstrip()
        for side in (0, 1)
    )
    return first, second
