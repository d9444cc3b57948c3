"""A local Event Hubs endpoint: AMQP 1.0 on loopback, for development, demos and tests without Azure."""

from acrwatch.devhub.log import Retention
from acrwatch.devhub.server import DevHub

__all__ = ["DevHub", "Retention"]
