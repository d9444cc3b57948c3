"""A file system that is small, so that it can be filled and emptied again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_BYTES = 48 * 1024 * 1024


@dataclass(frozen=True)
class SmallDisk:
    """A disk of 48 MB at `root`."""

    root: Path

    def fill(self) -> None:
        """Take every free byte."""
        for size in (1024 * 1024, 4096, 1):
            with (self._ballast / str(size)).open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        """Give them back."""
        for path in self._ballast.iterdir():
            path.unlink()

    @property
    def _ballast(self) -> Path:
        folder = self.root / "ballast"
        folder.mkdir(exist_ok=True)
        return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mount one; skipped where we may not."""
    mount, root = shutil.which("mount"), tmp_path / "disk"
    root.mkdir()
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={_BYTES},mode=0700", "none", root], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.decode(errors='replace')}")
    yield SmallDisk(root)
    subprocess.run(["umount", root], check=True)
