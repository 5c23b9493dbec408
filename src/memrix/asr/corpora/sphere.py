"""Audio, NIST SPHERE among it, read by libsndfile alone: other readers of lhotse hand file names to a shell."""

from __future__ import annotations

import os

_BACKEND, _VARIABLE = "LibsndfileBackend", "LHOTSE_AUDIO_BACKEND"
_SHELLS = ("FfmpegSubprocessOpusBackend", "Sph2pipeSubprocessBackend")


def read_sphere_by_libsndfile() -> None:
    """Make lhotse read audio by libsndfile, in this process and those that it starts.

    By default lhotse gives ``.sph`` files to a program, sph2pipe, in a line of a shell that holds the name of the
    file unquoted, and may give others to ffmpeg likewise. A backend that the user has chosen stays, unless it is one
    of these.
    """
    from lhotse.audio.backend import get_current_audio_backend, set_current_audio_backend

    if os.environ.get(_VARIABLE) in (None, "default", *_SHELLS):
        os.environ[_VARIABLE] = _BACKEND
    if type(get_current_audio_backend()).__name__ in ("CompositeAudioBackend", *_SHELLS):
        set_current_audio_backend(_BACKEND)
