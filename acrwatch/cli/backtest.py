"""`acrwatch rules backtest`: what rules would have raised over stored history."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from acrwatch.cli.output import SEVERITY_STYLE, Column, bullets, cell, json_option, note, render, table, write_json
from acrwatch.cli.session import Session
from acrwatch.cli.times import moment_of, utc
from acrwatch.cli.trying import rows_between, stored, tried, within_history
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from detections.backtest import Tally

_COLUMNS: Final = (
    Column("RULE", lambda item: item["rule"]),
    Column("LEVEL", lambda item: item["level"], lambda item: SEVERITY_STYLE.get(item["level"], "")),
    Column("ALERTS", lambda item: str(item["alerts"])),
    Column("A DAY", lambda item: f"{item['alerts_per_day']:.2f}"),
    Column("BUSIEST DAY", lambda item: _busiest(item)),
    Column("MATCHES", lambda item: str(item["matched"])),
    Column("SECONDS", lambda item: f"{item['seconds']:.1f}"),
    Column("ROWS READ", lambda item: f"{item['rows_read']:,}"),
)


@click.command("backtest")
@click.argument("which", nargs=-1, metavar="[NAME|PATH]...")
@click.option("--since", metavar="SPAN|TIME", default="30d", show_default=True, help="Where to begin.")
@click.option("--until", metavar="SPAN|TIME", help="Where to end, that moment not included. Default: now.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True, help="Where.")
@click.option("--server", metavar="URL", default="sc://127.0.0.1:15002", show_default=True, help="With --engine spark.")
@json_option
@click.pass_context
def backtest(
    ctx: click.Context,
    which: tuple[str, ...],
    since: str,
    until: str | None,
    engine: str,
    server: str,
    as_json: bool,
) -> None:
    """Show what rules would have raised over stored history, by name or from files; without either all in use.

    For each: alerts per 24 hours of the span, who they would have been about, and what it cost. A span begins with the
    first stored date at the earliest. Nothing is written: no alert is opened, no profile learns. Ends with 1 if a rule
    fails. A Spark Connect server must see the lake under the same path.

    In JSON `days` counts alerts by UTC date, of which the first and the last may lie in the span in part; `events` are
    those stored on these dates.
    """
    from acrwatch.cli.rules import chosen

    session: Session = ctx.obj
    detections = chosen(session, which)
    now = session.clock.now()
    begin = moment_of(since, now, "--since")
    end = moment_of(until, now, "--until") if until else now
    snapshot = stored(session)
    begin = within_history(snapshot, begin, end)
    spark, lateness = server if engine == "spark" else None, session.config.detections.lateness
    found = tried(detections, snapshot, session.context(), begin, end, lateness, server=spark)
    events = rows_between(snapshot, begin, end)
    if as_json:
        write_json({"since": _iso(begin), "until": _iso(end), "events": events, "rules": [_as_json(t) for t in found]})
    else:
        _show(found, begin, end, events)
    ctx.exit(1 if any(tally.error for tally in found) else 0)


def _as_json(tally: "Tally") -> dict[str, Any]:
    return {
        "rule": tally.rule,
        "level": tally.level,
        "alerts": len(tally.alerts),
        "alerts_per_day": round(tally.mean_per_day, 4),
        "days": {day.isoformat(): count for day, count in tally.per_day.items()},
        "historical": tally.historical,
        "matched": tally.matched,
        "unjudged": tally.unjudged,
        "top_entities": [{"type": kind, "value": value, "alerts": count} for kind, value, count in tally.top],
        "seconds": round(tally.seconds, 3),
        "rows_read": tally.rows_read,
        "error": tally.error,
    }


def _show(found: "Sequence[Tally]", begin: datetime, end: datetime, events: int) -> None:
    items = [_as_json(tally) for tally in found]
    render(table(sorted(items, key=lambda item: -item["alerts"]), _COLUMNS))
    for item in items:
        if item["error"]:
            note(f"{item['rule']} failed: {item['error']}")
        if top := _top(item):
            render(cell(""), cell(f"{item['rule']}: most alerts are about", "bold"), bullets(top))
    days = (end - begin) / timedelta(days=1)
    total = sum(item["alerts"] for item in items)
    note(
        f"{utc(begin)} to {utc(end)}, {_days(days)}, with {counted(events, 'event')} on the dates it touches: "
        f"{counted(total, 'alert')}, {total / days:.2f} a day. Nothing was written."
    )


def _days(days: float) -> str:
    number = f"{days:.2f}".rstrip("0").rstrip(".")
    return f"{number} {'day' if number == '1' else 'days'}"


def _top(item: Mapping[str, Any]) -> list[str]:
    """Return who is behind more than one alert."""
    several = [one for one in item["top_entities"] if one["alerts"] > 1]
    return [f"{one['type']} {one['value']}: {counted(one['alerts'], 'alert')}" for one in several]


def _busiest(item: Mapping[str, Any]) -> str:
    day, count = max(item["days"].items(), key=lambda pair: pair[1])
    return f"{day}: {count}" if count else "-"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
