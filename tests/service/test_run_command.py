"""`acrwatch run` as people start it, and what it says when something outside is wrong."""

import json
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from acrwatch.devhub import DevHub
from tests.service.outcome import outcome
from tests.service.process import HUB, PARTITIONS, ROOT, WAIT, caught_up, feed_plain, versions, write_config
from tests.service.test_bytes_to_webhook import MESSAGE

KEY = "bm90IGEgcmVhbCBrZXksIGJ1dCBsb25nIGVub3VnaCE="
# More than the state database and its log need here, less than the events of one commit.
_MOST_BYTES_A_FILE = 1_000_000


class Command:
    """A running command line, and the JSON lines it logs."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text()

    def errors(self) -> list[str]:
        lines = [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]
        return [line["message"] for line in lines if line["level"] in ("WARNING", "ERROR")]

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT
        while not met():
            assert time.monotonic() < deadline, self.output
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(self.output)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)


@contextmanager
def command(config: Path, *, most_bytes: int | None = None) -> Iterator[Command]:
    """Run `acrwatch run`, in which no file may grow beyond `most_bytes`, and see that it has ended."""
    output = config.parent / "output.txt"

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    with output.open("wb") as file, _process(config, file, limit) as process:
        try:
            yield Command(process, output)
        finally:
            process.kill()
            process.wait(WAIT)


def _process(config: Path, file: IO[bytes], limit: Callable[[], None]) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-m", "acrwatch", "--config", str(config), "run"]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=file, stderr=file, preexec_fn=limit)


def _messages(count: int, *, agent: Callable[[], str] = lambda: "test") -> Sequence[bytes]:
    """Pulls from outside, each of a moment and an address of its own."""
    found = []
    for number in range(count):
        body = MESSAGE.replace(b"%TIME%", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.}".encode())
        body = body.replace(b"203.0.113.18", f"203.0.113.{number % 250}".encode())
        body = body.replace(b"000000000021", f"{number:012}".encode())
        found.append(body.replace(b"acr-cleanup azsdk", agent().encode()))
    return found


def test_it_stores_and_alerts_and_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        config = write_config(tmp_path, hub.connection_string, allowed_ranges={"contoso": ["198.51.100.0/24"]})
        feed_plain(hub, _messages(3))
        with command(config) as run:
            run.until(lambda: caught_up(tmp_path, hub))
            assert run.stop() == 0
            assert run.errors() == []
    found = outcome(tmp_path)
    assert len(found.correlations) == 3
    assert [(rule, count) for rule, _, _, _, count, *_ in found.standing] == [("pull-outside-allowed-ranges", 3)]
    assert not found.unsent


def test_an_unreachable_hub_is_said_in_one_line_with_a_remedy_and_read_once_it_is_there(tmp_path: Path) -> None:
    with socket.socket() as held:  # nobody else may take the port meanwhile; bound but not listening, it refuses
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    hub = DevHub(hubs={HUB: PARTITIONS}, port=port, key=KEY)
    text = f"Endpoint=sb://localhost:{port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey={KEY};"
    config = write_config(tmp_path, text + "UseDevelopmentEmulator=true")
    feed_plain(hub, _messages(3))
    with command(config) as run:
        run.until(lambda: bool(run.errors()))
        (said,) = run.errors()
        assert f"event hub 'acr-audit' at localhost:{port} cannot be reached" in said
        assert "Check the network" in said
        assert "tries again by itself" in said
        assert "Traceback" not in run.output
        with hub:
            run.until(lambda: caught_up(tmp_path, hub))
            assert run.stop() == 0
    assert len(outcome(tmp_path).correlations) == 3
    assert outcome(tmp_path).incidents == []


def test_a_wrong_key_is_said_with_its_remedy_and_without_the_key(tmp_path: Path) -> None:
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        right = hub.connection_string.partition("SharedAccessKey=")[2].partition(";")[0]
        config = write_config(tmp_path, hub.connection_string.replace(right, KEY))
        with command(config) as run:
            run.until(lambda: bool(run.errors()))
            said = run.errors()[0]
            assert run.stop() == 0
            output = run.output
    assert "refused our credentials" in said
    assert "Use a key of a rule with the Listen claim" in said
    assert KEY not in output
    assert KEY.rstrip("=") not in output
    assert outcome(tmp_path).incidents == [f"source_down/eventhub/localhost:{hub.port}/{HUB}"]


def test_a_full_disk_is_said_leaves_nothing_half_written_and_is_made_good_afterwards(tmp_path: Path) -> None:
    noise = random.Random(3)
    with DevHub(hubs={HUB: PARTITIONS}) as hub:
        config = write_config(tmp_path, hub.connection_string)
        feed_plain(hub, _messages(60, agent=lambda: noise.randbytes(30_000).hex()))
        with command(config, most_bytes=_MOST_BYTES_A_FILE) as run:
            run.until(lambda: bool(run.errors()))
            said = run.errors()[0]
            assert run.stop() == 0
            assert "Traceback" not in run.output
        assert "Cannot write events below" in said
        assert "Free disk space" in said
        assert versions(tmp_path) == 1, "only the empty table"
        assert outcome(tmp_path).correlations == []
        assert not list((tmp_path / "lake").rglob("*.parquet"))
        with command(config) as run:
            run.until(lambda: caught_up(tmp_path, hub))
            assert run.stop() == 0
    assert len(outcome(tmp_path).correlations) == 60
    assert outcome(tmp_path).incidents == []
