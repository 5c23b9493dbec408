import os

import pytest
from lhotse.audio.backend import LibsndfileBackend, get_current_audio_backend, set_current_audio_backend

from memrix.asr.corpora.recordings import read_sphere_by_libsndfile


@pytest.fixture(autouse=True)
def backend_of_lhotse(monkeypatch):
    # Set and deleted, so that it is as before afterwards.
    monkeypatch.setenv("LHOTSE_AUDIO_BACKEND", "default")
    monkeypatch.delenv("LHOTSE_AUDIO_BACKEND")
    set_current_audio_backend("default")
    yield
    set_current_audio_backend("default")


def test_libsndfile_takes_over_in_this_process_and_in_workers():
    read_sphere_by_libsndfile()
    assert isinstance(get_current_audio_backend(), LibsndfileBackend)
    assert os.environ["LHOTSE_AUDIO_BACKEND"] == "LibsndfileBackend"


def test_the_choice_of_the_user_stays():
    set_current_audio_backend("AudioreadBackend")
    read_sphere_by_libsndfile()
    assert type(get_current_audio_backend()).__name__ == "AudioreadBackend"
