import pytest

from memrix.device.fitting.delimited import open_table
from memrix.errors import DataError

PLAIN = "device,U,I\na,0.5,1.5e-6\nb,-0.5,-2e-6\n"


def rows(path) -> list[list[object]]:
    table = open_table(path)
    assert table.header[:3] == ("device", "U", "I")
    frame = table.frame([0])
    return [[line, *values] for line, values in zip(frame.index, frame[[0, 1, 2]].values.tolist(), strict=True)]


EXPECTED = [[2, "a", 0.5, 1.5e-6], [3, "b", -0.5, -2e-6]]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " "),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t").replace(".", ","),
        PLAIN.replace(",", ", "),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("\n", ",\n"),  # a delimiter behind every row
        PLAIN.replace("\na", ",\na").replace("e-6\n", "e-6,\n"),
        PLAIN.replace("device", '"device"').replace(",0.5", ',"0.5"'),
        PLAIN.replace(",1.5e-6", ',"1,5e-6"')
        .replace(",-2e-6", ',"-2,0e-6"')
        .replace(",0.5", ',"0,5"')
        .replace("-0.5", '"-0,5"'),
        "# " + PLAIN,  # as numpy.savetxt writes names
    ],
)
def test_tables_are_read_whatever_separates_their_columns_and_ends_their_lines(text, tmp_path):
    (tmp_path / "table.csv").write_bytes(text.encode())
    assert rows(tmp_path / "table.csv") == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_are_read_in_the_encodings_of_windows(encoding, tmp_path):
    (tmp_path / "table.csv").write_bytes(("# µA\n" + PLAIN).encode(encoding))
    assert [row[1:] for row in rows(tmp_path / "table.csv")] == [row[1:] for row in EXPECTED]


def test_lines_are_counted_with_comments_and_blank_lines(tmp_path):
    text = "# made by a machine, 0,5 V\n\n" + PLAIN.replace("\nb", "\n% dust on the probe\n\n  // again\nb")
    (tmp_path / "table.csv").write_text(text)
    assert [row[0] for row in rows(tmp_path / "table.csv")] == [4, 8]


def test_a_hundred_thousand_rows_keep_every_digit(tmp_path):
    values = [number / 7 for number in range(100_000)]
    (tmp_path / "table.csv").write_text("device,U,I\n" + "".join(f"a,{value!r},1\n" for value in values))
    assert open_table(tmp_path / "table.csv").frame([0])[1].tolist() == pytest.approx(values, rel=1e-15)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; it should hold the columns device, cycle"),
        (b"\n \r\n\n", "is empty; it should hold the columns device, cycle"),
        (b"# a\n% b\n", "is empty but for comments"),
        (bytes(range(256)), "binary, or UTF-16 without a byte-order mark; save it as UTF-8"),
        (PLAIN.encode("utf-16-le"), "binary, or UTF-16 without a byte-order mark; save it as UTF-8"),
        (b"\xff\xfe\x00", "it is no text; export the measurements as CSV"),
        (b"\x89PNG\x0d\x0a\x1a\x0a\x01", "it is no text; export the measurements as CSV"),
        (b"PK\x03\x04\x14\x00", "it is a spreadsheet or an archive; export the measurements as CSV"),
        (b"1,2,3\n4,5,6\n", "line 1: numbers, where the names of the columns should be"),
        (b"device,U,I\na,1,2,3\n", "line 2 holds 4 values, more than the 3 columns that are named"),
        (b"device,U,I\na,0,5,1,5\n", "if its numbers have decimal commas, separate the columns by semicolons"),
        (b"device;U;I\na;0,5;1.5\n", r"a decimal comma \(0,5\) and with a decimal point \(1.5\)"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(content, message, tmp_path):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        open_table(tmp_path / "table.csv")
    assert "table.csv" in str(raised.value)


def test_a_row_that_is_too_wide_far_below_is_named(tmp_path):
    (tmp_path / "table.csv").write_text("device,U,I\n" + 1000 * "a,1,2\n" + "a,1,2,3\n")
    with pytest.raises(DataError, match="line 1002 holds 4 values, more than the 3 columns that are named"):
        open_table(tmp_path / "table.csv").frame([0])


@pytest.mark.parametrize("name", ["missing.csv", "", "a\0b"])
def test_what_cannot_be_read_is_named(name, tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        open_table(f"{tmp_path}/{name}")
