"""A local Event Hubs endpoint: AMQP 1.0 on loopback, for development, demos and tests without Azure."""

from acrwatch.devhub.entra import OWNER, RECEIVER, SENDER, AsyncLocalCredential, LocalCredential
from acrwatch.devhub.log import Retention
from acrwatch.devhub.server import DevHub

__all__ = ["OWNER", "RECEIVER", "SENDER", "AsyncLocalCredential", "DevHub", "LocalCredential", "Retention"]
