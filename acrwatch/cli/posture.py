"""`acrwatch posture`: registries against documented good practice."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.output import Column, cell, json_option, note, render, table, write_json
from acrwatch.cli.session import Session
from acrwatch.cli.times import ago, parsed
from acrwatch.core.errors import NotFoundError

if TYPE_CHECKING:
    from detections.posture.report import Standing
    from storage.state.registry_facts import Imported

_STYLE = {"pass": "green", "unknown": "yellow", "fail": "bold red"}
_LATELY = timedelta(days=7)
_COLUMNS = (
    Column("RESULT", lambda item: item["result"], lambda item: _STYLE[item["result"]]),
    Column("WEIGHT", lambda item: item["level"]),
    Column("CHECK", lambda item: item["check"]),
    Column("FOUND", lambda item: item["found"], wrap=True),
    Column("WHAT TO DO", lambda item: _advice(item), wrap=True),
)


@click.command()
@click.argument("registry", required=False)
@json_option
@click.pass_context
def posture(ctx: click.Context, registry: str | None, as_json: bool) -> None:
    """Report registries against documented good practice. It goes by what was imported; ends with 1 if a check failed.

    A check is unknown where nothing imported says how it is: that is no pass. With each failure stands the built-in
    definition of Azure Policy that asks for the same; --json has those of all checks, and each check's source.
    """
    session: Session = ctx.obj
    imported = _imported(session)
    names = sorted({*imported, *session.config.registries})
    if registry is not None:
        if registry.casefold() not in names:
            known = f"Known are {', '.join(names)}" if names else "Import its settings: acrwatch context import FILE..."
            raise NotFoundError(f"nothing is known of a registry {registry!r}", remedy=known)
        names = [registry.casefold()]
    if not names:
        raise NotFoundError("no registry is configured or imported", remedy="See `acrwatch context import --help`")
    reports = list(_reports(session, names, imported))
    if as_json:
        write_json(reports)
    else:
        _show(session, reports)
    ctx.exit(1 if any(report["counts"]["fail"] for report in reports) else 0)


def _reports(
    session: Session, names: Sequence[str], imported: Mapping[str, "Sequence[Imported]"]
) -> Iterator[dict[str, Any]]:
    from detections.posture.report import standings
    from storage.state.registry_facts import merged

    seen = _categories_seen(session)
    for name in names:
        versions = imported.get(name, ())
        found = standings(name, {**merged(versions), "categories_seen": seen.get(name)})
        counts = Counter(one.finding.result for one in found)
        oldest = min((one.confirmed_at for one in versions), default=None)
        yield {
            "registry": name,
            "imported_at": oldest.isoformat().replace("+00:00", "Z") if oldest else None,
            "counts": {result: counts[result] for result in ("fail", "unknown", "pass")},
            "checks": [_as_json(one) for one in found],
        }


def _as_json(one: "Standing") -> dict[str, Any]:
    check = one.check
    return {
        "check": check.name,
        "title": check.title,
        "result": one.finding.result,
        "level": check.level,
        "found": one.finding.found,
        "remedy": one.remedy,
        "policies": [policy.name for policy in check.policies],
        "policy_ids": [policy.id for policy in check.policies],
        "source": check.source,
    }


def _advice(item: Mapping[str, Any]) -> str:
    asked = f" Azure Policy: {'; '.join(item['policies'])}" if item["result"] == "fail" and item["policies"] else ""
    return f"{item['remedy'].rstrip('.')}.{asked}" if item["remedy"] else ""


def _show(session: Session, reports: Sequence[Mapping[str, Any]]) -> None:
    now = session.clock.now()
    for number, report in enumerate(reports):
        counts = ", ".join(f"{count} {result}" for result, count in report["counts"].items())
        time = parsed(report["imported_at"])
        age = f"imported {ago(time, now)}" if time else "nothing imported"
        if number:
            render(cell(""))
        render(cell(f"{report['registry']}: {counts} ({age})", "bold"), table(report["checks"], _COLUMNS))
    for report in reports:
        if report["imported_at"] is None:
            name = report["registry"]
            note(
                f"Nothing was imported of {name}: az acr show -n {name} > show.json; acrwatch context import show.json"
            )


def _imported(session: Session) -> dict[str, "Sequence[Imported]"]:
    from storage.state import registry_facts

    with session.database() as database, database.connect() as connection:
        versions = registry_facts.newest(connection)
    names = {one.registry for one in versions}
    return {name: [one for one in versions if one.registry == name] for name in names}


def _categories_seen(session: Session) -> Mapping[str, list[str]]:
    """Return which audit logs each registry sent lately; nothing where there is no lake."""
    from detections.posture.report import categories_seen
    from storage.lake import Lake
    from storage.query import Reader

    root = Path(session.config.store.path)
    if not root.exists():
        return {}
    today = session.clock.now().date()
    with Reader(Lake.open(root).snapshot()) as reader:
        return categories_seen(reader, today - _LATELY, today)
