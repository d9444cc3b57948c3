"""A real HTTP receiver on loopback and a clock that tests move; `conftest.py` makes fixtures of them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from acrwatch.delivery.sinks import Sink
from acrwatch.delivery.sinks import webhook as webhook_module

NOW = datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)
SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


@dataclass
class MovableClock:
    """Tells the time it was set to."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def move(self, by: timedelta) -> None:
        self.moment += by


@dataclass(frozen=True)
class Received:
    path: str
    headers: Message
    body: bytes


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Receiver:
    """Keeps what was posted and answers as told: one answer per request in turn, the last one for ever."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=lambda: [(200, {}, b"ok")])
    before_answer: Callable[[Received], None] = lambda _: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.received]

    def take(self, one: Received) -> Answer:
        with self._lock:
            self.received.append(one)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.before_answer(one)
        return answer


def handler_for(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, answer = receiver.take(Received(self.path, self.headers, body))
            self.send_response(status)
            for name, value in {"content-length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler


class QuietServer(ThreadingHTTPServer):
    """Does not print a traceback when the other side hangs up early, as a client with a cap does."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing."""


def open_webhook(url: str, *, secret: str = SECRET, ca_file: Path | None = None) -> Sink:
    """A webhook sink as the configuration would make it."""
    written = {"url": url, "secret": secret, "ca_file": ca_file}
    parsers = {setting.name: setting.parse for setting in webhook_module.SETTINGS}
    return webhook_module.open(
        {name: None if value is None else parsers[name](str(value)) for name, value in written.items()}
    )
