"""The development hub in a process of its own, and its remote control. It stands for Azure: faulted, never killed."""

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

from acrwatch.devhub import DevHub
from drill.plan import Step

HUB: Final = "acr-audit"
PARTITIONS: Final = 4
_WAIT: Final = 60.0  # seconds
_STOLEN: Final = "amqp:link:stolen"


def serve(control: Connection, hubs: dict[str, int]) -> None:
    """Serve hubs, and call what `control` asks for, until it closes. Runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the drill, which then closes the control
    with DevHub(hubs=hubs) as hub:
        control.send((hub.connection_string, hub.port))
        while True:
            try:
                name, arguments, options = control.recv()
            except EOFError:
                return
            control.send(getattr(hub, name)(*arguments, **options))


class RemoteHub:
    """The hub as others see it, with its faults. Safe to call from several threads; `close` it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._control, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, {HUB: PARTITIONS}), daemon=True)
        self._process.start()
        theirs.close()
        self._lock = threading.Lock()
        self._timers: list[threading.Timer] = []
        self.connection_string, self.port = self._control.recv()

    def append(self, body: bytes, partition: int) -> None:
        """Store one message, as of now."""
        self._call("append", HUB, body, partition=partition)

    def ends(self) -> dict[str, int]:
        """Return the newest sequence number by the name that a partition's stream has in the lake."""
        return {
            f"eventhub/localhost:{self.port}/{HUB}/{number}/0": self._call("last_sequence_number", HUB, number)
            for number in range(PARTITIONS)
        }

    def fault(self, step: Step) -> None:
        """Do what a step says. What lasts ends by itself."""
        partition = int(step.choice * PARTITIONS)
        match step.what:
            case "reset" | "end":
                self._call("abort_connections", reset=step.what == "reset")
            case "close":
                self._call("close_connections")
            case "detach":
                self._call("detach_links", HUB, partition=partition)
            case "steal":
                self._call("detach_links", HUB, partition=partition, condition=_STOLEN, description="taken over")
            case "freeze":
                self._call("freeze_connections")
            case "refuse":
                self._call("refuse_connections")
                self._call("abort_connections")
                self._later(step.seconds, lambda: self._call("accept_connections"))
            case "stall":
                self._signal(signal.SIGSTOP)
                self._later(step.seconds, lambda: self._signal(signal.SIGCONT))
            case _:
                raise ValueError(f"no fault of the hub is called {step.what}")

    def calm(self) -> None:
        """Wait until the faults that last are over."""
        for timer in self._timers:
            timer.join(_WAIT)
        self._timers.clear()

    def close(self) -> None:
        """End the process, whatever state it is in."""
        for timer in self._timers:
            timer.cancel()
        self._control.close()
        self._process.kill()
        self._process.join(_WAIT)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        with self._lock:
            self._control.send((name, arguments, options))
            return self._control.recv()

    def _later(self, seconds: float, work: Any) -> None:
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)


def send_all(hub: RemoteHub, messages: Sequence[bytes], *, seed: int, seconds: float, stop: threading.Event) -> None:
    """Send messages evenly over `seconds`, to random partitions, or until `stop`: then the rest at once."""
    chance = random.Random(f"send/{seed}")
    pause = seconds / max(1, len(messages))
    for body in messages:
        hub.append(body, chance.randrange(PARTITIONS))
        stop.wait(chance.expovariate(1 / pause))
