"""`memrix transcribe`: recordings as text, by a recognizer as it is and on a chip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from memrix.asr.transcribing.settings import TranscriptionSettings
from memrix.cli.arguments import check_hardware, check_input
from memrix.cli.options import Flag, JsonFile, Threads, TrnFile, options_from
from memrix.cli.outputs import check_distinct, check_output
from memrix.cli.threads import check_threads, use_threads
from memrix.errors import DataError

if TYPE_CHECKING:
    from memrix.asr.transcribing.run import Row, TranscriptionResult

CtmFile = Annotated[
    Path | None,
    Parameter(help="File to write a line for each word to, as sclite reads. Times within windows are interpolated."),
]


@options_from(TranscriptionSettings)
def transcribe(
    given: dict[str, Any],
    *files: Path,
    json: JsonFile = None,
    trn: TrnFile = None,
    ctm: CtmFile = None,
    fresh: Flag = False,
    threads: Threads = None,
) -> None:
    """Transcribe audio files: by a recognizer as it is, and beside it on a memristor chip.

    Prints the text. Files may have any length, sampling rate and number of channels: they are read piece by piece, as
    windows of up to 30 s that are cut where it is quiet. Windows without sound have no text. An interrupted
    transcription resumes where it stopped when the same command is given again.

    Parameters
    ----------
    files
        Audio files: WAV, FLAC, OGG, MP3, AIFF or SPHERE.
    fresh
        Discard what earlier calls have transcribed.
    """
    if not files:
        raise DataError("there is nothing to transcribe; name audio files, such as `memrix transcribe talk.wav`")
    for file in files:
        check_input("FILES", file, "audio files")
    for path in (json, trn, ctm):
        check_output(path)
    check_distinct(*files, json, trn, ctm)
    check_threads(threads)
    if given.get("hardware") is not None:
        check_hardware(given["hardware"])
    settings = TranscriptionSettings(**given)

    from transformers.utils.logging import disable_progress_bar

    from memrix.asr.transcribing.documents import as_text
    from memrix.asr.transcribing.run import transcribe_files
    from memrix.cli.display import TerminalReporter

    disable_progress_bar()
    use_threads(threads)
    reporter = TerminalReporter()

    def show(rows: Sequence[Row]) -> None:
        print(as_text(rows, named=len(files) > 1), end="", flush=True)

    result = transcribe_files(settings, files, reporter=reporter, finished=show, fresh=fresh)
    _write(result, json, trn, ctm)
    for line in _paces(result):
        reporter.note(line)
    if result.problems:
        raise DataError("\n".join(result.problems))


def _write(result: TranscriptionResult, json: Path | None, trn: Path | None, ctm: Path | None) -> None:
    from memrix.asr.files import write_whole
    from memrix.asr.sclite import paths_by_execution
    from memrix.asr.transcribing.documents import as_ctm, as_json, as_trn, by_execution

    if json is not None:
        write_whole(json, as_json(result).encode())
    rows = by_execution(result.rows)
    for path, document in ((trn, as_trn), (ctm, as_ctm)):
        if path is not None and rows:
            for execution, place in paths_by_execution(path, rows).items():
                write_whole(place, document(rows[execution]).encode())


def _paces(result: TranscriptionResult) -> list[str]:
    """How long each execution took for how much audio."""
    seconds: dict[str, tuple[float, float]] = {}
    for row in result.rows:
        audio, spent = seconds.get(str(row), (0.0, 0.0))
        seconds[str(row)] = audio + row.transcript.seconds, spent + row.transcript.processing_seconds
    return [
        f"{name}: {audio:.1f} s of audio in {spent:.1f} s ({spent / audio:.2f} s per second)"
        for name, (audio, spent) in seconds.items()
    ]
