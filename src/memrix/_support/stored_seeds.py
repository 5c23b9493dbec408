"""Seeds that were stored, and the version of the random streams by which they mean numbers."""

from __future__ import annotations

import warnings

from memrix._support.streams import STREAM_VERSION
from memrix._support.validation import is_integer, shown
from memrix.errors import SeedWarning


def known_streams(streams: object) -> int:
    """The version of the random streams that seeds were stored for.

    Raises:
        ValueError: it is none, or only a newer memrix has it.
    """
    if not isinstance(streams, int) or not is_integer(streams) or streams < 1:
        raise ValueError(f"streams must be an integer from 1 to {STREAM_VERSION}, got {shown(streams)}")
    if streams > STREAM_VERSION:
        raise ValueError(
            f"its seeds are of random streams {shown(streams)}, and those up to {STREAM_VERSION} are known; upgrade "
            "memrix"
        )
    return streams


def warn_of_new_draws(
    what: str, streams: int, *, noisy: bool, switching: bool, converters: bool = False, stacklevel: int = 2
) -> None:
    """Warn that seeds were stored for earlier random streams and mean other numbers now.

    Args:
        what: holds the seeds, at the beginning of the message.
        streams: version that they were stored for.
        noisy: whether readings are noisy.
        switching: whether readings switch cells.
        converters: whether converters have errors. Without any of these nothing is drawn, and there is no warning.
        stacklevel: 2 is the caller of the function that calls this one.
    """
    draws = ["its read noise"] * noisy + ["the cycles of cells that readings switch"] * switching
    draws += ["the errors of its converters"] * converters
    if streams < STREAM_VERSION and draws:
        warnings.warn(
            f"{what} is of an earlier memrix, whose seeds meant other random numbers (streams {streams}, now "
            f"{STREAM_VERSION}): its cells are as they were saved, and new numbers are drawn for "
            f"{' and '.join(draws)}, of the same distributions. Nothing needs to be done for readings; memrix.write "
            "would draw other devices than those saved. Once it is saved again, this is not said any more",
            SeedWarning,
            stacklevel=stacklevel + 1,
        )
