"""Giving rejects a second chance, after a fix of the parser or of what sent them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acrwatch.core.model import Message

if TYPE_CHECKING:
    from scheduler import Parts
    from storage.state.rejects import StoredReject


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the rejects tried. `cut` ones were too long to be kept whole and cannot be tried."""

    replayed: int
    still_rejected: int
    cut: int
    events: int
    duplicates: int


def replay(parts: "Parts", found: "Sequence[StoredReject]") -> Replayed:
    """Store as events what can be read by now, and mark those rejects as replayed.

    The events come by a stream of their own. They are durable before the marks: after a crash in between, the next
    replay finds them known by their ids. Raises StoreError.
    """
    from storage.state import rejects as store

    stream = f"replay/{uuid.uuid4().hex}"
    whole = [reject for reject in found if reject.whole]
    messages = [
        Message(stream, number, reject.body, enqueued_time=reject.enqueued_time) for number, reject in enumerate(whole)
    ]
    now = parts.clock.now()
    refused = {reject.sequence_number for reject in parts.normaliser().batch(messages, now=now).rejects}
    good = [message for message in messages if message.sequence_number not in refused]
    commit = parts.lake().commit(parts.normaliser().batch(good, now=now).events, {}) if good else None
    done = [whole[message.sequence_number] for message in good]
    keys = [(reject.stream, reject.sequence_number, reject.ordinal) for reject in done]
    with parts.database.begin() as connection:
        store.mark_replayed(connection, keys, now=now)
    return Replayed(
        replayed=len(good),
        still_rejected=len(refused),
        cut=len(found) - len(whole),
        events=commit.rows if commit else 0,
        duplicates=commit.duplicates if commit else 0,
    )
