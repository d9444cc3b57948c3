"""The file sink: one line per delivery, whatever happened to the file before."""

import json
from pathlib import Path

import pytest

from acrwatch.delivery.sinks import Outgoing, Sink, jsonl
from tests.delivery.receiver import NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.jsonl"


@pytest.fixture
def sink(path: Path) -> Sink:
    return jsonl.open({"path": path})


def _outgoing(body: bytes) -> Outgoing:
    return Outgoing("alr_1_1_file_created", "alert.created", body, NOW)


def test_each_delivery_is_one_line(sink: Sink, path: Path) -> None:
    for body in (b'{"n":1}', b'{"n":2}'):
        assert sink.send(_outgoing(body)).result == "sent"
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n'


def test_a_body_with_line_breaks_stays_one_line_and_means_the_same(sink: Sink, path: Path) -> None:
    body = b'{\r\n  "reason": "two\\nlines"\n}'
    sink.send(_outgoing(body))
    (line,) = path.read_bytes().splitlines()
    assert json.loads(line) == json.loads(body)


def test_a_torn_last_line_does_not_spoil_the_next(sink: Sink, path: Path) -> None:
    path.write_bytes(b'{"torn":')
    sink.send(_outgoing(b"{}"))
    assert path.read_bytes() == b'{"torn":\n{}\n'


def test_a_rotated_file_is_left_alone(sink: Sink, path: Path) -> None:
    sink.send(_outgoing(b'{"n":1}'))
    path.rename(path.with_suffix(".1"))
    sink.send(_outgoing(b'{"n":2}'))
    assert path.read_bytes() == b'{"n":2}\n'


def test_others_cannot_read_the_file(sink: Sink, path: Path) -> None:
    sink.send(_outgoing(b"{}"))
    assert path.stat().st_mode & 0o007 == 0


def test_a_missing_folder_is_tried_again_and_named(tmp_path: Path) -> None:
    outcome = jsonl.open({"path": tmp_path / "missing" / "alerts.jsonl"}).send(_outgoing(b"{}"))
    assert outcome.result == "retry"
    assert "missing/alerts.jsonl: No such file or directory" in (outcome.detail or "")
