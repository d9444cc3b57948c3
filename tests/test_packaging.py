"""What an installation gets: exactly our names, and every file that is needed at run time."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("acrwatch", "ingest", "storage", "detections")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_has_our_five_names_at_its_top_and_no_other(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {*PACKAGES, "scheduler.py"}
    assert len(tops) == len(PACKAGES) + 2


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_in_the_wheel(wheel: set[str], package: str) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - wheel == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_published(wheel: set[str], package: str) -> None:
    assert f"{package}/py.typed" in wheel


def test_files_that_are_no_python_are_there(wheel: set[str]) -> None:
    """Named apart from the rest, so that moving or ignoring them by mistake is noticed."""
    assert any(name.startswith("storage/migrations/versions/") and name.endswith(".py") for name in wheel)
    assert any(name.startswith("detections/rules/") and name.endswith(".yml") for name in wheel)
    assert {"acrwatch/cli/acrwatch.toml.in", "acrwatch/cli/next_steps.txt.in"} <= wheel
