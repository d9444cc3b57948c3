"""Do the registries that were configured and those that speak agree."""

from collections.abc import Iterator
from pathlib import Path

from acrwatch.cli.checks.result import OK, WARN, Result
from acrwatch.cli.session import Session


def registries(session: Session) -> Iterator[Result]:
    """Compare `[registries]` with what the lake holds. Raises StoreError."""
    configured = session.config.registries
    everywhere = session.config.every_registry.ranges.get("allowed_ranges")
    judged = {name for name, one in configured.items() if everywhere or one.ranges.get("allowed_ranges")}
    speaking = _speaking(session)
    for name in sorted(configured.keys() - speaking):
        what = f"{name} is configured, but no event of it was ever stored"
        yield Result(
            "registries", WARN, what, "Auditing is off until a diagnostic setting is made: see `acrwatch init`"
        )
    for name in [] if everywhere else sorted(speaking - configured.keys()):
        what = f"{name} speaks, but is not configured: its pulls are not judged by address"
        yield Result("registries", WARN, what, f"Add [registries.{name}] with allowed_ranges")
    for name in sorted(configured.keys() - judged):
        what = f"{name} has no allowed_ranges: its pulls are not judged by address"
        yield Result("registries", WARN, what, f"Set allowed_ranges in [registries.{name}]")
    known = sorted(judged & speaking)
    if known:
        yield Result("registries", OK, f"configured, speaking and judged: {', '.join(known)}")


def _speaking(session: Session) -> set[str]:
    from detections.presence import Survey
    from storage.lake import Lake

    root = Path(session.config.store.path)
    return set(Survey().look(Lake.open(root).snapshot()).habits) if root.exists() else set()
