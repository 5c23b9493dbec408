import numpy as np
import pytest
import soundfile

from memrix.asr.corpora.catalogue import load_corpus
from memrix.errors import DataError


def silence(path):
    soundfile.write(path, np.zeros(1600), 16_000)
    return path


def test_an_unknown_name_lists_what_is_accepted_and_what_may_be_meant():
    with pytest.raises(DataError, match=r"no corpus 'asterix' \(did you mean 'asterisk'\?\), nor a file"):
        load_corpus("asterix")


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"expected queen, asterisk, .* a \.jsonl manifest or a folder"):
        load_corpus(str(tmp_path / "nothing.jsonl"))


def test_a_file_that_is_no_manifest_is_an_error(tmp_path):
    clip = silence(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"a\.wav is not a corpus; expected"):
        load_corpus(str(clip))


def test_manifests_and_folders_are_told_apart(tmp_path):
    silence(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("from the folder")
    (tmp_path / "list.jsonl").write_text('{"audio": "a.wav", "text": "from the manifest"}')
    assert load_corpus(str(tmp_path)).utterances[0].text == "from the folder"
    assert load_corpus(str(tmp_path / "list.jsonl")).utterances[0].text == "from the manifest"
