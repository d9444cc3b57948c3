"""`acrwatch destinations list|test`."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what is posted below /ok and refuses the rest for good."""

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))  # type: ignore[attr-defined]
        self.send_response(204 if self.path == "/ok" else 410)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.bodies = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def two_destinations(tmp_path: Path, receiver: http.server.ThreadingHTTPServer) -> None:
    port = receiver.server_address[1]
    (tmp_path / "acrwatch.toml").write_text(
        "".join(
            f'[[destinations]]\nname = "{name}"\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/{name}"\n'
            f'secret = "{SECRET}"\n'
            for name in ("ok", "gone")
        )
    )


@pytest.mark.usefixtures("two_destinations")
def test_a_ping_that_arrives_ends_with_0(call: Call, receiver: Any) -> None:
    done = call("destinations", "test", "ok")
    assert done.exit_code == 0
    assert "ok: took it" in done.stderr
    assert [json.loads(body)["type"] for body in receiver.bodies] == ["test.ping"]


@pytest.mark.usefixtures("two_destinations")
def test_a_ping_that_is_refused_ends_with_1_and_says_which(call: Call) -> None:
    done = call("destinations", "test", "--json")
    assert done.exit_code == 1
    assert [(item["name"], item["result"]) for item in done.json] == [("ok", "sent"), ("gone", "dead")]
    assert done.json[1]["status_code"] == 410


@pytest.mark.usefixtures("two_destinations")
def test_an_unknown_destination_ends_with_3_and_names_the_known(call: Call) -> None:
    done = call("destinations", "test", "nobody")
    assert done.exit_code == 3
    assert "Configured: ok, gone" in done.stderr


@pytest.mark.usefixtures("two_destinations")
def test_the_list_masks_secrets_and_paths(call: Call) -> None:
    done = call("destinations", "list", "--json")
    first = done.json[0]
    assert (first["name"], first["type"], first["pending"], first["dead"]) == ("ok", "webhook", 0, 0)
    assert first["settings"]["secret"] == "********"
    assert SECRET.removeprefix("whsec_") not in done.stdout + call("destinations", "list").stdout


def test_no_destinations_is_said(call: Call) -> None:
    done = call("destinations", "list", "--json")
    assert done.json == []
    assert "sent nowhere" in done.stderr
