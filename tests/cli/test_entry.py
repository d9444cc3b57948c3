"""How a command begins and ends: exit codes, errors, interruption."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from acrwatch import __version__
from acrwatch.cli import failure, run
from acrwatch.core import errors

Call = Any


def test_version_is_data_on_stdout(call: Call) -> None:
    done = call("version")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"acrwatch {__version__}\n", "")


def test_version_as_json_tells_what_it_runs_on(call: Call) -> None:
    document = call("version", "--json").json
    assert document["version"] == __version__
    assert document["deltalake"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["alertz"], "There is no command 'alertz'; did you mean 'alerts'?"),
        (["version", "--jsn"], "No such option"),
        (["devhub", "--partitions", "99"], "99 is not in the range"),
    ],
)
def test_usage_errors_end_with_2_and_a_sentence_on_stderr(call: Call, arguments: list[str], sentence: str) -> None:
    done = call(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr


@pytest.mark.parametrize("arguments", [[], ["alerts"], ["backfill"]], ids=["alone", "alerts", "backfill"])
def test_a_group_without_a_command_shows_its_help_as_no_error(call: Call, arguments: list[str]) -> None:
    done = call(*arguments)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", call(*arguments, "--help").stdout)
    assert done.stderr.startswith(f"Usage: {' '.join(['acrwatch', *arguments])} ")


def test_a_usage_error_under_json_is_a_document(call: Call) -> None:
    done = call("alertz", "--json")
    assert json.loads(done.stderr)["error"]["code"] == "usage"


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (errors.AcrWatchError("x"), 1, "failed"),
        (errors.ConfigError("x"), 2, "config"),
        (errors.NotFoundError("x"), 3, "not_found"),
        (errors.AuthError("x"), 4, "auth"),
        (errors.RemoteUnreachableError("x"), 5, "remote_unreachable"),
        (errors.StoreError("x"), 1, "store"),
        (errors.StateUnavailableError("x"), 1, "state_unavailable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_error_ends_with_its_code(
    capsys: pytest.CaptureFixture[str], error: errors.AcrWatchError, code: int, word: str
) -> None:
    assert failure.tell(error, as_json=True) == code
    assert json.loads(capsys.readouterr().err) == {"error": {"code": word, "message": "x", "hint": ""}}


def test_an_error_shows_its_remedy_and_no_secret_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.ConfigError("bad \x1b[2J SharedAccessKey=topsecret=;x", remedy="Do this")
    failure.tell(error, as_json=False)
    assert capsys.readouterr().err == "Error: bad \\x1b[2J SharedAccessKey=********;x\nDo this\n"


def test_interruption_ends_with_130_and_no_traceback() -> None:
    command = [sys.executable, "-m", "acrwatch", "devhub", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Endpoint=sb://localhost:")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    program = "import sys; from acrwatch.cli import main; main(['simulate', '--days', '1', '--seed', '3'])"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr as stderr:
        said = stderr.read().decode()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_a_stranger_in_the_place_of_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "storage.py").write_text("raise SystemExit('ran')")
    done = subprocess.run(
        [sys.executable, "-m", "acrwatch", "config", "show"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert f"the name 'storage' of acrwatch is taken by {tmp_path}/storage.py" in done.stderr


def test_a_configuration_that_was_asked_for_must_exist(call: Call) -> None:
    done = call("--config", "gone.toml", "config", "show")
    assert done.exit_code == 2
    assert "gone.toml: no such file" in done.stderr


def test_run_returns_the_exit_code_instead_of_ending_the_process() -> None:
    assert run(["--version"]) == 0
