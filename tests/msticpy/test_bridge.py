"""msticpy's own functions over a lake: asked through its QueryProvider, on pandas 2."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import acrwatch
from acrwatch.core.errors import ConfigError, NotFoundError
from acrwatch.notebook.msticpy_driver import NAME, filled, query_provider, register
from storage.state.alerts import insert_alert
from tests.cli.test_alerts_command import ALERT
from tests.detections.conftest import START, Bench, Happening

SPAN = {"start": START, "end": START + timedelta(hours=1)}
QUOTED = "o'neill@example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bench = Bench(tmp_path, {})
    bench.store([
        *(Happening(n, timedelta(minutes=n)) for n in range(5)),
        Happening(5, timedelta(minutes=5), "delete", QUOTED, "203.0.113.9", status=403),
        Happening(6, timedelta(hours=1)),
    ])  # fmt: skip
    with bench.database.begin() as connection:
        insert_alert(connection, ALERT)
    bench.database.close()
    return tmp_path


@pytest.fixture
def qry(folder: Path) -> Any:
    return query_provider(folder / "lake", database=f"sqlite:///{folder / 'state.db'}")


def test_this_is_pandas_2(qry: Any) -> None:
    """What the other tests show on pandas 3, a few here show on 2."""
    assert pd.__version__.startswith("2.")


def test_queries_are_functions_with_a_time(qry: Any) -> None:
    found = qry.Acr.list_events(**SPAN)
    assert len(found) == 6
    assert str(found["event_time"].dt.tz) == "UTC"
    assert found["event_time"].is_monotonic_increasing


def test_each_query_runs(qry: Any) -> None:
    values = {"identity": "CI", "ip": ["198.51.100.7"], "digest": ["sha256:0"], "repository": "app"}
    names = [name.removeprefix("Acr.") for name in qry.list_queries() if name.startswith("Acr.")]
    counts = {name: len(getattr(qry.Acr, name)(**SPAN, **values)) for name in names}
    assert counts == {
        "list_alerts": 0,
        "list_control_plane": 0,
        "list_events": 6,
        "list_events_by_digest": 0,
        "list_events_by_identity": 5,
        "list_events_by_ip": 5,
        "list_events_by_repository": 6,
        "list_failed": 1,
    }


def test_alerts_come_with_the_events_they_are_about(qry: Any) -> None:
    found = qry.Acr.list_alerts(start=ALERT.first_seen, end=ALERT.last_seen + timedelta(seconds=1))
    assert found["id"].tolist() == [ALERT.id]


def test_a_value_with_a_quote_is_a_value(qry: Any) -> None:
    assert qry.Acr.list_events_by_identity(identity=QUOTED, **SPAN)["identity"].tolist() == [QUOTED]
    assert len(qry.Acr.list_events_by_identity(identity="x' OR '1'='1", **SPAN)) == 0


def test_values_are_literals_of_their_kind() -> None:
    given = {"a": "it's", "b": 3, "c": datetime(2026, 3, 2, 9, 30), "d": ["x", "y'z"]}  # noqa: DTZ001 - as msticpy has them
    assert filled("{a} {b} {c} {d}", given) == ("'it''s' 3 TIMESTAMPTZ '2026-03-02 09:30:00.000000+00' ('x', 'y''z')")
    with pytest.raises(TypeError, match="cannot take None"):
        filled("{a}", {"a": None})


def test_sql_of_ones_own_is_sandboxed(qry: Any) -> None:
    found = qry.exec_query("SELECT operation, count(*) AS events FROM events GROUP BY ALL ORDER BY ALL")
    assert found.to_dict("records") == [{"operation": "delete", "events": 1}, {"operation": "pull", "events": 6}]
    with pytest.raises(ConfigError):
        qry.exec_query("COPY events TO '/tmp/stolen.csv'")


def test_the_schema_names_the_columns(qry: Any) -> None:
    assert {"event_time", "identity", "digest"} <= set(qry.schema["events"])


def test_a_client_that_is_open_already_serves(folder: Path) -> None:
    client = acrwatch.open(folder / "lake", now=datetime(2026, 3, 3, tzinfo=UTC))
    assert len(query_provider(client=client).exec_query("SELECT * FROM events")) == 7


def test_queries_of_ones_own_go_beside_ours(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.yaml").write_text(
        "metadata: {version: 1, description: mine, data_environments: [Acrwatch], data_families: [Mine], tags: []}\n"
        "defaults: {metadata: {data_source: acrwatch}, parameters: {}}\n"
        "sources: {count_them: {description: Counts, args: {query: 'SELECT count(*) AS n FROM events'}}}\n"
    )
    qry = query_provider(folder / "lake", query_paths=[str(tmp_path / "mine")])
    assert qry.Mine.count_them()["n"].tolist() == [7]
    assert len(qry.Acr.list_failed(**SPAN)) == 1


def test_a_lake_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        query_provider(tmp_path / "nowhere")


def test_a_provider_that_is_not_connected_says_so() -> None:
    from msticpy.common.exceptions import MsticpyNotConnectedError
    from msticpy.data import QueryProvider

    register()
    with pytest.raises(MsticpyNotConnectedError):
        QueryProvider(NAME).exec_query("SELECT 1")


def test_the_notebook_api_itself_works_on_pandas_2(folder: Path) -> None:
    client = acrwatch.open(folder / "lake")
    events = client.events()
    assert events.acr.by_identity()["events"].tolist() == [6, 1]
    assert len(client.rule("mass-delete").run(events)) == 0
    assert events.mp_plot is not None  # msticpy's accessor takes the same frame
