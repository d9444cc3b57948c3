"""What the lake does on a file system that is truly full: run as a script in a mount namespace of its own.

python full_disk.py FOLDER OPERATION STEP     print how often the operation was refused, and how often not

FOLDER is made a file system in memory of a megabyte and a half, filled by a ballast up to so many free pages: none,
then STEP, then twice STEP, until the operation is not refused any more. After each the ballast goes, as when somebody
frees space.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.lake.sick_disk import OPERATIONS, attempt, impatient

PAGE: Final = 4096
SIZE: Final = 1536 * 1024
MOST_PAGES: Final = SIZE // PAGE


class Ballasted:
    """A disk on which a ballast leaves a number of pages."""

    def __init__(self, free: int) -> None:
        self._ballast, self._free = Path(), free

    def sicken(self, root: Path) -> None:
        """Fill the disk, then give the pages back."""
        self._ballast, size = root.with_name("ballast"), 0
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while size < SIZE:
                    size += file.write(bytes(PAGE))
            except OSError:
                file.truncate(max(0, size - self._free * PAGE))

    def heal(self) -> None:
        """Free the space."""
        self._ballast.unlink()


def main(folder: Path, name: str, step: int) -> None:
    """Try with ever more space, until two runs go through."""
    impatient()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder], check=True)
    operation = OPERATIONS[name]
    operation.prepare(folder / "prepared")
    outcomes: list[bool] = []
    for free in range(0, MOST_PAGES, step):
        outcomes.append(attempt(operation, folder / "prepared", folder / "lake", Ballasted(free)))
        if outcomes[-2:] == [False, False]:
            break
    sys.stdout.write(json.dumps([sum(outcomes), len(outcomes) - sum(outcomes)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
