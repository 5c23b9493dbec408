"""The page: sections, texts of users, a browser that opens it, errors."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

import memrix
from memrix.cli.main import app
from memrix.costing.layer_costs import CAUSES
from memrix.errors import CalibrationError, ConversionError, DataError, InputError, MemrixError, SettingsError
from memrix.reporting import charts
from memrix.reporting.reading import found_in
from memrix.reporting.sections import added_by, of_chip, sections
from tests.reporting.conftest import inputs
from tests.studies.small_study import HARDWARE, pairs

pytest.importorskip("plotly")
TITLES = ("Metric over settings", "Chips", "Sensitivity of layers", "Causes of error", "Allocation of bits",
          "ADC histograms", "States of cells", "Wires of a tile", "Energy and area")  # fmt: skip
HOSTILE = "<script>document.title='hacked'</script>"


def headings(page: Path) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def everything(folder, chip, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    return memrix.report(folder, path, chip=chip, batches=inputs(), command="memrix report results -o report.html")


def test_a_section_appears_for_everything_that_is_there(everything):
    assert headings(everything) == [*TITLES, "How it was made"]
    text = everything.read_text(encoding="utf-8")
    assert "memrix study sweep physical" in text
    assert "memrix report results -o report.html" in text
    assert f"torch {torch.__version__}" in text
    assert "Content-Security-Policy" in text
    assert not re.search(r"""<(?!a )[^>]*(src|href)=["']?(?!data:)\w+:""", text.partition("<script>/**")[0])


def test_what_is_missing_is_listed_with_the_command_that_adds_it(folder, tmp_path):
    page = memrix.report(folder / "chips.json", tmp_path / "report.html")
    assert headings(page) == ["Chips", "Not in this report", "How it was made"]
    found = found_in([folder / "chips.json"])
    missing = [section for section in sections(found, None) if not section.parts]
    assert [section.title for section in missing] == [title for title in TITLES if title != "Chips"]
    for section in missing:
        command = added_by(section, found)
        assert "--model net.py:net" in command  # that of the results
        app.parse_args(shlex.split(command)[1:], exit_on_error=False, print_error=False)


def test_results_of_another_version_are_marked(folder, tmp_path):
    tree = json.loads((folder / "chips.json").read_text())
    (tmp_path / "chips.json").write_text(json.dumps({**tree, "memrix": "0.0.9"}))
    page = memrix.report(tmp_path, tmp_path / "report.html")
    assert "was made by memrix 0.0.9, this report by" in page.read_text(encoding="utf-8")


def test_charts_are_figures_that_plotly_takes(folder, chip):
    from plotly.graph_objects import Figure

    drawn = [
        chart
        for section in sections(found_in([folder]), of_chip(chip, inputs()))
        for part in section.parts
        for chart in part.charts
    ]
    assert len(drawn) == 18
    for chart in drawn:
        Figure(chart.data, chart.layout)
        assert chart.layout["height"] > 100
        assert all(color.startswith("#") for color, _ in chart.legend.values())


def test_bars_are_the_figures_of_the_results(found):
    (ranked,) = charts.sensitivity_charts(found["sensitivity"])
    worst = found["sensitivity"].worst
    assert ranked.data[0]["x"][0] == pytest.approx(sum(worst.cost_alone) / 2)
    network, _ = charts.attribution_charts(found["attribution"])
    shares = sum(each.share for each in found["attribution"].network.causes)
    assert sum(bar["x"][0] for bar in network.data[:-1]) == pytest.approx(100 * shares)
    (swept,) = charts.sweep_charts(found["sweep"])
    assert swept.data[0]["y"][0] == found["sweep"].settings[0].estimate.mean
    assert swept.data[0]["error_y"]["array"][0] == found["sweep"].settings[0].estimate.half_width
    energy, _, area = charts.cost_charts(found["cost"])
    unit = {"pJ": 1e-12, "nJ": 1e-9}[energy.layout["xaxis"]["title"]["text"][-2:]]
    assert len(energy.data) <= len(CAUSES)
    assert unit * sum(sum(bar["x"]) for bar in energy.data) == pytest.approx(found["cost"].crossbar_energy)
    assert 1e-6 * sum(area.data[0]["x"]) == pytest.approx(found["cost"].area)


def test_the_same_results_give_the_same_page(folder, everything, chip, tmp_path):
    again = memrix.report(
        folder, tmp_path / "again.html", chip=chip, batches=inputs(), command="memrix report results -o report.html"
    )
    assert again.read_bytes() == everything.read_bytes()


def test_figures_that_are_not_finite_leave_a_gap(found, tmp_path):
    ranked, swept = found["sensitivity"].to_dict(), found["sweep"].to_dict()
    ranked["groups"][0]["sqnr"] = math.inf
    (tmp_path / "layers.json").write_text(json.dumps(ranked))
    (tmp_path / "sweep.json").write_text(json.dumps({**swept, "digital": math.inf}))
    page = memrix.report(tmp_path, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>exact</td>" in page
    assert '"y": [null, null]' in page


def hostile(path: Path) -> Path:
    """A page whose layers, metric, settings, texts and files have names that would run as a script."""
    model = torch.nn.Sequential(OrderedDict([(HOSTILE.replace(".", "·"), torch.nn.Linear(8, 4))]))
    metric = memrix.Metric(lambda net, batch: net(batch[0]).square().mean(1), HOSTILE, higher_is_better=True)
    found = memrix.sensitivity(model, HARDWARE, pairs(), metric)
    swept = memrix.sweep(model, HARDWARE, pairs(), metric, {"weight_bits": [2, 3], "noise": ["off"]}).to_dict()
    text = json.dumps({**swept, "command": HOSTILE, "arguments": {"model": HOSTILE}, "memrix": HOSTILE})
    (path / "sweep.json").write_text(text.replace("weight_bits", f"{HOSTILE} of a setting"))
    memrix.calibrate(model, inputs(), HARDWARE)
    chip = memrix.program(model, HARDWARE.replace(**{"wires.ohms_per_cell": 10.0}))
    return memrix.report([path, found], path / "hostile.html", chip=chip, batches=inputs(), title=HOSTILE)


def test_names_of_users_are_no_markup(tmp_path):
    text = hostile(tmp_path).read_text(encoding="utf-8")
    assert "<script>document" not in text
    assert "&lt;script&gt;document" in text


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --v=0 --virtual-time-budget=10000 --dump-dom"
)


def opened(page: Path, folder: Path) -> tuple[str, list[str], list[str]]:
    """A page after a browser has run it, what its console says, and the addresses that were asked for."""
    assert BROWSER is not None
    own = [
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={folder / 'net.json'}",
        page.as_uri(),
    ]
    run = subprocess.run([BROWSER, *OPTIONS.split(), *own], capture_output=True, text=True, timeout=180, check=True)
    said = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    events = json.loads((folder / "net.json").read_text(encoding="utf-8"))["events"]
    requests = [event["params"] for event in events if "initiator" in event.get("params", {})]
    # Requests that the browser makes for itself have no page that they come from.
    return run.stdout, said, [each["url"] for each in requests if each["initiator"] != "not an origin"]


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: apt-get install chromium")


@pytest.mark.slow
@needs_browser
def test_a_browser_draws_every_chart_without_errors_and_loads_nothing(everything, tmp_path):
    shown, said, asked = opened(everything, tmp_path)
    assert (said, asked) == ([], [])
    assert (
        shown.count('class="plot ') == len(re.findall('class="plot"', everything.read_text(encoding="utf-8"))) == 18
    )
    assert len(re.findall(r'<svg class="main-svg"[^>]*style="background', shown)) == 18


@pytest.mark.slow
@needs_browser
def test_a_browser_shows_hostile_names_as_text(tmp_path):
    shown, said, asked = opened(hostile(tmp_path), tmp_path)
    assert (said, asked) == ([], [])
    assert f"<title>{HOSTILE.replace('<', '&lt;').replace('>', '&gt;')}</title>" in shown
    assert "hacked'</script>" not in shown


@pytest.mark.slow
@needs_browser
def test_an_error_and_a_request_would_be_seen(tmp_path):
    page = tmp_path / "broken.html"
    page.write_text("<script>fetch('http://127.0.0.1:9/x'); missing()</script>")
    _, said, asked = opened(page, tmp_path)
    assert any("missing is not defined" in line for line in said)
    assert "http://127.0.0.1:9/x" in asked


def test_what_cannot_be_reported_is_told(folder, chip, tmp_path):
    page = tmp_path / "report.html"
    for error, results, path, options, problem in (
        (SettingsError, [], page, {}, "there is nothing to report"),
        (SettingsError, folder, page, {"batches": inputs()}, "batches are inputs of a chip"),
        (SettingsError, folder, page, {"chip": "chip.safetensors"}, "chip must be a chip"),
        (ConversionError, [], page, {"chip": torch.nn.Linear(2, 2)}, "no layer of this model runs on a chip"),
        (InputError, [], page, {"chip": chip, "batches": [torch.ones(2, 3)]}, "batch 1"),
        (CalibrationError, [], page, {"chip": chip, "batches": []}, "there is no batch"),
        (DataError, tmp_path / "nowhere", page, {}, "cannot be read"),
        (DataError, folder, tmp_path, {}, "cannot be written"),
        (DataError, folder, tmp_path / "no" / "such" / "report.html", {}, "cannot be written"),
        (DataError, folder, 3, {}, "must be a string or a Path"),
    ):
        with pytest.raises(error, match=problem):
            memrix.report(results, path, **options)
    assert not page.exists()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sweep", {"trials": []}),
        ("sensitivity", {"chip": []}),
        ("chips", {"trials": []}),
    ],
)
def test_figures_that_contradict_each_other_are_told(name, changes, folder, tmp_path):
    (tmp_path / "result.json").write_text(
        json.dumps({**json.loads((folder / f"{name}.json").read_text()), **changes})
    )
    with pytest.raises(DataError, match=r"result\.json', \w+, cannot be shown"):
        memrix.report(tmp_path, tmp_path / "report.html")


@pytest.mark.parametrize("library", ["plotly", "jinja2"])
def test_a_library_that_is_not_installed_is_told(library, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MemrixError, match=rf"a report takes {library}.*pip install 'memrix\[report\]'"):
        memrix.report(folder, tmp_path / "report.html")
