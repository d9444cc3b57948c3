"""`acrwatch watch`: addresses, digests and identities whose every event is an alert, and what history knows of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from acrwatch.cli.actor import by_option
from acrwatch.cli.output import (
    Column,
    Format,
    cell,
    json_option,
    list_options,
    note,
    render,
    show_list,
    table,
    within,
    write_json,
)
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import ago, moment_of, parsed, utc
from acrwatch.core.errors import ConfigError, NotFoundError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from detections.watch_list import History, Sighting
    from storage.state.watch_entries import Entry

F = TypeVar("F", bound=Callable[..., Any])

_SHOWN = 20
_TYPES = ("ip", "digest", "identity")


@click.group()
def watch() -> None:
    """Be told of each event that an address, digest or identity has in a registry's log."""


def _value(command: F) -> F:
    command = click.argument("value")(command)
    return click.argument("type_", metavar="TYPE", type=click.Choice(_TYPES))(command)


@watch.command()
@_value
@click.option("--reason", required=True, metavar="TEXT", help="Why: a case number, where it is from. Alerts lead here.")
@click.option("--expires", metavar="WHEN", help="After a span such as 30d, or at a time. Default: never.")
@by_option
@json_option
@pass_session
def add(session: Session, /, type_: str, value: str, reason: str, expires: str | None, by: str, as_json: bool) -> None:
    """Watch an address or range (ip), a digest or an identity, and search history for it at once.

    From the next pass on each event of it in a registry's own log is an alert of the rule watched-entity-seen; what it
    does on the control plane is told by the rules about that alone. What is stored already raises none: it is shown
    here, that of the control plane too. A value that is watched already gets the new reason, owner and expiry.
    """
    from detections.watch_list import canonical
    from storage.state import watch_entries

    now, wanted = session.clock.now(), canonical(type_, value)
    until = _expiry(expires, now) if expires else None
    with session.new_database() as database, database.begin() as connection:
        entry = watch_entries.add(connection, type_, wanted, owner=by, reason=reason, expires_at=until, now=now)
    found = _search(session, type_, wanted)
    if as_json:
        write_json({"entry": _as_json(entry, now), "history": _history_as_json(found) if found else None})
        return
    note(f"{type_} {wanted} is watched from now on, {f'until {utc(until)}' if until else 'until it is removed'}.")
    _show(found, now)


@watch.command()
@_value
@by_option
@pass_session
def remove(session: Session, /, type_: str, value: str, by: str) -> None:
    """Watch something no longer. The entry is kept, with who removed it; `watch list --all` shows it."""
    from detections.watch_list import canonical
    from storage.state import watch_entries

    wanted = canonical(type_, value)
    with session.database() as database, database.begin() as connection:
        gone = watch_entries.remove(connection, type_, wanted, by=by, now=session.clock.now())
    if not gone:
        raise NotFoundError(f"{type_} {wanted} is not watched", remedy="`acrwatch watch list` shows what is")
    note(f"{type_} {wanted} is watched no longer.")


@watch.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@list_options
@pass_session
def list_(session: Session, /, everything: bool, output_format: Format | None, limit: int) -> None:
    """List what is watched, the newest first, with who watches it and why; with --all what was, too.

    What the configuration watches (watched_ips and the like) stands in `acrwatch context show '*'`.
    """
    from storage.state import watch_entries

    now = session.clock.now()
    with session.database() as database, database.connect() as connection:
        entries = watch_entries.everything(connection) if everything else watch_entries.in_force(connection, now=now)
    found = [_as_json(one, now) for one in reversed(entries)]
    columns = [
        Column("TYPE", lambda item: item["type"]),
        Column("VALUE", lambda item: item["value"]),
        Column("SINCE", lambda item: utc(parsed(item["added_at"]))),
        Column("UNTIL", lambda item: utc(parsed(item["expires_at"]))),
        Column("OWNER", lambda item: item["owner"]),
        Column("REASON", lambda item: item["reason"], wrap=True),
    ]
    over = Column("OVER", lambda item: "no" if item["in_force"] else _end(item))
    show_list(output_format, within(limit, found), [*columns, over] if everything else columns)
    if not found:
        note("Nothing was ever watched." if everything else "Nothing is watched.")


def _expiry(written: str, now: datetime) -> datetime:
    found = moment_of(written, now, "--expires", ahead=True)
    if found <= now:
        raise ConfigError(f"--expires is {written!r}, which is over")
    return found


def _search(session: Session, type_: str, value: str) -> "History | None":
    """Return what is stored of a value; None where there is no lake."""
    from detections.watch_list import history
    from storage.lake import Lake
    from storage.query import Reader

    root = Path(session.config.store.path)
    if not root.exists():
        return None
    with Reader(Lake.open(root).snapshot()) as reader:
        return history(reader, type_, value)


def _show(found: "History | None", now: datetime) -> None:
    if found is None or found.first_seen is None or found.last_seen is None:
        note("There is no lake yet to search." if found is None else "History knows nothing of it.")
        return
    seen = f"{counted(found.events, 'event')} in history, the first {utc(found.first_seen)}, the last "
    render(cell(f"{seen}{utc(found.last_seen)} ({ago(found.last_seen, now)})", "bold"), cell(""))
    _sightings(found.actors, ("REGISTRY", "IDENTITY", "CALLER_IP", "OPERATION"))
    if found.repositories:
        render(cell(""))
        _sightings(found.repositories, ("REGISTRY", "REPOSITORY", "OPERATION"))


def _sightings(found: "Sequence[Sighting]", names: Sequence[str]) -> None:
    rows = [_sighting_as_json(one) for one in found[:_SHOWN]]
    columns = [_column(name) for name in names] + [
        Column("EVENTS", lambda item: str(item["events"])),
        Column("FAILED", lambda item: str(item["failed"])),
        Column("FIRST", lambda item: utc(parsed(item["first_seen"]))),
        Column("LAST", lambda item: utc(parsed(item["last_seen"]))),
    ]
    render(table(rows, columns))
    if len(found) > _SHOWN:
        note(f"The {_SHOWN} seen last of {len(found)}; --json has all.")


def _column(name: str) -> Column:
    return Column(name, lambda item: str(item[name.lower()] or "-"))


def _end(item: Mapping[str, Any]) -> str:
    if item["removed_at"]:
        return f"{utc(parsed(item['removed_at']))} by {item['removed_by']}"
    return utc(parsed(item["expires_at"]))


def _as_json(entry: "Entry", now: datetime) -> dict[str, Any]:
    return {
        "type": entry.type,
        "value": entry.value,
        "owner": entry.owner,
        "reason": entry.reason,
        "in_force": entry.holds(now),
        "added_at": _iso(entry.added_at),
        "expires_at": _iso(entry.expires_at),
        "removed_at": _iso(entry.removed_at),
        "removed_by": entry.removed_by,
    }


def _history_as_json(found: "History") -> dict[str, Any]:
    return {
        "events": found.events,
        "first_seen": _iso(found.first_seen),
        "last_seen": _iso(found.last_seen),
        "actors": [_sighting_as_json(one) for one in found.actors],
        "repositories": [_sighting_as_json(one) for one in found.repositories],
    }


def _sighting_as_json(one: "Sighting") -> dict[str, Any]:
    times = {"first_seen": _iso(one.first_seen), "last_seen": _iso(one.last_seen)}
    return {**one.what, "events": one.events, "failed": one.failed, **times}


def _iso(time: datetime | None) -> str | None:
    return time.isoformat().replace("+00:00", "Z") if time else None
