import random
import re
import shutil
import subprocess

import pytest

from memrix.asr.alignment import Edits, align, aligned_lines, count_edits
from memrix.asr.sclite import as_trn
from memrix.asr.scoring import count_label_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits"),
    [
        ("", "", Edits(0, 0, 0)),
        ("a b c", "a b c", Edits(0, 0, 0)),
        ("a b c", "a x c", Edits(1, 0, 0)),
        ("a b c", "", Edits(0, 3, 0)),
        ("", "a b", Edits(0, 0, 2)),
        ("a b", "b c", Edits(0, 1, 1)),  # not two substitutions
        ("a b c d", "x a y d", Edits(1, 1, 1)),
    ],
)
def test_errors_are_few_and_gaps_come_before_substitutions(reference, hypothesis, edits):
    assert count_edits(reference.split(), hypothesis.split()) == edits


def drawn(number, letters="abcdefgh"):
    """A reference, and the same with up to eight changes."""
    draw = random.Random(number)
    reference = [draw.choice(letters) for _ in range(draw.randint(1, 15))]
    hypothesis = list(reference)
    for _ in range(draw.randint(0, 8)):
        place = draw.randrange(len(hypothesis) + 1)
        hypothesis[place : place + draw.randrange(2)] = [draw.choice(letters)] * draw.randrange(2)
    return reference, hypothesis


def test_alignments_hold_both_texts_and_the_errors_that_are_counted():
    for number in range(200):
        reference, hypothesis = drawn(number)
        pairs = align(reference, hypothesis)
        assert [a for a, _ in pairs if a is not None] == reference
        assert [b for _, b in pairs if b is not None] == hypothesis
        kinds = [(a is None, b is None) for a, b in pairs if a != b]
        edits = Edits(*(kinds.count(kind) for kind in ((False, False), (False, True), (True, False))))
        assert edits == count_edits(reference, hypothesis)
        assert edits.errors == count_label_errors(reference, hypothesis).errors


def test_errors_stand_out_in_lines():
    pairs = align(["the", "cat", "sat", "on", "a", "mat"], ["cat", "sat", "up", "on", "mats"])
    assert aligned_lines(pairs) == ("THE cat sat *** on A    MAT", "*** cat sat UP  on MATS ***")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sctk") is None, reason="needs sclite, of Debian's package sctk")
def test_sclite_counts_the_same(tmp_path):
    texts = {f"speaker-{number}": drawn(number) for number in range(400)}
    for side, name in enumerate(("reference", "hypothesis")):
        lines = {id: " ".join(both[side]) for id, both in texts.items()}
        (tmp_path / f"{name}.trn").write_text(as_trn(lines))
    command = "sctk sclite -r reference.trn trn -h hypothesis.trn trn -i rm -o pra stdout"
    said = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    counted = {
        match[1]: Edits(*map(int, match[2].split()))
        for match in re.finditer(r"id: \((.*)\)\nScores: \(#C #S #D #I\) \d+ (\d+ \d+ \d+)", said)
    }
    assert counted == {id: count_edits(*both) for id, both in texts.items()}
