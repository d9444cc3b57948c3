"""A file destination on a disk that takes no more: tried again with the reason, and each line whole in the end."""

import resource
from datetime import UTC, datetime
from pathlib import Path

from acrwatch.delivery.sinks import Outgoing
from acrwatch.delivery.sinks.jsonl import JsonLinesSink

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def _send(path: Path, number: int) -> tuple[str, str]:
    outcome = JsonLinesSink(path).send(Outgoing(f"evt_{number}", "alert.created", b'{"n": %d}' % number, NOW))
    return outcome.result, outcome.detail or ""


def test_no_space_is_said_and_tried_again() -> None:
    result, detail = _send(Path("/dev/full"), 1)
    assert result == "retry"
    assert detail.startswith("cannot append to /dev/full: No space left on device")


def test_a_line_cut_short_by_a_full_disk_is_ended_and_comes_again_whole(tmp_path: Path) -> None:
    path = tmp_path / "siem.jsonl"
    assert _send(path, 1) == ("sent", "")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 3, before[1]))
    try:
        assert _send(path, 2)[0] == "retry"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert _send(path, 2) == ("sent", "")
    assert path.read_text().splitlines() == ['{"n": 1}', '{"n', '{"n": 2}']
