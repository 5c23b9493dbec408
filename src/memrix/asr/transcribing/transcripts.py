"""What is said in a recording, and where."""

from __future__ import annotations

from dataclasses import dataclass

from memrix.asr.kept import Count, Seconds, Text


@dataclass(frozen=True)
class Segment:
    """What is said in one window.

    Attributes:
        start: of the window, in s.
        end: of the window, in s.
        text: empty where it is silent.
    """

    start: Seconds
    end: Seconds
    text: Text


@dataclass(frozen=True)
class WindowsRecord:
    """What is said in a batch of windows, as it is kept on disk.

    Attributes:
        index: number of the first window.
        segments: what is said in each.
        seconds: time that the recognizer took.
    """

    index: Count
    segments: tuple[Segment, ...]
    seconds: Seconds


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording.

    Attributes:
        file: path of the recording.
        segments: its windows, which follow each other.
        processing_seconds: time that the recognizer took.
    """

    file: str
    segments: tuple[Segment, ...]
    processing_seconds: float

    @property
    def text(self) -> str:
        """All that is said."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.segments[-1].end if self.segments else 0.0
