"""The life of rules: `acrwatch rules stage|promote|retire`, and what alerts and verdicts say of each rule."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from acrwatch.cli.actor import by_option
from acrwatch.cli.output import Column, bullets, cell, json_option, note, write_json
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import utc
from acrwatch.core.errors import AcrWatchError, ConfigError, NotFoundError
from acrwatch.core.wording import counted, noun_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from detections.promotion import Evidence
    from storage.state.figures import Figures
    from storage.state.stages import Life, Step

LIFE_COLUMNS: Final = (
    Column("STAGE", lambda rule: rule["stage"], lambda rule: "" if rule["stage"] == "active" else "yellow"),
    Column("A WEEK", lambda rule: _rate(rule)),
    Column("PRECISION", lambda rule: precision_words(rule)),
)
# What is counted of a rule that tells nobody, by its stage.
_UNTOLD: Final[Mapping[str, str]] = {"staged": "staged_per_week", "building-block": "blocks_per_week"}
_REASON = click.option("--reason", metavar="TEXT", required=True, help="Why; it is kept with your name.")


@click.command()
@click.argument("slug")
@_REASON
@click.option("--building-block", is_flag=True, help="Let its alerts count towards entity-risk, and tell nobody alone.")
@by_option
@pass_session
def stage(session: Session, /, slug: str, reason: str, building_block: bool, by: str) -> None:
    """Let a rule run without telling anybody. What it would have told is kept: alerts list --staged.

    With --building-block its alerts are evidence: they tell nobody either, and count towards entity-risk.
    """
    if building_block:
        if _step(session, slug, "building-block", reason, by):
            seen = f"acrwatch alerts list --building-blocks --rule {slug}"
            note(f"{slug} makes building blocks of events from now on: they count towards entity-risk. {seen}")
    elif _step(session, slug, "staged", reason, by):
        note(f"{slug} is staged: of events from now on it tells nobody. acrwatch alerts list --staged --rule {slug}")


@click.command()
@click.argument("slug")
@_REASON
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@json_option
@pass_session
def promote(session: Session, /, slug: str, reason: str, yes: bool, by: str, as_json: bool) -> None:
    """Let a rule tell of events from now on, after a look at what it would have told until now.

    One that is active, and makes building blocks of its weaker matches, tells of those as well.
    """
    from detections.promotion import evidence

    with session.database() as database, database.connect() as connection:
        life = _life(session, connection, slug)
        found = evidence(connection, slug, life, now=session.clock.now())
    for line in _evidence_lines(slug, found):
        note(line)
    stands = life.stage_at(session.clock.now()) == "active"
    by_its_file = stands and not life.steps
    if (not stands or (by_its_file and found.alerts)) and not yes:
        click.confirm(f"Promote {slug}?", abort=True, err=True)
    if _step(session, slug, "active", reason, by, again=by_its_file):
        note(f"{slug} is active: it tells of events from now on. What it found before stays apart.")
    if as_json:
        write_json({"rule": slug, "stage": "active", "evidence": _evidence_as_json(found)})


@click.command()
@click.argument("slug")
@_REASON
@by_option
@pass_session
def retire(session: Session, /, slug: str, reason: str, by: str) -> None:
    """Let a rule run no more. Its alerts stay; events of its retirement are not judged by it if it comes back."""
    from detections import failure
    from detections.notices import Publishing

    if _step(session, slug, "retired", reason, by):
        publishing, now = Publishing(tuple(one.name for one in session.config.destinations)), session.clock.now()
        with session.database() as database, database.begin() as connection:
            failure.recovered(connection, slug, publishing, now=now, why="the rule was retired")
        note(f"{slug} is retired: it does not run any more. Its alerts stay as they are.")


COMMANDS: Final = (stage, promote, retire)


def with_life(session: Session, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what rules say of themselves, each with its stage and its figures; without a database with neither."""
    from storage.state import stages
    from storage.state.figures import figures

    now = session.clock.now()
    try:
        with session.database() as database, database.connect() as connection:
            found, steps = figures(connection, now=now), stages.steps(connection)
    except NotFoundError:  # nothing has run here yet
        found, steps = {}, {}
    except AcrWatchError as error:  # what rules say of themselves can be read all the same
        note(f"No figures: {error}")
        found, steps = {}, {}
    return [
        {
            **rule,
            "stage": stages.Life(rule["stage"], steps.get(rule["slug"], ())).stage_at(now),
            "stages": [_step_as_json(one) for one in steps.get(rule["slug"], ())],
            **_figures_as_json(found.get(rule["slug"])),
        }
        for rule in rules
    ]


def life_lines(rule: Mapping[str, Any]) -> "list[RenderableType]":
    """Return a rule's figures and steps for a person; `rule` is one of `with_life`."""
    untold = rule["stage"] in _UNTOLD
    alerts = noun_of(rule["alerts_per_week"], "alert")
    told = f"{_rate(rule)} a week, {rule['stage']}" if untold else f"{_rate(rule)} {alerts} a week"
    closed = ", ".join(f"{number} {outcome}" for outcome, number in rule["closed"].items())
    lines = [f"{told}; {rule['suppressed']} suppressed", f"precision {precision_words(rule)}; closed: {closed}"]
    lines += [f"{one['stage']} since {one['at']} by {one['actor']}: {one['reason']}" for one in rule["stages"]]
    return [cell(""), cell("In use", "bold"), bullets(lines)]


def precision_words(rule: Mapping[str, Any]) -> str:
    """Return a precision with the number of verdicts it rests on: `67 % of 3`."""
    return "-" if rule["precision"] is None else f"{100 * rule['precision']:.0f} % of {rule['judged']}"


def _rate(rule: Mapping[str, Any]) -> str:
    untold = _UNTOLD.get(rule["stage"])
    return f"({rule[untold]:g})" if untold else f"{rule['alerts_per_week']:g}"


def _figures_as_json(one: "Figures | None") -> dict[str, Any]:
    from storage.state.figures import Figures

    found = one or Figures()
    return {
        "alerts_per_week": found.alerts_per_week,
        "staged_per_week": found.staged_per_week,
        "blocks_per_week": found.blocks_per_week,
        "suppressed": found.suppressed,
        "closed": {"true": found.true, "benign": found.benign, "false": found.false},
        "judged": found.judged,
        "precision": None if found.precision is None else round(found.precision, 4),
    }


def _life(session: Session, connection: Any, slug: str) -> "Life":
    from acrwatch.cli.rules import known
    from detections.lanes import life_of

    return life_of(connection, known(session, slug).metadata)


def _step(session: Session, slug: str, to: str, reason: str, by: str, *, again: bool = False) -> bool:
    """Write a step down; return False, having said so, where the rule stands there already, unless `again`."""
    from detections.triage import named
    from storage.state import stages

    if not reason.strip():
        raise ConfigError("the reason is empty", remedy="Say why, for whoever asks in half a year")
    now = session.clock.now()
    with session.database() as database, database.begin() as connection:
        if not again and _life(session, connection, slug).stage_at(now) == to:
            note(f"{slug} is {to} already; nothing was changed.")
            return False
        stages.take(connection, stages.Step(slug, to, now, now, named(by), reason.strip()))
    return True


def _evidence_lines(slug: str, found: "Evidence") -> list[str]:
    time = f"Since {utc(found.since)} ({counted(round(found.days), 'day')})"
    lines = [f"{time} {slug} would have raised {counted(found.alerts, 'alert')}, {found.per_day:.2f} a day."]
    if found.entities:
        lines.append("Most often: " + ", ".join(f"{kind} {value} ({n})" for kind, value, n in found.entities))
    if found.alerts:
        told = ", ".join(f"{n} by {rule}" for rule, n in found.overlap) or "none by any other rule"
        lines.append(f"Of these, told already: {told}.")
    return lines


def _evidence_as_json(found: "Evidence") -> dict[str, Any]:
    return {
        "since": found.since.isoformat().replace("+00:00", "Z"),
        "alerts": found.alerts,
        "alerts_per_day": round(found.per_day, 4),
        "entities": [{"type": kind, "value": value, "alerts": n} for kind, value, n in found.entities],
        "overlap": [{"rule": rule, "alerts": n} for rule, n in found.overlap],
    }


def _step_as_json(one: "Step") -> dict[str, Any]:
    return {"stage": one.stage, "at": utc(one.at), "since": utc(one.since), "actor": one.actor, "reason": one.reason}
