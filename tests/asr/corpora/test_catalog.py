import numpy as np
import pytest
import soundfile
from lhotse import CutSet

from memrix.asr.corpora.catalog import already_prepared, load_corpus, prepare_corpus
from memrix.asr.corpora.prepared import corpora_folder, open_corpus
from memrix.errors import DataError
from tests.asr.miniature import noise, spoken_digits, write_manifests, write_queen, write_tedlium


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


def test_a_prepared_corpus_is_evaluated_on_its_test_split(tmp_path):
    prepare_corpus("mine", write_manifests(tmp_path / "source"))
    for name in ("mine", str(corpora_folder() / "mine")):
        corpus = load_corpus(name)
        assert (corpus.name, [item.id for item in corpus.utterances]) == ("mine", ["test-0", "test-1"])
        assert corpus.utterances[0].text == "hello number one two"
        assert corpus.source.endswith("split test")
        assert len(corpus.utterances[0].samples()) == 16_000


def test_windows_of_talks_are_evaluated_as_parts_of_their_files(tmp_path):
    prepare_corpus("tedlium2", write_tedlium(tmp_path, spoken_digits()))
    first, second = load_corpus("tedlium2").utterances
    assert first.audio == second.audio
    assert (first.part, second.part) == ((0.25, 0.8), (1.3, 0.8))
    np.testing.assert_allclose(second.samples(), noise(0.8, seed=3), atol=1e-4)


def test_queen_is_prepared_where_it_is_not(tmp_path, monkeypatch):
    write_queen(tmp_path / "usr/share/scummvm/flight-of-the-amazon-queen")
    monkeypatch.setattr("memrix.asr.corpora.queen.fetch_debian", lambda package, known: tmp_path)
    told = []
    assert [item.text for item in load_corpus("queen", lambda *done: told.append(done)).utterances] == ["who are you"]
    assert told[-1] == (6, 6)
    assert open_corpus("queen").splits == ("train", "dev", "test")


def test_a_corpus_of_the_users_copy_must_be_prepared_first():
    with pytest.raises(DataError, match=r"no prepared corpus .*run `memrix corpus prepare tedlium2`"):
        load_corpus("tedlium2")


def test_a_corpus_without_a_test_split_is_not_evaluated(tmp_path):
    source = write_manifests(tmp_path / "source")
    (source / "test.jsonl.gz").unlink()
    prepare_corpus("mine", source)
    with pytest.raises(DataError, match="has no split 'test'; it has train, dev"):
        load_corpus("mine")


def test_audio_that_is_changed_in_reading_is_not_evaluated(tmp_path):
    source = write_manifests(tmp_path / "source")
    cuts = [cut.perturb_speed(0.9) for cut in CutSet.from_file(source / "test.jsonl.gz").to_eager()]
    CutSet.from_cuts(cuts).to_file(source / "test.jsonl.gz")
    prepare_corpus("mine", source)
    with pytest.raises(DataError, match=r"test-0_sp0\.9 of the corpus mine .*changed"):
        load_corpus("mine")


def test_a_prepared_corpus_is_there_at_once(tmp_path, monkeypatch):
    source = write_manifests(tmp_path / "source")
    first = prepare_corpus("mine", source, skip_bad=True)
    monkeypatch.setattr("memrix.asr.corpora.catalog.prepare_own", None)
    assert prepare_corpus("mine", source) == first
    assert already_prepared("mine") == first


def test_a_corpus_whose_manifest_is_gone_is_prepared_anew(tmp_path):
    source = write_manifests(tmp_path / "source")
    prepare_corpus("mine", source)
    (corpora_folder() / "mine" / "dev.jsonl.gz").unlink()
    assert already_prepared("mine", source) is None
    assert prepare_corpus("mine", source).splits == ("train", "dev", "test")


def test_a_corpus_from_elsewhere_is_not_taken_for_the_one_asked_for(tmp_path):
    prepare_corpus("mine", write_manifests(tmp_path / "source"))
    with pytest.raises(DataError, match=r"was prepared from .*/source, not from .*/other; remove that folder"):
        prepare_corpus("mine", tmp_path / "other")
    with pytest.raises(DataError, match="holds the corpus 'mine', not 'yours'; name another --output"):
        prepare_corpus("yours", tmp_path / "source", corpora_folder() / "mine")


def test_the_manifests_that_are_read_are_not_written_over(tmp_path):
    source = write_manifests(tmp_path / "source")
    with pytest.raises(DataError, match="cannot be written to as well"):
        prepare_corpus("mine", source, source)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "tedlium",
            r"no corpus 'tedlium' \(did you mean 'tedlium2'\?\); expected queen, asterisk, .* your own name",
        ),
        ("a/b", "the name of a corpus is of letters, digits, dots and dashes, got 'a/b'"),
    ],
)
def test_names_that_cannot_be_prepared_are_explained(name, said):
    with pytest.raises(DataError, match=said):
        prepare_corpus(name)


def test_a_mistyped_name_with_a_source_says_what_may_be_meant(tmp_path):
    with pytest.raises(DataError, match=r"tedlium of your own \(did you mean 'tedlium2'\?\): looked .* holds cache/"):
        prepare_corpus("tedlium", tmp_path)
