"""What a person may say of an alert when closing it.

The words are those of Microsoft Sentinel's five classifications, so that they map onto its incidents one to one, and
two more that other tools know: `duplicate` and `test`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from acrwatch.core.errors import ConfigError

TRUE, BENIGN, FALSE = "true_positive", "benign_positive", "false_positive"
DUPLICATE: Final = "duplicate"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict: its word, what it means, and the `outcome` it counts as for the rule, None where as nothing."""

    name: str
    meaning: str
    outcome: str | None = None


VERDICTS: Final[Mapping[str, Verdict]] = {
    one.name: one
    for one in (
        Verdict("true_positive.suspicious_activity", "an attack, or something that has to stop", TRUE),
        Verdict("benign_positive.suspicious_but_expected", "the rule is right, and the activity was expected", BENIGN),
        Verdict("false_positive.incorrect_logic", "the rule should not have fired on this", FALSE),
        Verdict("false_positive.inaccurate_data", "what the log or the context said was wrong", FALSE),
        Verdict("undetermined", "nobody could tell"),
        Verdict(DUPLICATE, "another alert is about the same"),
        Verdict("test", "somebody tried whether it works"),
    )
}


def verdict_named(word: str) -> Verdict:
    """Return the verdict that a word, or an unambiguous beginning of one, means. Raises ConfigError."""
    wanted = word.strip().casefold().replace("-", "_")
    found = [one for name, one in VERDICTS.items() if wanted and name.startswith(wanted)]
    exact = VERDICTS.get(wanted)
    if exact is None and len(found) != 1:
        what = "may mean several verdicts" if found else "is no verdict"
        names = ", ".join(one.name for one in found or VERDICTS.values())
        raise ConfigError(f"{word!r} {what}", remedy=f"Say one of: {names}")
    return exact or found[0]


def outcome_of(close_reason: str | None) -> str | None:
    """Return what the reason of a close counts as for the rule: TRUE, BENIGN, FALSE, or None where it says nothing."""
    start = (close_reason or "").partition(".")[0]
    return start if start in (TRUE, BENIGN, FALSE) else None
