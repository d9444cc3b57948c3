"""Commands whose output, log or file does not fit on the disk: one clear line, exit code 1 or 2, and no half file."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FULL = "/dev/full"  # takes nothing: every write is "No space left on device"


def _run(
    folder: Path, *arguments: str, out: str | None = None, err: str | None = None, limit: int | None = None
) -> tuple[int, str, str]:
    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with Path(out or folder / "out").open("w") as stdout, Path(err or folder / "err").open("w") as stderr:
        done = subprocess.run(
            [sys.executable, "-m", "acrwatch", "--config", str(folder / "acrwatch.toml"), *arguments],
            cwd=ROOT,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=limited,
            timeout=100,
        )  # fmt: skip
    texts = ["" if given else (folder / name).read_text() for given, name in ((out, "out"), (err, "err"))]
    return done.returncode, texts[0], texts[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acrwatch.toml").write_text('[store]\npath = "lake"\n')
    return tmp_path


def test_output_that_does_not_fit_is_said_in_one_line(folder: Path) -> None:
    code, _, said = _run(folder, "config", "show", "--json", out=FULL)
    assert code == 1
    assert "the output cannot be read or written: No space left on device" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_a_log_that_does_not_fit_stops_nothing(folder: Path) -> None:
    code, shown, _ = _run(folder, "-vv", "config", "show", err=FULL)
    assert code == 0
    assert "store.path" in shown


def test_a_configuration_that_does_not_fit_leaves_no_half_file(folder: Path) -> None:
    written = folder / "new.toml"
    code, _, said = _run(folder, "init", str(written), limit=1_000)
    assert code == 2
    assert "new.toml cannot be written" in said
    assert "Free disk space" in said
    assert not written.exists()
    assert _run(folder, "init", str(written))[0] == 0
