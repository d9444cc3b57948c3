"""The processes of acrwatch under drill, and a supervisor that starts each anew as soon as it is gone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

# Every kind of process that acrwatch has, and more than one of each. `run` is all of them in one, and the only kind
# that looks after the lake and watches for silence.
MEMBERS: Final[Mapping[str, Sequence[str]]] = {
    "ingest-1": ["ingest"],
    "ingest-2": ["ingest"],
    "ingest-3": ["ingest"],
    "detect-1": ["detect"],
    "detect-2": ["detect"],
    "deliver-1": ["deliver"],
    "deliver-2": ["deliver"],
    "run-1": ["run"],
    "run-2": ["run"],
}
_LOOK: Final = 0.05  # seconds between two looks at who is alive
_AGAIN: Final = 0.5  # seconds before one that ended by itself is started anew, as supervisors wait
_END: Final = 60.0  # seconds for an orderly end


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that ended by itself, `at` this monotonic time: none should while its database is there."""

    member: str
    code: int
    at: float
    said: str


@dataclass(slots=True)
class _Life:
    process: subprocess.Popen[bytes]
    began: float
    resumed: threading.Timer | None = None

    def end(self) -> None:
        """Kill it, if it is alive still, and leave nothing of it behind."""
        self.process.kill()
        self.process.wait()
        if self.resumed is not None:
            self.resumed.cancel()
        if self.process.stdin is not None:
            self.process.stdin.close()


@dataclass
class Fleet:
    """Start it, let it be killed and suspended, stop it. `ages` are the seconds lived by those that were killed."""

    config: Path
    members: Mapping[str, Sequence[str]] = field(default_factory=lambda: MEMBERS)
    kills: Counter[str] = field(default_factory=Counter)
    suspensions: int = 0
    ages: list[float] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lives: dict[str, _Life] = {}
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start all of them, and keep them running until `stop`."""
        with self._lock:
            for name in self.members:
                self._start(name)
        self._supervisor.start()

    def kill(self, name: str) -> None:
        """Kill one with SIGKILL, whatever it is doing, or another if it is dead just now; start it anew."""
        with self._lock:
            alive = [other for other in (name, *self.members) if self._lives[other].process.poll() is None]
            if alive:
                life = self._lives[alive[0]]
                life.end()
                self.kills[alive[0]] += 1
                self.ages.append(time.monotonic() - life.began)
                self._start(alive[0])

    def suspend(self, name: str, seconds: float) -> None:
        """Stop one with SIGSTOP for a while; a kill meanwhile ends that."""
        with self._lock:
            life = self._lives[name]
            if life.process.poll() is None:
                life.process.send_signal(signal.SIGSTOP)
                self.suspensions += 1
                life.resumed = threading.Timer(seconds, life.process.send_signal, [signal.SIGCONT])
                life.resumed.daemon = True
                life.resumed.start()

    def resume(self) -> None:
        """Let all that are suspended go on."""
        with self._lock:
            for life in self._lives.values():
                if life.resumed is not None:
                    life.resumed.cancel()
                if life.process.poll() is None:
                    life.process.send_signal(signal.SIGCONT)

    def log(self, name: str) -> Path:
        """Return where one writes what it has to say, over all its lives."""
        return self.config.parent / "logs" / f"{name}.log"

    def said(self, words: str) -> list[str]:
        """Return the lines of all logs that hold these words."""
        texts = [self.log(name).read_text(errors="replace") for name in self.members]
        return [line for text in texts for line in text.splitlines() if words in line]

    def stop(self) -> list[str]:
        """Ask all to end, and return the names of those that did not do so with 0 within a minute; they are killed."""
        self._stopping.set()
        self._supervisor.join()
        self.resume()
        for life in self._lives.values():
            if life.process.poll() is None:
                life.process.terminate()
        return [name for name, life in self._lives.items() if not self._ended(life)]

    def destroy(self) -> None:
        """Kill what is left, without a word. Safe to call at any time, and twice."""
        self._stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for life in self._lives.values():
            life.end()

    def _ended(self, life: _Life) -> bool:
        try:
            return life.process.wait(_END) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            life.end()

    def _start(self, name: str) -> None:
        log = self.log(name)
        log.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "drill.process", "--config", str(self.config), *self.members[name]]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.config.parent,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the drill
            )
        self._lives[name] = _Life(process, time.monotonic())

    def _supervise(self) -> None:
        while not self._stopping.wait(_LOOK):
            with self._lock:
                for name, life in list(self._lives.items()):
                    if life.process.poll() is not None:
                        self._restart(name, life)

    def _restart(self, name: str, life: _Life) -> None:
        """Note that one ended by itself, and start it anew when its pause is over."""
        now = time.monotonic()
        if name not in self._due:
            self._due[name] = now + _AGAIN
            said = self.log(name).read_text(errors="replace")[-1500:]
            self.exits.append(Exit(name, life.process.returncode, now, said))
        elif now >= self._due[name]:
            del self._due[name]
            life.end()
            self._start(name)
