"""`acrwatch rules export`: rules as queries of other systems."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from acrwatch.cli.output import json_option, note, write_json, write_text
from acrwatch.cli.session import Session
from acrwatch.core.log import printable
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from detections.context import Context
    from detections.rule import RuleSet

_COMMENTS = {"kql": "// {}", "spl": "```{}```", "esql": "// {}"}


@click.command("export")
@click.argument("which", nargs=-1, metavar="[NAME|PATH]...")
@click.option("--format", "language", type=click.Choice(list(_COMMENTS)), required=True, help="The query language.")
@json_option
@click.pass_context
def export(ctx: click.Context, which: tuple[str, ...], language: str, as_json: bool) -> None:
    """Print rules as queries: KQL (Log Analytics, Sentinel), SPL (Splunk) or ES|QL (Elasticsearch).

    A rule whose query would not find what the rule finds is refused with the reason; one that was asked for by name and
    is refused ends the command with 1. Placeholders become what is configured now. docs/export.md says what the queries
    expect to find.
    """
    session: Session = ctx.obj
    rules, slugs = _chosen(session, which)
    context = session.context()
    found = [_exported(slug, rules, language, context) for slug in slugs]
    refused = [one for one in found if one["refused"]]
    if as_json:
        write_json(found)
    for one in [] if as_json else found:
        if one["query"]:
            heading = _COMMENTS[language].format(printable(f"{one['rule']}: {one['title']}").replace("`", "'"))
            write_text(f"{heading}\n{one['query']}\n")
    for one in refused:
        note(f"{one['rule']}: not exported: {one['refused']}")
    note(f"{counted(len(found) - len(refused), 'rule')} exported, {len(refused)} refused.")
    ctx.exit(1 if which and refused else 0)


def _chosen(session: Session, which: tuple[str, ...]) -> "tuple[RuleSet, list[str]]":
    """Return the rules that these words name; without any word those in use. Raises NotFoundError, ConfigError."""
    from acrwatch.cli.rules import chosen
    from detections.rule import SHIPPED, read_files

    slugs = sorted(chosen(session, which))
    paths = [Path(word) for word in which if Path(word).exists()]
    if not paths:
        return session.rules, slugs
    mine = read_files(paths, beside=(SHIPPED, *session.config.detections.rules))
    return mine, slugs


def _exported(slug: str, rules: "RuleSet", language: str, context: "Context") -> Mapping[str, Any]:
    from detections.compile import UnsupportedError
    from detections.export import export as query_of

    query, refused = None, None
    document = rules.documents.get(slug)
    try:
        if document is None:
            raise UnsupportedError("its baseline is built by code; no query says it")
        query = query_of(document, language, context)
    except UnsupportedError as error:
        refused = str(error)
    title = document.title if document is not None else ""
    return {"rule": slug, "title": title, "format": language, "query": query, "refused": refused}
