"""What `acrwatch.open` returns: events, alerts, SQL and rules over one lake."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import pandas as pd
import pyarrow as pa

import acrwatch.notebook.accessor  # noqa: F401 - registers df.acr
from acrwatch.core.clock import Clock
from acrwatch.core.errors import ConfigError
from acrwatch.notebook.choosing import (
    SEVERITIES,
    STATUSES,
    OneOrMore,
    columns_of,
    one_of,
    selection_of,
    several,
    severities_of,
)
from acrwatch.notebook.frames import frame_of, severity_categories
from acrwatch.notebook.known import Known
from acrwatch.notebook.spans import SpanLike, span_of
from acrwatch.notebook.truncation import warn_truncated
from storage import sandbox
from storage.alert_table import alert_table
from storage.lake.reading import read_snapshot
from storage.lake.snapshot import Snapshot
from storage.selection import select
from storage.state import alerts as store
from storage.state.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from acrwatch.notebook.alert import Alert
    from acrwatch.notebook.rule import Rule

LIMIT: Final = 1_000_000
ALERT_LIMIT: Final = 100_000


class Client:
    """One lake, and perhaps a state database, to read. Every call looks at what is stored by then."""

    def __init__(self, path: Path, database: Database | None, known: Known, clock: Clock) -> None:
        self._path = path
        self._database = database
        self._known = known
        self._clock = clock

    def __repr__(self) -> str:
        return f"<acrwatch {self._path}{f' with alerts of {self._database.name}' if self._database else ''}>"

    def events(
        self,
        span: SpanLike = None,
        *,
        registry: OneOrMore = None,
        operation: OneOrMore = None,
        identity: OneOrMore = None,
        ip: OneOrMore = None,
        digest: OneOrMore = None,
        repository: OneOrMore = None,
        columns: Sequence[str] | None = None,
        limit: int | None = LIMIT,
    ) -> pd.DataFrame:
        """Return events in order of time, one row each; the columns stand in docs/columns.md.

        `span` is `"7d"` (up to now), a pair of moments, or None for all. Of each filter one value or several; those of
        different filters must all hold. `registry` is a name or login server, `ip` an address or a network, v4 or v6;
        identities, digests and repositories are compared as they are written. Where more events meet them than `limit`
        (None: no limit), the newest are returned, with a TruncatedWarning that says how many are left out.
        """
        asked = span_of(span, self._clock.now())
        chosen = selection_of(
            asked,
            registry=registry,
            operation=operation,
            identity=identity,
            ip=ip,
            digest=digest,
            repository=repository,
        )
        snapshot = self._snapshot()
        found = select(snapshot, chosen, columns_of(columns), limit=_limit(limit))
        filters = {**{name: list(values) for name, values in chosen.any_of.items()}, "ip": several(ip)}
        query = self._query("events", snapshot, asked, found.more, {k: v for k, v in filters.items() if v is not None})
        if found.more and limit is not None:
            warn_truncated("events()", limit, found.more)
        return frame_of(found.rows, query)

    def alerts(
        self,
        span: SpanLike = None,
        *,
        status: str | None = None,
        severity: OneOrMore = None,
        rule: str | None = None,
        limit: int | None = ALERT_LIMIT,
    ) -> pd.DataFrame:
        """Return the alerts with events in a span, newest alert first; the columns stand in docs/columns.md.

        `status` is new, active, closed, suppressed or staged; without it all but the last two. `severity` is one, such
        as "high", a comparison such as ">=medium", or several. Historical ones are among them, marked so. Raises
        ConfigError where no state database is known.
        """
        asked = span_of(span, self._clock.now())
        state = None if status is None else one_of(status, STATUSES, "status")
        levels, most = severities_of(severity), _limit(limit)
        with self._state() as connection:
            found = store.find(
                connection,
                status=state,
                rule=rule,
                severities=levels,
                since=asked.since,
                until=asked.until,
                limit=None if most is None else most + 1,
            )
            more = 0
            if most is not None and len(found) > most:
                more = -most + store.how_many(
                    connection, status=state, rule=rule, severities=levels, since=asked.since, until=asked.until
                )
                warn_truncated("alerts()", most, more)
        filters = {"status": state, "severity": levels and list(levels), "rule": rule}
        given = {name: value for name, value in filters.items() if value is not None}
        return alert_frame(alert_table(found[:most]), {"relation": "alerts", **_span(asked), **given, "more": more})

    def alert(self, alert_id: str) -> "Alert":
        """Return one alert by id, or by a beginning of it that no other has. Raises NotFoundError, ConfigError."""
        from acrwatch.notebook.alert import Alert

        with self._state() as connection:
            found = store.get(connection, alert_id)
            return Alert(self, found, tuple(store.history(connection, found.id)))

    @overload
    def sql(
        self, query: str, *, parameters: Sequence[Any] = ..., span: SpanLike = ..., limit: int | None = ...,
        seconds: float = ..., arrow: Literal[False] = ...,
    ) -> pd.DataFrame: ...  # fmt: skip
    @overload
    def sql(
        self, query: str, *, parameters: Sequence[Any] = ..., span: SpanLike = ..., limit: int | None = ...,
        seconds: float = ..., arrow: Literal[True],
    ) -> pa.Table: ...  # fmt: skip
    def sql(
        self,
        query: str,
        *,
        parameters: Sequence[Any] = (),
        span: SpanLike = None,
        limit: int | None = LIMIT,
        seconds: float = sandbox.DEFAULT_SECONDS,
        arrow: bool = False,
    ) -> pd.DataFrame | pa.Table:
        """Run one SELECT (DuckDB's SQL) over `events`, `activity`, and `alerts` where a state database is known.

        `?` in it stands for the next of `parameters`. With `span` the events are those of that time alone. `arrow`
        gives the pyarrow.Table, from which `polars.from_arrow` and `duckdb` go on. It reads nothing else, writes
        nothing, and ends after `seconds`. Raises ConfigError where the SQL is wrong, StoreError where it is too slow.
        """
        asked = span_of(span, self._clock.now())
        snapshot = self._snapshot()
        limits = sandbox.Limits(_limit(limit), seconds)
        relations = self._relations(query)
        answer = sandbox.ask(
            snapshot, query, parameters, since=asked.since, until=asked.until, relations=relations, limits=limits
        )
        if answer.more and limit is not None:
            warn_truncated("sql()", limit, answer.more)
        if arrow:
            return answer.rows
        return frame_of(answer.rows, self._query("sql", snapshot, asked, answer.more, {"sql": query}))

    def rule(self, slug: str) -> "Rule":
        """Return a detection by name, to run on a frame of events. Raises NotFoundError."""
        from acrwatch.notebook.rule import rule_of

        return rule_of(slug, self._known, self._database, self._clock)

    def _snapshot(self) -> Snapshot:
        return read_snapshot(self._path)

    @contextmanager
    def _state(self) -> "Iterator[Connection]":
        if self._database is None:
            raise ConfigError(
                "no state database is known, so there are no alerts to read",
                remedy='Say where it is: acrwatch.open(path, database="sqlite:///data/state.db"), or config=FILE',
            )
        with self._database.connect() as connection:
            yield connection

    def _relations(self, query: str) -> Mapping[str, pa.Table]:
        """Return the alerts, if the query names them: all that stand, and those set apart."""
        if sandbox.ALERTS_RELATION not in sandbox.named_relations(query):
            return {}
        with self._state() as connection:
            return {sandbox.ALERTS_RELATION: alert_table(store.find(connection))}

    def _query(
        self, relation: str, snapshot: Snapshot, asked: tuple[Any, Any], more: int, filters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return where a frame comes from, in plain values: what was asked, of which version of which lake."""
        lake = {"lake": str(snapshot.root), "version": snapshot.version}
        return {"relation": relation, **lake, **_span(asked), **filters, "more": more}


def alert_frame(table: pa.Table, query: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table of alerts as a DataFrame, severities in their order."""
    frame = frame_of(table, query)
    severity_categories(frame, SEVERITIES)
    return frame


def _span(asked: tuple[Any, Any]) -> dict[str, Any]:
    return {name: at and at.isoformat() for name, at in zip(("since", "until"), asked, strict=True)}


def _limit(limit: int | None) -> int | None:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}", remedy="Pass a number of rows from 1 up, or None for all")
    return limit
