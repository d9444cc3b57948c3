"""A registry's standing in all checks, and which audit logs arrived of it lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from detections.posture.check import FAIL, PASS, UNKNOWN, Check, Facts, Finding
from detections.posture.checks import CHECKS
from storage.query import Reader

_ORDER = {FAIL: 0, UNKNOWN: 1, PASS: 2}
_LEVELS = {"high": 0, "medium": 1, "low": 2}


@dataclass(frozen=True, slots=True)
class Standing:
    """One check of one registry. `remedy` is empty where nothing is to be done."""

    check: Check
    finding: Finding
    remedy: str


def standings(registry: str, facts: Facts) -> Sequence[Standing]:
    """Return every check of a registry: failures first, then what is not known, the weightier before the lighter."""
    found = [_standing(check, check.judge(facts), registry) for check in CHECKS]
    return sorted(found, key=lambda one: (_ORDER[one.finding.result], _LEVELS[one.check.level]))


def categories_seen(reader: Reader, first: date, last: date) -> dict[str, list[str]]:
    """Return which categories each registry sent on these UTC dates, from the stored events. Raises StoreError."""
    files = reader.snapshot.between(first, last)
    if not files:
        return {}
    paths = ", ".join("'" + str(reader.snapshot.root / file.path).replace("'", "''") + "'" for file in files)
    rows = reader.query(
        f"SELECT DISTINCT registry, category FROM read_parquet([{paths}], union_by_name=true, hive_partitioning=false)"
    ).to_pylist()
    return {
        name: [row["category"] for row in rows if row["registry"] == name] for name in {r["registry"] for r in rows}
    }


def _standing(check: Check, finding: Finding, registry: str) -> Standing:
    remedies = {FAIL: check.remedy.replace("{registry}", registry), UNKNOWN: check.unknown, PASS: ""}
    return Standing(check, finding, remedies[finding.result])
