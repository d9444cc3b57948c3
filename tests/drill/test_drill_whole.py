"""A drill in small: three kills, one of each kind of fault, a few seconds."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drill.course import Wish, drill
from drill.report import as_rows, in_words
from tests.postgres import BACKENDS


@pytest.mark.timeout(300)  # ten seconds on a quiet machine; six processes compete on a busy one
@pytest.mark.skipif("postgresql" not in BACKENDS, reason="PostgreSQL's programs are not installed")
def test_a_short_drill_keeps_every_promise(tmp_path: Path) -> None:
    wish = Wish(
        seed=4,
        kills=3,
        seconds=4.0,
        events_per_day=40,
        end=datetime.now(UTC).replace(second=0, microsecond=0),
        members={"run-1": ["run"], "ingest-1": ["ingest"]},
    )
    result = drill(wish, tmp_path, tell=lambda _: None)
    assert result.held, in_words(result)
    assert result.ordeal.fleet.kills.total() == 3
    assert "| kill -9 | 3: " in as_rows(result)
