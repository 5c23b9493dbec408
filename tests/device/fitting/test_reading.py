import numpy as np
import pytest

from memrix.device.fitting import read_cycles
from memrix.errors import DataError

HEADER = "device,cycle,R_HRS,U_set,R_LRS,U_reset,curve,U,I"
CYCLES = [f"{device},{cycle},1e5,-0.7,4500,0.7,,," for device in ("a", "b") for cycle in (1, 2, 3)]
CURVES = [f",,,,,,{curve},{volts},1e-5" for curve in ("LRS", "HRS") for volts in (0.1, 0.2)]


@pytest.fixture
def problems(tmp_path):
    """Write a file of these lines, and read what is wrong with it."""

    def read(*lines: str, first: int | None = None) -> list[str]:
        path = tmp_path / "sweeps.csv"
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(DataError) as raised:
            read_cycles(path, first)
        return [line.strip() for line in str(raised.value).splitlines()]

    return read


def test_rows_may_have_any_order_and_columns_too(tmp_path):
    path = tmp_path / "sweeps.csv"
    rows = [
        "cycle,device,U_reset,U_set,R_LRS,R_HRS,U,I,curve,remark",
        "2,a,0.72,-0.7,4500,1e5,,,,warm",
        ",,,,,,0.2,1e-6,HRS,",
        "",
        "1,a,0.71,-0.7,4500,1e4,,,,",
        ",,,,,,0.2,5e-5,LRS,",
    ]
    path.write_text("\n".join(rows) + "\n")
    cycles = read_cycles(path)
    np.testing.assert_allclose(cycles.features, [[[4, -0.7, 4500, 0.71], [5, -0.7, 4500, 0.72]]])
    np.testing.assert_array_equal(cycles.low_curve, [[0.2, 5e-5]])
    np.testing.assert_array_equal(cycles.high_curve, [[0.2, 1e-6]])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv' cannot be read \(No such file or directory\)"):
        read_cycles(tmp_path / "nothing.csv")


def test_an_empty_file_is_told_apart(problems, tmp_path):
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(DataError, match="is empty; it should hold the columns device, cycle"):
        read_cycles(tmp_path / "empty.csv")


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\xff\xfe\x00", b"a,b\n1,2\n1,2,3,4\n", (HEADER + "\n" + 10 * "1," + "\n").encode()]
)
def test_a_file_that_is_no_table_is_refused(content, tmp_path):
    (tmp_path / "sweeps.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"not a table of values separated by commas|more values than"):
        read_cycles(tmp_path / "sweeps.csv")


def test_missing_columns_come_with_the_nearest_name(problems):
    found = problems("device,cycle,R_HRS,Uset,R_LRS,U_reset,curve,U", *CYCLES)
    assert "there is no column 'U_set' (did you mean 'Uset'?)" in found
    assert any(line.startswith("there is no column 'I'") for line in found)
    assert found[-1].startswith("the layout is device,cycle,")


def test_another_separator_is_recognized(tmp_path):
    text = "\n".join([HEADER, *CYCLES, *CURVES]).replace(",", ";").replace(".", ",")
    (tmp_path / "sweeps.csv").write_text(text)
    assert read_cycles(tmp_path / "sweeps.csv").features[0, 0].tolist() == [5, -0.7, 4500, 0.7]


def test_names_and_units_of_the_user_s_own_are_understood(tmp_path):
    header = HEADER.replace("U_set", "Vset (mV)").replace("R_LRS", "R_LRS (kohm)")
    (tmp_path / "sweeps.csv").write_text("\n".join([header, *CYCLES, *CURVES]))
    cycles = read_cycles(tmp_path / "sweeps.csv", columns={"Vset (mV)": "U_set"})
    np.testing.assert_allclose(cycles.features[0, 0], [5, -0.0007, 4.5e6, 0.7])


def test_errors_name_the_file_the_line_and_the_column_as_the_file_has_it(problems):
    header = HEADER.replace("R_HRS", "R_HRS (kohm)")
    found = problems(header, *CYCLES[:-1], CYCLES[-1].replace("1e5", "much"), *CURVES)
    assert "sweeps.csv" in found[0]
    assert found[1:] == ["line 7: R_HRS (kohm) must be a finite number, got 'much'"]


def other_polarity(line: str) -> str:
    return line.replace("-0.7", "+0.8").replace(",0.7", ",-0.9").replace("+", "")


def test_devices_of_the_other_polarity_are_noticed_and_turned_round(problems, tmp_path):
    turned = list(map(other_polarity, [*CYCLES, *CURVES]))
    found = problems(HEADER, *turned)
    assert len(found) == 2
    assert "give --flip-polarity" in found[1]
    cycles = read_cycles(tmp_path / "sweeps.csv", flip_polarity=True)
    np.testing.assert_allclose(cycles.features[0, 0], [5, -0.8, 4500, 0.9])
    np.testing.assert_array_equal(cycles.low_curve, [[-0.1, -1e-5], [-0.2, -1e-5]])


def test_the_right_polarity_is_not_turned_round_in_silence(tmp_path):
    (tmp_path / "sweeps.csv").write_text("\n".join([HEADER, *CYCLES, *CURVES]))
    with pytest.raises(DataError, match="leave it out"):
        read_cycles(tmp_path / "sweeps.csv", flip_polarity=True)


def test_a_single_wrong_sign_is_no_other_polarity(problems):
    assert problems(HEADER, *CYCLES[:-1], other_polarity(CYCLES[-1]), *CURVES)[1:] == [
        "line 7: U_set must lie below 0 V",
        "line 7: U_reset must lie above 0 V",
    ]


def test_numbers_that_no_cell_has_are_refused(problems):
    rows = [*CYCLES[:4], "b,2,1e300,-0.7,4500,0.7,,,", "b,3,1e5,-700,4500,0.7,,,", "b,1e300,1e5,-0.7,4500,0.7,,,"]
    assert problems(HEADER, *rows, *CURVES, ",,,,,,LRS,0.3,1e9")[1:] == [
        "line 8: cycle must be a whole number",
        "line 6: R_HRS lies beyond 1e+15 ohm; is its unit right?",
        "line 7: U_set lies beyond 100 V; is its unit right?",
        "line 13: I lies beyond 1000 A; is its unit right?",
    ]


def test_more_problems_than_anybody_reads_are_counted(problems):
    rows = [f"{device},{cycle},1e5,-0.7,4500,0.7,,," for device in range(30) for cycle in (1, 2)]
    wrong = [line.replace("1e5", "0") for line in rows]
    assert problems(HEADER, *wrong, *CURVES)[1] == "lines 2, 3, 4, 5, 6 and 55 more: R_HRS must lie above 0 ohm"


def test_a_column_that_is_there_twice_is_refused(problems):
    assert "more than one column U_set" in problems(HEADER + ",U_set", *CYCLES, *CURVES)[0]


def test_everything_wrong_with_the_rows_is_listed_at_once_by_line(problems):
    found = problems(
        HEADER,
        *CYCLES[:3],
        "b,1,,-0.7,4500,0.7,,,",  # line 5
        "b,2,-3,0.7,many,inf,,,",
        "b,3,1e5,-0.7,4500,0.7,,0.2,",
        "b,3,1e5,-0.7,4500,0,,,",
        "b,3,1e5,-0.7,4500,0.7,,,",
        "c,1.5,1e5,-0.7,4500,0.7,,,",  # line 10
        ",7,1e5,-0.7,4500,0.7,,,",
        *CURVES[:2],
        ",,,,,,MRS,0.3,1e-5",
        ",,,,,,LRS,nan,",
    )
    assert found[1:] == [
        "line 7: a row is a cycle or a point of a curve: empty the columns of the other",
        "line 11: device is empty",
        "line 5: R_HRS is empty",
        "line 6: R_LRS must be a finite number, got 'many'",
        "line 6: U_reset must be a finite number, got 'inf'",
        "line 10: cycle must be a whole number",
        "line 6: R_HRS must lie above 0 ohm",
        "line 6: U_set must lie below 0 V",
        "line 8: U_reset must lie above 0 V",
        "line 15: I is empty",
        "line 15: U must be a finite number, got 'nan'",
        "line 14: curve must be LRS or HRS",
        "there is no I-V curve HRS: its rows fill the columns curve, U, I",
        "line 9: device and cycle are those of an earlier line: keep one of them",
    ]


def test_many_lines_with_one_fault_are_counted(problems):
    found = problems(HEADER, *(f"a,{cycle},0,-0.7,4500,0.7,,," for cycle in range(1, 101)), *CURVES)
    assert found[1:] == ["lines 2, 3, 4, 5, 6 and 95 more: R_HRS must lie above 0 ohm"]


def test_a_cycle_missing_in_the_middle_is_found(problems):
    found = problems(HEADER, *CYCLES, "a,6,1e5,-0.7,4500,0.7,,,", *CURVES)
    assert found[1].startswith("cycles are missing in the middle of a (nothing between cycles 3 and 6)")


def test_a_file_without_cycles_is_refused(problems):
    assert problems(HEADER, *CURVES)[1].startswith("there is no row of a cycle")


def test_series_of_different_lengths_are_refused_with_a_mend(problems):
    found = problems(HEADER, *CYCLES[:-1], *CURVES)
    assert found[1:] == [
        "not all devices have 3 cycles, but fewer are there of b (2): leave these devices out, or let the first 2 "
        "cycles of each device count"
    ]


def test_the_first_cycles_alone_can_count(tmp_path):
    (tmp_path / "sweeps.csv").write_text("\n".join([HEADER, *CYCLES[:-1], *CURVES]) + "\n")
    assert read_cycles(tmp_path / "sweeps.csv", first=2).features.shape == (2, 2, 4)


def test_more_first_cycles_than_there_are_is_refused(problems):
    found = problems(HEADER, *CYCLES[:-1], *CURVES, first=3)
    assert found[1] == "the first 3 cycles of each device are to count, but fewer are there of b (2)"
