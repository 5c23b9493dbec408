import numpy as np
import pytest
from lhotse.audio.backend import set_current_audio_backend

from memrix.asr.corpora.prepared import open_corpus
from memrix.asr.corpora.tedlium2 import prepare_tedlium2
from memrix.errors import DataError
from tests.asr.miniature import Spoken, noise, spoken_digits, write_tedlium


@pytest.fixture(autouse=True)
def backend_of_lhotse(monkeypatch):
    """What lhotse does by default, whatever other tests have chosen."""
    monkeypatch.delenv("LHOTSE_AUDIO_BACKEND", raising=False)
    set_current_audio_backend("default")
    yield
    set_current_audio_backend("default")


@pytest.fixture
def talks(tmp_path):
    return write_tedlium(tmp_path, spoken_digits())


def stm(root, split="train", talk="AliceA_2001"):
    return root / split / "stm" / f"{talk}.stm"


def add_line(root, line):
    with stm(root).open("a") as stream:
        stream.write(line + "\n")


def test_official_splits_become_windows_of_the_talks(talks, tmp_path):
    told = []
    corpus = prepare_tedlium2(tmp_path / "out", talks, lambda *done: told.append(done))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    rows = {split: list(row.values()) for split, row in corpus.description["statistics"].items()}
    assert {split: row[:1] + row[2:] for split, row in rows.items()} == {
        "train": [4, 10, 5, 2],
        "dev": [2, 5, 5, 1],
        "test": [2, 5, 5, 1],
    }
    assert corpus.description["left_out"] == {"not to be scored": 8}
    assert not list((tmp_path / "out").rglob("*.sph"))


def test_audio_is_that_of_the_segments(talks, tmp_path):
    prepare_tedlium2(tmp_path / "out", talks)
    cuts = list(open_corpus(str(tmp_path / "out")).cuts("dev"))
    for cut in cuts:
        np.testing.assert_allclose(cut.load_audio()[0], noise(0.7, seed=2), atol=1e-4)


def test_segments_are_read_as_kaldi_would_write_them(tmp_path):
    said = "<unk> it 's a(2) [NOISE] {SMACK} dog 's life"
    root = write_tedlium(tmp_path, [*spoken_digits(), Spoken("train", "E", said, noise(0.5))])
    texts = [cut.supervisions[0].text for cut in prepare_tedlium2(tmp_path / "out", root).cuts("train")]
    assert texts[-1] == "it's a dog's life"


def test_segments_of_noise_alone_are_left_out_and_counted(talks, tmp_path):
    add_line(talks, "AliceA_2001 1 AliceA_2001 0.1 0.2 <o,f0,female> <unk> {NOISE}")
    assert prepare_tedlium2(tmp_path / "out", talks).description["left_out"]["without words"] == 1


def test_the_dictionary_is_remembered(talks, tmp_path):
    corpus = prepare_tedlium2(tmp_path / "out", talks)
    assert corpus.description["dictionary"] == str(talks / "TEDLIUM.152k.dic")


def test_every_problem_is_listed_and_can_be_left_out(talks, tmp_path):
    audio = talks / "train" / "sph" / "BobB_2002.sph"
    audio.write_bytes(audio.read_bytes()[:20_000])
    (talks / "dev" / "stm" / "Extra.stm").write_text("")
    for line in (
        "AliceA_2001 1 AliceA_2001 0.1 0.2 <o,f0,female>",
        "AliceA_2001 1 AliceA_2001 0.1 0.2 <o,f0,female> in 1999",
        "AliceA_2001 1 AliceA_2001 0.1 99 <o,f0,female> too long",
        "AliceA_2001 1 AliceA_2001 now then",
    ):
        add_line(talks, line)
    with pytest.raises(DataError) as caught:
        prepare_tedlium2(tmp_path / "out", talks)
    first, *problems = str(caught.value).splitlines()
    assert first.startswith("6 parts of the corpus tedlium2 cannot be used")
    expected = [
        "it has no transcript",
        "has 1 9",
        "from 0.1 to 99 s",
        "line 8: expected",
        "BobB_2002.sph ends before",
    ]
    expected.append("Extra.sph is missing")
    assert [text for text in expected if not any(text in problem for problem in problems)] == []
    corpus = prepare_tedlium2(tmp_path / "out", talks, skip_bad=True)
    assert len(corpus.description["skipped"]) == 6
    assert corpus.description["statistics"]["train"]["utterances"] == 2


def test_another_folder_is_told_with_what_it_holds(talks, tmp_path):
    (talks / "TEDLIUM.152k.dic").unlink()
    for path in (talks / "dev" / "sph").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"missing: dev/sph, TEDLIUM\.152k\.dic; .* holds dev/, test/, train/$"):
        prepare_tedlium2(tmp_path / "out", talks)
    with pytest.raises(DataError, match=r"did you mean .*TEDLIUM_release2\?"):
        prepare_tedlium2(tmp_path / "out", tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        prepare_tedlium2(tmp_path / "out", tmp_path / "nowhere")


def test_without_a_folder_the_copy_is_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"is not fetched: name your copy, --source \.\.\./TEDLIUM_release2"):
        prepare_tedlium2(tmp_path / "out")
