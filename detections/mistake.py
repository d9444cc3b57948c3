"""What can be wrong with one rule file."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why one file is no detection: the first thing wrong with it, and the line it stands on."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        """Say it as text that can be printed and stored: the bytes of a file's name may be no UTF-8."""
        return f"{self.file}:{self.line}: {self.message}".encode("utf-8", "backslashreplace").decode()


class RuleMistakeError(ValueError):
    """One thing wrong with one rule file. `path` leads to the key it stands at, where it stands at one."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path
