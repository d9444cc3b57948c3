"""A bounded cache for values derived from text that repeats: resource ids, operations, addresses, statuses."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", str, tuple[str, str])
Value = TypeVar("Value")

ENTRIES: Final = 65_536
"""Entries a memo may hold. With KEY_LENGTH it bounds a memo's keys at 32 Mi characters, whatever a client sends."""

KEY_LENGTH: Final = 512
"""Longer keys are computed each time and never kept: real ones are shorter, hostile ones may hold 64 KiB."""


class Memo(dict[Key, Value], Generic[Key, Value]):
    """A dict that computes what it lacks, so that `map(memo.__getitem__, column)` runs without a Python frame per hit.

    When full it starts again empty: keys that repeat come back at once, and no bookkeeping is paid on a hit. An
    exception of `compute` passes through and nothing is kept.
    """

    def __init__(self, compute: Callable[[Key], Value], *, entries: int = ENTRIES) -> None:
        super().__init__()
        self._compute: Callable[[Key], Value] = compute
        self._entries = entries

    def __missing__(self, key: Key) -> Value:
        value = self._compute(key)
        length = len(key) if isinstance(key, str) else len(key[0]) + len(key[1])
        if length <= KEY_LENGTH:
            if len(self) >= self._entries:
                self.clear()
            self[key] = value
        return value
