"""Lines of lhotse's manifests under a schema of memrix's own: of all that lhotse can load, files alone are let in.

lhotse runs the commands that an audio source names, opens URLs and pipes, and loads arrays from `custom` fields. So
nothing of a manifest reaches it but what was checked here, field by field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)

from memrix.asr.outside import PlainText, Schema, explained, refusal, text_problem, told
from memrix.errors import DataError
from memrix.toolkit import parse_json, shown

if TYPE_CHECKING:
    from lhotse import MonoCut


STAYS = "recordings_stay"
"""In the description of a corpus: its recordings were not copied to its folder."""

_NO_FILE = re.compile(r"^\s*(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://|(?P<pipe>pipe:|\|)|(?P<input>-\s*$))|\|\s*$")

_LONGEST = 1e7  # s; of a recording, four months
_MOST_SAMPLES = 1 << 40
_DEEPEST = 8
"""Levels of tables in a `custom` field."""

_LOADED_BY_LHOTSE = {
    "sources": "a recording",
    "array": "an array",
    "storage_type": "an array",
    "storage_path": "an array",
}
"""Keys that make lhotse see something to load in a table, and what it sees."""

_LOCAL_STORAGE = Literal[
    "lilcom_files", "lilcom_chunky", "lilcom_hdf5", "chunked_lilcom_hdf5", "numpy_files", "numpy_hdf5"
]

Seconds = Annotated[FiniteFloat, Field(ge=-_LONGEST, le=_LONGEST)]
Rate = Annotated[int, Field(ge=100, le=768_000)]  # Hz

_SCALAR: TypeAdapter[object] = TypeAdapter(PlainText | bool | int | FiniteFloat, config=ConfigDict(strict=True))
_WORD = Annotated[list[PlainText | FiniteFloat | None], Field(min_length=3, max_length=4)]


def audio_path(folder: Path, name: str, *, stay: bool) -> Path:
    """The path of a recording of a corpus; the file may be missing, which reading it tells.

    Args:
        folder: of the corpus, at which relative paths start.
        name: as the manifest has it.
        stay: whether recordings may be elsewhere.

    Raises:
        DataError: no path of a file, a device or pipe, or outside of the folder.
    """
    require_file_name(name)
    path = folder / name
    lost = (OSError, RuntimeError)  # too long a name, or links in a circle
    with explained(DataError, f"the path of its audio, {shown(name)}, cannot be followed", caught=lost):
        inside = path.resolve().is_relative_to(folder.resolve())
        special = path.exists() and not path.is_file()
    if not inside and not stay:
        raise DataError(
            f"its audio {shown(name)} is outside of the corpus {folder}, which does not say that its recordings stay "
            f'where they are; if you trust it, prepare it again, or write "{STAYS}": true into its corpus.json'
        )
    if special:
        raise DataError(f"its audio {shown(name)} is no file, but a folder, a pipe or a device; give a file")
    return path


def require_file_name(name: str) -> None:
    """Make sure that a text names a file, and nothing that a library might run or fetch in its place.

    Raises:
        DataError: a URL, a pipe, the standard input, or characters that no file name has.
    """
    problem = text_problem(name)
    if problem is not None:
        raise DataError(f"the path of its audio, {problem}, which no file name can")
    found = _NO_FILE.search(name)
    if found is None:
        return
    kind = "a URL" if found["scheme"] else "the standard input" if found["input"] else "a pipe"
    raise DataError(f"its audio {shown(name)} is {kind}, expected a file; write the audio into one")


def _arguments(**types: Any) -> type[Schema]:  # noqa: ANN401 - whatever annotates a field
    fields: Any = {name: (kind, ...) for name, kind in types.items()}
    return create_model("Arguments", __base__=Schema, **fields)


_TRANSFORMS = {
    "Resample": _arguments(source_sampling_rate=Rate, target_sampling_rate=Rate),
    "Speed": _arguments(factor=Annotated[float, Field(ge=0.1, le=10)]),
    "Tempo": _arguments(factor=Annotated[float, Field(ge=0.1, le=10)]),
    "Volume": _arguments(factor=Annotated[float, Field(ge=-1e6, le=1e6)]),
    "LoudnessNormalization": _arguments(target=Annotated[float, Field(ge=-100, le=20)]),  # dB
}
"""What lhotse may do to audio as it is read, and with which settings: numbers alone."""


class _Transform(Schema):
    name: PlainText
    kwargs: dict[str, Any]

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.name not in _TRANSFORMS:
            raise refusal(
                f"its audio is changed by {shown(self.name)}, which memrix does not let a manifest do; known are "
                f"{', '.join(_TRANSFORMS)}: write the changed audio into files"
            )
        _TRANSFORMS[self.name].model_validate(self.kwargs)
        return self


class _Source(Schema):
    type: PlainText
    channels: list[Annotated[int, Field(ge=0, le=1000)]] = Field(max_length=1000)
    source: Any
    video: None = None

    @model_validator(mode="after")
    def _is_a_file(self) -> Self:
        if self.type != "file":
            raise refusal(f"its audio is a {self.type}, expected a file; write the audio into one")
        if not isinstance(self.source, str) or not self.source:
            raise refusal(f"the path of its audio must be text, got {shown(self.source)}")
        return self


class _Recording(Schema):
    id: PlainText
    sources: list[_Source] = Field(min_length=1, max_length=1000)
    sampling_rate: Rate
    num_samples: int = Field(ge=1, le=_MOST_SAMPLES)
    duration: Seconds = Field(gt=0)
    channel_ids: list[Annotated[int, Field(ge=0, le=1000)]] | None = None
    transforms: list[_Transform] | None = None

    @property
    def channels(self) -> int:
        own = self.channel_ids
        return len(own if own is not None else {channel for source in self.sources for channel in source.channels})


class _Custom(Schema):
    """Its `custom` field may hold anything that its owner noted, but nothing to be loaded."""

    custom: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _holds_nothing_to_load(self) -> Self:
        for name, value in (self.custom or {}).items():
            _require_plain(name, value, 1)
        return self


def _require_plain(name: str, value: object, depth: int) -> None:
    if depth > _DEEPEST:
        raise refusal(f"custom {shown(name)} is nested too deeply; at most {_DEEPEST} levels are read")
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _LOADED_BY_LHOTSE:
                raise refusal(
                    f"custom {shown(name)} is {_LOADED_BY_LHOTSE[key]}, which lhotse would load; leave it out"
                )
            _require_plain(name, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _require_plain(name, inner, depth + 1)
    elif value is not None:
        _SCALAR.validate_python(value)


class _Supervision(_Custom):
    id: PlainText
    recording_id: PlainText
    start: Seconds
    duration: Seconds
    channel: int | list[int] = 0
    text: PlainText | None = None
    language: PlainText | None = None
    speaker: PlainText | None = None
    gender: PlainText | None = None
    alignment: dict[str, list[_WORD]] | None = None


class _Features(BaseModel, strict=True):
    """Features, which memrix computes itself: they are neither read nor taken over."""

    storage_type: _LOCAL_STORAGE


class ManifestCut(_Custom):
    """A line of a manifest, checked: one stretch of one channel of files.

    Attributes:
        id, start, duration, channel, supervisions, recording, custom: as of a ``MonoCut`` of lhotse.
    """

    id: PlainText
    start: Seconds = Field(ge=0)
    duration: Seconds = Field(gt=0)
    channel: int = Field(ge=0, le=1000)
    supervisions: list[_Supervision] = Field(default_factory=list)
    features: _Features | None = None
    recording: _Recording | None = None
    type: str = "MonoCut"

    @property
    def stated_seconds(self) -> float | None:
        """Length of its file as the manifest has it; None where transforms, such as another speed, change it."""
        return None if self.recording is None or self.recording.transforms else self.recording.duration

    def built(self, path_of: Callable[[str], str]) -> MonoCut:
        """The cut of lhotse.

        Args:
            path_of: the path that lhotse opens, of the one in the manifest.
        """
        from lhotse import MonoCut

        # lhotse takes some tables in `custom` fields for pictures and arrays: these fields do not pass through it.
        hidden: Any = {"features": True, "type": True, "custom": True, "supervisions": {"__all__": {"custom"}}}
        table = self.model_dump(exclude=hidden, exclude_none=True)
        for source in table["recording"]["sources"]:
            source["source"] = path_of(source["source"])
        cut = MonoCut.from_dict(table)
        for built, own in zip((cut, *cut.supervisions), (self, *self.supervisions), strict=True):
            built.custom = own.custom
        return cut


def parsed_cut(line: str) -> ManifestCut:
    """The cut in a line of a manifest; nothing that it names is opened.

    Raises:
        DataError: it is no such cut, or holds something else than text, numbers and paths of files.
    """
    with explained(DataError, "no cut of lhotse", caught=ValueError):
        table = parse_json(line)
    if not isinstance(table, dict) or "type" not in table:
        raise DataError(f"no cut of lhotse, whose lines are tables with a `type`, got {shown(table)}")
    if table["type"] not in ("MonoCut", "Cut"):
        kind = table["type"] if isinstance(table["type"], str) else shown(table["type"])
        raise DataError(f"a {kind}, expected a MonoCut: one stretch of one channel")
    try:
        cut = ManifestCut.model_validate(table)
    except ValidationError as error:
        name = table.get("id")
        raise DataError(f"{name if isinstance(name, str) else 'a cut'}: {told(error)}") from error
    if len(cut.supervisions) != 1:
        raise DataError(f"{cut.id} has {len(cut.supervisions)} supervisions, expected one; cut it into utterances")
    if cut.recording is None:
        raise DataError(f"{cut.id} has no recording")
    if cut.recording.channels != 1:
        raise DataError(f"{cut.id}: its recording has {cut.recording.channels} channels, expected one")
    return cut
