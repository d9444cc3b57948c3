"""A receiver that quotes what it was sent, the command line in this process, and a search for canaries."""

import logging
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from acrwatch.cli import run

# Every secret of these tests holds this; nothing else does.
CANARY = "cAnArY"
_SECONDS = 20


@dataclass
class Parrot:
    """Answers each request with all that it knows of the caller; the path decides how."""

    port: int = 0
    heard: list[str] = field(default_factory=list)


@pytest.fixture
def parrot() -> Iterator[Parrot]:
    found = Parrot()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            said = f"{self.path} {dict(self.headers.items())}"
            found.heard.append(said)
            status = next((code for code in (400, 302, 500) if f"/{code}/" in self.path), 204)
            self.send_response(status)
            self.send_header("location", f"http://user:{CANARY}-location-3@127.0.0.1{self.path}")
            self.send_header("set-cookie", f"session={self.path}")
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(_SECONDS)


Call = Callable[..., str]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run `acrwatch -vv ...` in the folder `work`; return all that it wrote, and its exit code at the end."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in ("azure", "uamqp", "httpcore", "httpx", "sqlalchemy")}

    def called(*arguments: str) -> str:
        code = run(["-vv", *arguments])
        output = capfd.readouterr()
        return f"{output.out}\n{output.err}\nexit {code}"

    yield called
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def canaries(text: str) -> list[str]:
    """Return each canary in a text, with what stands around it."""
    return [text[max(0, at.start() - 60) : at.end() + 40] for at in re.finditer(CANARY, text, re.IGNORECASE)]


def written(folder: Path) -> str:
    """Return everything that stands in the files below a folder, a database also as a dump."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.append(f"{path}: {path.read_bytes().decode('latin-1')}")
        if path.suffix == ".db":
            database = sqlite3.connect(path)
            found.extend(database.iterdump())
            database.close()
    return "\n".join(found)
