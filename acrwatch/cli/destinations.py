"""`acrwatch destinations`: where alerts are sent, and whether they would arrive."""

from typing import Any

import click

from acrwatch.cli.config import shown
from acrwatch.cli.output import Column, Format, json_option, list_options, note, show_list, within, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.errors import NotFoundError

_COLUMNS = (
    Column("NAME", lambda item: item["name"]),
    Column("TYPE", lambda item: item["type"]),
    Column("PENDING", lambda item: str(item["pending"])),
    Column("DEAD", lambda item: str(item["dead"]), lambda item: "bold red" if item["dead"] else ""),
)
_SETTINGS = Column("SETTINGS", lambda item: ", ".join(f"{k} = {v}" for k, v in item["settings"].items()), wrap=True)


@click.group()
def destinations() -> None:
    """List and test where alerts are sent."""


@destinations.command("list")
@list_options
@pass_session
def list_(session: Session, /, output_format: Format | None, limit: int) -> None:
    """List destinations, their settings with secrets masked, and what waits for them."""
    tally = _tally(session)
    items: list[dict[str, Any]] = [
        {
            "name": destination.name,
            "type": destination.type,
            "settings": {name: shown(value) for name, value in destination.values.items() if value is not None},
            "pending": tally.get((destination.name, "pending"), 0),
            "dead": tally.get((destination.name, "dead"), 0),
        }
        for destination in session.config.destinations
    ]
    show_list(output_format, within(limit, items), _COLUMNS, _SETTINGS)
    if not items:
        note("No destinations are configured: alerts are kept, and sent nowhere.")


@destinations.command("test")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@click.pass_context
def test_(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Send a test.ping to destinations; without NAME to all. Ends with 1 if one did not take it."""
    import random

    from acrwatch.delivery.sinks.discover import open_sinks
    from acrwatch.delivery.worker import ping

    session: Session = ctx.obj
    wanted = [item for item in session.config.destinations if not names or item.name in names]
    unknown = set(names) - {item.name for item in wanted}
    if unknown:
        known = ", ".join(item.name for item in session.config.destinations) or "none"
        raise NotFoundError(f"there is no destination {min(unknown)!r}", remedy=f"Configured: {known}")
    results: list[dict[str, Any]] = []
    for name, sink in open_sinks(wanted).items():
        outcome = ping(sink, clock=session.clock, rng=random.Random())  # noqa: S311 - makes an id, no secret
        sink.close()
        code, detail = outcome.status_code, outcome.detail
        results.append({"name": name, "result": outcome.result, "status_code": code, "detail": detail})
    if as_json:
        write_json(results)
    for result in [] if as_json else results:
        said = " ".join(str(part) for part in (result["status_code"], result["detail"]) if part)
        verdict = "took it" if result["result"] == "sent" else "did not take it"
        note(f"{result['name']}: {verdict}{f' ({said})' if said else ''}")
    if not wanted:
        note("No destinations are configured: there is nothing to test.")
    ctx.exit(0 if all(result["result"] == "sent" for result in results) else 1)


def _tally(session: Session) -> dict[tuple[str, str], int]:
    """Return how many deliveries wait or are dead, by (destination, status); none where nothing was ever stored."""
    from storage.state import outbox

    try:
        with session.database() as database, database.connect() as connection:
            return outbox.tally(connection)
    except NotFoundError:
        return {}
