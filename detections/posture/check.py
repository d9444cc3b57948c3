"""What a check of good practice is, and what it can find."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

PASS: Final = "pass"  # noqa: S105 - a result, not a secret
FAIL: Final = "fail"
UNKNOWN: Final = "unknown"

Facts = Mapping[str, Any]


class Policy(NamedTuple):
    """A built-in definition of Azure Policy: its id, the same in every tenant, and its display name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: PASS, FAIL or UNKNOWN, and what the registry's settings say, in a phrase."""

    result: str
    found: str


@dataclass(frozen=True, slots=True)
class Check:
    """One practice. `judge` takes a registry's facts; `remedy` is what to do if it fails, `unknown` how to learn.

    `level` is how much a failure matters (high, medium, low); `source` is the page that recommends it; `policies` are
    the built-in definitions of Azure Policy that ask for the same.
    """

    name: str
    title: str
    level: str
    judge: Callable[[Facts], Finding]
    remedy: str
    source: str
    policies: tuple[Policy, ...] = ()
    unknown: str = "Import `az acr show` of a current Azure CLI."


def passed(found: str) -> Finding:
    """Return that a practice is followed."""
    return Finding(PASS, found)


def failed(found: str) -> Finding:
    """Return that it is not."""
    return Finding(FAIL, found)


def unsaid(what: str) -> Finding:
    """Return that what was imported does not say."""
    return Finding(UNKNOWN, f"not known: {what} was not imported")


def of_fact(name: str, good: Mapping[Any, str], bad: Mapping[Any, str]) -> Callable[[Facts], Finding]:
    """Return a judgement by one fact: its good values and its bad ones, each with what it means."""

    def judge(facts: Facts) -> Finding:
        value = facts.get(name)
        if value in good:
            return passed(good[value])
        if value in bad:
            return failed(bad[value])
        return unsaid(name) if value is None else Finding(UNKNOWN, f"{name} is {value!r}, which acrwatch does not know")

    return judge
