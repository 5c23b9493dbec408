import pytest

from memrix.asr.corpora.own_recordings import read_folder, read_manifest
from memrix.errors import DataError


@pytest.fixture
def manifest(tmp_path):
    def write(*lines: str):
        path = tmp_path / "toy.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


def test_audio_is_relative_to_the_manifest_and_names_the_utterance(manifest, tmp_path):
    corpus = read_manifest(
        manifest('{"audio": "sub/a.wav", "text": " hello   world "}', "", '{"audio": "/b.wav", "text": "x"}')
    )
    first, second = corpus.utterances
    assert (first.id, first.audio, first.text) == ("sub/a.wav", tmp_path / "sub/a.wav", "hello world")
    assert str(second.audio) == "/b.wav"
    assert corpus.name == "toy"


def test_an_id_of_ones_own_is_kept(manifest):
    corpus = read_manifest(manifest('{"audio": "a.wav", "text": "hello", "id": "first", "speaker": "any"}'))
    assert corpus.utterances[0].id == "first"


def test_every_bad_line_is_reported_with_its_number(manifest):
    path = manifest(
        '{"audio": "a.wav", "text": "good"}',
        "not json",
        '["a.wav", "hello"]',
        '{"text": "hello"}',
        '{"audio": "b.wav", "text": " "}',
        '{"audio": 3}',
        '{"audio": "c.wav", "text": "hello", "id": 7}',
        '{"audio": "a.wav", "text": "again"}',
    )
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert lines[0].startswith("line 2: not JSON")
    assert lines[1:] == [
        'line 3: expected an object with `audio` and `text`, got ["a.wav", "hello"]',
        "line 4: `audio` must be text that is not empty, got None",
        "line 5: `text` must be text that is not empty, got ' '",
        "line 6: `audio` must be text that is not empty, got 3; `text` must be text that is not empty, got None",
        "line 7: `id` must be text that is not empty, got 7",
        "line 8: the id 'a.wav' is taken by line 1",
    ]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_manifest_is_an_error(manifest, content):
    with pytest.raises(DataError, match=r"toy\.jsonl is empty"):
        read_manifest(manifest(content))


def test_a_manifest_that_is_not_text_is_an_error(tmp_path):
    (tmp_path / "toy.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not readable as UTF-8"):
        read_manifest(tmp_path / "toy.jsonl")


def test_a_folder_is_searched_at_any_depth_for_audio_with_transcripts(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b", "sub/a"):
        (tmp_path / f"{name}.wav").touch()
        (tmp_path / f"{name}.txt").write_text(f"text of\n{name}\n")
    corpus = read_folder(tmp_path)
    assert [(item.id, item.text) for item in corpus.utterances] == [("b", "text of b"), ("sub/a", "text of sub/a")]


def test_a_manifest_in_a_folder_is_preferred(tmp_path):
    (tmp_path / "without_transcript.wav").touch()
    (tmp_path / "manifest.jsonl").write_text('{"audio": "a.wav", "text": "hello"}')
    assert [item.id for item in read_folder(tmp_path).utterances] == ["a.wav"]


def test_audio_without_transcripts_is_listed(tmp_path):
    for name in ("a.wav", "b.flac", "c.MP3"):
        (tmp_path / name).touch()
    (tmp_path / "b.txt").write_text("text")
    with pytest.raises(DataError, match=r"a\.wav: no transcript a\.txt next to it\n  c\.MP3: no transcript"):
        read_folder(tmp_path)


def test_two_recordings_of_one_transcript_are_an_error(tmp_path):
    for name in ("a.wav", "a.flac", "a.txt"):
        (tmp_path / name).write_text("text")
    with pytest.raises(DataError, match="a: 2 utterances have this id"):
        read_folder(tmp_path)


def test_an_empty_transcript_is_an_error(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(DataError, match="a: the transcript is empty"):
        read_folder(tmp_path)


def test_a_folder_without_audio_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"neither manifest\.jsonl nor audio files \(\.aif,"):
        read_folder(tmp_path)
