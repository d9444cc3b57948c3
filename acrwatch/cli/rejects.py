"""`acrwatch rejects`: records that could not become events."""

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.output import Column, Format, json_option, list_options, note, show_list, within, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import parsed, utc
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from storage.state.rejects import StoredReject

_COLUMNS = (
    Column("REJECTED", lambda item: utc(parsed(item["rejected_at"]))),
    Column("REASON", lambda item: item["reason"]),
    Column("BYTES", lambda item: str(item["body_length"])),
    Column("REPLAYED", lambda item: utc(parsed(item["replayed_at"]))),
    Column("POSITION", lambda item: f"{item['stream']} {item['sequence_number']} {item['ordinal']}"),
)
_DETAIL = Column("DETAIL", lambda item: item["detail"], wrap=True)


@click.group()
def rejects() -> None:
    """List and replay records that could not become events."""


@rejects.command("list")
@click.option("--reason", metavar="WORD", help="Only those rejected for this reason.")
@click.option("--pending", is_flag=True, help="Only those not replayed yet.")
@list_options
@pass_session
def list_(session: Session, /, reason: str | None, pending: bool, output_format: Format | None, limit: int) -> None:
    """List rejects, newest first. With --json also their bytes, as text."""
    from storage.state import rejects as store

    with session.database() as database, database.connect() as connection:
        found = store.recent(connection, limit=limit + 1, reason=reason, pending_only=pending)
    show_list(output_format, within(limit, [_as_json(reject) for reject in found]), _COLUMNS, _DETAIL)
    if not found:
        note("No rejects.")


@rejects.command()
@click.option("--reason", metavar="WORD", help="Only those rejected for this reason.")
@click.option("--limit", type=click.IntRange(min=1), default=10_000, show_default=True, help="At most this many.")
@json_option
@pass_session
def replay(session: Session, /, reason: str | None, limit: int, as_json: bool) -> None:
    """Read rejects again, after a fix; what is readable by now becomes events."""
    from acrwatch.cli.replay import replay as give_second_chance
    from storage.state import rejects as store

    with session.parts() as parts:
        with parts.database.connect() as connection:
            found = store.recent(connection, limit=limit, reason=reason, pending_only=True)
        done = give_second_chance(parts, found)
    if as_json:
        write_json(dataclasses.asdict(done))
        return
    note(f"{done.replayed} of {counted(len(found), 'reject')} can be read now: {counted(done.events, 'new event')}.")
    if done.cut:
        were = "was" if done.cut == 1 else "were"
        note(f"{done.cut} {were} too long to be kept whole and cannot be replayed.")


def _as_json(reject: "StoredReject") -> dict[str, Any]:
    times = {name: getattr(reject, name) for name in ("enqueued_time", "rejected_at", "replayed_at")}
    return {
        "stream": reject.stream,
        "sequence_number": reject.sequence_number,
        "ordinal": reject.ordinal,
        "reason": reject.reason,
        "detail": reject.detail,
        "body": reject.body.decode("utf-8", "backslashreplace"),
        "body_length": reject.body_length,
        "whole": reject.whole,
        **{name: moment.isoformat() if moment else None for name, moment in times.items()},
    }
