"""The pictures of a report. Each has the numbers behind it in the page as well."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from acrwatch.core.wording import counted
from acrwatch.report.drawing import Drawing, drawn, shown
from acrwatch.report.palette import BLIND, MARK, OUTCOME, SEVERITY
from acrwatch.report.scope import Scope
from acrwatch.report.shift import SEVERITIES
from storage.state.alerts import CLOSED, Alert
from storage.state.incidents import Incident

if TYPE_CHECKING:
    import altair as alt

_WIDTH: Final = 980
_ROW: Final = 20
_READS: Final = ("login", "pull")
_KINDS: Final = ("failed", "writes", "reads")
# An interval below this is drawn as wide as this share of the picture, or nobody would see it.
_LEAST: Final = 0.004
# Names longer than this are cut in pictures; tables have the whole.
_NAME_CHARACTERS: Final = 40

Row = Mapping[str, Any]


def timeline(
    scope: Scope, by_time: Sequence[Row], alerts: Sequence[Alert], incidents: Sequence[Incident], *, now: datetime
) -> Drawing:
    """Draw when alerts began and when events happened, one above the other, with the times in which something was
    wrong behind both."""
    import altair as alt

    blind = [
        {"from": _ms(max(one.since, scope.since)), "to": _ms(min(one.resolved_at or now, scope.until))}
        for one in incidents
    ]
    chart = alt.vconcat(
        _over(blind, scope, _bars(_begun(scope, alerts), scope, SEVERITY, "Alerts begun", 90)),
        _over(blind, scope, _bars(_happened(by_time, scope), scope, OUTCOME, "Events", 130)),
        spacing=18,
    ).resolve_scale(color="independent")
    return drawn(
        chart,
        name="timeline",
        title="Alerts and events over time",
        description=f"{counted(len(alerts), 'alert')} by when their events began, and "
        f"{counted(sum(row['events'] for row in by_time), 'event')}, in steps of {scope.step}, UTC. Shaded: "
        f"{counted(len(blind), 'time')} in which something kept acrwatch from seeing.",
    )


def by_rule(rules: Sequence[tuple[str, Sequence[Alert]]]) -> Drawing:
    """Draw how many alerts each rule has, by severity; those closed are pale."""
    import altair as alt

    rows = []
    for rule, alerts in rules:
        left = 0
        tally = Counter((alert.severity, alert.status == CLOSED) for alert in alerts)
        for severity in SEVERITIES:
            for closed in (False, True):
                if number := tally[severity, closed]:
                    rows.append(
                        {
                            "rule": rule,
                            "severity": severity,
                            "from": left,
                            "to": left + number,
                            "shade": 1 - closed * 0.6,
                        }
                    )
                    left += number
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(height=12)
        .encode(
            x=alt.X("from:Q", title="alerts", axis=alt.Axis(tickMinStep=1, format="d")),
            x2="to:Q",
            y=alt.Y("rule:N", title=None, sort=[rule for rule, _ in rules]),
            color=_colours(SEVERITY),
            opacity=alt.Opacity("shade:Q", scale=None),
        )
        .properties(width=_WIDTH - 200, height=_ROW * len(rules))
    )
    number = sum(len(alerts) for _, alerts in rules)
    return drawn(
        chart,
        name="rules",
        title="Alerts by rule",
        description=f"{counted(number, 'alert')} of {counted(len(rules), 'rule')}, by severity; closed ones are pale.",
    )


def presence(scope: Scope, rows: Sequence[Row]) -> Drawing:
    """Draw when each of the busiest identities was at work: the darker, the more events."""
    import altair as alt

    names = list(dict.fromkeys(row["identity"] for row in rows))
    most = max((row["events"] for row in rows), default=1)
    cells = [
        {
            "identity": _name(row["identity"]),
            **_stretch(row["at"], scope),
            # One event among thousands must still be seen.
            "shade": 0.2 + 0.8 * (row["events"] / most) ** 0.5,
        }
        for row in rows
    ]
    chart = (
        alt.Chart(alt.InlineData(values=cells))
        .mark_rect(color=OUTCOME["writes"][0], height=_ROW - 4)
        .encode(
            x=_time(scope),
            x2="to:T",
            y=alt.Y("identity:N", title=None, axis=alt.Axis(grid=True, domain=False)),
            opacity=alt.Opacity("shade:Q", scale=None),
        )
        .properties(width=_WIDTH - 220, height=_ROW * len(names))
    )
    return drawn(
        chart,
        name="presence",
        title="When the busiest identities were at work",
        description=f"{counted(len(names), 'identity', 'identities')}, in steps of {scope.step}, UTC; the darker, the "
        "more events.",
    )


def spans(scope: Scope, alerts: Sequence[Alert], chosen: Alert) -> Drawing:
    """Draw an alert and those related to it as stretches of time, one below the other."""
    import altair as alt

    least = scope.length * _LEAST
    rows = []
    for alert in alerts:
        begin, end = max(alert.first_seen, scope.since), min(alert.last_seen, scope.until)
        mark = "▶ " if alert.id == chosen.id else ""
        rows.append(
            {
                "what": f"{mark}{alert.rule} {alert.id[-6:]}",
                "severity": alert.severity,
                "from": _ms(begin),
                "to": _ms(max(end, begin + least)),
            }
        )
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(height=12)
        .encode(
            x=_time(scope),
            x2="to:T",
            y=alt.Y("what:N", title=None, sort=None),
            color=_colours(SEVERITY),
        )
        .properties(width=_WIDTH - 240, height=_ROW * len(rows))
    )
    return drawn(
        chart,
        name="spans",
        title="The alert and those related to it",
        description=f"{counted(len(alerts), 'alert')} by the time of their events, UTC; the one reported on is marked.",
    )


def _begun(scope: Scope, alerts: Sequence[Alert]) -> list[Row]:
    """Count alerts by step and severity, those that began earlier in the first step."""
    tally: Counter[tuple[datetime, str]] = Counter()
    for alert in alerts:
        into = max(min(alert.first_seen, scope.until - timedelta(microseconds=1)) - scope.since, timedelta(0))
        tally[scope.since + into // scope.step * scope.step, alert.severity] += 1
    return [
        {"at": at, "kind": severity, "number": number}
        for (at, severity), number in sorted(tally.items(), key=lambda one: (one[0][0], SEVERITIES.index(one[0][1])))
    ]


def _happened(by_time: Sequence[Row], scope: Scope) -> list[Row]:
    """Count events by step and by whether they failed, wrote or read."""
    tally: Counter[tuple[datetime, str]] = Counter()
    for row in by_time:
        at = max(row["at"], scope.since)
        tally[at, "failed"] += row["failed"]
        tally[at, "reads" if row["operation"] in _READS else "writes"] += row["events"] - row["failed"]
    return [
        {"at": at, "kind": kind, "number": number}
        for (at, kind), number in sorted(tally.items(), key=lambda one: (one[0][0], _KINDS.index(one[0][1])))
        if number
    ]


def _bars(
    rows: Sequence[Row], scope: Scope, colours: Mapping[str, tuple[str, str]], title: str, height: int
) -> "alt.Chart":
    """Draw bars, the first kind of each step at the bottom."""
    import altair as alt

    piled: Counter[datetime] = Counter()
    bars = []
    for row in rows:
        below = piled[row["at"]]
        piled[row["at"]] += row["number"]
        bars.append({**_stretch(row["at"], scope), "kind": row["kind"], "low": below, "high": piled[row["at"]]})
    made: alt.Chart = (
        alt.Chart(alt.InlineData(values=bars), title=title)
        .mark_bar()
        .encode(
            x=_time(scope),
            x2="to:T",
            y=alt.Y("low:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=4, format="~s")),
            y2="high:Q",
            color=_colours(colours, "kind"),
        )
        .properties(width=_WIDTH, height=height)
    )
    return made


def _over(blind: Sequence[Row], scope: Scope, chart: "alt.Chart") -> "alt.LayerChart | alt.FacetChart":
    """Draw stretches of blindness behind a chart, hatched by their edges so that grey print keeps them."""
    import altair as alt

    behind = (
        alt.Chart(alt.InlineData(values=list(blind)))
        .mark_rect(color=BLIND[0], opacity=0.55, stroke=MARK[0], strokeWidth=0.7, strokeDash=[3, 3])
        .encode(x=_time(scope), x2="to:T")
    )
    return alt.layer(behind, chart)


def _time(scope: Scope) -> "alt.X":
    import altair as alt

    day = timedelta(days=1)
    written = "%H:%M" if scope.length <= day else "%d %b %H:%M" if scope.length <= 4 * day else "%d %b"
    # Between these a mark for each day is neither written twice nor one too many.
    ticks: Any = "day" if 4 * day < scope.length <= 16 * day else 10
    return alt.X(
        "from:T",
        scale=alt.Scale(type="utc", domain=[_ms(scope.since), _ms(scope.until)], nice=False),
        axis=alt.Axis(title="UTC", format=written, labelOverlap=True, grid=True, tickCount=ticks),
    )


def _colours(colours: Mapping[str, tuple[str, str]], field: str = "severity") -> "alt.Color":
    import altair as alt

    names = list(colours)
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=names, range=[colours[name][0] for name in names]))


def _stretch(at: datetime, scope: Scope) -> dict[str, int]:
    """Return a step's ends, a hair apart from the next one's."""
    return {"from": _ms(at), "to": _ms(min(at + scope.step * 0.94, scope.until))}


def _ms(moment: datetime) -> int:
    """Return milliseconds since 1970, which is how a drawing counts time."""
    return int(moment.timestamp() * 1000)


def _name(text: str | None) -> str:
    written = shown(text)
    return written if len(written) <= _NAME_CHARACTERS else f"{written[: _NAME_CHARACTERS - 1]}…"
