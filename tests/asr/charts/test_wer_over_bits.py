import pytest
from matplotlib.image import imread

from memrix.asr.charts import wer_over_bits as charts
from memrix.asr.charts.wer_over_bits import QUANTIZED, BitsAxis, colors_of_chips, wer_over_bits
from memrix.errors import DataError


def row(execution="float", bits=None, hardware=None, wer=0.05, over=None, lowest=None, highest=None):
    relative, *interval = over or (None,)
    return {
        "execution": execution,
        "weight_bits": bits,
        "hardware": hardware,
        "wer": wer,
        "wer_interval": [wer - 0.01, wer + 0.02],
        "lowest": lowest,
        "highest": highest,
        "over_float": None if over is None else {"relative": relative, "relative_interval": interval},
    }


def result(*rows):
    return {
        "summary": list(rows),
        "corpus": {"name": "queen", "words": 3584},
        "settings": {"model": "trained/queen-small"},
    }


FULL = result(
    row(wer=0.4),
    row("quantized", 4, wer=0.41, over=(0.025, -0.01, 0.05)),
    row("chip", 4, "tuned", 0.42, (0.05, 0.01, 0.09), 0.415, 0.43),
    row("quantized", 2, wer=0.5, over=(0.25, 0.2, 0.3)),
    {
        **row("chip", 2, "tuned", 0.52, lowest=0.51, highest=0.53),
        "over_float": {"relative": 0.3, "relative_interval": None},
    },
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
    assert (width, height) == (1650, 750)


def test_title_and_labels_say_what_is_shown(tmp_path, readable_svg):
    wer_over_bits(FULL, tmp_path / "chart.svg")
    texts = texts_of(tmp_path / "chart.svg")
    assert "queen-small on queen, 3584 words; bars: 95 % intervals" in texts
    assert {"bits per weight", "word error rate, %", "float", "quantized digitally", "chips: tuned"} <= set(texts)
    # Only the bits that were measured are marked on the axis.
    assert {"4", "2"} <= set(texts)
    assert "3" not in texts


def test_an_interval_that_misses_the_rate_is_drawn_nonetheless(tmp_path):
    odd = {**row("quantized", 8), "wer_interval": [0.06, 0.08]}
    wer_over_bits(result(row(), odd), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 0


def test_systems_stand_at_their_bits_and_beside_each_other():
    axis = BitsAxis.of((8, 6, 5, 8), (None, "paper", "tuned"))
    assert axis.bits == (5, 6, 8)
    for bits in axis.bits:
        places = [axis.place(bits, name) for name in (None, "paper", "tuned")]
        assert places == sorted(places)
        # Nearer to their own number of bits than to any other.
        assert all(abs(place - bits) < 0.5 for place in places)


def test_ternary_weights_have_a_place_of_their_own():
    axis = BitsAxis.of((1.5, 2, 3), ("paper", "tuned"))
    assert axis.place(1.5, "tuned") < axis.place(2, "paper")


def test_a_chip_has_the_same_color_in_every_chart():
    alone, together = colors_of_chips(["tuned"]), colors_of_chips(["mine.toml", "physical", "tuned", "paper"])
    assert alone["tuned"] == together["tuned"]
    assert colors_of_chips(["mine.toml"])["mine.toml"] == together["mine.toml"]
    assert len(set(together.values())) == 4
    assert QUANTIZED not in together.values()


def test_names_that_ask_for_one_color_are_told_apart():
    names = ["ab", "ba"]  # of the same letters
    colors = colors_of_chips(names)
    assert colors["ab"] == colors_of_chips(["ab"])["ab"]
    assert colors["ba"] != colors["ab"]


@pytest.fixture
def drawn(monkeypatch):
    """The figure of a chart."""
    figures = []
    monkeypatch.setattr(charts, "save_chart", lambda figure, path: figures.append(figure))
    return figures


def error_bars(axes):
    """Position, lower and upper end of every error bar of an axis."""
    segments = [segment for bars in axes.containers for segment in bars.lines[2][0].get_segments()]
    return sorted((float(low[0]), float(low[1]), float(high[1])) for low, high in segments)


def test_rates_and_paired_differences_are_drawn_with_their_intervals(drawn, tmp_path):
    wer_over_bits(FULL, tmp_path / "a.png")
    rates, differences = drawn[0].axes
    assert [bar[1:] for bar in error_bars(rates)] == [
        pytest.approx(ends) for ends in ((49, 52), (51, 54), (40, 43), (41, 44))
    ]
    # A share of nothing has no place.
    assert [bar[1:] for bar in error_bars(differences)] == [
        pytest.approx(ends) for ends in ((20, 30), (-1, 5), (1, 9))
    ]
    assert all(abs(place - round(place)) < 0.5 for place, _, _ in error_bars(rates))
    bottom, top = rates.get_ylim()
    # From the lower end of the float model's interval to the highest end, and a twelfth of that beyond.
    assert (bottom, top) == pytest.approx((39 - 0.08 * 15, 54 + 0.08 * 15))


def test_rows_without_float_are_refused(tmp_path):
    with pytest.raises(DataError, match="needs the row of the float model, got 1 rows"):
        wer_over_bits(result(row("quantized", 8)), tmp_path / "chart.png")


@pytest.mark.parametrize("name", ["chart.jpeg2", "file/chart.png"])
def test_a_chart_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=f"{name} cannot be written"):
        wer_over_bits(FULL, tmp_path / name)
