import pytest

from memrix.device.fitting.columns import find_columns, parse_renames
from memrix.errors import DataError


def factors(*header: str, **renames: str) -> dict[str, float]:
    return {column.name: column.factor for column in find_columns(header, renames, "file, line 1")}


def test_units_of_names_become_factors():
    found = factors(
        "device", "cycle", "R_HRS (kohm)", "U_set [mV]", "R_LRS (MΩ)", "U_reset_mV", "U (volt)", "I (µA)", "curve"
    )
    assert list(found) == ["device", "cycle", "R_HRS", "U_set", "R_LRS", "U_reset", "U", "I", "curve"]
    assert list(found.values()) == [1, 1, 1e3, 1e-3, 1e6, 1e-3, 1, 1e-6, 1]


def test_letters_of_either_case_are_names_and_other_columns_are_left_alone():
    assert factors("Device", "CYCLE", "u", "i (nA)", "I_compliance", "T (K)", "", "") == {
        "device": 1,
        "cycle": 1,
        "U": 1,
        "I": 1e-9,
    }


@pytest.mark.parametrize(
    ("heading", "units"),
    [
        ("R_HRS (mohm)", "ohm, kohm, Mohm, Gohm"),  # milli, or mega?
        ("R_LRS (uS)", "ohm, kohm, Mohm, Gohm"),
        ("U_set (MV)", "uV, mV, V, kV"),
        ("U_set (A)", "uV, mV, V, kV"),
        ("I (MA)", "pA, nA, uA, mA, A"),
    ],
)
def test_units_that_may_be_others_are_refused_with_those_that_are_clear(heading, units):
    with pytest.raises(DataError, match=f"of '.*' is none of {units}: write the one that it is"):
        factors(heading)


def test_names_of_the_user_s_own_stand_for_columns_and_keep_their_units():
    found = factors("cell", "Vset (mV)", "Ron", **{"cell": "device", "Vset (mV)": "U_set", "Ron": "R_LRS (kohm)"})
    assert found == {"device": 1, "U_set": 1e-3, "R_LRS": 1e3}


@pytest.mark.parametrize(
    ("texts", "renames"),
    [
        (["Vset (V)=U_set"], {"Vset (V)": "U_set"}),
        (["a=device,b=cycle", "c = U"], {"a": "device", "b": "cycle", "c": "U"}),
        (["Vset, V=U_set,x=y=U"], {"Vset, V": "U_set", "x=y": "U"}),
        ([], {}),
    ],
)
def test_renames_are_parsed(texts, renames):
    assert parse_renames(texts) == renames


@pytest.mark.parametrize("text", ["U_set", "=U_set", "Vset=", "a=U,a=I", "a=U,b"])
def test_renames_that_are_none_are_refused(text):
    with pytest.raises(DataError, match='such as "Vset \\(V\\)=U_set"'):
        parse_renames([text])


@pytest.mark.parametrize(
    ("header", "renames", "message"),
    [
        (["U", "u"], {}, "more than one column U: 'U', 'u'; keep one of them"),
        (["U", "V"], {"V": "U"}, "more than one column U: 'U', 'V'; keep one of them"),
        (["Vset"], {"Vst": "U_set"}, r"no column 'Vst' that could be U_set \(did you mean 'Vset'\?\)"),
        (["Vset"], {"Vset": "Uset"}, r"'Vset' cannot be 'Uset' \(did you mean 'U_set'\?\)"),
    ],
)
def test_columns_that_are_not_clear_are_refused(header, renames, message):
    with pytest.raises(DataError, match=message):
        find_columns(header, renames, "file, line 1")
