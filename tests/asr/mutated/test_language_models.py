"""ARPA files that were changed: an error of memrix's own, or scores that are numbers."""

import gzip
import random

import pytest
from hypothesis import strategies as st

from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.language_model import open_language_model
from tests.asr.mutated.drawing import COUNTS, explore, or_error
from tests.asr.search.tiny import ARPA

pytestmark = pytest.mark.filterwarnings("ignore")


def other_lines(text):
    """ARPA files with a field of a line replaced, or a line removed, doubled or moved."""
    fields = (
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1e308",
        "1",
        "",
        "<s>",
        "</s>",
        "<unk>",
        "9" * 30,
        "\0",
        "é",
        "\\end\\",
    )

    def damaged(seed):
        draw = random.Random(seed)
        lines = text.split("\n")
        for _ in range(draw.choice((1, 1, 2, 4))):
            number = draw.randrange(len(lines))
            kind = draw.choice(("field", "field", "field", "remove", "double", "move", "count"))
            if kind == "remove" and len(lines) > 1:
                del lines[number]
            elif kind == "double":
                lines.insert(number, lines[number])
            elif kind == "move":
                lines.insert(draw.randrange(len(lines)), lines[number])
            elif kind == "count":
                stated = draw.choice((-1, 0, 1, 4, 6, 8, 10**6, 10**12, 10**30, "9" * 5000))
                lines[draw.randrange(1, 3) % len(lines)] = f"ngram {draw.randrange(4)}={stated}"
            else:
                parts = lines[number].replace("\t", " ").split(" ")
                parts[draw.randrange(len(parts))] = draw.choice(fields)
                lines[number] = "\t".join(parts)
        return "\n".join(lines)

    return st.integers(0, 10**9).map(damaged)


@pytest.mark.parametrize("count", COUNTS)
def test_a_language_model_is_refused_or_gives_numbers(place, count):
    path = place / "lm.arpa"

    def check(text):
        content = text.encode("utf-8", "surrogatepass")
        path.write_bytes(gzip.compress(content) if len(text) % 2 else content)
        model = or_error(open_language_model, path)
        kenlm = None if model is None else or_error(load_kenlm, path, ["tea", "eat", "pot"])
        if kenlm is not None:
            state, total = kenlm.start(False), 0.0
            for word in (0, 1, 2, 0):
                state, log10 = kenlm.score(state, word)
                total += log10
            assert -1e5 < total + kenlm.finish(state)[1] < 1e5

    explore(other_lines(ARPA), check, count)
