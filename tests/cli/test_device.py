import json
import subprocess
import sys

import pytest

import memrix
from memrix.cli.main import main
from memrix.crossbar.protocols import ResetSet
from memrix.studies.device_charts import Population


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory):
    path = tmp_path_factory.mktemp("device") / "sweeps.csv"
    assert main(["device", "example", "-o", str(path), "--devices", "40", "--cycles", "60"]) == 0
    return path


def fit(sweeps, output, *options: str, components: int = 1) -> int:
    arguments = [str(sweeps), "-o", str(output), "--order", "3", "--components", str(components)]
    return main(["device", "fit", *arguments, *options])


@pytest.mark.parametrize("command", [[], ["fit"], ["show"], ["protocols"], ["example"]])
def test_help_is_there(command, capsys):
    assert main(["device", *command, "--help"]) == 0
    assert "Usage: memrix device" in capsys.readouterr().out


def test_the_help_of_fit_shows_the_layout_of_the_file(capsys):
    main(["device", "fit", "--help"])
    assert "device,cycle,R_HRS,U_set,R_LRS,U_reset,curve,U,I" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from memrix.cli.main import main\n"
        "for command in ('fit', 'show', 'protocols', 'example'):\n"
        "    main(['device', command, '--help'])\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


def test_a_fit_prints_its_goodness_and_writes_parameters_that_a_chip_can_have(sweeps, tmp_path, capsys):
    output, figures = tmp_path / "mydevice.json", tmp_path / "goodness.json"
    assert fit(sweeps, output, "--json", str(figures)) == 0
    printed = capsys.readouterr()
    assert "40 devices of 60 cycles: measured | fitted" in printed.out
    for name in ("R_HRS", "U_set", "R_LRS", "U_reset", "KS distance", "autocorrelation, 5 apart", "I-V curves"):
        assert name in printed.out
    assert str(output) in printed.err
    assert json.loads(figures.read_text())["cycles"] == 60
    hardware = memrix.Hardware.preset("physical").replace(**{"device.parameters": str(output)})
    assert hardware.parameters.order == 3


def test_a_component_of_a_few_devices_is_pointed_out(tmp_path, capsys):
    few = tmp_path / "few.csv"
    main(["device", "example", "-o", str(few), "--devices", "27", "--cycles", "60"])
    assert fit(few, tmp_path / "mydevice.json", components=3) == 0
    assert "too few for its covariance, which takes 9" in capsys.readouterr().err


def test_the_last_line_says_that_a_fit_describes_its_measurements(sweeps, tmp_path, capsys):
    figures = tmp_path / "goodness.json"
    arguments = ["device", "fit", str(sweeps), "-o", str(tmp_path / "a.json"), "--json", str(figures), "--strict"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith("The fit describes the measurements: all ")
    assert printed.err.splitlines() == [f"parameters: {tmp_path / 'a.json'}", f"goodness of fit: {figures}"]
    assert json.loads(figures.read_text())["fits"] is True


@pytest.fixture(scope="module")
def failing(sweeps, tmp_path_factory):
    """Three in ten RESETs fail: the cell stays as it is."""
    lines = sweeps.read_text().splitlines()
    for number in range(1, len(lines)):
        cells = lines[number].split(",")
        if cells[0] and number * 7 % 10 < 3:
            cells[2] = cells[4]
            lines[number] = ",".join(cells)
    path = tmp_path_factory.mktemp("failing") / "failing.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 3)])
def test_a_misfit_is_said_in_the_last_line_and_by_the_status_if_that_is_asked_for(
    failing, options, status, tmp_path, capsys
):
    assert main(["device", "fit", str(failing), "-o", str(tmp_path / "a.json"), *options]) == status
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("MISFIT: the parameters do not describe these measurements: R_HRS: ")
    assert (tmp_path / "a.json").exists()


def few_devices(sweeps, path, devices: int):
    kept = {f"d{number}" for number in range(1, devices + 1)}
    lines = sweeps.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if line.split(",")[0] in {"device", "", *kept}))
    return path


def test_few_devices_give_a_parametric_device_and_its_assumptions(sweeps, tmp_path, capsys):
    few = few_devices(sweeps, tmp_path / "few.csv", 5)
    assert main(["device", "fit", str(few), "-o", str(tmp_path / "a.json"), "--strict"]) == 0
    printed = capsys.readouterr()
    assert "Fewer than 9 devices show no statistics: this is a parametric device" in printed.err
    assert "R_on = " in printed.err
    assert "Assumed: features are normally distributed" in printed.err
    assert printed.out.splitlines()[-1].startswith("Parametric device: its means and spreads describe")
    assert memrix.Hardware.preset("physical").replace(**{"device.parameters": str(tmp_path / "a.json")}).parameters


def test_names_of_the_user_s_own_semicolons_and_the_other_polarity(sweeps, tmp_path, capsys):
    header, *lines = few_devices(sweeps, tmp_path / "few.csv", 3).read_text().splitlines()
    turned = []
    for line in lines:
        cells = line.split(",")
        for place in (3, 5, 7, 8):
            cells[place] = cells[place] and str(-float(cells[place]))
        turned.append(";".join(cells).replace(".", ","))
    header = header.replace("U_set", "Vset (V)").replace("device", "cell").replace(",", ";")
    (tmp_path / "own.csv").write_text("\r\n".join([header, *turned]), encoding="utf-8-sig")
    names = ["--columns", "Vset (V)=U_set", "--columns", "cell=device"]
    arguments = ["device", "fit", str(tmp_path / "own.csv"), "-o", str(tmp_path / "own.json")]
    assert main([*arguments, *names]) == 2
    assert "give --flip-polarity" in capsys.readouterr().err
    assert main([*arguments, *names, "--flip-polarity"]) == 0
    assert main(["device", "fit", str(tmp_path / "few.csv"), "-o", str(tmp_path / "few.json")]) == 0
    own, plain = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("own", "few"))
    assert own == plain


def test_loops_are_fitted(tmp_path, capsys):
    from tests.device.fitting.test_loops import loop, write

    rows = [
        row
        for device in range(3)
        for cycle in range(1, 6)
        for row in loop(f"d{device}", cycle, 0.6 + 0.03 * cycle, 0.75 + 0.025 * device, on=2e-4 + 1e-6 * cycle)
    ]
    write(tmp_path / "loops.csv", rows)
    assert main(["device", "fit", str(tmp_path / "loops.csv"), "-o", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text())["Umax"] == 1.5
    assert "3 devices of 5 cycles" in capsys.readouterr().out


def test_voltages_that_do_not_switch_a_device_are_told_with_those_that_do(sweeps, tmp_path, capsys):
    header, *lines = few_devices(sweeps, tmp_path / "few.csv", 5).read_text().splitlines()
    scaled = []
    for line in lines:
        cells = line.split(",")
        for place in (3, 5):
            cells[place] = cells[place] and str(3 * float(cells[place]))
        scaled.append(",".join(cells))
    (tmp_path / "high.csv").write_text("\n".join([header, *scaled]))
    arguments = [str(tmp_path / "high.csv"), "-o", str(tmp_path / "a.json"), "--full-reset-voltage", "3.6"]
    assert main(["device", "fit", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "those of +2 V RESET 0.0%" in printed
    assert "pulses of -4.8 V SET 100.0% of the cells, those of +4.8 V RESET 100.0%" in printed


def test_a_wrong_file_is_refused_before_torch_is_loaded(tmp_path):
    (tmp_path / "bad.csv").write_text("device,cycle,U\na,1,0.1\n")
    code = (
        "import sys\n"
        "from memrix.cli.main import main\n"
        f"status = main(['device', 'fit', {str(tmp_path / 'bad.csv')!r}, '-o', {str(tmp_path / 'a.json')!r}])\n"
        "heavy = {'torch', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy or status != 2 else 0)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "there is no column 'R_HRS'" in process.stderr


@pytest.mark.slow
def test_the_readme_s_own_example_is_fitted_without_a_warning(tmp_path, capsys):
    assert main(["device", "example", "-o", str(tmp_path / "sweeps.csv")]) == 0
    capsys.readouterr()
    assert main(["device", "fit", str(tmp_path / "sweeps.csv"), "-o", str(tmp_path / "a.json"), "--strict"]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"parameters: {tmp_path / 'a.json'}\n"
    assert printed.out.splitlines()[-1].startswith("The fit describes the measurements")


def test_the_first_cycles_alone_can_be_used(sweeps, tmp_path, capsys):
    assert fit(sweeps, tmp_path / "mydevice.json", "--cycles", "30") == 0
    assert "40 devices of 30 cycles" in capsys.readouterr().out


def test_an_unwritable_output_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert fit(tmp_path / "missing.csv", tmp_path / "file" / "mydevice.json") == 2
    error = capsys.readouterr().err
    assert "mydevice.json cannot be written" in error
    assert "missing.csv" not in error


def test_bad_measurements_are_explained_on_stderr(tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("device,cycle,RHRS,U_set,R_LRS,U_reset,curve,U,I\n")
    assert fit(tmp_path / "bad.csv", tmp_path / "mydevice.json") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "there is no column 'R_HRS' (did you mean 'RHRS'?)" in printed.err


def test_an_example_of_one_s_own_device(sweeps, tmp_path, capsys):
    own, again = tmp_path / "mydevice.json", tmp_path / "again.csv"
    assert fit(sweeps, own) == 0
    assert (
        main(["device", "example", "-o", str(again), "--parameters", str(own), "--devices", "3", "--cycles", "2"])
        == 0
    )
    assert len(again.read_text().splitlines()) == 1 + 3 * 2 + 2 * 121


def test_charts_of_one_s_own_device(sweeps, tmp_path, capsys, monkeypatch):
    own, folder = tmp_path / "mydevice.json", tmp_path / "charts"
    assert fit(sweeps, own) == 0
    # The figures of the charts are tested beside them; here a population that is drawn in a second.
    few = Population(
        loop_devices=2, loop_cycles=2, devices=20, cycles=40, cells=200, protocols={"reset-set": ResetSet()}
    )
    monkeypatch.setattr("memrix.studies.device_charts.drawing.Population", lambda: few)
    assert main(["device", "show", str(own), "-o", str(folder)]) == 0
    names = {"iv_loops.png", "features.png", "protocols.png", "memory.png"}
    assert {path.name for path in folder.iterdir()} == names
    assert str(folder / "protocols.png") in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "protocols"])
def test_parameters_that_are_not_there_are_explained(command, tmp_path, capsys):
    assert main(["device", command, str(tmp_path / "none.json"), "-o", str(tmp_path / "out")]) == 2
    assert "none.json' cannot be read" in capsys.readouterr().err


@pytest.mark.slow
def test_protocols_are_compared_in_a_document(tmp_path, capsys):
    document = tmp_path / "protocols.md"
    assert main(["device", "protocols", "-o", str(document), "--weights", "500", "--weight-bits", "3"]) == 0
    text = document.read_text()
    assert "| reset-set | bit-sliced | 3 |" in text
    assert "| reset-ramp, 10 mV | multi-level | 3 |" in text
    assert "readings per A" in text
    assert str(document) in capsys.readouterr().err


def test_weights_to_compare_must_be_some(capsys):
    assert main(["device", "protocols", "--weights", "0"]) == 2
    assert "--weights must be an integer from 2" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "example", "show"])
@pytest.mark.parametrize("seed", ["-1", "5000000000"])
def test_seeds_that_no_library_takes_are_refused_before_the_work(command, seed, tmp_path, capsys):
    given = [str(tmp_path / "sweeps.csv")] if command == "fit" else []
    assert main(["device", command, *given, "-o", str(tmp_path / "out"), "--seed", seed]) == 2
    assert "--seed is a whole number from 0" in capsys.readouterr().err


def test_measurements_are_never_overwritten_by_their_fit(sweeps, tmp_path, capsys):
    before = sweeps.read_bytes()
    assert fit(sweeps, sweeps) == 2
    assert fit(sweeps, tmp_path / "p.json", "--json", str(tmp_path / "p.json")) == 2
    assert capsys.readouterr().err.count("named twice") == 2
    assert sweeps.read_bytes() == before


def test_more_rows_than_memory_are_refused(tmp_path, capsys):
    arguments = ["-o", str(tmp_path / "a.csv"), "--devices", "100000", "--cycles", "100000"]
    assert main(["device", "example", *arguments]) == 2
    assert "give fewer --devices or --cycles" in capsys.readouterr().err
