"""One alert in a notebook: why, its events, what else there is about the same subjects, and when it all happened."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storage.state import alerts as store

if TYPE_CHECKING:
    from acrwatch.notebook.client import Client


class Alert:
    """An alert as it was stored when it was asked for."""

    def __init__(self, client: "Client", stored: store.Alert, history: Sequence[Mapping[str, Any]]) -> None:
        self._client = client
        self._stored = stored
        self._history = history

    def __repr__(self) -> str:
        return f"<alert {self._stored.id}: {self._stored.severity} {self._stored.rule}, {self._stored.status}>"

    @property
    def why(self) -> str:
        """Why it was raised: one sentence with the real values."""
        return self._stored.reason
