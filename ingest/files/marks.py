"""How far a source has read, noted while reading and written down once the message it stands for is durable."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Mark = TypeVar("Mark")


class Marks(Generic[Mark]):
    """Marks in the order of the messages they stand for."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, str, Mark]] = deque()
        self._stored = -1

    def note(self, sequence_number: int, key: str, mark: Mark) -> None:
        """Note what holds of `key` once message `sequence_number` is stored; -1 stands for no message at all."""
        self._waiting.append((sequence_number, key, mark))

    def stored(self, sequence_number: int) -> None:
        """Take note that everything up to this message is durable."""
        self._stored = max(self._stored, sequence_number)

    def waiting(self) -> set[str]:
        """Return the keys of which something is noted and not written yet."""
        return {key for _, key, _ in self._waiting}

    def settle(self, write: Callable[[Sequence[Mark]], None]) -> None:
        """Write what counts by now, of each key the last. Where `write` raises nothing is forgotten."""
        due: dict[str, Mark] = {}
        for number, key, mark in self._waiting:
            if number > self._stored:
                break
            due[key] = mark
        if due:
            write(list(due.values()))
        while self._waiting and self._waiting[0][0] <= self._stored:
            self._waiting.popleft()
