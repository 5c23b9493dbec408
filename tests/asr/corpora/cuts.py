"""Cuts without audio, for tests of what is around them."""

from lhotse import MonoCut, Recording, SupervisionSegment
from lhotse.audio import AudioSource


def cut(name: str, text: str, speaker: str | None = "me", seconds: float = 1.0) -> MonoCut:
    recording = Recording(
        name, [AudioSource("file", [0], f"audio/{name}.wav")], 16_000, round(seconds * 16_000), seconds
    )
    said = SupervisionSegment(name, name, 0, seconds, text=text, speaker=speaker)
    return MonoCut(name, 0, seconds, 0, [said], recording=recording)
