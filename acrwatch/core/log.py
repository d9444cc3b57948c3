"""Logging for entry points: one line per record for people, JSON lines for machines, secrets masked in both.

Only entry points call `set_up`; everything else has a logger by module name and says nothing about handlers.
"""

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TextIO

from acrwatch.core.masking import MASK as MASK
from acrwatch.core.masking import mask as mask

# What could forge, reorder or hide a part of a line in which a repository or user agent stands: control characters and
# line ends; marks of direction (Bidi_Control in Unicode's PropList.txt); what nothing is drawn for
# (Default_Ignorable_Code_Point in its DerivedCoreProperties.txt, 16.0, which has the marks of direction too), and the
# annotations (U+FFF9 to U+FFFB), of which a terminal may show but a part.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# The Azure client tells of every link and token renewal at INFO, and of reconnects that it heals by itself at WARNING.
# The others tell at INFO of each migration plug-in, job, statement and request.
_LOUD: Final = {
    "azure": logging.ERROR,
    "uamqp": logging.ERROR,
    "alembic": logging.WARNING,
    "apscheduler": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "sqlalchemy": logging.WARNING,
}
# However much log is asked for: at DEBUG, SQLAlchemy writes every row that it reads, audit records and alerts included.
_NEVER_BELOW: Final = {"sqlalchemy": logging.INFO}
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def printable(text: str) -> str:
    """Return `text` with control, text-direction and invisible characters written as escapes; tabs stay."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class LineFormatter(logging.Formatter):
    """`03:20:13Z WARNING ingest.pipeline: message`, then the traceback, if any, on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        line = f"{time:%H:%M:%S}Z {record.levelname} {record.name}: {printable(record.getMessage())}"
        return mask("\n".join([line, *map(printable, _traceback(record))]))


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, `exception`, and whatever `extra` carried."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        document |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        lines = _traceback(record)
        if lines:
            document["exception"] = "\n".join(lines)
        return mask(json.dumps(document, default=str))


def set_up(*, verbosity: int = 0, quiet: bool = False, stream: TextIO | None = None) -> logging.Handler:
    """Send all logging to `stream` (stderr) and return the handler; a second call replaces the first one's.

    `quiet` leaves warnings and errors; one step of `verbosity` shows our debug messages, two also the libraries'.
    """
    target = sys.stderr if stream is None else stream
    handler = _EntryPointHandler(target)
    handler.setFormatter(LineFormatter() if target.isatty() else JsonFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _EntryPointHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbosity else logging.WARNING if quiet else logging.INFO)
    for name, level in _LOUD.items():
        logging.getLogger(name).setLevel(_NEVER_BELOW.get(name, logging.NOTSET) if verbosity > 1 else level)
    return handler


def log_unexpected_errors() -> None:
    """Send what nobody catches, in this or another thread, to the log and so through the mask; for entry points.

    Python would print the tracebacks to stderr as they are, and the words of other people's errors may quote a key.
    """
    unexpected = logging.getLogger("acrwatch")

    def in_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        unexpected.critical("unexpected error", exc_info=(kind, error, trace))

    def in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_value is not None:
            name = given.thread.name if given.thread else "a thread"
            unexpected.critical("unexpected error in %s", name, exc_info=given.exc_value)

    sys.excepthook, threading.excepthook = in_main, in_thread
    sys.unraisablehook = lambda given: unexpected.error("unexpected error: %s", given.err_msg, exc_info=given.exc_value)


class _EntryPointHandler(logging.StreamHandler[TextIO]):
    """Known by its type, so that setting up again finds it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Go on: a log that cannot be written (a full disk, a closed pipe) must not stop, nor print what it masks."""


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info:
        return []
    return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n").splitlines()
