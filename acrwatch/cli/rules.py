"""`acrwatch rules`: reading and checking detections."""

import difflib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.backtest import backtest
from acrwatch.cli.output import (
    SEVERITY_STYLE,
    Column,
    Format,
    bullets,
    cell,
    json_option,
    list_options,
    note,
    render,
    show_list,
    within,
    write_json,
    write_text,
)
from acrwatch.cli.rule_export import export
from acrwatch.cli.rule_life import COMMANDS as LIFE_COMMANDS
from acrwatch.cli.rule_life import LIFE_COLUMNS, life_lines, with_life
from acrwatch.cli.rule_run import run
from acrwatch.cli.session import Session, pass_session
from acrwatch.cli.times import span
from acrwatch.core.errors import NotFoundError
from acrwatch.core.log import printable
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from detections.detection import Detection, Metadata
    from detections.lint import Finding

_COLUMNS = (
    Column("RULE", lambda rule: rule["slug"]),
    Column("LEVEL", lambda rule: rule["level"], lambda rule: SEVERITY_STYLE.get(rule["level"], "")),
    *LIFE_COLUMNS,
    Column("TITLE", lambda rule: rule["title"], wrap=True),
)


@click.group()
def rules() -> None:
    """List, read, test and check detection rules."""


for _command in LIFE_COMMANDS:
    rules.add_command(_command)


@rules.command("list")
@list_options
@pass_session
def list_(session: Session, /, output_format: Format | None, limit: int) -> None:
    """List the rules in use: those that come with acrwatch, and those of detections.rules."""
    found = [metadata_as_json(rule.metadata) for _, rule in sorted(session.rules.detections.items())]
    show_list(output_format, within(limit, with_life(session, found)), _COLUMNS)
    for line in broken_lines(session):
        note(line)


@rules.command()
@click.argument("slug")
@json_option
@pass_session
def show(session: Session, /, slug: str, as_json: bool) -> None:
    """Read one rule: what it finds, what it misses, what to do."""
    from detections.needs import NOTHING, spoken

    rule = installed(session, slug) or known(session, slug).metadata
    needs = getattr(session.rules.detections.get(slug), "needs", NOTHING)
    full = {**with_life(session, [metadata_as_json(rule)])[0], "needs": sorted(map(sorted, needs))}
    if as_json:
        write_json(full)
        return
    render(cell(rule.title, "bold"), cell(f"{rule.slug}  {rule.level}  {rule.status}  {rule.id}"), cell(""))
    render(cell(" ".join(rule.description.split())))
    groups = (f"{', '.join(rule.group_by)}, up to {span(rule.group_for)} apart",)
    parts = {
        "Stays silent until [registries.NAME] has": spoken(needs),
        "What to do": rule.runbook,
        "False positives": rule.falsepositives,
        "What it misses": rule.blind_spots,
        "One alert per": groups,
        "ATT&CK": rule.tags,
        "References": rule.references,
    }
    for heading, lines in parts.items():
        if lines:
            render(cell(""), cell(heading, "bold"), bullets(lines))
    render(*life_lines(full))


@rules.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--strict", is_flag=True, help="End with 1 for warnings, too.")
@json_option
@click.pass_context
def lint(ctx: click.Context, paths: tuple[Path, ...], strict: bool, as_json: bool) -> None:
    """Check rule files; without PATHS everything in use. Ends with 1 if there is an error.

    An error keeps a rule from loading, or from doing what it says: unknown fields and values, conditions that no event
    can meet, selections that no condition uses, unreadable cases. A warning is something that its readers will miss:
    cases that fire and stay silent, a runbook, blind spots, an ATT&CK technique.
    """
    from detections import lint as linting
    from detections.rule import SHIPPED

    session: Session = ctx.obj
    own = session.config.detections.rules
    found = linting.lint(paths, beside=(SHIPPED, *own)) if paths else linting.lint_library(own)
    errors = [one for one in found if one.severity == linting.ERROR]
    warnings = [one for one in found if one.severity == linting.WARNING]
    if as_json:
        write_json({"ok": not errors, "errors": _findings(errors), "warnings": _findings(warnings)})
    for one in [] if as_json else found:
        write_text(printable(str(one)))
    note(f"{counted(len(errors), 'error')}, {counted(len(warnings), 'warning')}." if found else "No mistakes found.")
    ctx.exit(1 if errors or (strict and warnings) else 0)


def _findings(found: "Iterable[Finding]") -> list[dict[str, Any]]:
    return [
        {"rule": one.rule, "file": one.file and str(one.file), "line": one.line, "message": one.message}
        for one in found
    ]


@rules.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def lock(folders: tuple[Path, ...]) -> None:
    """Write rules.lock beside the rules of a folder: the hash of each file.

    From then on a file that was changed, added or removed is refused as a mistake until the lock is renewed by the same
    command. Keep it under version control, so that a review sees both.
    """
    from detections import lock as locking
    from detections.rule import rule_files

    for folder in folders:
        files = rule_files(folder)
        note(f"{locking.lock(folder, files)}: {counted(len(files), 'file')}.")


@rules.command("test")
@click.argument("which", nargs=-1, metavar="[NAME|PATH]...")
@json_option
@click.pass_context
def test_(ctx: click.Context, which: tuple[str, ...], as_json: bool) -> None:
    """Try rules on their own test cases, by name or from files; without either all in use. Ends with 1 if one fails."""
    found = chosen(ctx.obj, which)
    results = [result for _, detection in sorted(found.items()) for result in tried(detection)]
    failed = [result for result in results if not result["passed"]]
    if as_json:
        write_json(results)
    for result in failed:
        note(f"{result['rule']}: {result['case']}: {'; '.join(result['differences'])}")
    note(f"{len(results) - len(failed)} of {counted(len(results), 'case')} went as they should.")
    ctx.exit(1 if failed else 0)


def tried(detection: "Detection", *, until: float = math.inf) -> Iterator[dict[str, Any]]:
    """Yield what came of each case; none begins after `until` (monotonic).

    A case that is wrong, or breaks the detection, does not keep the others from it.
    """
    from detections.case import run_case
    from detections.case_spec import CaseMistakeError, read_case

    for given in detection.metadata.tests:
        if time.monotonic() >= until:
            return
        try:
            differences = list(run_case(detection, read_case(given)).differences)
        except CaseMistakeError as error:
            differences = [str(error)]
        except RuntimeError as error:  # how a failed run of the detection arrives here
            differences = [f"the detection failed: {error}"]
        name = str(given.get("name", "unnamed"))
        yield {"rule": detection.metadata.slug, "case": name, "passed": not differences, "differences": differences}


def metadata_as_json(rule: "Metadata") -> dict[str, Any]:
    """Return what a rule says of itself, as the API shows it."""
    names = ("slug", "id", "version", "title", "level", "status", "stage", "description", "author", "date", "reason")
    lists = ("group_by", "tags", "references", "falsepositives", "blind_spots", "runbook")
    return {
        **{name: getattr(rule, name) for name in names},
        **{name: list(getattr(rule, name)) for name in lists},
        "group_for_seconds": rule.group_for.total_seconds(),
        "entities": dict(rule.entities),
        "tests": len(rule.tests),
    }


def refuse_unknown(session: Session, slug: str) -> None:
    """Raise NotFoundError, with the nearest name, where no rule that is installed raises such alerts."""
    from detections.built_in import BUILT_IN

    found = {*session.rules.detections, *BUILT_IN}
    if slug not in found:
        near = difflib.get_close_matches(slug, found, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(found))}"
        raise NotFoundError(f"there is no rule {slug!r}, and no alert of one", remedy=hint)


def installed(session: Session, slug: str) -> "Metadata | None":
    """Return what the detection behind an alert says of itself; None where there is none any more."""
    from detections.built_in import BUILT_IN

    found = session.rules.detections.get(slug)
    return found.metadata if found else BUILT_IN.get(slug)


def known(session: Session, slug: str) -> "Detection":
    """Return a detection in use. Raises NotFoundError with the known ones, and with the files that are broken;
    ConfigError for what raises alerts and is no rule."""
    from detections import built_in

    found = session.rules.detections
    if slug not in found:
        built_in.refuse(slug)
        broken = next((f": {one}" for one in session.rules.mistakes if one.file.stem == slug), "")
        raise NotFoundError(f"there is no rule {slug!r}{broken}", remedy=f"Known are {', '.join(sorted(found))}")
    return found[slug]


def chosen(session: Session, which: Sequence[str]) -> "Mapping[str, Detection]":
    """Return the detections that these words name: files and folders by their path, others by slug; without any word
    those in use. Raises NotFoundError for a slug nobody has, ConfigError for a file that is no rule."""
    from detections.rule import SHIPPED, load_rules

    if not which:
        return session.rules.detections
    paths = [Path(word) for word in which if Path(word).exists()]
    beside = (SHIPPED, *session.config.detections.rules)
    return {
        **load_rules(paths, beside=beside),
        **{word: known(session, word) for word in which if not Path(word).exists()},
    }


def broken_lines(session: Session) -> list[str]:
    """Return what to say wherever rules are shown: which files are none."""
    return [f"Not in use: {mistake}" for mistake in session.rules.mistakes]


rules.add_command(backtest)
rules.add_command(export)
rules.add_command(run)
