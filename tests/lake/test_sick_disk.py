"""Every step at which the lake writes, on a full disk and on a failing one: nothing lost, doubled or left behind.

The calls fail below Python, Arrow and delta-rs alike, by a library that is compiled here and preloaded (`faults.c`).
Where namespaces allow it there is a file system, too, that is truly full.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lake.lake_fixtures import REPOSITORY
from tests.lake.sick_disk import OPERATIONS

SOURCE = Path(__file__).with_name("faults.c")
MEMORY = Path("/dev/shm")  # thousands of syncs cost nothing there
# So many moments at least: that the trial sees the calls at all, Arrow's and delta-rs's too.
MOMENTS = {"create": 8, "amend": 5, "commit": 20, "maintain": 40, "repair": 8}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        absent = pytest.fail if "cc" in os.environ.get("ACRWATCH_REQUIRE", "").split(",") else pytest.skip
        absent("needs a C compiler on Linux")
    assert compiler is not None
    made = tmp_path_factory.mktemp("faults") / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, SOURCE, "-ldl"], check=True, timeout=60)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is such."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as made:
        yield Path(made)


def _run(*command: object, **environment: str) -> Any:
    """Run a script of this folder; return what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_call_fails_the_lake_is_whole_and_goes_on(operation: str, folder: Path, library: Path) -> None:
    failed = _run(sys.executable, "-m", "tests.lake.sick_disk", folder, operation, LD_PRELOAD=str(library))

    assert failed >= MOMENTS[operation]


@pytest.mark.parametrize(("operation", "step"), [("commit", 1), ("maintain", 3)])
def test_wherever_space_runs_out_the_lake_is_whole_and_goes_on(operation: str, step: int, tmp_path: Path) -> None:
    apart = ["unshare", "--mount", "--user", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, timeout=60).returncode:
        pytest.skip("needs a mount namespace of its own")

    refused, went_through = _run(*apart, sys.executable, "-m", "tests.lake.full_disk", tmp_path, operation, step)

    assert refused >= 4
    assert went_through >= 2
