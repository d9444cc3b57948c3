"""`Client.events`: which rows, in which order, of which types, and what a limit cuts off."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import acrwatch
from acrwatch.core.errors import ConfigError, StoreError
from acrwatch.notebook import Client, TruncatedWarning, UnknownRegistryWarning
from acrwatch.notebook.frames import TEXT
from storage.lake import Lake
from storage.lake.clustering import cluster
from tests.notebook.world import DELETED, DIGEST, EVENTS, HOUR, NOW, START, Happening, table

DAY = timedelta(days=1)


def ids(frame: pd.DataFrame) -> list[str]:
    return list(frame["event_id"])


def expected(met: Callable[[Happening], bool]) -> list[str]:
    found = [one.event_id for one in EVENTS if met(one)]
    assert found, "the world has no such event, so the test would show nothing"
    return found


def test_every_event_is_there_once_in_order_of_time_and_no_record_of_the_control_plane(client: Client) -> None:
    assert ids(client.events()) == expected(lambda _: True)


FILTERS: list[tuple[dict[str, Any], Callable[[Happening], bool]]] = [
    ({"registry": "Fabrikam.azurecr.io"}, lambda one: one.registry == "fabrikam"),
    ({"operation": ["Delete", "login"]}, lambda one: one.operation in ("delete", "login")),
    ({"identity": "ci"}, lambda one: one.identity == "ci"),
    ({"identity": ("ci", "Ana@example.com"), "registry": "contoso"}, lambda one: one.identity == "ci"),
    ({"ip": "2001:0db8::9"}, lambda one: one.ip == "2001:db8::9"),
    ({"ip": "203.0.113.0/24"}, lambda one: one.ip == "203.0.113.50"),
    ({"ip": ["2001:db8::/32", "198.51.100.7"]}, lambda one: one.ip in ("2001:db8::9", "198.51.100.7")),
    ({"digest": DIGEST}, lambda one: one.digest == DIGEST),
    ({"repository": ["app1", "app2"]}, lambda one: one.repository in ("app1", "app2")),
]


@pytest.mark.parametrize(("given", "met"), FILTERS, ids=[str(given) for given, _ in FILTERS])
def test_filters_select_what_plain_python_selects(
    client: Client, given: dict[str, Any], met: Callable[[Happening], bool]
) -> None:
    assert ids(client.events(**given)) == expected(met)


SPANS: list[tuple[Any, Callable[[Happening], bool]]] = [
    ("24h", lambda one: NOW - DAY <= one.time < NOW),
    (("2026-11-21", "2026-11-22"), lambda one: one.time.date() == date(2026, 11, 21)),
    ((date(2026, 11, 21), None), lambda one: one.time.date() >= date(2026, 11, 21)),
    ((START, START + HOUR), lambda one: one.time < START + HOUR),
    ((pd.Timestamp("2026-11-20T10:30:00+01:00"), "2026-11-20T10:30:00Z"), lambda one: one.time < START + HOUR),
    (("2d", "1d"), lambda one: NOW - 2 * DAY <= one.time < NOW - DAY),
]


def test_a_registry_that_nobody_heard_of_is_told(client: Client) -> None:
    with pytest.warns(UnknownRegistryWarning, match="of a registry 'contozo'.* Did you mean contoso?") as caught:
        frame = client.events(registry="Contozo.azurecr.io")
    assert (len(frame), len(caught), caught[0].filename) == (0, 1, __file__)
    with pytest.warns(UnknownRegistryWarning, match="of a registry 'contozo'"):
        assert len(client.events(registry=["contoso", "contozo"]))


def test_a_quiet_registry_has_an_empty_frame_and_no_warning(client: Client, lake: Path, tmp_path: Path) -> None:
    config = tmp_path / "acrwatch.toml"
    config.write_text('[registries.northwind]\nallowed_ranges = ["10.0.0.0/8"]\n', encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(client.events(("2026-11-01", "2026-11-02"), registry="contoso")) == 0
        assert len(client.events(registry="contoso", identity="nobody")) == 0
        assert len(acrwatch.open(lake, config=config).events(registry="northwind")) == 0


def test_who_finds_something_does_not_wait_for_names_to_be_checked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the whole lake was asked for the names of its registries")

    monkeypatch.setattr("acrwatch.notebook.client.unknown_registry", fail)
    assert len(client.events(registry="contoso"))
    assert len(client.events(registry="contoso", columns=["identity"]))
    assert not len(client.events(identity="nobody"))


@pytest.mark.parametrize(("span", "met"), SPANS, ids=[str(span) for span, _ in SPANS])
def test_a_span_holds_its_beginning_and_not_its_end(
    client: Client, span: Any, met: Callable[[Happening], bool]
) -> None:
    assert ids(client.events(span)) == expected(met)


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ("last week", "is not clear"),
        ("9999999d", "the span '9999999d' is not clear: expected a time span of at most 36500d"),
        (("2026-11-21", "2026-11-20"), "holds no time"),
        (("yesterday", None), "is not clear"),
        ((datetime(2026, 11, 21), None), "has no zone"),  # noqa: DTZ001 - the mistake at hand
        (date(2026, 11, 21), "is not clear"),
    ],
)
def test_a_span_that_is_not_clear_is_refused(client: Client, span: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        client.events(span)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"operation": "pul"}, "no operation 'pul'. Did you mean pull?"),
        ({"columns": ["identiy"]}, "no column 'identiy'. Did you mean identity?"),
        ({"ip": "203.0.113"}, "ip '203.0.113' is no address"),
        ({"ip": "203.0.113.9/24"}, "ip '203.0.113.9/24' is no network"),
        ({"limit": 0}, "limit is 0"),
    ],
)
def test_a_mistake_is_named_with_its_value_and_what_to_do(client: Client, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        client.events(**given)
    assert said in str(refused.value)


def test_the_newest_are_kept_and_a_warning_counts_the_rest_at_the_line_that_asked(client: Client) -> None:
    with pytest.warns(TruncatedWarning, match=f"limit of 30 rows and leaves out {len(EVENTS) - 30} more") as caught:
        frame = client.events(limit=30)
    assert ids(frame) == expected(lambda _: True)[-30:]
    assert frame.attrs["query"]["more"] == len(EVENTS) - 30
    assert [Path(one.filename).name for one in caught] == [Path(__file__).name]


def test_a_cell_that_is_run_again_warns_again() -> None:
    """In a process of its own, for pytest has filters; by itself Python says the same at the same line once."""
    code = "from acrwatch.notebook.warning import warn_truncated as w\nfor _ in range(2): w('events()', 5, 7)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("TruncatedWarning: events() is cut at the limit of 5 rows") == 2


def test_a_limit_counts_what_is_selected_and_not_what_is_stored(client: Client) -> None:
    with pytest.warns(TruncatedWarning, match="leaves out 5 more"):
        assert ids(client.events(identity="mallory@example.com", limit=20)) == [one.event_id for one in DELETED[5:]]


@pytest.mark.parametrize("limit", [1, 24, 25, 26, 51, 52, 87])
def test_the_newest_are_kept_wherever_the_limit_falls_among_the_dates(client: Client, limit: int) -> None:
    with pytest.warns(TruncatedWarning, match=f"leaves out {len(EVENTS) - limit} more"):
        assert ids(client.events(limit=limit)) == expected(lambda _: True)[-limit:]


def test_no_value_at_all_is_met_by_nothing(client: Client) -> None:
    assert (len(client.events(registry=[])), len(client.events(identity=[]))) == (0, 0)


def test_a_limit_that_cuts_nothing_off_says_nothing(client: Client) -> None:
    assert len(client.events(limit=len(EVENTS))) == len(EVENTS)  # a warning would be an error here


def test_events_of_one_moment_are_cut_at_the_limit_all_the_same(tmp_path: Path) -> None:
    Lake.open(tmp_path / "lake").commit(table([Happening(n) for n in range(9)]), {})
    with pytest.warns(TruncatedWarning, match="leaves out 5 more"):
        assert len(acrwatch.open(tmp_path / "lake").events(limit=4)) == 4


STABLE = {
    "event_id": TEXT,
    "event_time": "datetime64[us, UTC]",
    "identity": TEXT,
    "operation": "category",
    "registry": "category",
    "duration_ms": "float64",
    "size": "Int64",
    "status_code": "Int16",
    "succeeded": "bool",
    "sequence_number": "int64",
    "extra": TEXT,
}


@pytest.mark.parametrize("given", [{}, {"identity": "nobody"}, {"operation": "delete"}], ids=["all", "none", "some"])
def test_types_are_the_same_whatever_was_found(client: Client, given: dict[str, Any]) -> None:
    found = client.events(**given).dtypes
    assert {name: found[name] for name in STABLE} == STABLE


def test_categories_are_those_that_occur_in_their_order(client: Client) -> None:
    frame = client.events(("2026-11-20", "2026-11-21"))
    assert list(frame["operation"].cat.categories) == ["login", "pull"]
    assert list(frame["region"].cat.categories) == []


def test_missing_values_are_missing(client: Client) -> None:
    (nobody,) = (
        client.events(columns=["identity", "caller_ip", "size", "ip_key"]).query("identity.isna()").to_dict("records")
    )
    assert [pd.isna(value) for value in nobody.values()] == [True] * 4


def test_only_the_columns_asked_for_are_there_ids_as_hex_and_the_date_as_its_midnight(client: Client) -> None:
    frame = client.events(ip="203.0.113.50", columns=["ip_key", "event_date", "event_id"])
    assert list(frame.columns) == ["ip_key", "event_date", "event_id"]
    assert frame["ip_key"].unique().tolist() == ["00000000000000000000ffffcb007132"]
    assert frame["event_date"].unique().tolist() == [pd.Timestamp("2026-11-22", tz="UTC")]
    assert frame["event_date"].dtype == "datetime64[us, UTC]"


def test_a_frame_says_where_it_comes_from(client: Client, lake: Path) -> None:
    query = client.events(("2026-11-21", None), registry="contoso", ip="203.0.113.0/24").attrs["query"]
    assert query == {
        "relation": "events",
        "lake": str(lake),
        "version": 3,
        "since": "2026-11-21T00:00:00+00:00",
        "until": None,
        "registry": ["contoso"],
        "ip": ["203.0.113.0/24"],
        "more": 0,
    }


def test_dates_put_in_order_for_look_ups_give_the_same_frame(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.commit(table(EVENTS[::-1]), {})
    client = acrwatch.open(lake.root)
    before = client.events(), client.events(digest=DIGEST), client.events(ip="203.0.113.50")
    for day in (START.date(), NOW.date()):
        cluster(lake, day)
    after = client.events(), client.events(digest=DIGEST), client.events(ip="203.0.113.50")
    for one, other in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(one, other)
        assert len(one) > 0


def test_files_of_before_a_column_was_added_have_it_empty(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.commit(table(EVENTS), {})
    for file in lake.snapshot().files:
        path = lake.root / file.path
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["artifact_type", "size"]), path)
    frame = acrwatch.open(lake.root).events()
    assert frame["size"].isna().all()
    assert (frame["size"].dtype, frame["artifact_type"].dtype) == ("Int64", "category")


def test_a_file_that_is_gone_is_an_error_and_not_fewer_rows(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    lake.commit(table(EVENTS), {})
    (lake.root / lake.snapshot().files[0].path).unlink()
    with pytest.raises(StoreError, match="is gone"):
        acrwatch.open(lake.root).events()


def test_new_commits_are_seen_by_the_next_call(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    client = acrwatch.open(lake.root)
    assert len(client.events()) == 0
    lake.commit(table(EVENTS[:3]), {})
    assert len(client.events(("2026-11-20", datetime(2026, 11, 21, tzinfo=UTC)))) == 3
