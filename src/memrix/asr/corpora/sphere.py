"""NIST SPHERE audio, read by libsndfile."""

from __future__ import annotations

import os

SPHERE = "sphere"
"""Kind of audio, as the description of a corpus names it."""

_BACKEND = "LibsndfileBackend"


def read_sphere_by_libsndfile() -> None:
    """Make lhotse read audio by libsndfile, in this process and those that it starts.

    By default lhotse gives ``.sph`` files to a program, sph2pipe, that is hardly installed anywhere. A backend that
    the user has chosen stays.
    """
    from lhotse.audio.backend import CompositeAudioBackend, get_current_audio_backend, set_current_audio_backend

    os.environ.setdefault("LHOTSE_AUDIO_BACKEND", _BACKEND)
    if isinstance(get_current_audio_backend(), CompositeAudioBackend):
        set_current_audio_backend(_BACKEND)
