"""What the service answers that is no table of rows, and what its client makes of those that are."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acrwatch.core.errors import AcrWatchError, AuthError, NotFoundError, RemoteUnreachableError
from ingest.eventhub.access import Access
from ingest.loganalytics.access import LogsAccess
from ingest.loganalytics.asking import ATTEMPTS, Asking
from ingest.loganalytics.client import LONGEST_WAIT, LogsClient
from ingest.loganalytics.failures import PassingError, TooSlowError
from ingest.loganalytics.query import Query
from ingest.sources.loganalytics import LogAnalyticsSource
from storage.state import rejects
from tests.loganalytics.conftest import HISTORY, Bench
from tests.loganalytics.peer import AUDIENCE, LOGINS, REPOSITORIES, Peer, Reply, refusal, throttled
from tests.loganalytics.scene import BEGIN, NOW, OTHER, WORKSPACE, identities, login, logins, pull

# Cancelled while its connection is being opened, a question leaves a socket to the garbage collector (CPython 3.11).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

HOUR = timedelta(hours=1)
COLUMNS = (
    ("TimeGenerated", "datetime"),
    ("OperationName", "string"),
    ("Identity", "string"),
    ("IngestionTime", "datetime"),
)


@pytest.fixture(autouse=True)
def three(peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, logins(3))
    peer.add(WORKSPACE, REPOSITORIES, [])


def test_throttling_is_waited_out_for_as_long_as_the_service_asks(bench: Bench, peer: Peer) -> None:
    peer.faults = [throttled("17"), throttled("30"), None, throttled("1.5")]
    assert bench.read().events == 3
    assert bench.paused == [17.0, 30.0, 1.5]


@pytest.mark.parametrize("after", ["301", "1e12", "86400"])
def test_no_wait_is_longer_than_the_limits_of_the_service_explain(bench: Bench, peer: Peer, after: str) -> None:
    peer.faults = [throttled(after)]
    assert bench.read().events == 3
    assert bench.paused == [LONGEST_WAIT]


@pytest.mark.parametrize("after", ["inf", "nan", "-inf", "-1", "1e999", "Wed, 21 Oct 2026 07:28:00 GMT", "soon", ""])
def test_a_wait_that_is_no_number_of_seconds_is_at_our_own_pace(bench: Bench, peer: Peer, after: str) -> None:
    peer.faults = [throttled(after)]
    assert bench.read().events == 3
    (wait,) = bench.paused
    assert 1 / 2 <= wait <= 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_failure_is_waited_out_at_our_own_pace(bench: Bench, peer: Peer, status: int) -> None:
    peer.faults = [refusal(status, "Oops", "come again")] * 3
    assert bench.read().events == 3
    assert [1 / 2 <= wait / 2**n <= 1 for n, wait in enumerate(bench.paused)] == [True] * 3


def test_a_failure_that_does_not_pass_is_told_with_what_the_service_says(bench: Bench, peer: Peer) -> None:
    peer.faults = [refusal(503, "Down", "for maintenance")] * 99
    with pytest.raises(
        RemoteUnreachableError, match=rf"{WORKSPACE} at https://localhost.*503 \(Down for maintenance\)"
    ):
        bench.read()
    assert len(bench.paused) == ATTEMPTS - 1


def test_a_gateway_timeout_is_not_asked_again_as_it_was(bench: Bench, peer: Peer) -> None:
    peer.faults = [refusal(504, "GatewayTimeout", "took too long")]
    assert bench.read().events == 3
    first, second = (query.length for _, query in peer.asked[:2])
    assert (first, second, bench.paused) == (HOUR, HOUR / 2, [])


def test_an_empty_workspace_answers_without_a_body(bench: Bench, peer: Peer) -> None:
    peer.faults = [Reply(204)] * 99
    assert bench.read().events == 0


def test_an_answer_that_is_no_json_is_an_error(bench: Bench, peer: Peer) -> None:
    peer.faults = [Reply(200, b"")]
    with pytest.raises(RemoteUnreachableError, match="HTTP 200 without JSON"):
        bench.read()


def _tables(*tables: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps({"tables": tables}).encode())


def _table(*rows: Sequence[object], columns: Sequence[tuple[str, str]] = COLUMNS, name: str = "PrimaryResult") -> Any:
    return {"name": name, "columns": [{"name": one, "type": kind} for one, kind in columns], "rows": rows}


def _row(time: object, taken: object = "2026-09-01T00:05:00Z", *more: object) -> list[object]:
    return [time, "Login", "odd", taken, *more]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"{}"),
        _tables(),
        Reply(200, b'{"tables": null}'),
        _tables(_table(columns=[])),
        _tables(_table(["x"], columns=[("a", "string")])),
        _tables(_table(columns=[("TimeGenerated", "string"), *COLUMNS[1:]])),
        _tables(_table(), _table(_row("2026-09-01T00:00:00Z"), name="Other")),
    ],
    ids=["{}", "no tables", "null", "no columns", "other columns", "other types", "two to choose from"],
)
def test_an_answer_without_the_columns_asked_for_is_not_taken_for_an_empty_one(
    bench: Bench, peer: Peer, reply: Reply
) -> None:
    peer.faults = [reply]
    with pytest.raises(RemoteUnreachableError, match=rf"{WORKSPACE} at .*TimeGenerated and IngestionTime.*no answer"):
        bench.read()
    assert bench.read().events == 3


def test_a_table_with_the_columns_asked_for_is_the_answer_whatever_stands_beside_it(bench: Bench, peer: Peer) -> None:
    peer.faults = [_tables(_table(columns=[]), _table(_row("2026-09-01T00:00:00Z"), name="Other"))]
    assert bench.read().rejects == 1, "it lacks a registry"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"text"',
        b'{"tables": {"rows": []}}',
        b'{"tables": [{"name": "PrimaryResult", "columns": [{"type": "datetime"}], "rows": []}]}',
        b'{"tables": [{"name": "PrimaryResult", "columns": [], "rows": [[1]]}]}',
        b'{"tables": [{"name": "PrimaryResult", "columns": null, "rows": null}]}',
        b'{"error": ["text"]}',
    ],
)
def test_json_of_another_shape_is_an_error_and_nothing_counts_as_read(bench: Bench, peer: Peer, body: bytes) -> None:
    peer.faults = [Reply(200, body)]
    with pytest.raises(RemoteUnreachableError, match=rf"{WORKSPACE} at .*HTTP 200 with JSON of another shape"):
        bench.read()
    assert bench.read().events == 3


@pytest.mark.parametrize("row", [["2026-09-01T00:00:00Z", "Login"], _row("2026-09-01T00:00:00Z", None, "more")])
def test_a_row_of_another_length_than_the_columns_is_an_error(bench: Bench, peer: Peer, row: list[object]) -> None:
    peer.faults = [_tables(_table(row))]
    with pytest.raises(RemoteUnreachableError, match=r"a row of 2 values under 4 columns|JSON of another shape"):
        bench.read()
    assert bench.read().events == 3


@pytest.mark.parametrize(
    "odd",
    [
        "2026-09-02T12:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "2026-08-31T23:59:59Z",
        "2026-09-01T01:00:00Z",
        None,
    ],
)
@pytest.mark.parametrize("limit", [2, 1000])
def test_a_row_outside_of_its_window_moves_nothing(bench: Bench, peer: Peer, odd: object, limit: int) -> None:
    """A full answer says by its last row how far reading is: 36 hours were passed over."""
    peer.add(WORKSPACE, LOGINS, [login(n, BEGIN + n * HOUR) for n in range(3, 40)])
    peer.faults = [_tables(_table(_row("2026-09-01T00:00:00Z"), _row(odd)))]
    with pytest.raises(
        RemoteUnreachableError, match=r"TimeGenerated .* where rows from 2026-09-01T00:00:00.*asked for"
    ):
        bench.read(rows=limit)
    assert bench.read().events == 40


def test_rows_in_another_order_than_asked_for_move_nothing(bench: Bench, peer: Peer) -> None:
    peer.faults = [_tables(_table(_row("2026-09-01T00:02:00Z"), _row("2026-09-01T00:01:00Z")))]
    with pytest.raises(RemoteUnreachableError, match="not in the order of TimeGenerated"):
        bench.read(rows=2)
    assert bench.read().events == 3


@pytest.mark.parametrize("taken", ["2026-11-24T00:00:00Z", None])
def test_a_row_taken_in_outside_of_its_window_moves_nothing(bench: Bench, peer: Peer, taken: str | None) -> None:
    peer.rows[WORKSPACE][LOGINS] = [login(n, NOW - HOUR) for n in range(3)]
    peer.faults = [_tables(_table(_row("2026-11-21T12:00:00Z", taken)))]
    with pytest.raises(RemoteUnreachableError, match=r"IngestionTime .* asked for"):
        bench.read(history=None)
    assert bench.read(history=None).events == 3


def test_an_endpoint_that_nobody_ever_reached_is_told_of_at_once(bench: Bench, peer: Peer) -> None:
    access = LogsAccess((WORKSPACE,), peer.endpoint, AUDIENCE)  # its authority is not among the system's
    source = LogAnalyticsSource(access, bench.opening, history=HISTORY, token_source=lambda: bench.tokens)
    with pytest.raises(RemoteUnreachableError, match=r"cannot be reached.*CERTIFICATE.*connection_verify"):
        bench.pipeline(source).run_once()
    assert peer.asked == []


def test_a_slow_answer_counts_once_it_is_longer_than_our_patience(bench: Bench, peer: Peer) -> None:
    peer.faults = [Reply(seconds=1.5, answers=True)]
    access = LogsAccess((WORKSPACE,), peer.endpoint, AUDIENCE, Access(ca_file=bench.ca))
    asking = Asking(lambda: LogsClient(access, lambda: bench.tokens, seconds=1, grace=-0.5))
    try:
        query = Query(LOGINS, BEGIN, BEGIN + HOUR, 10)
        with pytest.raises(TooSlowError, match=r"sent no answer within 0\.5 s"):
            asking.ask(WORKSPACE, query).result(30)
        assert len(asking.ask(WORKSPACE, query).result(30).rows) == 3
    finally:
        asking.close()


def test_closing_ends_what_is_asked(bench: Bench, peer: Peer) -> None:
    peer.faults = [throttled("3600")]
    access = LogsAccess((WORKSPACE,), peer.endpoint, AUDIENCE, Access(ca_file=bench.ca))
    asking = Asking(lambda: LogsClient(access, lambda: bench.tokens))
    future = asking.ask(WORKSPACE, Query(LOGINS, BEGIN, BEGIN + HOUR, 10))
    assert not future.done()
    asking.close()
    assert future.cancelled()


def test_a_workspace_that_is_not_there_is_named(bench: Bench, peer: Peer) -> None:
    with pytest.raises(NotFoundError, match=rf"no workspace {OTHER} at .*customerId"):
        bench.read(OTHER)


def test_a_workspace_that_we_may_not_read_says_what_role_is_missing(bench: Bench, peer: Peer) -> None:
    peer.forbidden = {WORKSPACE}
    with pytest.raises(AuthError, match=r"HTTP 403.*Log Analytics Reader"):
        bench.read()


def test_a_refused_token_is_replaced_once(bench: Bench, peer: Peer) -> None:
    bench.tokens.wrong = 1
    assert bench.read().events == 3
    bench.tokens.wrong = 99
    with pytest.raises(AuthError, match="HTTP 401"):
        bench.read(history=None)


def test_what_the_service_does_not_understand_is_an_error_with_its_words(bench: Bench, peer: Peer) -> None:
    peer.faults = [refusal(400, "BadArgumentError", "invalid properties", "Failed to resolve column CorrelationId")]
    with pytest.raises(AcrWatchError, match=r"HTTP 400.*Failed to resolve column CorrelationId"):
        bench.read()


def test_an_absent_guid_is_absent_and_a_tag_may_be_called_none(bench: Bench, peer: Peer) -> None:
    caller = "33333333-0000-0000-0000-000000000003"
    rows = [pull(10, BEGIN, Tag="None"), pull(11, BEGIN, Tag="null", UserTenantId=caller)]
    peer.add(WORKSPACE, REPOSITORIES, rows)
    bench.read()
    found = [row for row in bench.events("tag", "user_tenant_id", "identity") if row[0]]
    assert found == [("None", None, "user10@example.com"), ("null", caller, "user11@example.com")]


def test_what_describes_the_row_and_not_the_event_is_left_out_and_what_is_new_is_kept(bench: Bench, peer: Peer) -> None:
    peer.new_columns = {"NewColumn": "string", "NewGuid": "guid", "NewSpan": "timespan"}
    peer.add(WORKSPACE, LOGINS, [login(9, BEGIN, NewColumn="kept")])
    bench.read()
    assert {extra for extra in bench.events("extra") if extra} == {'{"NewColumn":"kept"}'}


def test_a_row_that_cannot_become_an_event_is_kept_once_however_often_it_is_read(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(7, BEGIN + timedelta(seconds=90), _ResourceId=None)])
    for rows in (1000, 2):
        bench.read(
            rows=rows, history=None if rows == 0 else HISTORY.__class__(HISTORY.since, HISTORY.until, again=True)
        )
    with bench.database.connect() as connection:
        (found,) = rejects.recent(connection, limit=10)
    assert found.reason == "missing_member"
    assert bench.events("identity") == identities([0, 1, 2])


def test_half_a_surrogate_pair_costs_its_own_row_alone(bench: Bench, peer: Peer) -> None:
    peer.add(WORKSPACE, LOGINS, [login(7, BEGIN + timedelta(seconds=90), UserAgent="a\ud800b")])
    for rows in (1000, 2):
        bench.read(rows=rows, history=replace(HISTORY, again=True))
    with bench.database.connect() as connection:
        (found,) = rejects.recent(connection, limit=10)
    assert found.reason == "lone_surrogate"
    assert rb"a\ud800b" in found.body
    assert bench.events("identity") == identities([0, 1, 2])


def test_no_token_is_written_to_the_log_however_much_is_asked_for(
    bench: Bench, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[str] = []
    token = peer.token
    peer.token = lambda roles=(): given.append(token(roles)) or given[-1]  # type: ignore[assignment, func-returns-value]
    peer.faults = [throttled("1"), refusal(401, "Refused", "no")]
    with caplog.at_level(logging.DEBUG):
        bench.read()
    assert given
    assert "api.loganalytics" in caplog.text or "localhost" in caplog.text
    assert [text for text in given if text in caplog.text or text.split(".")[2] in caplog.text] == []


def test_a_client_that_never_answered_does_not_wait(bench: Bench, peer: Peer) -> None:
    paused: list[float] = []

    class Down:
        async def ask(self, _workspace: str, _query: Query) -> None:
            raise PassingError("nobody is there", remedy="Look")

        async def close(self) -> None:
            """Nothing."""

    asking = Asking(Down, pause=paused.append)  # type: ignore[arg-type]
    try:
        with pytest.raises(PassingError):
            asking.ask(WORKSPACE, Query(LOGINS, BEGIN, BEGIN + HOUR, 10)).result(30)
    finally:
        asking.close()
    assert paused == []
