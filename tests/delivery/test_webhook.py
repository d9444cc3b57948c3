"""The webhook sink against a real receiver: what it sends, and what it makes of every answer."""

import logging
import socket
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import Secret
from acrwatch.delivery.sinks import Outcome, Outgoing, Sink
from acrwatch.delivery.sinks import webhook as module
from tests.delivery.receiver import NOW, SECRET, Receiver, open_webhook

BODY = '{"type":"alert.created",\n "data":{"reason":"é"}}'.encode()
OUTGOING = Outgoing("alr_1_1_siem_created", "alert.created", BODY, NOW)


def test_the_body_arrives_byte_for_byte_with_its_headers(receiver: Receiver, webhook: Sink) -> None:
    assert webhook.send(OUTGOING) == Outcome("sent", "HTTP 200 ok", 200)
    (got,) = receiver.received
    assert got.body == BODY
    assert got.path == "/hook"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "alr_1_1_siem_created"
    assert got.headers["webhook-timestamp"] == str(int(NOW.timestamp()))


def test_the_receiver_can_verify_the_delivery_independently(receiver: Receiver, webhook: Sink) -> None:
    # The verifier compares the timestamp with the computer's clock.
    webhook.send(Outgoing("id", "alert.created", BODY, datetime.now(UTC)))
    (got,) = receiver.received
    Webhook(SECRET).verify(got.body, dict(got.headers.items()))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_sent(receiver: Receiver, webhook: Sink, status: int) -> None:
    receiver.answers = [(status, {}, b"")]
    assert webhook.send(OUTGOING).result == "sent"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(receiver: Receiver, webhook: Sink, status: int) -> None:
    receiver.answers = [(status, {}, b"busy")]
    assert webhook.send(OUTGOING) == Outcome("retry", f"HTTP {status} busy", status)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (301, "set `url` to the address it redirects to"),
        (304, "Redirects are not followed"),
        (400, "see its answer"),
        (401, "check `secret` and `url`"),
        (403, "check `secret` and `url`"),
        (404, "check `url`"),
        (405, "check `url`"),
        (410, "gone for good"),
        (413, "too large"),
        (422, "see its answer"),
    ],
)
def test_what_only_a_person_can_mend_is_dead_with_advice(
    receiver: Receiver, webhook: Sink, status: int, advice: str
) -> None:
    receiver.answers = [(status, {}, b"")]
    outcome = webhook.send(OUTGOING)
    assert (outcome.result, outcome.status_code) == ("dead", status)
    assert advice in (outcome.detail or "")


def test_redirects_are_not_followed(receiver: Receiver, webhook: Sink) -> None:
    receiver.answers = [(307, {"location": receiver.url + "/elsewhere"}, b""), (200, {}, b"")]
    webhook.send(OUTGOING)
    assert [one.path for one in receiver.received] == ["/hook"]


@pytest.mark.parametrize(
    "location", ["http://[::1/", "http://xn--/", "javascript:alert(1)", "https://a/" + "a" * 66_000]
)
def test_a_redirect_to_what_is_no_address_is_one_all_the_same(receiver: Receiver, webhook: Sink, location: str) -> None:
    receiver.answers = [(302, {"location": location}, b"")]
    outcome = webhook.send(OUTGOING)
    assert (outcome.result, outcome.status_code) == ("dead", 302)
    assert "Redirects are not followed" in (outcome.detail or "")


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta(0)),
        (" 7 ", timedelta(seconds=7)),
        ("86400", timedelta(hours=1)),
        ("9" * 400, timedelta(hours=1)),
        ("Sun, 22 Nov 2026 12:10:00 GMT", timedelta(minutes=10) - timedelta(milliseconds=500)),
        ("Sun, 22 Nov 2026 12:10:00 -0000", timedelta(minutes=10) - timedelta(milliseconds=500)),
        ("Mon, 23 Nov 2026 12:10:00 GMT", timedelta(hours=1)),
        ("Sat, 21 Nov 2026 12:10:00 GMT", timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 5_000, None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Sun, 22 Nov 2026 12:10:00 +99999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_up_to_an_hour(
    receiver: Receiver, webhook: Sink, written: str, wait: timedelta | None
) -> None:
    receiver.answers = [(503, {"retry-after": written}, b"")]
    assert webhook.send(OUTGOING).retry_after == wait


def test_only_the_beginning_of_an_answer_is_kept(receiver: Receiver, webhook: Sink) -> None:
    receiver.answers = [(200, {}, b"x" * 30_000)]
    assert webhook.send(OUTGOING).detail == "HTTP 200 " + "x" * 1024


def test_a_compressed_answer_is_not_unfolded(receiver: Receiver, webhook: Sink) -> None:
    receiver.answers = [(500, {"content-encoding": "gzip"}, b"\x1f\x8b\x08 not really gzip")]
    assert webhook.send(OUTGOING).result == "retry"
    assert receiver.received[0].headers["accept-encoding"] == "identity"


def test_an_answer_that_breaks_off_after_its_status_still_counts(receiver: Receiver, webhook: Sink) -> None:
    receiver.answers = [(200, {"content-length": "100"}, b"short")]
    assert webhook.send(OUTGOING) == Outcome("sent", "HTTP 200 short", 200)


def test_control_characters_of_an_answer_are_escaped(receiver: Receiver, webhook: Sink) -> None:
    receiver.answers = [(500, {}, b"a\x1b[31m\nb\x00\xff")]
    assert webhook.send(OUTGOING).detail == "HTTP 500 a\\x1b[31m\\nb\\x00\ufffd"


def test_an_answer_that_repeats_our_secrets_is_masked(receiver: Receiver) -> None:
    token = "T0KEN-0123456789"
    sink = open_webhook(f"{receiver.url}/{token}?sig=abcdefgh1234")
    receiver.answers = [(403, {}, f"{token} abcdefgh1234 {SECRET} {SECRET.removeprefix('whsec_')}".encode())]
    detail = sink.send(OUTGOING).detail or ""
    assert detail.endswith("HTTP 403 ******** ******** whsec_******** ********")


def test_logs_never_show_the_address(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    open_webhook(f"{receiver.url}?sig=abcdefgh1234").send(OUTGOING)
    assert "abcdefgh1234" not in caplog.text


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert open_webhook(receiver.url).send(OUTGOING).result == "sent"


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_a_refused_connection_is_tried_again_and_shows_no_path(closed_port: int) -> None:
    outcome = open_webhook(f"http://127.0.0.1:{closed_port}/T0KEN-0123456789").send(OUTGOING)
    assert outcome.result == "retry"
    assert (outcome.detail or "").startswith(f"http://127.0.0.1:{closed_port}/******** cannot be reached")
    assert "Connect call failed" in (outcome.detail or ""), "why, not only that it failed"


class Talker:
    """A server that answers one request with `start`, then `more` again and again until the other side hangs up."""

    MOST = 100_000_000

    def __init__(self, start: bytes, more: bytes, pause: float) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.said = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(start, more, pause))
        self._thread.start()

    def _serve(self, start: bytes, more: bytes, pause: float) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(OSError):
            connection.sendall(start)
            while self.said < self.MOST and not self._stop.wait(pause):
                connection.sendall(more)
                self.said += len(more)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        self._listener.close()


def test_an_answer_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.3)
    with closing(Talker(b"HTTP/1.1 200 OK\r\nx-slow: ", b"x", pause=0.02)) as dripping:
        outcome = open_webhook(dripping.url).send(OUTGOING)
    assert outcome.result == "retry"
    assert "did not answer in time" in (outcome.detail or "")


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    start = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n"
    with closing(Talker(start, b"x" * 65_536, pause=0)) as flooding:
        assert open_webhook(flooding.url).send(OUTGOING).result == "sent"
    assert flooding.said < Talker.MOST


def test_the_time_outs_are_those_promised() -> None:
    assert (module.CONNECT_SECONDS, module.TOTAL_SECONDS) == (5, 15)


@pytest.mark.parametrize(
    "written",
    ["https://10.0.0.256/hook", "https://[v1.x]/hook", "https://xn--/hook", "https://siem.example/" + "a" * 70_000],
)
def test_an_address_that_nothing_can_be_posted_to_is_refused(written: str) -> None:
    (parse,) = (setting.parse for setting in module.SETTINGS if setting.name == "url")
    with pytest.raises(ValueError, match="can be posted to"):
        parse(written)


def test_the_secret_setting_takes_a_list_and_hides_it() -> None:
    (parse,) = (setting.parse for setting in module.SETTINGS if setting.name == "secret")
    parsed = parse([SECRET, SECRET])
    assert isinstance(parsed, Secret)
    assert parsed.reveal() == f"{SECRET} {SECRET}"
    with pytest.raises(ValueError, match="does not begin with 'whsec_'"):
        parse("hunter2")


def test_a_ca_file_that_is_none_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ca_file"):
        open_webhook(receiver.url, ca_file=tmp_path / "missing.pem")
