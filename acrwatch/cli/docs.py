"""`python -m acrwatch.cli.docs`: writes docs/cli.md, columns.md, settings.md and detections.md from what they describe.

A test holds the files to what this module returns, so that they cannot fall behind.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from acrwatch.cli.columns_page import columns_page
from acrwatch.cli.config import shown
from acrwatch.cli.detections_page import detections_page
from acrwatch.cli.root import root
from acrwatch.core import config, registry
from acrwatch.core.layers import environment_name
from acrwatch.core.setting import REQUIRED, Setting

_WIDTH: Final = 100
_MADE: Final = "<!-- Written by `python -m acrwatch.cli.docs`; change the code instead. -->\n\n"

_COMMANDS_INTRO: Final = """\
# Command line

Data goes to stdout, everything else to stderr. `--json` prints one document, for a list an array of objects; `--jsonl`
prints one object per line. Under `--json` an error is `{"error": {"code", "message", "hint"}}` on stderr.

Exit codes: 0 done (alerts found are no failure), 1 a check failed, 2 usage or configuration, 3 not found,
4 credentials refused, 5 remote unreachable, 130 interrupted.
"""
_SETTINGS_INTRO: Final = """\
# Settings

From the strongest: the environment, `acrwatch.toml` (or `--config FILE`), the default. Lists in the environment are
comma separated. A secret can be given as the path of a file that holds it: the same name with `_FILE` (in TOML `_file`)
at its end. Relative paths start at the configuration file's folder, or without a file at the working directory.
`acrwatch config show --origin` tells what is in force and who said so; an unknown name is an error.
"""


def pages() -> dict[str, str]:
    """Return the text of each generated page, by its file name."""
    return {
        "cli.md": _MADE + command_line(),
        "columns.md": _MADE + columns_page(),
        "settings.md": _MADE + settings(),
        "detections.md": _MADE + detections_page(),
    }


def command_line() -> str:
    """Return the help of every command, as Markdown."""
    return "\n".join([_COMMANDS_INTRO, *_helps(root, "acrwatch")])


def settings() -> str:
    """Return every setting of every section, as Markdown."""
    from acrwatch.delivery.sinks.discover import sink_types
    from ingest.sources.discover import source_types

    parts = [
        _SETTINGS_INTRO,
        _table("[store]", ("store",), config.STORE),
        _table("[detections]", ("detections",), config.DETECTIONS),
        _table("[registries.NAME]", ("registries", "NAME"), registry.SETTINGS),
    ]
    parts += _typed("sources", (config.TYPE,), {name: kind.settings for name, kind in source_types().items()})
    sinks = {name: kind.settings for name, kind in sink_types().items()}
    parts += _typed("destinations", (config.NAME, config.TYPE), sinks)
    return "\n".join(parts)


def _helps(command: click.Command, path: str, parent: click.Context | None = None) -> Iterator[str]:
    name = path.rpartition(" ")[2]
    context = command.make_context(name, [], parent, resilient_parsing=True, terminal_width=_WIDTH)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {path}\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            child = command.get_command(context, verb)
            if child is not None:
                yield from _helps(child, f"{path} {verb}", context)


def _typed(
    section: str, head: tuple[Setting[Any], ...], kinds: Mapping[str, tuple[Setting[Any], ...]]
) -> Iterator[str]:
    for name, own in sorted(kinds.items()):
        yield _table(f'[[{section}]] with type = "{name}"', (section, "0"), (*head, *own))


def _table(heading: str, keys: tuple[str, ...], table: tuple[Setting[Any], ...]) -> str:
    rows = [
        f"| `{setting.name}` | {_default(setting)} | {setting.doc} | `{environment_name((*keys, setting.name))}` |"
        for setting in table
    ]
    return "\n".join([f"## `{heading}`\n", "| key | default | meaning | environment |", "|---|---|---|---|", *rows, ""])


def _default(setting: Setting[Any]) -> str:
    if setting.default is REQUIRED:
        return "required"
    value = shown(setting.default)
    return "none" if value in (None, [], {}) else f"`{', '.join(value) if isinstance(value, list) else value}`"


def main(folder: Path) -> None:
    """Write the pages below `folder`."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(__file__).parents[2] / "docs")
