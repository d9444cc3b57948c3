"""`df.acr`: each answer against a plain reading of the small world."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.notebook import Client
from tests.behavioural.mmdb import mmdb
from tests.notebook.world import DELETED, EVENTS, START


@pytest.fixture
def frame(client: Client) -> pd.DataFrame:
    return client.events()


def test_identities_are_counted_busiest_first(frame: pd.DataFrame) -> None:
    found = frame.acr.by_identity()
    assert list(found["events"]) == [52, 25, 10, 1]
    assert found["identity"].isna().tolist() == [False, False, False, True]
    deleting = found.iloc[1]
    assert (deleting["registry"], deleting["delete"], deleting["pull"], deleting["repositories"]) == (
        "contoso",
        25,
        0,
        5,
    )
    assert (deleting["first_seen"], deleting["last_seen"]) == (DELETED[0].time, DELETED[-1].time)
    assert found["failed"].sum() == sum(not 200 <= one.status < 300 for one in EVENTS) == 4


def test_what_is_new_to_whom_is_newest_first(frame: pd.DataFrame) -> None:
    found = frame.acr.first_seen("registry", "caller_ip")
    first = {
        pair: min(e.time for e in EVENTS if (e.registry, e.ip) == pair) for pair in {(e.registry, e.ip) for e in EVENTS}
    }
    assert {
        (row.registry, None if pd.isna(row.caller_ip) else row.caller_ip): row.first_seen for row in found.itertuples()
    } == first
    newest = found.iloc[0]
    assert (newest["caller_ip"], newest["after"], newest["events"]) == ("203.0.113.50", DELETED[0].time - START, 25)
    assert found["after"].min() == timedelta(0)


def test_the_rarest_values_come_first(frame: pd.DataFrame) -> None:
    found = frame.acr.rare("user_agent", n=2)
    counts = Counter(one.user_agent for one in EVENTS)
    assert list(found["events"]) == sorted(counts.values())[:2]
    assert found.iloc[1]["user_agent"] == "curl/8"
    assert found.iloc[1]["share"] == pytest.approx(25 / 88)


def test_a_session_ends_where_its_subject_pauses_for_longer_than_the_gap(frame: pd.DataFrame) -> None:
    found = frame.acr.sessions("30min")
    deleting = found[found["identity"] == "mallory@example.com"]
    assert deleting[["events", "delete", "repositories"]].to_numpy().tolist() == [[25, 25, 5]]
    assert deleting["duration"].item() == DELETED[-1].time - DELETED[0].time
    assert (found["identity"] == "ci").sum() == 52  # an hour apart, so each alone
    assert list(found["first_seen"]) == sorted(found["first_seen"])
    assert found["events"].sum() == len(EVENTS)


def test_a_pause_of_exactly_the_gap_ends_nothing(frame: pd.DataFrame) -> None:
    assert (frame.acr.sessions("1h")["identity"] == "ci").sum() == 1
    assert (frame.acr.sessions("59.9m")["identity"] == "ci").sum() == 52


def test_sessions_are_the_same_in_whatever_order_the_rows_are(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1, random_state=5).acr.sessions()
    pd.testing.assert_frame_equal(shuffled, frame.acr.sessions())


@pytest.mark.parametrize("gap", ["soon", "0s", "-1h"])
def test_a_gap_that_is_no_pause_is_refused(frame: pd.DataFrame, gap: str) -> None:
    with pytest.raises(ConfigError, match="is no pause"):
        frame.acr.sessions(gap)


def test_a_difference_is_what_only_one_of_two_frames_has(frame: pd.DataFrame) -> None:
    border = DELETED[0].time
    new = frame[frame["event_time"] >= border].acr.diff(frame[frame["event_time"] < border])
    told = {(row.column, row.value, row.change): row.events for row in new.itertuples()}
    assert told["identity", "mallory@example.com", "new"] == 25
    assert told["operation", "delete", "new"] == 25
    assert told["repository", "app3", "new"] == 5
    assert ("identity", "ci", "new") not in told
    assert len(frame.acr.diff(frame)) == 0
    gone = frame[:30].acr.diff(frame, columns=["identity"])
    assert gone[["value", "change"]].to_numpy().tolist() == [["mallory@example.com", "gone"]]


def test_questions_to_no_events_have_no_answers(frame: pd.DataFrame) -> None:
    none = frame[:0].acr
    answers = [
        none.by_identity(),
        none.first_seen("identity", "tag"),
        none.rare("tag"),
        none.sessions(),
        none.diff(none._frame),
    ]
    assert [len(answer) for answer in answers] == [0] * 5


@pytest.mark.parametrize(
    ("ask", "missing"),
    [
        (lambda acr: acr.by_identity(), "registry, event_time, succeeded, operation, caller_ip, repository"),
        (lambda acr: acr.first_seen("identity", "country"), "country, event_time"),
        (lambda acr: acr.rare("identity"), "event_time"),
        (lambda acr: acr.sessions(), "registry, caller_ip, event_time, succeeded, operation, repository"),
        (lambda acr: acr.enrich_ip(mmdb="x"), "caller_ip"),
        (lambda acr: acr.diff(acr._frame), "event_time"),
        (lambda acr: acr.timeline(), "event_time, operation"),
        (lambda acr: acr.heatmap("identity", "repository"), "repository"),
    ],
)
def test_columns_that_are_missing_are_named(frame: pd.DataFrame, ask: Any, missing: str) -> None:
    with pytest.raises(AttributeError) as refused:
        ask(frame[["identity"]].acr)
    assert str(refused.value) == f"df.acr needs columns that the frame lacks: {missing}"


def test_the_frame_itself_stays_as_it_is(frame: pd.DataFrame) -> None:
    before = frame.copy()
    frame.acr.by_identity()
    frame.acr.sessions()
    frame.acr.diff(frame[:5])
    pd.testing.assert_frame_equal(frame, before)


CITY = {
    "203.0.113.0/24": {"country": {"iso_code": "BR"}, "city": {"names": {"en": "Recife"}},
                       "location": {"latitude": -8.05, "longitude": -34.9}},
    "2001:db8::/32": {"country": {"iso_code": "DE"}},
}  # fmt: skip
OPERATORS = {
    "203.0.113.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Hosting"},
    "198.51.100.0/24": {"asn": "AS64501", "name": "Example CI"},
}


def test_addresses_get_what_offline_files_know(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "city.mmdb").write_bytes(mmdb(CITY))
    (tmp_path / "asn.mmdb").write_bytes(mmdb(OPERATORS))
    found = frame.acr.enrich_ip(mmdb=tmp_path / "city.mmdb", asn=tmp_path / "asn.mmdb")
    told = ["country", "city", "latitude", "asn", "as_organization"]
    by_ip = found.drop_duplicates("caller_ip").set_index("caller_ip")[told].astype(object)
    values = {
        ip: [None if pd.isna(value) else value for value in row]
        for ip, row in zip(by_ip.index, by_ip.to_numpy(), strict=True)
    }
    assert values["203.0.113.50"] == ["BR", "Recife", -8.05, 64500, "Example Hosting"]
    assert values["2001:db8::9"] == ["DE", None, None, None, None]
    assert values["198.51.100.7"] == [None, None, None, 64501, "Example CI"]
    assert found[found["caller_ip"].isna()][told].isna().all(axis=None)
    assert (found["asn"].dtype, found["latitude"].dtype) == ("Int64", "float64")
    assert list(found.index) == list(frame.index)
    assert "country" not in frame.columns


def test_files_that_are_not_there_or_none_at_all_are_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Pass mmdb=, asn=, or both"):
        frame.acr.enrich_ip()
    with pytest.raises(ConfigError, match=r"enrich_ip: .*none\.mmdb cannot be read as a GeoIP file"):
        frame.acr.enrich_ip(mmdb=tmp_path / "none.mmdb")
