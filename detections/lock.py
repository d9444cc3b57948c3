"""The lock of a rule folder: a hash of each rule file, so that nobody changes, adds or removes a rule unnoticed.

`rules.lock` stands in the folder and is kept under version control. With it, a file that differs from it is refused
as a mistake. It guards against accidents and careless edits: whoever may write the folder may write the lock.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from detections.mistake import Mistake

FILE: Final = "rules.lock"

_HEAD: Final = "# SHA-256 of each rule file of this folder. Written by `acrwatch rules lock FOLDER`; renew it so.\n"
_LINE: Final = re.compile(r"(\S.*) ([0-9a-f]{64})")


def lock(folder: Path, files: list[Path]) -> Path:
    """Write the lock of a folder over these files of it; return its path. Raises OSError."""
    written = folder / FILE
    written.write_text(_HEAD + "".join(f"{file.name} {_hash(file)}\n" for file in sorted(files)), encoding="utf-8")
    return written


def violations(folder: Path, files: list[Path]) -> Iterator[Mistake]:
    """Yield where these files of a folder differ from its lock; nothing where it has none.

    Raises OSError where the lock itself cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return
    renewal = f"if that is meant, renew it with `acrwatch rules lock {folder}`"
    locked: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if match := _LINE.fullmatch(line):
            locked[match[1]] = (number, match[2])
        elif line and not line.startswith("#"):
            yield Mistake(path, number, "expected a file's name and its SHA-256")
    yield from _differing(files, locked, renewal)
    for name in sorted(locked.keys() - {file.name for file in files}):
        yield Mistake(path, locked[name][0], f"{name} is gone; {renewal}")


def vouched(folder: Path, files: list[Path]) -> frozenset[Path]:
    """Return those of these files of a folder that are as its lock has them; none where that cannot be told."""
    try:
        if not files or not (folder / FILE).exists():
            return frozenset()
        return frozenset(files) - {mistake.file for mistake in violations(folder, files)}
    except OSError:
        return frozenset()


def _differing(files: list[Path], locked: Mapping[str, tuple[int, str]], renewal: str) -> Iterator[Mistake]:
    for file in files:
        if file.name not in locked:
            yield Mistake(file, 1, f"the file is not in {FILE}; {renewal}")
            continue
        try:
            same = file.is_file() and locked[file.name][1] == _hash(file)  # a pipe is not waited for
        except OSError as error:
            yield Mistake(file, 1, f"cannot be read: {error.strerror}")
            continue
        if not same:
            yield Mistake(file, 1, f"the file is not as {FILE} has it; {renewal}")


def _hash(file: Path) -> str:
    """Return the hash of a file's text: line ends do not count, for version control may turn them."""
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
