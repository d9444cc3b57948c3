"""The other end of the demo's webhook: a receiver on loopback that checks every signature, as a SIEM would."""

import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from acrwatch.delivery.signature import signed_headers, signing_keys

_MAX_BODY = 1_000_000


@dataclass(slots=True)
class Receiver:
    """What has arrived. `bodies` are those whose signature was right, by webhook-id."""

    secret: str
    url: str = ""
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Check one request and keep it; return whether its signature was right."""
        right = _genuine(self.secret, headers, body)
        with self.changed:
            if right:
                self.bodies[headers["webhook-id"]] = json.loads(body)
            else:
                self.refused += 1
            self.changed.notify_all()
        return right

    def alert_ids(self) -> set[str]:
        """Return the alerts that something arrived about."""
        with self.changed:
            return {body["data"]["id"] for body in self.bodies.values() if body["type"].startswith("alert.")}


def _genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    if not {"webhook-id", "webhook-timestamp", "webhook-signature"} <= headers.keys():
        return False
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    wanted = signed_headers(signing_keys(secret), id=headers["webhook-id"], at=at, body=body)
    return hmac.compare_digest(wanted["webhook-signature"], headers["webhook-signature"])


@contextmanager
def receiving(secret: str) -> Iterator[Receiver]:
    """Serve on a free loopback port for the length of the block."""
    receiver = Receiver(secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(min(length, _MAX_BODY))
            right = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(204 if right else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent: the demo says what arrived."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, name="demo-receiver")
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
