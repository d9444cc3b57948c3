"""The result of a drill as people read it, and as the rows that docs/reliability.md holds."""

import statistics
from collections.abc import Iterator

from benchmarks.machine import described
from drill.course import Result


def in_words(result: Result) -> str:
    """Return what was done, each promise with what was found, and the evidence for what was broken."""
    return "\n".join([*_deeds(result), "", *_promises(result), "", _sentence(result)])


def as_rows(result: Result) -> str:
    """Return the table of docs/reliability.md."""
    rows = {
        "machine": described(),
        "seed, end of traffic": f"{result.wish.seed}, {result.wish.end:%Y-%m-%dT%H:%MZ}",
        "kill -9": f"{result.ordeal.fleet.kills.total()}: {_counted(result.ordeal.fleet.kills)}",
        "age at death": _ages(result),
        "suspended past claims and leases": str(result.ordeal.fleet.suspensions),
        "PostgreSQL taken away": _faults(result, "postgresql"),
        "hub faults": _faults(result, "hub"),
        "receiver faults": _faults(result, "receiver"),
        "load": f"{len(result.load.messages):,} messages, {len(result.load.records):,} records, "
        f"{result.load.late:,} of them late, {result.load.repeated:,} messages sent again",
        "commits": f"{result.versions:,} versions of the table",
        "maintenance, at least": _counted(result.upkeep),
        "deliveries repeated": f"{result.ordeal.receiver.repeated():,}",
        "caught up after the last fault": f"{result.drained:.0f} s",
        "in all": f"{result.seconds:.0f} s",
    }
    kept = {check.promise: check.found if check.held else f"**broken**: {check.found}" for check in result.checks}
    lines = ["| what | found |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in {**rows, **kept}.items())])


def _deeds(result: Result) -> Iterator[str]:
    fleet = result.ordeal.fleet
    yield f"{fleet.kills.total()} processes killed ({_counted(fleet.kills)}), aged {_ages(result)}"
    yield f"{fleet.suspensions} suspended past every claim and lease"
    for kind in ("postgresql", "hub", "receiver"):
        yield f"{kind}: {_faults(result, kind)}"
    yield f"receiver answered: {_counted(result.ordeal.receiver.answers)}"
    for one in fleet.exits:
        yield f"{one.member} ended by itself with {one.code}"


def _promises(result: Result) -> Iterator[str]:
    for check in result.checks:
        yield f"{'kept  ' if check.held else 'BROKEN'}  {check.promise}: {check.found}"
        yield from (f"          {breach}" for breach in check.breaches)


def _sentence(result: Result) -> str:
    broken = sum(not check.held for check in result.checks)
    end = f"{result.wish.end:%Y-%m-%dT%H:%MZ}"
    words = f"{broken} promises broken" if broken else "Every promise was kept"
    return f"{words} (seed {result.wish.seed}, end {end}, {result.seconds:.0f} s)."


def _faults(result: Result, kind: str) -> str:
    counts = {
        key.removeprefix(f"{kind}/"): count for key, count in result.ordeal.done.items() if key.startswith(f"{kind}/")
    }
    return f"{sum(counts.values())}: {_counted(counts)}"


def _counted(counts: "dict[str, int]") -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _ages(result: Result) -> str:
    ages = result.ordeal.fleet.ages
    return f"{min(ages):.1f} to {max(ages):.1f} s, median {statistics.median(ages):.1f} s" if ages else "none"
