import gzip

import numpy as np
import pytest
import soundfile

from memrix.asr.corpora.asterisk import asterisk, read_prompts, spoken_text
from memrix.asr.corpus import check_audio
from memrix.errors import AssetError


@pytest.mark.parametrize(
    ("line", "spoken"),
    [
        (" Activated.", "Activated."),
        (" Please enter  your password.", "Please enter your password."),
        (" [ascending tones]", ""),
        (" (10 seconds of silence)", ""),
        (" <beep ascending>", ""),
        (" at [@]", "at"),
        (" space [ ]", "space"),
        (' IAX (note: does not say "2")', "IAX"),
        (" press the pound key. (simple tone sound plays)", "press the pound key."),
        (" press * to pause, press # to exit", "press star to pause, press pound to exit"),
    ],
)
def test_only_what_is_said_is_left(line, spoken):
    assert spoken_text(line) == spoken


@pytest.fixture
def package(tmp_path):
    """Writes the trees of both packages into one folder."""
    clips = tmp_path / "usr/share/asterisk/sounds/en_US_f_Allison"
    texts = tmp_path / "usr/share/doc/asterisk-core-sounds-en"

    def write(lines: str, **seconds: float):
        texts.mkdir(parents=True)
        (texts / "core-sounds-en.txt.gz").write_bytes(gzip.compress(lines.encode()))
        for name, duration in seconds.items():
            clip = clips / f"{name.replace('__', '/')}.wav"
            clip.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(clip, np.zeros(int(duration * 8000)), 8000)
        return tmp_path

    return write


def test_comments_remarks_missing_and_long_clips_are_left_out_and_counted(package):
    tree = package(
        "; Core Asterisk Sounds: in English\n\ndigits/1: one\nbeep: [a beep]\ntime: The time is: now.\n"
        "gone: Not there.\nlong: Much too long.\n",
        digits__1=0.5,
        beep=0.5,
        time=0.5,
        long=30.5,
    )
    corpus = read_prompts(tree, tree)
    assert [(item.id, item.text) for item in corpus.utterances] == [
        ("digits/1", "one"),
        ("time", "The time is: now."),
    ]
    assert "1 transcripts without a clip, 1 clips above 30 s" in corpus.source
    assert "CC-BY-SA-3.0" in corpus.source


def test_packages_without_transcripts_are_an_error(tmp_path):
    with pytest.raises(AssetError, match=r"cannot read the transcripts .*core-sounds-en\.txt\.gz"):
        read_prompts(tmp_path, tmp_path)


def test_damaged_transcripts_are_an_error(package):
    tree = package("a: text\n")
    (tree / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz").write_bytes(b"damaged")
    with pytest.raises(AssetError, match="cannot read the transcripts"):
        read_prompts(tree, tree)


def test_packages_without_clips_are_an_error(package):
    tree = package("a: text\n")
    with pytest.raises(AssetError, match="no transcribed clip found"):
        read_prompts(tree, tree)


@pytest.mark.slow
def test_the_real_prompts_are_548_clips_of_good_audio():
    corpus, skipped = check_audio(asterisk())
    assert skipped == ()
    assert len(corpus.utterances) == 548
    # 551 clips of speech, of which 3 do not fit into one window.
    assert "3 clips above 30 s" in corpus.source
