"""`acrwatch check`: does all of it work, from configuration to destinations; and what real traffic looks like."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import click

from acrwatch.cli.checks.result import FAIL, OK, WARN, Result, failed, guarded
from acrwatch.cli.output import Column, Format, json_option, note, show_list, write_json
from acrwatch.cli.session import Session
from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import duration
from acrwatch.core.wording import counted

_STYLE = {OK: "green", WARN: "yellow", FAIL: "bold red"}
_COLUMNS = (
    Column("CHECK", lambda item: item["name"]),
    Column("", lambda item: item["status"], lambda item: _STYLE[item["status"]]),
    Column("FOUND", lambda item: item["what"], wrap=True),
    Column("WHAT TO DO", lambda item: item["remedy"], wrap=True),
)


class _Span(click.ParamType[timedelta]):
    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--offline", is_flag=True, help="Leave out what asks other machines: hubs and destinations.")
@click.option("--quick", is_flag=True, help="Leave out the rules' own cases, which take up to 5 seconds.")
@click.option("--ping", is_flag=True, help="Send each destination a test.ping instead of only connecting.")
@click.option("--live", is_flag=True, help="Describe the stored traffic instead: what it holds, what rules can see.")
@click.option("--since", type=_Span(), default="24h", show_default=True, help="With --live: this much of it.")
@json_option
@click.pass_context
def check(
    ctx: click.Context, offline: bool, quick: bool, ping: bool, live: bool, since: timedelta, as_json: bool
) -> None:
    """Check that everything works, and say what to do where it does not. Ends with 1 if a check failed.

    With --live it reads the lake alone and reports what real audit records look like; docs/live-test.md says which
    calls to make first.
    """
    session: Session = ctx.obj
    if live:
        from acrwatch.cli.checks.live import show

        show(session, since, as_json=as_json)
        return
    if not (quick or as_json):
        note("Looking; the rules' own cases take up to 5 seconds (--quick leaves them out) ...")
    found = [result.as_json() for result in results(session, offline=offline, ping=ping, cases=not quick)]
    if as_json:
        write_json(found)
    else:
        show_list(Format.TABLE, found, _COLUMNS)
        note(_summary([item["status"] for item in found]))
    ctx.exit(1 if any(item["status"] == FAIL for item in found) else 0)


def results(session: Session, *, offline: bool, ping: bool, cases: bool) -> Iterator[Result]:
    """Run every check. Without a sound configuration there is nothing further to look at."""
    try:
        config = session.config
    except ConfigError as error:
        yield failed("configuration", error)
        return
    yield _configuration(session)
    from acrwatch.cli.checks import destinations, registries, rules, sources, stores

    def healthy() -> Iterator[Result]:
        with session.database() as database, database.connect() as connection:
            yield from destinations.undelivered(session, connection)
            yield from stores.health(connection, session.clock.now())

    state = list(guarded("state", lambda: stores.state(session)))
    lake = list(guarded("lake", lambda: stores.lake(session)))
    yield from [*state, *lake]
    for source in config.sources:
        check_one = _bound(lambda one: sources.source(session, one, offline=offline), source)
        yield from guarded(f"{source.where} {source.type}", check_one)
    yield from guarded("detections", lambda: rules.detections(session, cases=cases))
    yield from guarded("registries", lambda: registries.registries(session))
    for destination in config.destinations:
        reach = _bound(lambda one: destinations.destination(session, one, offline=offline, ping=ping), destination)
        yield from guarded(f"destination {destination.name}", reach)
    if all(result.status == OK for result in state if result.name == "state"):
        if all(result.status == OK for result in lake if result.name == "lake"):
            yield from guarded("judged", lambda: rules.progress(session))
        yield from guarded("incidents", healthy)


def _bound(check_of: Callable[..., Iterable[Result]], one: object) -> Callable[[], Iterable[Result]]:
    return lambda: check_of(one)


def _configuration(session: Session) -> Result:
    config = session.config
    where = str(config.path) if config.path else "no acrwatch.toml; defaults and the environment"
    if not config.sources:
        return Result("configuration", WARN, f"{where}: no sources", "`acrwatch init` shows how to write one")
    if not config.destinations:
        remedy = "Add a [[destinations]]; `acrwatch init` shows how, docs/settings.md has every kind"
        return Result("configuration", WARN, f"{where}: no destinations: alerts are kept, and sent nowhere", remedy)
    parts = (
        counted(len(config.sources), "source"),
        counted(len(config.registries), "registry", "registries"),
        counted(len(config.destinations), "destination"),
    )
    return Result("configuration", OK, f"{where}: {', '.join(parts)}")


def _summary(statuses: list[str]) -> str:
    fails, warnings = statuses.count(FAIL), statuses.count(WARN)
    return f"{counted(len(statuses), 'check')}: {fails} failed, {warnings} to look at."
