"""How this endpoint says no: the AMQP error conditions that Event Hubs uses, carried by an exception."""

from typing import Final

from acrwatch.core.errors import AcrWatchError

NOT_FOUND: Final = "amqp:not-found"
NOT_ALLOWED: Final = "amqp:not-allowed"
UNAUTHORIZED: Final = "amqp:unauthorized-access"
INVALID_FIELD: Final = "amqp:invalid-field"
DECODE_ERROR: Final = "amqp:decode-error"
FRAMING_ERROR: Final = "amqp:connection:framing-error"
CONNECTION_FORCED: Final = "amqp:connection:forced"
DETACH_FORCED: Final = "amqp:link:detach-forced"
LINK_STOLEN: Final = "amqp:link:stolen"
MESSAGE_TOO_LARGE: Final = "amqp:link:message-size-exceeded"
UNATTACHED_HANDLE: Final = "amqp:session:unattached-handle"
# The two below are seen in the reports of users of Event Hubs; the Azure client does not retry them.
ARGUMENT_ERROR: Final = "com.microsoft:argument-error"
OUT_OF_RANGE: Final = "com.microsoft:argument-out-of-range"


class RefusedError(AcrWatchError):
    """The peer asked for something it cannot have; `condition` is what it is told."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(description)
        self.condition = condition
        self.description = description
