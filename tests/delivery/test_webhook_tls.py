"""TLS is verified always; `ca_file` names the only authority to trust."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from acrwatch.delivery.sinks import Outgoing
from tests.delivery.receiver import NOW, QuietServer, Receiver, handler_for, open_webhook

OUTGOING = Outgoing("alr_1_1_siem_created", "alert.created", b"{}", NOW)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate, with its key, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=siem.example", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True, timeout=30)
    return made


@pytest.fixture
def secure(certificate: Path) -> Iterator[Receiver]:
    receiver = Receiver()
    server = QuietServer(("127.0.0.1", 0), handler_for(receiver))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.url = f"https://127.0.0.1:{server.server_address[1]}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


def test_an_unknown_authority_is_refused_and_the_setting_named(secure: Receiver) -> None:
    outcome = open_webhook(secure.url).send(OUTGOING)
    assert outcome.result == "retry"
    assert "check `ca_file`" in (outcome.detail or "")
    assert secure.received == []


def test_a_configured_authority_is_trusted(secure: Receiver, certificate: Path) -> None:
    assert open_webhook(secure.url, ca_file=certificate).send(OUTGOING).result == "sent"


def test_the_name_must_match_too(secure: Receiver, certificate: Path) -> None:
    named = secure.url.replace("127.0.0.1", "localhost")
    assert open_webhook(named, ca_file=certificate).send(OUTGOING).result == "retry"
