"""An endpoint on loopback that behaves as the query API of Log Analytics does, over TLS.

What it does beyond answering, a test says: limits of rows, bytes and time, and faults for the next questions.
"""

import json
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from acrwatch.core.errors import AuthError
from acrwatch.devhub.entra import TokenIssuer
from acrwatch.devhub.tls import LocalAuthority
from tests.loganalytics.kql import LogsRow, Parsed, SyntaxRefusedError, evaluated, parsed, ticks_of, written

AUDIENCE = "https://api.loganalytics.io"
LOGINS, REPOSITORIES = "ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"
_COMMON = ("OperationName", "Category", "LoginServer", "Identity", "CallerIpAddress", "UserAgent", "Region",
           "CorrelationId", "ResultType", "ResultDescription", "DurationMs", "_ResourceId", "_SubscriptionId",
           "SourceSystem", "Type")  # fmt: skip
_STRINGS = {LOGINS: ("JwtId",), REPOSITORIES: ("Repository", "Tag", "Digest", "MediaType", "ArtifactType")}
_INVALID = "The request had some invalid properties"
_PATH = re.compile(r"/v1/workspaces/([0-9a-f-]{36})/query")


@dataclass
class Reply:
    """An answer of its own, in place of the right one: status, headers, body; after `seconds`."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    answers: bool = False  # the right answer after all


def refusal(status: int, code: str, message: str, inner: str = "", **headers: str) -> Reply:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": "Inner", "message": inner}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps({"error": error}).encode(), named)


def throttled(after: str) -> Reply:
    return refusal(429, "TooManyRequests", "Rate limit is exceeded", Retry_After=after)


def unresolved(table: str) -> Reply:
    """Return what is said of a table that is not there, or that we may not read."""
    inner = f"'where' operator: Failed to resolve table or column expression named '{table}'"
    return refusal(400, "BadArgumentError", _INVALID, inner)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have hung up."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Peer:
    """Serves while the block runs. `rows` by workspace and table; a table that is not there was never written to."""

    def __init__(self, seed: int = 1) -> None:
        self.rows: dict[str, dict[str, list[LogsRow]]] = {}
        self.now: Callable[[], datetime] = partial(datetime.now, UTC)  # its clock, as answers tell it
        self.row_limit = 500_000
        self.byte_limit = 100 * 1024 * 1024
        self.longest: timedelta | None = None  # a longer window is not answered in time
        self.faults: list[Reply | None] = []  # for the next questions, one each; None: the right answer
        self.on_asked: Callable[[Parsed], object] = lambda _query: None
        self.asked: list[tuple[str, Parsed]] = []
        self.prefers: set[str] = set()
        self.new_columns: dict[str, str] = {}  # that Azure has added to every table, and their types
        self.forbidden: set[str] = set()
        self.issuer = TokenIssuer()
        self._chance = random.Random(seed)
        self._authority = LocalAuthority(datetime.now(UTC))
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.socket = self._authority.server_context().wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

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
    def endpoint(self) -> str:
        return f"https://localhost:{self._server.server_port}"

    def write_ca(self, path: Path) -> Path:
        path.write_bytes(self._authority.ca_pem)
        return path

    def token(self, _roles: Sequence[str] = ()) -> str:
        return self.issuer.issue([], datetime.now(UTC), audience=AUDIENCE)

    def add(self, workspace: str, table: str, rows: Sequence[LogsRow]) -> None:
        self.rows.setdefault(workspace, {}).setdefault(table, []).extend(rows)

    def reply(self, path: str, headers: Any, body: bytes) -> Reply:
        """Return the answer to one request."""
        match = _PATH.fullmatch(path)
        if match is None or match[1] not in self.rows:
            return refusal(404, "WorkspaceNotFoundError", f"The workspace {match and match[1]} could not be found")
        try:
            token = headers.get("Authorization", "").removeprefix("Bearer ")
            self.issuer.verify(token, datetime.now(UTC), "", audience=AUDIENCE)
        except AuthError:
            return refusal(401, "AuthorizationRequiredError", "Valid authentication was not provided")
        if match[1] in self.forbidden:
            return refusal(403, "InsufficientAccessError", "The provided credentials have insufficient access")
        if "application/json" not in headers.get("Content-Type", ""):
            return Reply(200)
        self.prefers.add(headers.get("Prefer", ""))
        return self._judged(match[1], json.loads(body))

    def _judged(self, workspace: str, asked: dict[str, Any]) -> Reply:
        try:
            query = parsed(asked["query"])
        except SyntaxRefusedError:
            return refusal(
                400, "BadArgumentError", "The request had some invalid properties", "Query could not be parsed"
            )
        self.asked.append((workspace, query))
        self.on_asked(query)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and not fault.answers:
            return fault
        if query.table not in self.rows[workspace]:
            return unresolved(query.table)
        if self.longest is not None and query.length > self.longest:
            return refusal(504, "GatewayTimeout", "Maximum response time of 180 seconds exceeded")
        begin, end = map(ticks_of, asked["timespan"].split("/"))
        found = evaluated(query, list(self.rows[workspace][query.table]), (begin, end), self._chance)
        answer = self._limited(query.table, found)
        return Reply(answer.status, answer.body, seconds=fault.seconds if fault else 0.0)

    def _limited(self, table: str, found: Sequence[LogsRow]) -> Reply:
        """Return the answer; beyond a limit, a part of it with an error beside it, under status 200."""
        whole = self._table(table, found)
        if len(found) <= self.row_limit and len(json.dumps(whole)) <= self.byte_limit:
            return Reply(200, json.dumps(whole).encode())
        inner = "Query result set has exceeded the internal limits (E_QUERY_RESULT_SET_TOO_LARGE; 0x80DA0003)"
        error = {"code": "PartialError", "message": "There were some errors when processing your query",
                 "details": [{"code": "EngineError", "message": inner}]}  # fmt: skip
        part = self._table(table, found[: min(self.row_limit, len(found) // 2)])
        return Reply(200, json.dumps({**part, "error": error}).encode())

    def _table(self, table: str, found: Sequence[LogsRow]) -> dict[str, Any]:
        names = [*_COMMON, *_STRINGS[table]]
        columns = [{"name": "TimeGenerated", "type": "datetime"}, *({"name": name, "type": "string"} for name in names)]
        columns += [{"name": "TenantId", "type": "guid"}, {"name": "IngestionTime", "type": "datetime"}]
        columns += [{"name": "_BilledSize", "type": "real"}]
        columns += [{"name": name, "type": kind} for name, kind in self.new_columns.items()]
        if table == REPOSITORIES:
            columns += [{"name": "Size", "type": "int"}, {"name": "UserTenantId", "type": "guid"}]
        rows = []
        for row in found:
            own = {**row.columns, "TimeGenerated": written(row.time), "IngestionTime": written(row.taken)}
            own |= {"TenantId": "99999999-0000-0000-0000-000000000000", "_BilledSize": 512.0, "Type": table}
            rows.append([own.get(column["name"]) for column in columns])
        return {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = peer.reply(self.path, self.headers, body)
                if reply.seconds:
                    time.sleep(reply.seconds)  # a service that is slow; the client's patience is shorter
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.status != 204:
                    self.send_header("Content-Type", "application/json; charset=utf-8")
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def date_time_string(self, _timestamp: float | None = None) -> str:
                return format_datetime(peer.now(), usegmt=True)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        return Handler
