from pathlib import PurePath

import pytest

from memrix.asr.corpora.division import divided, named_split

IDS = [f"u{number}" for number in range(50)]


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train", "train"),
        ("train_clean_100", "train"),
        ("clean/Eval-2/a", "test"),
        ("validation", "dev"),
        ("dev/test", "dev"),
        ("contest/trained", None),
        (".", None),
    ],
)
def test_splits_are_named_by_whole_words_of_a_path(path, split):
    assert named_split(PurePath(path)) == split


def sizes(splits):
    return {split: list(splits.values()).count(split) for split in ("train", "dev", "test")}


def test_without_speakers_a_tenth_is_drawn_for_each_split():
    splits, told = divided(dict.fromkeys(IDS), dict.fromkeys(IDS))
    assert sizes(splits) == {"train": 41, "dev": 4, "test": 5}
    assert told == "test drawn by a hash of the id; dev drawn by a hash of the id"
    assert divided(dict.fromkeys(reversed(IDS)), dict.fromkeys(reversed(IDS))) == (splits, told)


def test_speakers_are_in_one_split_each():
    speakers = {name: f"s{number % 10}" for number, name in enumerate(IDS)}
    splits, told = divided(speakers, dict.fromkeys(IDS))
    assert sizes(splits) == {"train": 40, "dev": 5, "test": 5}
    assert len({(speakers[name], split) for name, split in splits.items()}) == 10
    assert told == "test drawn by whole speakers; dev drawn by whole speakers"


def test_few_speakers_are_in_all_splits():
    speakers = {name: f"s{number % 2}" for number, name in enumerate(IDS)}
    splits, told = divided(speakers, dict.fromkeys(IDS))
    assert sizes(splits) == {"train": 41, "dev": 4, "test": 5}
    assert "by a hash of the id" in told


def test_a_split_that_is_missing_is_drawn_from_training():
    named = {name: "test" if number < 5 else None for number, name in enumerate(IDS)}
    splits, told = divided(dict.fromkeys(IDS), named)
    assert sizes(splits) == {"train": 41, "dev": 4, "test": 5}
    assert [splits[name] for name in IDS[:5]] == ["test"] * 5
    assert told == "train, test as named; dev drawn by a hash of the id"


def test_a_test_set_alone_stays_one():
    assert divided(dict.fromkeys(IDS), dict.fromkeys(IDS, "test"))[0] == dict.fromkeys(IDS, "test")


def test_two_utterances_are_too_few_to_divide():
    assert divided({"a": None, "b": None}, {"a": None, "b": None}) == (
        {"a": "train", "b": "train"},
        "all for training",
    )
