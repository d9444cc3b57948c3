"""The text of docs/detections.md: what every shipped detection finds, needs and misses, in its own words."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from acrwatch.cli.times import span
from acrwatch.core.registry import FLAGS
from detections import attack
from detections.detection import Detection, Metadata
from detections.library import read_library
from detections.needs import NOTHING, Needs, spoken
from detections.placeholders import LIKE, WITH, list_asked_for
from detections.rule import SHIPPED
from storage.state.stages import ACTIVE

_INTRO: Final = """\
# Detections

What acrwatch looks for. `acrwatch rules show NAME` adds the triage steps, `acrwatch rules test NAME` runs a
detection's own cases. Levels: critical and high are worth waking someone for, medium belongs to the day's work, low is
told because it adds up. Technique ids are those of MITRE ATT&CK, Enterprise {version}.

*Needs* names lists and flags of `[registries.NAME]` (see [settings.md](settings.md)): without them a detection stays
silent. A list is a key there, `push_identities = ["ci"]`; flags are texts in one key, `flags = ["private_only"]`.
*Uses* names those that it can do without, but judges better with. A behavioural detection judges by what it has seen
before.

All of them miss who bears another's name: the log says who acted by a text, and not what kind of account it is. A token
may be named as an object id is spelled, that of a service in `platform_identities` or `scanner_identities` too: then it
is taken for that, and left out where that is. `token-or-scope-map-written` tells of the making of every token.
"""
_LEVELS: Final = ("critical", "high", "medium", "low", "informational")
_PLACEHOLDER: Final = re.compile(r"%(\w+)%")


@cache
def detections_page() -> str:
    """Return the page, as Markdown, detections in order of level and name."""
    shipped = read_library().detections.values()
    ordered = sorted(shipped, key=lambda one: (_LEVELS.index(one.metadata.level), one.metadata.slug))
    rows = [
        f"| [{one.metadata.slug}](#{one.metadata.slug}) | {one.metadata.level} | {one.metadata.title} |"
        for one in ordered
    ]
    table = "\n".join(["| detection | level | finds |", "|---|---|---|", *rows, ""])
    return "\n".join([_INTRO.format(version=attack.VERSION), table, *map(_section, ordered)])


def _section(detection: Detection) -> str:
    about = detection.metadata
    lines = [f"## {about.slug}\n", f"**{about.title}** ({about.level}). {_sentence(about.description)}\n"]
    facts = {
        "Begins": "" if about.stage == ACTIVE else about.stage,
        "ATT&CK": _techniques(about),
        "One alert per": f"{', '.join(about.group_by)}, up to {span(about.group_for)} apart",
        **_context(detection),
        "False positives": "; ".join(map(_sentence, about.falsepositives)),
        "Misses": " ".join(map(_sentence, about.blind_spots)),
    }
    return "\n".join([*lines, *(f"- {name}: {value}" for name, value in facts.items() if value), ""])


def _techniques(about: Metadata) -> str:
    ids = [tag.removeprefix("attack.").upper() for tag in about.tags if attack.has_technique([tag])]
    return ", ".join(f"{number} {attack.techniques().get(number, '')}".strip() for number in ids) or about.no_technique


def _context(detection: Detection) -> dict[str, str]:
    file = SHIPPED / f"{detection.metadata.slug}.yml"
    if not file.exists():
        return {"Judges by": "what it has seen before"}
    needs: Needs = getattr(detection, "needs", NOTHING)
    used = set(_named(file.read_text(encoding="utf-8"))).difference(*needs)
    return {"Needs": "; ".join(spoken(needs, _marked)), "Uses": ", ".join(map(_marked, sorted(used)))}


def _marked(name: str) -> str:
    return f"`{name}` (a flag)" if name in FLAGS else f"`{name}`"


def _named(text: str) -> Iterator[str]:
    """Yield the lists and flags that a rule's placeholders name."""
    for name in _PLACEHOLDER.findall(text):
        yield list_asked_for(name) if name.startswith(WITH) else name.removeprefix(LIKE)


def _sentence(text: str) -> str:
    return " ".join(text.split())
