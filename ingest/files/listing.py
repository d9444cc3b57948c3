"""Which files a list of paths means, and what tells one content from another."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from acrwatch.core.errors import NotFoundError
from ingest.files.inflate import BLOCK

SUFFIXES: Final = (".json", ".jsonl", ".gz")


def files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files to read: those named, whatever they are called, and those below a folder that end in `.json`,
    `.jsonl` or `.gz`, in the order of their paths, which for an archive is the order of time.

    Raises NotFoundError for a path that does not exist.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(_below(path))
        elif path.exists():
            found.append(path)
        else:
            raise NotFoundError(f"{path}: no such file or folder", remedy="Check the path")
    return list(dict.fromkeys(found))


def _below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.casefold() in SUFFIXES and path.is_file())


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
