"""Secrets with unmistakable names, planted wherever acrwatch takes one, and looked for in everything that it writes."""

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from acrwatch.core.setting import Secret
from acrwatch.devhub import DevHub
from detections import library
from detections.behavioural import discover
from detections.detection import Group, Judgement, Metadata
from detections.episode import Episode
from detections.failure import METADATA
from tests.secrets.conftest import CANARY, Call, Parrot, canaries, written

HUB = "acr-audit"
SAS_KEY = base64.b64encode(f"{CANARY}".encode() * 5).decode().replace("=", "A")
# Characters that a URL, JSON and Python each write otherwise.
PASSWORD = f'{CANARY}-p&ss;w"rd/1'
WHSEC = f"whsec_{CANARY}04" * 1 + "c2VjcmV0c2VjcmV0c2VjcmV0"
CONTEXT = f"{CANARY}-in-a-traceback-9"


@dataclass(frozen=True, slots=True)
class Leaky:
    """A detection whose error quotes a secret, as a library's may."""

    has_profile: ClassVar[bool] = False
    asks: ClassVar[Collection[str]] = ()
    metadata: Metadata

    def observe(self, _events: object, /) -> Judgement:
        try:
            raise ValueError(f"cannot connect with {CONTEXT}")
        except ValueError as error:
            raise RuntimeError(f"AccountKey={SAS_KEY} was refused") from error

    def judge(self, observed: Judgement, _connection: object, /) -> Judgement:
        return observed

    def nearby(self, _events: object, _group: Group, _episode: Episode, _known: Episode | None, /) -> Mapping[str, Any]:
        return {}


@pytest.fixture
def hub() -> Iterator[DevHub]:
    with DevHub(hubs={HUB: 1}) as found:
        yield found


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as held:  # bound but not listening: it refuses
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def configured(
    hub: DevHub, parrot: Parrot, closed_port: int, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, int]:
    """Plant canaries: keys in files, addresses in the environment, a signature in a source of its own."""
    secrets = {
        "hub.txt": f"Endpoint=sb://localhost:{hub.port};SharedAccessKeyName=listen;SharedAccessKey={SAS_KEY};"
        "UseDevelopmentEmulator=true",
        "sas.txt": f"Endpoint=sb://localhost:{hub.port};UseDevelopmentEmulator=true;"
        f"SharedAccessSignature=SharedAccessSignature sr=sb&sig={CANARY}-s&se=1",
        "signing.txt": WHSEC,
    }
    for name, text in secrets.items():
        (tmp_path / name).write_text(text + "\n")
    lines = "".join(
        f'[[sources]]\ntype = "eventhub"\neventhub = "{HUB}"\nconnection_string_file = "../{name}"\n'
        for name in ("hub.txt", "sas.txt")
    )
    ports = {"400": parrot.port, "302": parrot.port, "500": parrot.port, "refused": closed_port}
    for number, (name, port) in enumerate(ports.items()):
        lines += f'[[destinations]]\nname = "to-{name}"\ntype = "webhook"\nsecret_file = "../signing.txt"\n'
        address = f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/services/{name}/{CANARY}-path-token-77"
        url = f"{address}?code={CANARY}-query-1&sig={CANARY}%2Bx"
        monkeypatch.setenv(f"ACRWATCH__DESTINATIONS__{number}__URL", url)
    (tmp_path / "work" / "acrwatch.toml").write_text(lines)
    return ports


def _admin_login() -> str:
    moment = datetime.now(UTC) - timedelta(minutes=5)
    record = {
        "time": f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z",
        "category": "ContainerRegistryLoginEvents",
        "operationName": "Login",
        "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO",
        "identity": "contoso",
        "callerIpAddress": "192.0.2.7",
        "resultDescription": "200",
        "properties": {"loginServer": "contoso.azurecr.io"},
    }
    return json.dumps(record) + "\n"


def test_no_secret_is_written_anywhere_whatever_fails(
    configured: Mapping[str, int], call: Call, parrot: Parrot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Secret(CONTEXT)  # as a setting that some library quotes
    shipped = discover()
    monkeypatch.setattr(library, "discover", lambda *_: {**shipped, "leaky": Leaky(replace(METADATA, slug="leaky"))})
    (tmp_path / "work" / "in.jsonl").write_text(_admin_login())

    said = {
        "import": call("import", "in.jsonl"),
        "ingest": call("ingest", "--once"),
        "detect": call("detect", "--once"),
        "deliver": call("deliver", "--once"),
        "ping": "".join(call("destinations", "test", f"to-{name}") for name in configured),
        "lists": "".join(
            call(*command, *option)
            for command in (("destinations", "list"), ("deliveries", "list"), ("alerts", "list"), ("rules", "list"))
            for option in ((), ("--json",))
        ),
        "config": call("config", "show", "--origin") + call("config", "show", "--json"),
        "check": call("check", "--ping", "--json") + call("check", "--ping"),
    }

    # What is looked for was really there, and everything that should fail did.
    assert sum(CANARY in heard for heard in parrot.heard) >= 3 * 3
    assert "refused our credentials" in said["ingest"]
    assert "leaky" in said["detect"]
    assert "Traceback" in said["detect"]
    assert "1 sent" not in said["deliver"]
    assert {name for name in said if "********" in said[name]} >= {"detect", "config", "lists", "ping"}
    (tmp_path / "control.db-shm").write_text(WHSEC)
    assert canaries(written(tmp_path))

    assert {name: canaries(text) for name, text in said.items() if canaries(text)} == {}
    assert canaries(written(tmp_path / "work")) == []


def test_a_database_password_is_in_no_error_and_in_no_list(
    call: Call, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "ACRWATCH__STORE__DATABASE",
        f"postgresql+psycopg://app:{quote(PASSWORD, safe='')}@127.0.0.1:{closed_port}/state?sslpassword={CANARY}-key-1",
    )
    said = [call("alerts", "list"), call("detect", "--once"), call("check", "--offline"), call("config", "show")]
    assert "127.0.0.1" in said[0]
    assert said[0].endswith("exit 5")
    assert "app:********@" in said[3]
    assert canaries("".join(said)) == []


@pytest.mark.parametrize("setting", ["CONNECTION_STRING_FILE", "EVENTHUB_FILE", "TYPE", "START"])
def test_a_secret_in_the_wrong_place_is_not_quoted_by_the_mistake(
    call: Call, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    text = f"Endpoint=sb://ns.example.com;SharedAccessKeyName=n;SharedAccessKey={SAS_KEY}"
    monkeypatch.setenv("ACRWATCH__SOURCES__0__TYPE", "eventhub")
    monkeypatch.setenv(f"ACRWATCH__SOURCES__0__{setting}", text)
    said = call("check", "--offline")
    assert "ACRWATCH__SOURCES__0" in said
    assert canaries(said) == []


def test_a_web_address_given_as_the_path_of_its_file_is_not_quoted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACRWATCH__DESTINATIONS__0__TYPE", "webhook")
    monkeypatch.setenv("ACRWATCH__DESTINATIONS__0__NAME", "chat")
    monkeypatch.setenv("ACRWATCH__DESTINATIONS__0__URL_FILE", f"https://chat.example.com/hooks/{CANARY}")
    said = call("config", "show")
    assert "ACRWATCH__DESTINATIONS__0__URL_FILE" in said
    assert said.endswith("exit 2")
    assert canaries(said) == []


def test_a_database_address_may_come_from_a_file(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url.txt").write_text(f"postgresql+psycopg://app:{CANARY}@db.example.com/state\n")
    monkeypatch.setenv("ACRWATCH__STORE__DATABASE_FILE", str(tmp_path / "url.txt"))
    said = call("config", "show")
    assert "postgresql+psycopg://app:********@db.example.com/state" in said
    assert canaries(said) == []


@pytest.mark.parametrize("name", ["AZURE_CLIENT_SECRET", "PGPASSWORD"])
def test_what_libraries_read_from_the_environment_is_masked(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, name: CONTEXT, "ACRWATCH__STORE__PATH": f"/srv/{CONTEXT}/lake"}
    arguments = [sys.executable, "-m", "acrwatch", "config", "show"]
    ended = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "/srv/********/lake" in ended.stdout
    assert canaries(ended.stdout + ended.stderr) == []


_DIES = """
import sys, threading
from acrwatch.core.log import log_unexpected_errors, set_up
from acrwatch.core.setting import Secret
set_up(); log_unexpected_errors()
def fail():
    try: raise ValueError("first " + sys.argv[1])
    except ValueError as error: raise RuntimeError("then " + sys.argv[1]) from error
Secret(sys.argv[1])
thread = threading.Thread(target=fail); thread.start(); thread.join()
fail()
"""


def test_what_nobody_catches_is_logged_with_secrets_masked() -> None:
    ended = subprocess.run([sys.executable, "-c", _DIES, PASSWORD], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.count("then ********") == 2
    assert ended.stderr.count("first ********") == 2
    assert canaries(ended.stdout + ended.stderr) == []
