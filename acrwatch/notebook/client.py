"""What `acrwatch.open` returns: events, alerts, SQL and rules over one lake."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import pandas as pd
import pyarrow as pa

import acrwatch.notebook.accessor  # noqa: F401 - registers df.acr
from acrwatch.choosing import STATUSES, OneOrMore, one_of, registry_names, selection_of, several, severities_of
from acrwatch.core.clock import Clock
from acrwatch.core.errors import ConfigError
from acrwatch.known_names import unknown_registry, unknown_rule
from acrwatch.notebook.alert import Alert
from acrwatch.notebook.alert_frame import alert_frame
from acrwatch.notebook.frames import frame_of
from acrwatch.notebook.known import Known
from acrwatch.notebook.spans import SpanLike, span_of
from acrwatch.notebook.stored import LIMIT, Stored, origin, spelled
from acrwatch.notebook.warning import UnknownRegistryWarning, warn, warn_truncated
from storage import sandbox
from storage.alert_table import alert_table
from storage.state import alerts as store

if TYPE_CHECKING:
    from acrwatch.notebook.rule import Rule

ALERT_LIMIT: Final = 100_000


class Client:
    """One lake, and perhaps a state database, to read. Every call looks at what is stored by then."""

    def __init__(self, stored: Stored, known: Known, clock: Clock) -> None:
        self._stored = stored
        self._known = known
        self._clock = clock

    def __repr__(self) -> str:
        database = self._stored.database
        return f"<acrwatch {self._stored.path}{f' with alerts of {database.name}' if database else ''}>"

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
        (None: no limit), the newest are returned, with a TruncatedWarning that says how many are left out. Where none
        is of a registry asked for, and nothing is known of that one at all, an UnknownRegistryWarning says so.
        """
        chosen = selection_of(
            *span_of(span, self._clock.now()),
            registry=registry,
            operation=operation,
            identity=identity,
            ip=ip,
            digest=digest,
            repository=repository,
        )
        given = {name: list(values) for name, values in (*chosen.any_of.items(), ("ip", several(ip))) if values}
        found = self._stored.events(chosen, columns, given, limit=_limit(limit))
        absent = set(registry_names(several(registry) or ()))
        if len(found):  # without the column nothing says whose they are, and asking the whole lake would be slower
            absent = absent.difference(found["registry"].unique()) if "registry" in found else set()
        if absent:
            configured, database = self._known.registries, self._stored.database
            stranger = unknown_registry(sorted(absent), configured, self._stored.snapshot(), database)
            if stranger is not None:
                warn(str(stranger), UnknownRegistryWarning)
        return found

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

        `status` is new, active, closed, suppressed, staged or building-block; without it all but the last three.
        `severity` is one, such as "high", a comparison such as ">=medium", or several. Historical ones are among them,
        marked so. Raises ConfigError where no state database is known, NotFoundError for a rule that is not installed
        and never raised an alert.
        """
        asked = span_of(span, self._clock.now())
        state = None if status is None else one_of(status, STATUSES, "status")
        levels, most = severities_of(severity), _limit(limit)
        with self._stored.state() as connection:
            found = store.find(
                connection,
                status=state,
                rule=rule,
                severities=levels,
                since=asked.since,
                until=asked.until,
                limit=None if most is None else most + 1,
            )
            if rule is not None and not found:
                stranger = unknown_rule(rule, self._known.rules.detections, connection)
                if stranger is not None:
                    raise stranger
            more = 0
            if most is not None and len(found) > most:
                more = -most + store.how_many(
                    connection, status=state, rule=rule, severities=levels, since=asked.since, until=asked.until
                )
                warn_truncated("alerts()", most, more)
        filters = {"status": state, "severity": levels and list(levels), "rule": rule}
        given = {name: value for name, value in filters.items() if value is not None}
        return alert_frame(alert_table(found[:most]), {"relation": "alerts", **spelled(*asked), **given, "more": more})

    def alert(self, alert_id: str) -> Alert:
        """Return one alert by id, or by a beginning of it that no other has. Raises NotFoundError, ConfigError."""
        with self._stored.state() as connection:
            found = store.get(connection, alert_id)
            return Alert(self._stored, found, tuple(store.history(connection, found.id)))

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
        snapshot, limits = self._stored.snapshot(), sandbox.Limits(_limit(limit), _seconds(seconds))
        answer = sandbox.ask(
            snapshot,
            query,
            parameters,
            since=asked.since,
            until=asked.until,
            relations={sandbox.ALERTS_RELATION: self._alerts},
            limits=limits,
        )
        if answer.more and limit is not None:
            warn_truncated("sql()", limit, answer.more)
        if arrow:
            return answer.rows
        spoken = {"sql": query, "parameters": list(parameters), "more": answer.more}
        return frame_of(answer.rows, {"relation": "sql", **origin(snapshot), **spelled(*asked), **spoken})

    def rule(self, slug: str) -> "Rule":
        """Return a detection by name, to run on a frame of events. Raises NotFoundError."""
        from acrwatch.notebook.rule import rule_of

        return rule_of(slug, self._known, self._stored.database, self._clock)

    def _alerts(self) -> pa.Table:
        """Return the alerts that stand, for SQL."""
        with self._stored.state() as connection:
            return alert_table(store.find(connection))


def _seconds(seconds: float) -> float:
    """Return how long a query may take: at most as long as a thread can wait, some 292 years."""
    if not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigError(f"seconds={seconds!r} is no time that a query may take", remedy="Pass a number above 0")
    return min(seconds, threading.TIMEOUT_MAX)


def _limit(limit: int | None) -> int | None:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}", remedy="Pass a number of rows from 1 up, or None for all")
    return limit
