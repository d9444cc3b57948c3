"""What is said of rule files that are no detections: an incident each while it lasts, and a failed run."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from detections import failure
from detections.mistake import Mistake
from detections.notices import Publishing
from storage.state import incidents, runs
from storage.state.runs import Run

KIND: Final = "broken_rule"

_LONGEST_KEY: Final = 400  # as the column has it
_LONGEST_SLUG: Final = 100
_REMEDY: Final = "acrwatch rules lint FILE checks the file; once mended, it is read again with the next pass"


def report(
    connection: Connection,
    mistakes: Sequence[Mistake],
    in_use: Collection[str],
    publishing: Publishing,
    *,
    refused: bool,
    now: datetime,
) -> None:
    """State that these files are broken and no others, and that no detections but those `in_use` can fail.

    `refused`: the rules were changed while they ran, and because of these mistakes the change as a whole is not in use.
    """
    consequence = "the rules in use stay as they were before the change" if refused else "its detection is not in use"
    for mistake in mistakes:
        incidents.open(
            connection,
            _key(mistake.file),
            kind=KIND,
            message=f"{_line(mistake)}; {consequence}",
            remedy=_REMEDY,
            now=now,
        )
        slug = _spelled(mistake.file.stem)[:_LONGEST_SLUG]
        runs.record(connection, Run(slug, "", now, now, runs.FAILED, 0, error=_line(mistake)))
    broken = {_key(mistake.file) for mistake in mistakes}
    for one in incidents.current(connection):
        if one.kind == KIND and one.key not in broken:
            incidents.resolve(connection, one.key, now=now)
    failure.forget(connection, in_use, publishing, now=now)


def _line(mistake: Mistake) -> str:
    return " ".join(str(mistake).split()).replace("\0", "")  # PostgreSQL keeps no NUL


def _key(file: Path) -> str:
    path = _spelled(str(file))
    key = f"{KIND}/{path}"
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{KIND}/{hashlib.sha256(path.encode()).hexdigest()}/{_spelled(file.name)[-100:]}"


def _spelled(text: str) -> str:
    """Return a text that can be stored: bytes of a file's name may be no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
