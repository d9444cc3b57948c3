"""The other end of the webhooks: keeps what it took, and is out of order at times."""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from acrwatch.delivery.signature import signed_headers, signing_keys

SECRET: Final = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"  # a fixed one: nothing here is secret
# Longer than a sender of the drill waits (drill.process): it has our yes too late, and sends again.
_HANG_SECONDS: Final = 3.0
_MAX_BODY: Final = 4_000_000


class Receiver:
    """What has arrived, by webhook-id. `mood` is what it does to a request: `well` or one of plan.RECEIVER_MOODS."""

    def __init__(self) -> None:
        self.mood = "well"
        self.bodies: dict[str, list[bytes]] = defaultdict(list)
        self.answers: Counter[str] = Counter()
        self.forged = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._timers: list[threading.Timer] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def be(self, mood: str, seconds: float) -> None:
        """Be in a mood for a while, or until the next one."""
        self.mood = mood
        timer = threading.Timer(seconds, self._recover, [mood])
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def take(self, headers: Mapping[str, str], body: bytes) -> str:
        """Keep what a sender may rely on, and what it cannot know of; return how to answer."""
        mood = self.mood
        with self._lock:
            self.answers[mood] += 1
            if not _genuine(headers, body):
                self.forged += 1
                return "error"
            if mood in ("well", "hang"):
                self.bodies[headers["webhook-id"]].append(body)
        if mood == "hang":
            self._over.wait(_HANG_SECONDS)
        return mood

    def created(self) -> set[str]:
        """Return the alerts that an `alert.created` came for."""
        with self._lock:
            bodies = [json.loads(taken[0]) for taken in self.bodies.values()]
        return {body["data"]["id"] for body in bodies if body["type"] == "alert.created"}

    def repeated(self) -> int:
        """Return how often something came that had come before, under the same id."""
        with self._lock:
            return sum(len(taken) - 1 for taken in self.bodies.values())

    def altered(self) -> list[str]:
        """Return the ids under which not always the same body came. There must be none."""
        with self._lock:
            return sorted(id_ for id_, taken in self.bodies.items() if len(set(taken)) > 1)

    def calm(self) -> None:
        """Be well from now on."""
        for timer in self._timers:
            timer.cancel()
        self.mood = "well"

    def close(self) -> None:
        """Stop answering."""
        self.calm()
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _recover(self, mood: str) -> None:
        if self.mood == mood:
            self.mood = "well"


def _genuine(headers: Mapping[str, str], body: bytes) -> bool:
    if not {"webhook-id", "webhook-timestamp", "webhook-signature"} <= headers.keys():
        return False
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    wanted = signed_headers(signing_keys(SECRET), id=headers["webhook-id"], at=at, body=body)
    return wanted["webhook-signature"] == headers["webhook-signature"]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length", "0")), _MAX_BODY)
            body = self.rfile.read(length)
            if len(body) < length:  # the sender died meanwhile
                return
            mood = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            if mood == "drop":
                self.close_connection = True
                return
            self.send_response({"error": 500, "busy": 429}.get(mood, 204))
            if mood == "busy":
                self.send_header("retry-after", "1")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the report says what arrived."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the sender was killed, or no longer waits
                return

    return Handler
