"""Where a consumer wants to start: the `apache.org:selector-filter:string` expression that Event Hubs clients send."""

import re
from dataclasses import dataclass
from typing import Final

from acrwatch.devhub.log import PartitionLog
from acrwatch.devhub.refusal import ARGUMENT_ERROR, RefusedError

_EXPRESSION: Final = re.compile(
    r"amqp\.annotation\.(?P<field>x-opt-offset|x-opt-sequence-number|x-opt-enqueued-time(?:-utc)?)"
    r"\s*(?P<operator>>=?)\s*'?(?P<value>-?\d{1,19}|@latest)'?"
)


@dataclass(frozen=True, slots=True)
class StartPosition:
    """A parsed selector. `field` is the annotation compared with, `value` None stands for @latest."""

    field: str
    value: int | None
    inclusive: bool

    def resolve(self, log: PartitionLog) -> int:
        """Return the sequence number to send first.

        Raises:
            RefusedError: the position lies behind the end of the log; Azure refuses such a link, too, for instance
            after a hub was deleted and made again.
        """
        state = log.state()
        if self.value is None:
            return state.last_sequence_number + 1
        if self.value < 0 and self.field != "x-opt-enqueued-time":
            return state.first_sequence_number
        if self.field == "x-opt-enqueued-time":
            return log.after_time(self.value, inclusive=self.inclusive)
        if self.field == "x-opt-offset":
            _refuse_beyond("offset", self.value, state.last_offset)
            return log.after_offset(self.value, inclusive=self.inclusive)
        _refuse_beyond("sequence number", self.value, state.last_sequence_number)
        return self.value if self.inclusive else self.value + 1


START: Final = StartPosition("x-opt-offset", -1, inclusive=False)


def parse_selector(expression: str) -> StartPosition:
    """Parse a selector expression.

    Raises:
        RefusedError: it is none that Event Hubs knows.
    """
    match = _EXPRESSION.fullmatch(expression.strip())
    if match is None:
        raise RefusedError(
            ARGUMENT_ERROR, f"The filter '{expression[:200]}' is not a valid amqp filter for EventHub entities"
        )
    value = None if match["value"] == "@latest" else int(match["value"])
    return StartPosition(match["field"].removesuffix("-utc"), value, match["operator"] == ">=")


def _refuse_beyond(what: str, value: int, last: int) -> None:
    if value > last:
        raise RefusedError(
            ARGUMENT_ERROR, f"The supplied {what} '{value}' is invalid. The last {what} in the system is '{last}'"
        )
