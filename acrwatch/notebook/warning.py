"""What a frame does not show, said aloud: rows cut off by a limit, events that a detection could not judge."""

import sys
import warnings
from pathlib import Path

_HERE = str(Path(__file__).parent)


class TruncatedWarning(UserWarning):
    """A frame holds less than was asked for, because of a limit."""


class BlindWarning(UserWarning):
    """A detection could not judge what it was given: that it found nothing says nothing."""


class UnknownRegistryWarning(UserWarning):
    """Nothing was found of a registry that nothing is known of: its name may be mistyped."""


# Python says a warning of one text and line once. A cell that is run again is the same line, and its frame as short as
# before. Whatever filter someone set for these goes before.
for _category in (TruncatedWarning, BlindWarning, UnknownRegistryWarning):
    warnings.simplefilter("always", _category, append=True)


def warn_truncated(what: str, limit: int, more: int) -> None:
    """Warn, at the line of the caller's own code, that a limit cut off rows; `more` is how many (-1: not counted)."""
    left = "and there are more" if more < 0 else f"and leaves out {more:,} more"
    warn(
        f"{what} is cut at the limit of {limit:,} rows {left}; pass limit=None for all, or ask for less",
        TruncatedWarning,
    )


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the first line outside this package."""
    frame, level = sys._getframe(1), 2  # noqa: SLF001 - skip_file_prefixes came with Python 3.12
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
