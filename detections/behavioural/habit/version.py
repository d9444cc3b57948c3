"""The version of a detection that is a module: the hash of it and of the mechanism it stands on."""

import hashlib
from pathlib import Path


def version_of(module: str) -> str:
    """Return the SHA-256 of a module's file (its `__file__`) and of all modules of this package."""
    files = [Path(module), *sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
