"""Deliveries as lines of a file, for log shippers such as Vector or Fluent Bit, and for trying things out.

Each line is the body a webhook would get. A repeat after a crash has the same `type`, `data.id` and `data.revision`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from acrwatch.core.setting import REQUIRED, Setting
from acrwatch.delivery.address import file_path
from acrwatch.delivery.sinks import Outcome, Outgoing, Sink

TYPE: Final = "jsonl"


SETTINGS: Final = (
    Setting("path", file_path, REQUIRED, "The file that alerts are appended to, one JSON document per line."),
)


def open(values: Mapping[str, Any]) -> Sink:  # noqa: A001 - the name every sink module has
    """Return a sink that appends to `path`. The file is made with the first delivery."""
    return JsonLinesSink(values["path"])


class JsonLinesSink:
    """Appends to a file that others may append to, rotate or read at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, outgoing: Outgoing) -> Outcome:
        """Append the body as one line and sync it to disk."""
        # Line breaks in JSON text stand between tokens only, so that a space says the same.
        line = outgoing.body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
        try:
            self._append(line)
        except OSError as error:
            return Outcome("retry", f"cannot append to {self._path}: {error.strerror}. Check the folder and the disk")
        return Outcome("sent")

    def close(self) -> None:
        """Nothing is held between deliveries, so that a rotated file is never written to."""

    def _append(self, line: bytes) -> None:
        # Alerts name people and addresses: nobody but the owner and the group may read them.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            if _torn(descriptor):
                line = b"\n" + line
            while line:
                line = line[os.write(descriptor, line) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _torn(descriptor: int) -> bool:
    """Return whether a crash or a full disk left the last line without its end."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size == 0:
        return False
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"
