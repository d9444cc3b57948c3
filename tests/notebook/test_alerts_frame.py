"""`Client.alerts` and one alert: what is found, and what there is to see of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import acrwatch
from acrwatch.core.errors import ConfigError, NotFoundError
from acrwatch.notebook import Client, TruncatedWarning
from storage.lake import Lake
from storage.state.alerts import Alert, insert_alert
from storage.state.database import Database
from tests.notebook.world import (
    ALERTS,
    CONTROL,
    DELETED,
    DELETING,
    ELSEWHERE,
    EVENTS,
    MINUTE,
    NOW,
    START,
    UNRELATED,
    table,
)


def rules(frame: pd.DataFrame) -> list[str]:
    return list(frame["rule"])


def test_alerts_are_newest_first_historical_ones_marked(client: Client) -> None:
    frame = client.alerts()
    assert list(frame["id"]) == [alert.id for alert in ALERTS]
    assert list(frame["historical"]) == [False, False, True]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"severity": ">=medium"}, [DELETING, ELSEWHERE]),
        ({"severity": "<medium"}, [UNRELATED]),
        ({"severity": ["low", "critical"]}, [DELETING, UNRELATED]),
        ({"severity": "medium"}, [ELSEWHERE]),
        ({"status": "new"}, [DELETING]),
        ({"rule": "admin-user-login"}, [UNRELATED]),
        ({"span": "24h"}, [DELETING]),
        ({"span": ("2026-11-21", "2026-11-22")}, [ELSEWHERE, UNRELATED]),
        ({"span": (DELETING.last_seen, None)}, [DELETING]),
        ({"span": (None, DELETING.first_seen)}, [ELSEWHERE, UNRELATED]),
        ({"severity": "high"}, []),
    ],
    ids=str,
)
def test_filters_and_the_time_of_their_events_select_alerts(
    client: Client, given: dict[str, Any], found: list[Alert]
) -> None:
    assert rules(client.alerts(**given)) == [alert.rule for alert in found]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"severity": "hihg"}, "no severity 'hihg'. Did you mean high?"),
        ({"severity": "=>high"}, "severity '=>high' is not clear"),
        ({"status": "open"}, "no status 'open'"),
    ],
)
def test_a_mistake_is_named(client: Client, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        client.alerts(**given)
    assert said in str(refused.value)


def test_a_rule_that_nobody_has_is_named(client: Client) -> None:
    with pytest.raises(NotFoundError, match=r"no rule 'mas-delete', and no alert of one\. Did you mean mass-delete\?"):
        client.alerts(rule="mas-delete")
    for quiet in ("mass-untag", "entity-risk"):
        assert len(client.alerts(rule=quiet)) == 0
    assert len(client.alerts(("2026-11-01", "2026-11-02"), rule="mass-delete")) == 0


def test_a_rule_that_is_gone_and_once_raised_an_alert_is_no_mistake(tmp_path: Path, lake: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    made = Database(url)
    made.migrate()
    with made.begin() as connection:
        insert_alert(connection, replace(DELETING, rule="gone", status="staged"))
    made.close()
    opened = acrwatch.open(lake, database=url, now=NOW)
    assert len(opened.alerts(rule="gone")) == 0


def test_severities_compare_by_rank(client: Client) -> None:
    frame = client.alerts()
    assert rules(frame[frame["severity"] >= "medium"]) == ["mass-delete", "anomalous-source-ip"]


def test_types_are_the_same_with_alerts_and_without(client: Client) -> None:
    some, none = client.alerts(), client.alerts(status="staged")
    assert len(none) == 0
    pd.testing.assert_series_equal(some.dtypes, none.dtypes)
    assert some["suppressed_by"].dtype == "Int64"
    assert some["first_seen"].dtype == "datetime64[us, UTC]"


def test_whom_an_alert_is_about_is_in_lists(client: Client) -> None:
    first = client.alerts().iloc[0]
    assert (first["identities"], first["addresses"]) == (["mallory@example.com"], ["203.0.113.50"])
    assert first["entities"][2] == {"type": "registry", "value": "contoso"}
    assert len(first["evidence"]) == 25


def test_a_limit_warns_of_the_alerts_left_out(client: Client) -> None:
    with pytest.warns(TruncatedWarning, match="limit of 1 rows and leaves out 2 more"):
        assert rules(client.alerts(limit=1)) == ["mass-delete"]


def test_an_alert_is_found_by_the_beginning_of_its_id(client: Client) -> None:
    alert = client.alert(DELETING.id[:13])
    assert (alert.id, alert.rule, alert.severity, alert.status) == (DELETING.id, "mass-delete", "critical", "new")
    assert alert.why == DELETING.reason
    assert alert.facts == {"peaks": {"distinct": 25}}
    assert "mass-delete" in repr(alert)
    assert list(alert.history()["change"]) == ["created"]
    for unclear in ("0193a1b2c3d", "ffff"):
        with pytest.raises(NotFoundError):
            client.alert(unclear)


def test_its_events_are_those_of_its_evidence(client: Client) -> None:
    assert list(client.alert(DELETING.id).events()["event_id"]) == [one.event_id for one in DELETED]


@pytest.fixture
def grown(lake: Path, tmp_path: Path) -> Client:
    """The world with an alert that keeps three of its 25 events, one of which is no longer stored."""
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.migrate()
    gone = ((START.isoformat(), "ab" * 16), {"identity": "mallory@example.com", "operation": "delete"})
    kept = (gone[0], *DELETING.evidence[:2])
    with database.begin() as connection:
        insert_alert(connection, replace(DELETING, first_seen=START, evidence=kept, evidence_rows=(gone,)))
    database.close()
    return acrwatch.open(lake, database=f"sqlite:///{tmp_path}/state.db", now=NOW)


def test_events_that_it_does_not_keep_or_that_are_gone_are_said(grown: Client) -> None:
    alert = grown.alert(DELETING.id)
    with pytest.warns(TruncatedWarning) as caught:
        assert len(alert.events()) == 2
    said = [str(one.message) for one in caught]
    assert any("keeps its earliest 3 of 25 events" in one for one in said)
    assert any("1 of 3 events of alert" in one and "no longer stored" in one for one in said)
    assert list(alert.evidence()["event_id"]) == ["ab" * 16]


def test_what_an_alert_about_risk_keeps_is_not_said_to_be_all_or_the_earliest(lake: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.migrate()
    notes = {"parts": [{"id": "0193aa"}], "count_is_minimum": True}
    with database.begin() as connection:
        insert_alert(connection, replace(DELETING, evidence=DELETING.evidence[:2], facts={"notes": notes}))
    database.close()
    client = acrwatch.open(lake, database=f"sqlite:///{tmp_path}/state.db", now=NOW)
    alert = client.alert(DELETING.id)
    with pytest.warns(TruncatedWarning, match=" keeps 2 of at least 25 events"):
        alert.events()
    assert (alert.count, alert.count_is_minimum) == (25, True)
    assert "at least 25 events" in repr(alert)
    assert list(client.alerts()["count_is_minimum"]) == [True]


def test_events_of_the_control_plane_are_an_alerts_events_too(lake: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.migrate()
    (record,) = CONTROL
    evidence = ((record.time.isoformat(), record.event_id),)
    with database.begin() as connection:
        insert_alert(
            connection, replace(DELETING, evidence=evidence, count=1, first_seen=record.time, last_seen=record.time)
        )
    alert = acrwatch.open(lake, database=f"sqlite:///{tmp_path}/state.db").alert(DELETING.id)
    assert list(alert.events()["event_id"]) == [record.event_id]


def test_around_it_is_all_that_its_subjects_did_and_its_own_events_are_marked(tmp_path: Path, client: Client) -> None:
    frame = client.alert(DELETING.id).around("1h", "1h")
    assert list(frame["event_id"]) == [one.event_id for one in DELETED]
    assert frame["in_alert"].all()
    wider = client.alert(ELSEWHERE.id).around("0.5d", "2d")
    assert list(wider["event_id"]) == list(frame["event_id"])  # in another registry than the alert's
    assert not wider["in_alert"].any()
    whole = client.alert(UNRELATED.id).around("1h", "1h")
    assert set(whole["identity"].dropna()) == {"ci"}  # it is about a registry alone


def test_related_alerts_share_a_subject_and_not_just_a_registry(client: Client) -> None:
    related = client.alert(DELETING.id).related("2d")
    assert rules(related) == ["anomalous-source-ip"]
    assert related["shared"].iloc[0] == ["ip 203.0.113.50"]
    assert len(client.alert(DELETING.id).related("1h")) == 0
    assert len(client.alert(UNRELATED.id).related()) == 0


def test_its_timeline_shades_its_own_time(client: Client) -> None:
    chart = client.alert(DELETING.id).timeline().to_dict()
    shade, bars = chart["layer"]
    (span,) = chart["datasets"][shade["data"]["name"]]
    assert (pd.Timestamp(span["time"]), pd.Timestamp(span["until"])) == (DELETING.first_seen, DELETING.last_seen)
    assert sum(row["events"] for row in chart["datasets"][bars["data"]["name"]]) == 25
    assert "".join(chart["title"]).startswith("mallory@example.com deleted 25")


def test_what_happened_after_is_not_around_it(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.commit(table(EVENTS), {})
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.migrate()
    short = replace(DELETING, last_seen=DELETED[4].time, evidence=DELETING.evidence[:5], count=5)
    with database.begin() as connection:
        insert_alert(connection, short)
    alert = acrwatch.open(lake.root, database=f"sqlite:///{tmp_path}/state.db").alert(short.id)
    frame = alert.around("1m", "1m")
    assert frame["event_time"].max() <= short.last_seen + timedelta(minutes=1)
    assert list(frame["in_alert"]) == [True] * 5 + [False] * 5
    assert timedelta(seconds=12 * 5) == MINUTE
