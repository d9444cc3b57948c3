"""A worker that dies between sending and recording: the delivery comes again, under the same id."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from acrwatch.delivery.sinks import Sink
from acrwatch.delivery.worker import Summary, deliver_due
from storage.state import outbox
from storage.state.database import Database
from tests.delivery.receiver import SECRET, MovableClock, Receiver
from tests.state.leased import let_leases_end

ROOT = Path(__file__).parents[2]
_WORKER = """
import random, sys
from datetime import datetime
from acrwatch.delivery.address import web_address
from acrwatch.core.setting import Secret
from acrwatch.delivery.sinks import webhook
from acrwatch.delivery.worker import deliver_due
from storage.state.database import Database

url, address, secret, now = sys.argv[1:]

class Clock:
    def now(self):
        return datetime.fromisoformat(now)

sink = webhook.open({"url": web_address(address), "secret": Secret(secret), "ca_file": None})
deliver_due(Database(url), {"siem": sink}, clock=Clock(), rng=random.Random(1))
"""


def test_a_delivery_sent_but_not_recorded_is_sent_again_with_its_id(
    database: Database,
    database_url: str,
    enqueue: Callable[..., None],
    receiver: Receiver,
    webhook: Sink,
    clock: MovableClock,
) -> None:
    enqueue(body='{"n":1}')
    arguments = [database_url, receiver.url, SECRET, clock.now().isoformat()]
    killed = subprocess.run(
        [sys.executable, "-c", _WORKER, *arguments],
        cwd=ROOT,
        env={**os.environ, "ACRWATCH_CRASH_AT": "delivery.sent"},
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(receiver.received) == 1
    assert deliver_due(database, {"siem": webhook}, clock=clock, rng=random.Random(2)) == Summary(), "still leased"
    let_leases_end(database)
    assert deliver_due(database, {"siem": webhook}, clock=clock, rng=random.Random(2)) == Summary(sent=1)
    assert receiver.ids() == ["alr_A_1_siem_created"] * 2
    assert [one.body for one in receiver.received] == [b'{"n":1}'] * 2
    with database.connect() as connection:
        assert len(outbox.tried(connection, "alr_A_1_siem_created")) == 1
