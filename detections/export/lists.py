"""What is configured for a placeholder, as values that a query can hold."""

from collections.abc import Iterator, Sequence
from typing import Any

from sigma.types import SigmaCIDRExpression, SigmaString

from acrwatch.core.registry import EVERY
from detections.compile import UnsupportedError
from detections.context import Context
from detections.placeholders import ADDRESSES, LIKE, WITH, list_asked_for, needed_by

# A registry (None: every one), and the values of which its events must meet one (none: its events meet it as they are).
Behind = tuple[str | None, Sequence[Any]]


class Lists:
    """The lists and flags of a context, as alternatives of a condition."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def behind(self, field: str, name: str) -> list[Behind]:
        """Return what `field|expand: '%name%'` stands for: any of these.

        Raises UnsupportedError where nothing is configured: the query would find nothing, or everything, for ever.
        """
        if name.startswith(LIKE) and field != "registry":
            raise UnsupportedError(f"%{name}%: what is spelled almost like a value of a list")
        if self.is_empty(field, name):
            raise UnsupportedError(f"%{name}% is empty: nothing of that name is configured")
        found = self.configured(field, name)
        if any(registry is None and not values for registry, values in found):
            raise UnsupportedError(f"%{name}% holds for every registry: leave it out of the rule")
        return found

    def is_empty(self, field: str, name: str) -> bool:
        """Return whether nothing is configured that `field|expand: '%name%'` could be true by."""
        return not self._context.has(needed_by(field, name))

    def configured(self, field: str, name: str) -> list[Behind]:
        """Return what is configured under a name, perhaps nothing."""
        return list(self._asked(field, name))

    def _asked(self, field: str, name: str) -> Iterator[Behind]:
        for registry, known in sorted(self._context.registries.items()):
            here = None if registry == EVERY else registry.casefold()
            if field == "registry":
                asked = list_asked_for(name) if name.startswith(WITH) else name
                if known.ranges.get(asked) or known.lists.get(asked) or asked in known.flags:
                    yield here, ()
            elif field in ADDRESSES:
                networks = [SigmaCIDRExpression(str(network)) for network in known.ranges.get(name, ())]
                if networks:
                    yield here, networks
            elif values := [SigmaString(value) for value in known.lists.get(name, ())]:
                yield here, values
