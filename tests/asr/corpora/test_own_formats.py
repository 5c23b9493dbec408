import json
import os

import pytest
import soundfile

from memrix.asr.corpora.catalog import prepare_corpus
from memrix.asr.corpora.own_formats import FORMATS
from memrix.cli.main import app
from memrix.errors import DataError
from tests.asr.miniature import noise, write_manifests


def record(path, seconds=0.5, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = noise(seconds)
    soundfile.write(path, samples if channels == 1 else samples[:, None].repeat(channels, 1), 16_000)
    return path


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def kaldi(folder, names=("ann-1", "ann-2"), **files):
    for name in names:
        record(folder / f"{name}.wav")
    write(folder / "wav.scp", *(f"{name} {folder}/{name}.wav" for name in names))
    write(folder / "text", *(f"{name} HELLO THERE" for name in names))
    for name, lines in files.items():
        write(folder / name, *lines)
    return folder


def said(corpus):
    """Split, window, speaker and text by id."""
    return {
        cut.id: (split, cut.start, cut.duration, cut.supervisions[0].speaker, cut.supervisions[0].text)
        for split in corpus.splits
        for cut in corpus.cuts(split)
    }


def test_a_folder_of_recordings_takes_splits_from_the_names_of_folders(tmp_path):
    for name in ("training/ann/1", "training/bob/1", "val/1", "Test-Clean/1"):
        record(tmp_path / "in" / f"{name}.wav")
        write(tmp_path / "in" / f"{name}.txt", "Hello,", "there!")
    corpus = prepare_corpus("mine", tmp_path / "in")
    assert {name: (found[0], found[3], found[4]) for name, found in said(corpus).items()} == {
        "training/ann/1": ("train", "training/ann", "hello there"),
        "training/bob/1": ("train", "training/bob", "hello there"),
        "val/1": ("dev", None, "hello there"),
        "Test-Clean/1": ("test", None, "hello there"),
    }
    assert corpus.description["format"] == "folder"
    assert corpus.description["splits"] == "train, dev, test as named"


def test_kaldi_segments_are_windows_with_their_speakers(tmp_path):
    kaldi(tmp_path / "in", ("talk",), text=["u1 ONE", "u2 TWO", "u3 [NOISE]"], utt2spk=["u1 ann", "u2 bob", "u3 bob"])
    write(tmp_path / "in/segments", "u1 talk 0 0.2", "u2 talk 0.25 -1", "u3 talk 0.2 0.3")
    corpus = prepare_corpus("mine", tmp_path / "in")
    assert said(corpus) == {"u1": ("train", 0.0, 0.2, "ann", "one"), "u2": ("train", 0.25, 0.25, "bob", "two")}
    assert corpus.description["left_out"] == {"without words": 1}


def test_what_lhotse_exports_for_kaldi_is_read_as_it_was(tmp_path):
    from lhotse import CutSet
    from lhotse.kaldi import export_to_kaldi

    source = write_manifests(tmp_path / "lhotse")
    for split in ("train", "dev", "test"):
        cuts = CutSet.from_file(source / f"{split}.jsonl.gz").to_eager()
        for cut in cuts:
            cut.recording.sources[0].source = str(source / cut.recording.sources[0].source)
        recordings, supervisions, _ = cuts.decompose()
        export_to_kaldi(recordings, supervisions, tmp_path / "kaldi" / split, prefix_spk_id=False)
    assert said(prepare_corpus("b", tmp_path / "kaldi")) == said(prepare_corpus("a", source))


def test_kaldi_directories_beside_each_other_are_parts_of_splits(tmp_path):
    kaldi(tmp_path / "in/train_clean", ("a", "b"))
    kaldi(tmp_path / "in/train_other", ("c",))
    kaldi(tmp_path / "in/dev", ("d",))
    kaldi(tmp_path / "in/test_other", ("e",))
    corpus = prepare_corpus("mine", tmp_path / "in")
    assert [cut.id for cut in corpus.cuts("train", "train_clean")] == ["a", "b"]
    assert {name: found[0] for name, found in said(corpus).items()} == {
        **dict.fromkeys("abc", "train"),
        "d": "dev",
        "e": "test",
    }


def test_nemo_manifests_are_windows_by_offset(tmp_path):
    record(tmp_path / "in/clips/a.wav")
    line = {"audio_filepath": "clips/a.wav", "duration": 0.2, "lang": "en"}
    write(tmp_path / "in/train_manifest.json", {**line, "offset": 0.25, "text": "one"}, {**line, "text": "two"})
    write(tmp_path / "in/test.jsonl", {**line, "offset": 0, "text": "three", "speaker": 7})
    corpus = prepare_corpus("mine", tmp_path / "in")
    assert said(corpus) == {
        "clips/a@0.25": ("train", 0.25, 0.2, None, "one"),
        "clips/a": ("train", 0.0, 0.2, None, "two"),
        "clips/a@0": ("test", 0.0, 0.2, "7", "three"),
    }


def test_a_manifest_as_memrix_evaluates_it_can_be_prepared(tmp_path):
    record(tmp_path / "a.wav")
    manifest = write(tmp_path / "list.jsonl", {"audio": "a.wav", "text": "hello", "id": "first"})
    assert said(prepare_corpus("mine", manifest)) == {"first": ("train", 0.0, 0.5, None, "hello")}


def test_an_audiofolder_takes_a_table_and_lines(tmp_path):
    for name in ("train/a", "train/b", "test/c"):
        record(tmp_path / "in/data" / f"{name}.wav")
    write(
        tmp_path / "in/data/train/metadata.csv",
        "file_name,transcription,client_id",
        'a.wav,"One, two",x',
        "b.wav,three,y",
    )
    write(
        tmp_path / "in/data/test/metadata.jsonl", {"file_name": "c.wav", "sentence": "four", "duration": 9.0, "id": 3}
    )
    corpus = prepare_corpus("mine", tmp_path / "in")
    assert said(corpus) == {
        "a": ("train", 0.0, 0.5, "x", "one two"),
        "b": ("train", 0.0, 0.5, "y", "three"),
        "c": ("test", 0.0, 0.5, None, "four"),
    }


def test_the_same_source_gives_the_same_corpus(tmp_path):
    names = [f"s{number % 10}-{number}" for number in range(60)]
    kaldi(tmp_path / "in", names, utt2spk=[f"{name} {name.partition('-')[0]}" for name in names])
    first, again = (prepare_corpus("mine", tmp_path / "in", tmp_path / out) for out in ("a", "b"))
    speakers = {split: {found[3] for found in said(first).values() if found[0] == split} for split in first.splits}
    assert sum(map(len, speakers.values())) == 10  # each in one split
    assert (len(speakers["dev"]), len(speakers["test"])) == (1, 1)
    assert said(first) == said(again)


PIPE = "a sph2pipe -f wav a.sph |"

BAD = {
    "a pipe": ({"wav.scp": [PIPE]}, r"a: its audio 'sph2pipe -f wav a\.sph \|' is a pipe, expected a file"),
    "standard input": ({"wav.scp": ["a -"]}, "is the standard input"),
    "a folder": ({"wav.scp": ["a /"]}, "a: no audio file at /; check the path"),
    "no file": ({"wav.scp": ["a gone.wav"]}, r"gone\.wav"),
    "no text": ({"text": ["b HELLO"]}, r"in, a: it has no line in text(.|\n)*in, b: it has no line in wav\.scp"),
    "no words": ({"text": ["a"]}, "a: it has no transcript"),
    "digits": ({"text": ["a AT 5"]}, "has 5, but words are of the letters a to z"),
    "one line twice": ({"text": ["a HELLO", "a HELLO"]}, r"text, line 2: another line is about a"),
    "no segment": (
        {"segments": ["b a 0 1"]},
        r"in, b: it has no line in text(.|\n)*in, a: it has no line in segments",
    ),
    "no times": ({"segments": ["a a 0 x"]}, r"must give recording, start and end in s, got 'a 0 x'"),
    "times outside": ({"segments": ["a a 0 9"]}, r"from 0 to 9 s, and its recording a from 0 to 0\.5 s"),
    "no recording": ({"segments": ["a b 0 1"]}, r"it has no line in wav\.scp"),
}


@pytest.mark.parametrize(("files", "told"), BAD.values(), ids=BAD)
def test_bad_data_directories_are_explained(tmp_path, files, told):
    kaldi(tmp_path / "in", ("a",), **files)
    with pytest.raises(DataError, match=told):
        prepare_corpus("mine", tmp_path / "in")


LINES = {
    "no JSON": ("{", r"list\.json, line 2: not JSON"),
    "no table": ("[]", r"expected a table such as .* got \[\]"),
    "no audio": ('{"text": "a"}', "audio_filepath: Field required"),
    "several files": ('{"audio_filepath": ["a.wav", "b.wav"], "text": "a"}', "audio_filepath: .* string"),
    "a URL": ('{"audio_filepath": "s3://a/b.wav", "text": "a"}', "is a URL, expected a file"),
    "not finite": ('{"audio_filepath": "a.wav", "text": "a", "offset": NaN}', "offset: .* finite number, got nan"),
    "twice": (
        '{"audio_filepath": "a.wav", "text": "a"}',
        r"a: another utterance has this id, and .*list\.json has it",
    ),
}


@pytest.mark.parametrize(("line", "told"), LINES.values(), ids=LINES)
def test_bad_lines_are_explained_and_can_be_left_out(tmp_path, line, told):
    record(tmp_path / "in/a.wav")
    write(tmp_path / "in/list.json", {"audio_filepath": "a.wav", "text": "fine"}, line)
    with pytest.raises(DataError, match=told):
        prepare_corpus("mine", tmp_path / "in")
    corpus = prepare_corpus("mine", tmp_path / "in", skip_bad=True)
    assert list(said(corpus)) == ["a"]
    assert len(corpus.description["skipped"]) == 1


TABLES = {
    "no text column": ("file_name,label\na.wav,3\n", r"no column text or .*; its columns are file_name, label"),
    "empty": ("", "no column audio_filepath or file_name or audio; its columns are none"),
    "a quote that does not end": ('file_name,text\na.wav,"hello\n', r"no table of comma-separated values \("),
    "a cell too many": ("file_name,text\na.wav,hello,there\n", r"metadata\.csv, line 2: it has more cells than"),
    "a cell too few": ("file_name,text\na.wav\n", "line 2: it cannot be used .*text: .*string, got None"),
    "NUL": ("file_name,text\na.wav,a\0b\n", "NUL character"),
}


@pytest.mark.parametrize(("text", "told"), TABLES.values(), ids=TABLES)
def test_bad_tables_are_explained(tmp_path, text, told):
    record(tmp_path / "in/a.wav")
    (tmp_path / "in/metadata.csv").write_text(text)
    with pytest.raises(DataError, match=told):
        prepare_corpus("mine", tmp_path / "in")


def test_a_pipe_in_the_file_system_is_not_opened(tmp_path):
    kaldi(tmp_path / "in", ("a",))
    (tmp_path / "in/a.wav").unlink()
    os.mkfifo(tmp_path / "in/a.wav")
    with pytest.raises(DataError, match="a: "):
        prepare_corpus("mine", tmp_path / "in")


def test_recordings_without_a_transcript_and_with_two_channels_are_listed(tmp_path):
    record(tmp_path / "in/a.wav")
    record(tmp_path / "in/b.wav", channels=2)
    write(tmp_path / "in/b.txt", "hello")
    with pytest.raises(DataError, match=r"a\.wav: no transcript a\.txt next to it\n  b: .* 2 channels, expected one"):
        prepare_corpus("mine", tmp_path / "in")


def test_unknown_formats_list_the_known_ones(tmp_path):
    with pytest.raises(
        DataError, match=rf"no format 'kladi' \(did you mean 'kaldi'\?\); known are {', '.join(FORMATS)}"
    ):
        prepare_corpus("mine", tmp_path, format="kladi")
    with pytest.raises(DataError, match=r"looked for data directories of Kaldi, .*found none: .* holds cache/, in/"):
        prepare_corpus("mine", record(tmp_path / "in/a.mp3").parent / "..", tmp_path / "out", format="kaldi")
    with pytest.raises(DataError, match="the format of queen is known, got 'kaldi'; leave it out"):
        prepare_corpus("queen", tmp_path, format="kaldi")


def test_a_source_in_two_formats_needs_to_say_which(tmp_path):
    kaldi(tmp_path / "in", ("a",))
    write(tmp_path / "in/list.json", {"audio_filepath": "a.wav", "text": "from nemo"})
    with pytest.raises(DataError, match=r"in more than one format: kaldi, nemo; say which one with --format"):
        prepare_corpus("mine", tmp_path / "in")
    assert said(prepare_corpus("mine", tmp_path / "in", format="nemo"))["a"][-1] == "from nemo"


def test_the_command_line_takes_a_format(tmp_path, capsys):
    kaldi(tmp_path / "in", ("a", "b", "c"))
    app(
        ["corpus", "prepare", "mine", "--source", str(tmp_path / "in"), "--format", "kaldi"],
        result_action="return_value",
    )
    assert "splits: test drawn by a hash of the id" in capsys.readouterr().err
