"""The history of an alert as people read it: who did what, when, from which value to which."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from acrwatch.cli.output import Column
from acrwatch.cli.times import utc
from acrwatch.core.wording import told

HISTORY: Final = (
    Column("WHEN", lambda line: line["when"]),
    Column("WHO", lambda line: line["who"]),
    Column("WHAT", lambda line: line["what"], wrap=True),
)


def history_lines(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, str]]:
    """Return one line per change, oldest first; extensions that follow each other are one line."""
    return [{"when": utc(when), "who": who, "what": what} for when, who, what in told(history)]
