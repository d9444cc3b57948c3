"""The endpoint that a machine's managed identity is asked by, as App Service has it, with tokens of our own issuer."""

import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from acrwatch.devhub.entra import _parsed

_HEADER = "only-this-machine-knows"


class ManagedIdentity:
    """Answers on 127.0.0.1 while the block runs. `roles` may be changed.

    `resources` and `clients` tell what was asked for, `asked` how often.
    """

    def __init__(self, issue: Callable[[Sequence[str]], str], roles: list[str]) -> None:
        self.roles = roles
        self.resources: set[str] = set()
        self.clients: set[str] = set()
        self.asked = 0
        self._issue = issue
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def environment(self) -> dict[str, str]:
        """What such a machine's processes find in their environment."""
        return {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}/token",
            "IDENTITY_HEADER": _HEADER,
        }

    def token(self, query: dict[str, list[str]]) -> bytes:
        """Return the reply to one question. `resource` is as asked for: a client keeps the token under that name."""
        self.asked += 1
        self.resources.update(query["resource"])
        self.clients.update(query.get("client_id", []))
        token = self._issue(self.roles)
        claims = _parsed(token.split(".")[1])
        reply = {"access_token": token, "expires_on": str(claims["exp"]), "resource": query["resource"][0]}
        return json.dumps({**reply, "token_type": "Bearer"}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        identity = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers.get("X-IDENTITY-HEADER") == _HEADER
                body = identity.token(parse_qs(urlsplit(self.path).query)) if known else b"{}"
                self.send_response(200 if known else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        return Handler
