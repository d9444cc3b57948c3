"""MITRE ATT&CK as rules name it: which techniques there are, and what is wrong with a tag.

The table `attack_techniques.txt` holds Enterprise 17.0 whole: a registry's rules reach beyond the container and cloud
matrices (a compromised supply chain, T1195.002, is in neither).
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

VERSION: Final = "17.0"

# Techniques that version 19 put in place of some of 17 (T1562 and others), as the rules of elastic/detection-rules
# map them. Either generation of ids is right: which one an analyst's tools know differs.
_REPLACEMENTS: Final[Mapping[str, str]] = {
    "T1684.001": "Impersonation",
    "T1685": "Disable or Modify Tools",
    "T1685.001": "Disable or Modify Windows Event Log",
    "T1685.002": "Disable or Modify Cloud Log",
    "T1685.005": "Clear Windows Event Logs",
    "T1685.006": "Clear Linux or Mac System Logs",
    "T1686": "Disable or Modify System Firewall",
    "T1686.001": "Cloud Firewall",
    "T1689": "Downgrade Attack",
}
_TACTICS: Final = (
    "reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation",
    "defense-evasion", "credential-access", "discovery", "lateral-movement", "collection", "command-and-control",
    "exfiltration", "impact",
)  # fmt: skip
_TECHNIQUE: Final = re.compile(r"t\d{4}(\.\d{3})?")
_OTHER_ID: Final = re.compile(r"(ta|g|s|c|m)\d{4}")  # a tactic by number, a group, software, a campaign, a mitigation


@cache
def techniques() -> Mapping[str, str]:
    """Return the name of every known technique by its id (`T1078.004`)."""
    text = Path(__file__).with_name("attack_techniques.txt").read_text(encoding="utf-8")
    rows = (line.partition("\t") for line in text.splitlines() if not line.startswith("#"))
    return {**{number: name for number, _, name in rows}, **_REPLACEMENTS}


def has_technique(tags: Iterable[str]) -> bool:
    """Return whether one of a rule's tags is an ATT&CK technique, known or not."""
    return any(_TECHNIQUE.fullmatch(_word(tag) or "") for tag in tags)


def wrong_tags(tags: Iterable[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield each ATT&CK tag that is wrong with the reason, and whether it is so for certain: an id of the right shape
    that is not in the table may be of a later version."""
    for tag in tags:
        word = _word(tag)
        if word is None or _OTHER_ID.fullmatch(word):
            continue
        if _TECHNIQUE.fullmatch(word):
            if word.upper() not in techniques():
                yield tag, f"{word.upper()} is no technique of ATT&CK {VERSION}", False
        elif word.replace("_", "-") not in _TACTICS:
            near = difflib.get_close_matches(word, _TACTICS, n=1)
            hint = f"did you mean attack.{near[0]}?" if near else "techniques are written attack.t1078.004"
            yield tag, f"{tag} is neither a tactic nor a technique: {hint}", bool(re.match(r"t\d", word))


def _word(tag: str) -> str | None:
    namespace, _, word = tag.lower().partition(".")
    return word if namespace == "attack" else None
