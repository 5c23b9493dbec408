"""Results are found, told apart and read back."""

import json

import pytest

import memrix
from memrix.errors import DataError, SettingsError
from memrix.reporting.reading import KINDS, found_in


def test_results_are_read_back_as_they_were(folder, found):
    read = {each.kind: each for each in found_in([folder])}
    assert set(read) == set(KINDS) - {"utterance cost"}
    for kind, result in found.items():
        assert str(read[kind].result) == str(result)
        assert read[kind].about["command"] == f"memrix study {kind} physical"
    assert [row.wer for row in read["evaluate"].result.summary] == [0.3471, 0.3491, 0.3465]


def test_results_of_this_process_are_taken_too(found):
    read = found_in(list(found.values()))
    assert [each.kind for each in read] == list(found)
    assert read[0].source == "SweepResult"


def test_the_same_result_twice_is_one_and_that_which_tells_more_stays(folder, found, tmp_path):
    found["sweep"].to_dict()
    (tmp_path / "results.json").write_text(json.dumps(found["sweep"].to_dict()))
    (one,) = found_in([tmp_path, folder / "sweep.json"])
    assert one.source == str(folder / "sweep.json")


def test_costs_of_utterances_are_costs(found, tmp_path):
    file = tmp_path / "cost.json"
    file.write_text(json.dumps({"costs": found["cost"].to_dict(), "utterances": 10, "settings": {}}))
    (one,) = found_in([file])
    assert str(one.result) == str(found["cost"])


def test_the_folder_of_a_study_holds_what_a_report_reads(tmp_path, found):
    from tests.studies.small_study import HARDWARE, network, pairs

    study = (network(), HARDWARE, pairs(), "loss", {"weight_bits": [2]})
    result = memrix.sweep(*study, chips=2, folder=tmp_path / "study")
    (one,) = found_in([tmp_path / "study"])
    assert str(one.result) == str(result)
    (tmp_path / "study" / "results.json").unlink()
    with pytest.raises(DataError, match="run the command of the study again"):
        found_in([tmp_path / "study"])


def changed(folder, name, **changes):
    tree = json.loads((folder / name).read_text())
    for key, value in changes.items():
        if value is None:
            del tree[key]
        else:
            tree[key] = value
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("sensitivity.json", {"higher_is_better": None}, "higher_is_better is missing"),
        ("sensitivity.json", {"reference": "large"}, "reference must be float, got 'large'"),
        ("sensitivity.json", {"groups": [{"name": "0"}]}, "groups.0.layers is missing"),
        ("sensitivity.json", {"higher_is_better": 1}, "higher_is_better must be bool, got 1"),
        ("sensitivity.json", {"groups": 3}, "groups must be a list, got 3"),
        ("attribution.json", {"network": {"name": "", "error": 0.1}}, "network.causes is missing"),
        ("sweep.json", {"trials": [{}]}, "cannot read it"),
        ("sweep.json", {"settings": []}, "cannot read it"),
        ("chips.json", {"interval": [0.1]}, "interval must be a list of 2"),
        ("allocate.json", {"chips": []}, "cannot read it"),
        ("cost.json", {"constants": {"adc": 1}}, "cannot read it"),
        ("evaluation.json", {"summary": [{"execution": "float"}]}, "summary.0.hardware is missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_results_of_other_versions_that_cannot_be_read_are_told(folder, tmp_path, name, changes, problem):
    versions = {"versions": {"memrix": "0.0.9"}} if name == "evaluation.json" else {"memrix": "0.0.9"}
    file = tmp_path / name
    file.write_text(changed(folder, name, **changes, **versions))
    with pytest.raises(DataError) as told:
        found_in([file])
    assert problem in str(told.value)
    assert "by memrix 0.0.9" in str(told.value)
    assert str(file) in str(told.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"metric": "loss", "settings": [', "is not valid"),
        ('{"weight_bits": 3}', "holds no result of memrix"),
        ("[1, 2]", "holds no result of memrix"),
    ],
    ids=["damaged", "hardware", "list"],
)
def test_files_of_something_else_are_told(text, problem, tmp_path):
    file = tmp_path / "result.json"
    file.write_text(text)
    with pytest.raises(DataError, match=problem):
        found_in([file])


def test_places_without_results_are_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        found_in([tmp_path / "nowhere"])
    with pytest.raises(DataError, match="there is no result of memrix in"):
        found_in([tmp_path])
    (tmp_path / "damaged.json").write_text("{")
    with pytest.raises(DataError, match=r"damaged\.json' is not valid"):
        found_in([tmp_path])


def test_objects_that_are_no_results_are_told():
    with pytest.raises(SettingsError, match="a report takes folders and files of results"):
        found_in([memrix.Hardware()])
    with pytest.raises(SettingsError, match="got 3"):
        found_in([3])
