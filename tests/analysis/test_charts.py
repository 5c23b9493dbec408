import numpy as np
import pytest
from matplotlib.image import imread

from memrix.analysis.charts import wer_over_bits
from memrix.errors import DataError


def row(execution, bits=None, chip=None, wer=0.05):
    return {
        "execution": execution,
        "weight_bits": bits,
        "chip": chip,
        "wer": wer,
        "wer_interval": [wer - 0.02, wer + 0.03],
        "encoder_error": 2 * wer,
    }


def result(*rows):
    return {
        "rows": list(rows),
        "corpus": {"name": "prompts", "words": 345},
        "settings": {"model": "whisper-tiny.en", "hardware_name": "paper"},
    }


FULL = result(
    row("float"),
    row("quantised", 8),
    row("chip", 8, 0, wer=0.07),
    row("chip", 8, 1, wer=0.09),
    row("quantised", 4, wer=0.2),
    row("chip", 4, 0, wer=0.4),
    row("chip", 4, 1, wer=0.6),
)


def texts_of(path):
    import re

    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


@pytest.fixture
def readable_svg():
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        yield


def test_a_png_of_readable_size_is_drawn(tmp_path):
    path = tmp_path / "new folder" / "chart.png"
    wer_over_bits(FULL, path)
    height, width, _ = imread(path).shape
    assert (width, height) == (1500, 720)


def test_title_and_labels_say_what_is_shown(tmp_path, readable_svg):
    wer_over_bits(FULL, tmp_path / "chart.svg")
    texts = texts_of(tmp_path / "chart.svg")
    assert "whisper-tiny.en on prompts (345 words), hardware: paper" in texts
    assert {"bits of a weight", "word error rate (%)", "float", "quantised", "on the chip"} <= set(texts)
    # Only the bits that were measured are marked on the axis.
    assert {"4", "8"} <= set(texts)
    assert "6" not in texts


def test_the_chart_depends_on_the_figures(tmp_path):
    wer_over_bits(FULL, tmp_path / "a.png")
    worse = result(*FULL["rows"][:-1], row("chip", 4, 1, wer=0.9))
    wer_over_bits(worse, tmp_path / "b.png")
    assert not np.array_equal(imread(tmp_path / "a.png"), imread(tmp_path / "b.png"))


def test_an_interval_that_misses_the_rate_is_drawn_nonetheless(tmp_path):
    odd = {**row("quantised", 8), "wer_interval": [0.06, 0.08]}
    wer_over_bits(result(row("float"), odd), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 0


def test_rows_without_float_are_refused(tmp_path):
    with pytest.raises(DataError, match="needs the row of the float model, got 1 rows"):
        wer_over_bits(result(row("quantised", 8)), tmp_path / "chart.png")


@pytest.mark.parametrize("name", ["chart.jpeg2", "file/chart.png"])
def test_a_chart_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=f"{name} cannot be written"):
        wer_over_bits(FULL, tmp_path / name)
