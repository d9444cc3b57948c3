"""`acrwatch simulate`: registry traffic with labelled attacks, to a hub, to files or to stdout."""

import dataclasses
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.output import Column, note, show_list, write_text
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.setting import moment
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from acrwatch.simulate import PlannedAttack, Scenario

# The attacks take 20 minutes; staged this long before the end, all of their records are inside the span.
_ATTACKS_BEFORE_END = timedelta(minutes=25)

_KIND_COLUMNS = (
    Column("KIND", lambda kind: kind["kind"]),
    Column("DETECTION", lambda kind: kind["rule"]),
    Column("WHAT HAPPENS", lambda kind: kind["summary"], wrap=True),
)


def _moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    try:
        return None if value is None else moment(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option("--hub", metavar="CONNECTION_STRING", envvar="ACRWATCH_HUB", help="Send to this event hub.")
@click.option("--eventhub", default="acr-audit", show_default=True, help="The hub's name, with --hub.")
@click.option(
    "--files", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write files below this folder."
)
@click.option("--layout", type=click.Choice(["pt1h", "jsonl", "json", "jsonl.gz"]), default="pt1h", show_default=True)
@click.option("--days", type=click.FloatRange(min=0.02), default=1.0, show_default=True, help="Length of the span.")
@click.option("--end", callback=_moment, help="End of the span, an ISO time with a zone. Default: now.")
@click.option("--events-per-day", type=click.IntRange(min=1), default=2500, show_default=True)
@click.option("--registry", "registries", multiple=True, help="A registry's name; repeatable.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed and span give the same records.")
@click.option(
    "--attacks/--no-attacks", default=True, show_default=True, help="One attack for each mission rule, near the end."
)
@click.option(
    "--attack",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Stage this kind instead, at a time that suits it; repeatable, `all` for all. Most want 50 days of past.",
)
@click.option("--each", type=click.IntRange(min=1), default=1, show_default=True, help="Attacks of each KIND.")
@click.option("--kinds", "listing", is_flag=True, help="List the kinds of attack and make nothing.")
@click.option("--everyday", is_flag=True, help="Add benign trouble that looks odd: scale-outs, purges, newcomers.")
@click.option(
    "--labels", type=click.Path(path_type=Path, dir_okay=False), help="Write the attacks here, as JSON Lines."
)
@pass_session
def simulate(
    session: Session,
    /,
    hub: str | None,
    eventhub: str,
    folder: Path | None,
    layout: str,
    labels: Path | None,
    listing: bool,
    **options: object,
) -> None:
    """Make registry traffic with labelled attacks.

    Without --hub and --files the records go to stdout as JSON Lines. Names and addresses are invented; the ranges to
    allow are printed on stderr, as configuration.
    """
    if listing:
        _list_kinds()
        return
    if hub and folder:
        raise click.UsageError("--hub and --files exclude each other")
    scenario = _scenario(options, session.clock.now())
    if labels:
        _write_labels(scenario, labels)
    sent = _emit(scenario, hub, eventhub, folder, layout)
    _note_settings(sent, scenario, whole=bool(options["kinds"] or options["everyday"]))


def _list_kinds() -> None:
    from acrwatch.simulate import KINDS

    found = [
        {"kind": kind.name, "rule": f"evades {kind.rule}" if kind.evasive else kind.rule, "summary": kind.summary}
        for kind in KINDS.values()
    ]
    show_list(None, found, _KIND_COLUMNS)


def _note_settings(sent: str, scenario: "Scenario", *, whole: bool) -> None:
    from acrwatch.simulate import registry_settings

    note(f"{sent}. The ranges to allow, as configuration:" if not whole else f"{sent}. What owners would configure:")
    for name, found in registry_settings(scenario).items():
        note(f"[registries.{name.lower()}]")
        for key, values in found.items():
            if whole or key == "allowed_ranges":
                note(f"{key} = {json.dumps(values)}")


def _scenario(options: dict[str, object], now: datetime) -> "Scenario":
    from acrwatch.simulate import Scenario

    end, days = options["end"] or now, options["days"]
    assert isinstance(end, datetime)
    assert isinstance(days, float)
    start = end - timedelta(days=days)
    chosen = {name: options[name] for name in ("seed", "events_per_day", "registries", "everyday") if options[name]}
    attacks = _attacks(options, start, end)
    return Scenario(start=start, end=end, attacks=attacks, **chosen)  # type: ignore[arg-type]


def _attacks(options: dict[str, Any], start: datetime, end: datetime) -> "tuple[PlannedAttack, ...]":
    from acrwatch.simulate import KINDS, live_attacks, spread_attacks

    if not options["kinds"]:
        return live_attacks(end - _ATTACKS_BEFORE_END) if options["attacks"] else ()
    wanted = tuple(KINDS) if "all" in options["kinds"] else options["kinds"]
    planned = spread_attacks(start, end, count=options["each"], seed=options["seed"], kinds=wanted)
    if left_out := sorted({*wanted} - {plan.rule for plan in planned}):
        least = max(KINDS[name].history + KINDS[name].span for name in left_out).days + 1
        raise click.UsageError(f"{', '.join(left_out)}: the span is too short; at least --days {least}")
    return planned


def _emit(scenario: "Scenario", hub: str | None, eventhub: str, folder: Path | None, layout: str) -> str:
    import msgspec

    from acrwatch.simulate import in_arrival_order, send, write_files
    from acrwatch.simulate import simulate as records_of

    labelled = in_arrival_order(records_of(scenario))
    if hub:
        return f"Sent {counted(send((item.record for item in labelled), hub, eventhub), 'message')} to {eventhub}"
    if folder:
        return f"Wrote {counted(len(write_files(labelled, folder, layout)), 'file')} below {folder}"  # type: ignore[arg-type]
    count = 0
    for item in labelled:
        write_text(msgspec.json.encode(item.record).decode())
        count += 1
    return f"Wrote {counted(count, 'record')}"


def _write_labels(scenario: "Scenario", path: Path) -> None:
    from acrwatch.simulate import ground_truth

    lines = [json.dumps(dataclasses.asdict(attack), default=datetime.isoformat) for attack in ground_truth(scenario)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
