"""A bounded cache for values derived from text that repeats: resource ids, operations, addresses, statuses."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Value = TypeVar("Value")

ENTRIES: Final = 65_536
"""Entries a memo may hold. With KEY_LENGTH it bounds a memo's keys at 32 Mi characters, whatever a client sends."""

KEY_LENGTH: Final = 512
"""Longer keys are computed each time and never kept: real ones are shorter, hostile ones may hold 64 KiB."""


class Memo(dict[str, Value], Generic[Value]):
    """A dict that computes what it lacks, so that `map(memo.__getitem__, column)` runs without a Python frame per hit.

    When full it starts again empty: keys that repeat come back at once, and no bookkeeping is paid on a hit. An
    exception of `compute` passes through and nothing is kept.
    """

    def __init__(self, compute: Callable[[str], Value], *, entries: int = ENTRIES) -> None:
        super().__init__()
        self._compute: Callable[[str], Value] = compute
        self._entries = entries

    def __missing__(self, key: str) -> Value:
        value = self._compute(key)
        if len(key) <= KEY_LENGTH:
            if len(self) >= self._entries:
                self.clear()
            self[key] = value
        return value
