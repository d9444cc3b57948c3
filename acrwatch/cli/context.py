"""`acrwatch context`: what rules know of the registries, where it comes from, and importing it from Azure's answers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.facts import changes, spoken
from acrwatch.cli.output import (
    Column,
    Format,
    cell,
    json_option,
    list_options,
    note,
    pairs,
    render,
    show_list,
    table,
    within,
    write_json,
)
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import ago, parsed, utc
from acrwatch.core.errors import ConfigError, NotFoundError
from acrwatch.core.registry import EVERY
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from detections.context import Context
    from detections.context_sources import Layers
    from storage.state.registry_facts import Imported

_SHOWN_VALUES = 5


@click.group()
def context() -> None:
    """Import and read what rules know of the registries."""


@context.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE...")
@click.option("--registry", help="The registry of files that do not name one (az acr network-rule list).")
@json_option
@pass_session
def import_(session: Session, /, files: tuple[Path, ...], registry: str | None, as_json: bool) -> None:
    """Import the JSON of az acr show, network-rule list, show-endpoints, token list and credential show.

    Also of az acr list, az monitor diagnostic-settings list and az security pricing show --name Containers; as the CLI
    prints them or as ARM answers. All files are taken or none. A running service judges by them from its next pass on.
    Passwords are left out.
    """
    from ingest.registry_settings.reading import read_settings
    from storage.state import registry_facts

    readings = read_settings(files, registry)
    now = session.clock.now()
    taken = []
    with session.new_database() as database, database.begin() as connection:
        for one in readings:
            before = {old.kind: old.facts for old in registry_facts.newest(connection, one.registry)}
            new = registry_facts.remember(connection, one.registry, one.kind, one.facts, file=one.file, now=now)
            changed = changes(before.get(one.kind, {}), one.facts) if new else []
            known = one.kind in before
            taken.append({"registry": one.registry, "kind": one.kind, "file": one.file, "new": new, "changes": changed})
            taken[-1]["what"] = _outcome(new=new, known=known, changed=changed, facts=one.facts)
    for one in readings:
        _warn(one.file, one.kind, one.registry, assumed=one.assumed and not registry, passwords=one.passwords)
    for name in sorted({*map(str, files)} - {one.file for one in readings}):
        note(f"{name}: an empty list does not say what it lists: left out; what was imported before stays in force.")
    if as_json:
        write_json([{name: value for name, value in one.items() if name != "what"} for one in taken])
        return
    render(table(taken, [_REGISTRY, _KIND, _FILE, Column("WHAT CAME OF IT", lambda item: item["what"], wrap=True)]))
    for name in sorted({one.registry for one in readings} - session.config.registries.keys()):
        note(f"{name} has no section [registries.{name}]: whether it speaks is not watched.")


def _outcome(*, new: bool, known: bool, changed: Sequence[str], facts: Mapping[str, Any]) -> str:
    if not new:
        return "as it was known"
    return "; ".join(changed) if known else f"new: {counted(len(facts), 'fact')}"


def _warn(file: str, kind: str, registry: str, *, assumed: bool, passwords: int) -> None:
    if assumed:
        note(f"{file}: does not name its registry ({kind}); taken for {registry}, the only one that others name.")
    if passwords:
        held = counted(passwords, "password")
        note(f"{file}: holds {held}: left out and not kept. Delete the file; whoever can read it can sign in.")


@context.command("list")
@list_options
@pass_session
def list_(session: Session, /, output_format: Format | None, limit: int) -> None:
    """List the registries that something is known of; `*` is what holds for every registry."""
    now = session.clock.now()
    with session.database() as database, database.connect() as connection:
        layers, imported = _layers(session, connection), _imported(connection, None)
    context = layers.context()
    found = [_summary(name, context, layers, imported) for name in sorted(context.registries)]
    columns = (
        _REGISTRY,
        Column("FROM", lambda item: ", ".join(item["origins"]) or "-"),
        Column("IMPORTED", lambda item: ago(parsed(item["imported_at"]) or now, now) if item["imported_at"] else "-"),
        Column("FLAGS", lambda item: ", ".join(item["flags"]) or "-", wrap=True),
        Column("LISTS", lambda item: ", ".join(f"{n} ({size})" for n, size in item["lists"].items()) or "-", wrap=True),
    )
    show_list(output_format, within(limit, found), columns)


def _summary(name: str, context: "Context", layers: "Layers", imported: Sequence["Imported"]) -> dict[str, Any]:
    one = context.registries[name]
    lists = {key: len(values) for key, values in sorted({**one.ranges, **one.lists}.items())}
    own = [version.confirmed_at for version in imported if version.registry == name]
    origins = {origin for key in (*lists, *one.flags) for origin in layers.origins(name, key)}
    if own:
        origins.add("imported")
    return {
        "registry": name,
        "origins": sorted(origins),
        "imported_at": min(own).isoformat().replace("+00:00", "Z") if own else None,
        "flags": sorted(one.flags),
        "lists": lists,
    }


@context.command()
@click.argument("registry", required=False)
@click.option("--version", help="A context that alerts were judged by, in full; an alert names its version.")
@json_option
@pass_session
def show(session: Session, /, registry: str | None, version: str | None, as_json: bool) -> None:
    """Show what rules know of a registry, and who says so; or, by --version, what they knew when they judged.

    The configuration is stronger than what was imported, and that than what is shipped. `*` shows what holds for all.
    """
    from storage.state import contexts

    if (registry is None) == (version is None):
        raise ConfigError("name a registry, or a version", remedy="`acrwatch context list` shows the registries")
    if version is not None:
        with session.database() as database, database.connect() as connection:
            write_json(contexts.load(connection, version))
        return
    name = (registry or "").casefold()
    with session.database() as database, database.connect() as connection:
        layers, imported = _layers(session, connection), _imported(connection, name)
    context = layers.context()
    if name not in context.registries:
        known = ", ".join(sorted(context.registries))
        raise NotFoundError(f"nothing is known of a registry {name!r}", remedy=f"Known are {known}")
    entries = list(_entries(name, context, layers))
    if as_json:
        write_json(_document(name, context, entries, imported))
        return
    _render(name, context, entries, imported, session)


def _render(
    name: str,
    context: "Context",
    entries: Sequence[Mapping[str, Any]],
    imported: Sequence["Imported"],
    session: Session,
) -> None:
    now = session.clock.now()
    render(cell(f"Registry {name}" if name != EVERY else "Every registry", "bold"))
    render(cell(f"Version of the whole context: {context.version()}"), cell(""))
    columns = (
        Column("LIST OR FLAG", lambda item: item["name"]),
        Column("VALUES", _values, wrap=True),
        Column("FROM", lambda item: ", ".join(item["origins"])),
        Column("HOLDS FOR", lambda item: "all" if item["registry"] == EVERY else item["registry"]),
    )
    render(table(entries, columns) if entries else cell("No list and no flag."))
    for one in imported:
        heading = f"Imported from {one.file} ({one.kind}), as of {utc(one.confirmed_at)}, {ago(one.confirmed_at, now)}"
        render(cell(""), cell(heading, "bold"), pairs((key, spoken(value)) for key, value in one.facts.items()))


def _entries(name: str, context: "Context", layers: "Layers") -> Iterator[dict[str, Any]]:
    """Yield each list and flag that a registry has, its own first, then those of all."""
    for registry in dict.fromkeys((name, EVERY)):
        one = context.registries[registry]
        for kind, found in (("ranges", one.ranges), ("values", one.lists)):
            for key, values in sorted(found.items()):
                yield _entry(registry, key, kind, sorted(map(str, values)), layers)
        for flag in (*sorted(one.flags), *layers.denied(registry)):
            yield _entry(registry, flag, "flag", None, layers)


def _entry(registry: str, name: str, kind: str, values: list[str] | None, layers: "Layers") -> dict[str, Any]:
    origins = list(layers.origins(registry, name))
    return {"registry": registry, "name": name, "kind": kind, "values": values, "origins": origins}


def _values(item: Mapping[str, Any]) -> str:
    values = item["values"]
    if values is None:
        return "it is not so, whatever was imported" if item["name"].startswith("!") else "it is so"
    more = f" and {len(values) - _SHOWN_VALUES} more (--json shows all)" if len(values) > _SHOWN_VALUES else ""
    return ", ".join(values[:_SHOWN_VALUES]) + more if values else "(none)"


def _document(
    name: str, context: "Context", entries: Sequence[Mapping[str, Any]], imported: Sequence["Imported"]
) -> dict[str, Any]:
    return {
        "registry": name,
        "context_version": context.version(),
        "entries": entries,
        "imported": [_import_as_json(one) for one in imported],
    }


@context.command()
@click.argument("registry", required=False)
@list_options
@pass_session
def history(session: Session, /, registry: str | None, output_format: Format | None, limit: int) -> None:
    """List imports that changed something, the newest first, with what they changed."""
    from storage.state import registry_facts

    now = session.clock.now()
    with session.database() as database, database.connect() as connection:
        versions = registry_facts.history(connection, registry.casefold() if registry else None)
    before: dict[tuple[str, str], Mapping[str, Any]] = {}
    found = []
    for one in versions:
        known = before.get((one.registry, one.kind))
        changed = changes(known, one.facts) if known is not None else []
        what = "; ".join(changed) if known is not None else f"first import: {counted(len(one.facts), 'fact')}"
        found.append({**_import_as_json(one), "changes": changed, "what": what})
        before[one.registry, one.kind] = one.facts
    columns = (
        Column("WHEN", lambda item: utc(parsed(item["imported_at"]))),
        Column("AGE", lambda item: ago(parsed(item["imported_at"]) or now, now)),
        _REGISTRY,
        _KIND,
        _FILE,
        Column("WHAT CHANGED", lambda item: item["what"], wrap=True),
    )
    show_list(output_format, within(limit, reversed(found)), columns)
    if not found:
        note("Nothing was imported yet; see `acrwatch context import --help`.")


_REGISTRY = Column("REGISTRY", lambda item: item["registry"])
_KIND = Column("KIND", lambda item: item["kind"])
_FILE = Column("FILE", lambda item: item["file"])


def _import_as_json(one: "Imported") -> dict[str, Any]:
    times = {"imported_at": one.imported_at, "confirmed_at": one.confirmed_at}
    shown = {name: time.isoformat().replace("+00:00", "Z") for name, time in times.items()}
    return {"registry": one.registry, "kind": one.kind, "file": one.file, **shown, "facts": dict(one.facts)}


def _layers(session: Session, connection: "Connection") -> "Layers":
    from scheduler import context_sources

    return context_sources(session.config).layers(connection, now=session.clock.now())


def _imported(connection: "Connection", registry: str | None) -> Sequence["Imported"]:
    from storage.state import registry_facts

    return registry_facts.newest(connection, registry)
