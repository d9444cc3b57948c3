"""`acrwatch demo`: the whole service on simulated traffic, over real AMQP, to a real webhook receiver.

Nothing is shortened: the traffic goes through the Azure client into the development hub, the service reads it with its
shipped defaults, and what stands in the terminal is what stands in the state database.
"""

import base64
import logging
import random
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from acrwatch.cli.output import SEVERITY_STYLE, cell, note, program, render
from acrwatch.cli.session import Session, pass_session
from acrwatch.core.errors import StoreError
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from acrwatch.cli.demo_receiver import Receiver
    from acrwatch.devhub import DevHub
    from acrwatch.simulate import Scenario
    from storage.state.alerts import Alert
    from storage.state.database import Database

HUB: Final = "acr-audit"
PARTITIONS: Final = 4
DAYS: Final = 60
# The simulated present: attacks and what surrounds them, sent within a few seconds.
PRESENT: Final = timedelta(minutes=20)
_WAIT: Final = 0.25


@click.command()
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), help="Default: a new folder below ./data."
)
@click.option("--seed", default=1, show_default=True, help="Another number, other traffic.")
@click.option("--events-per-day", default=2500, show_default=True, type=click.IntRange(100, 100_000))
@click.option("--timeout", default=120, show_default=True, help="Give up after so many seconds.")
@pass_session
def demo(session: Session, folder: Path | None, seed: int, events_per_day: int, timeout: int) -> None:
    """See the whole thing work, on simulated traffic and without Azure.

    Sixty days of history and then live traffic with four attacks go through a local event hub. The service reads
    them, judges them, and sends its alerts to a webhook receiver on this machine that checks each signature.
    """
    if not click.get_current_context().find_root().params["verbose"]:
        logging.getLogger().setLevel(logging.WARNING)  # what happens is told below, once
    now = session.clock.now()
    folder = (folder or Path("data") / f"demo-{now:%Y%m%d-%H%M%S}").absolute()
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise click.UsageError(f"{folder} exists; name another folder with --dir") from None
    except OSError as error:
        raise StoreError(f"Cannot create {folder}: {error}", remedy="Name another folder with --dir") from error
    _run(session, _Plan(folder, now, seed, events_per_day, timeout))


@dataclass(frozen=True, slots=True)
class _Plan:
    folder: Path
    now: datetime
    seed: int
    events_per_day: int
    timeout: int

    @property
    def present(self) -> datetime:
        return self.now - PRESENT

    def history(self) -> "Scenario":
        from acrwatch.simulate import history

        return history(self.present, days=DAYS, events_per_day=self.events_per_day, seed=self.seed)

    def live(self) -> "Scenario":
        from dataclasses import replace

        from acrwatch.simulate import live_attacks

        attacks = live_attacks(self.present + timedelta(minutes=1))
        return replace(self.history(), start=self.present, end=self.now, attacks=attacks)


def _run(session: Session, plan: _Plan) -> None:
    from acrwatch.cli.demo_receiver import receiving
    from acrwatch.devhub import DevHub
    from acrwatch.simulate import in_arrival_order, send, simulate

    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    with DevHub(hubs={HUB: PARTITIONS}) as hub, receiving(secret) as receiver:
        config = plan.folder / "acrwatch.toml"
        config.write_text(_config_text(plan, hub.connection_string, receiver, secret), encoding="utf-8")
        config.chmod(0o600)
        note(f"A local event hub stands on port {hub.port}, a webhook receiver at {receiver.url}.")
        with _service(Session(config, clock=session.clock)) as database:
            watch = _Watch(database, receiver, plan)
            for title, scenario in (("history", plan.history()), ("live traffic", plan.live())):
                note(f"Sending {title}: {scenario.start:%Y-%m-%d %H:%M} to {scenario.end:%Y-%m-%d %H:%M} UTC ...")
                traffic = (item.record for item in in_arrival_order(simulate(scenario)))
                messages = send(traffic, hub.connection_string, HUB)
                events = watch.until_judged(hub)
                note(f"  {messages} messages over AMQP, {events} events stored and judged so far.")
            watch.until_complete()
    _farewell(plan, watch)


@contextmanager
def _service(session: Session) -> "Iterator[Database]":
    from scheduler import Parts, Service

    with Parts(session.config, clock=session.clock, rng=random.Random()) as parts:  # noqa: S311 - jitter
        service = Service(parts)
        service.start()
        try:
            yield parts.database
        finally:
            service.stop()


def _config_text(plan: _Plan, connection_string: str, receiver: "Receiver", secret: str) -> str:
    ranges = {name: ", ".join(f'"{r}"' for r in found) for name, found in plan.history().allowed_ranges().items()}
    registries = "\n".join(f"[registries.{name}]\nallowed_ranges = [{found}]\n" for name, found in ranges.items())
    return (
        "# Written by acrwatch demo. The hub and the receiver ended with it; the data stays.\n"
        '[store]\npath = "lake"\ndatabase = "sqlite:///state.db"\n\n'
        f'[[sources]]\ntype = "eventhub"\nconnection_string = "{connection_string}"\neventhub = "{HUB}"\n\n'
        f'[[destinations]]\nname = "receiver"\ntype = "webhook"\nurl = "{receiver.url}"\nsecret = "{secret}"\n\n'
        f"{registries}"
    )


class _Watch:
    """Shows alerts as they come, and knows when all is there."""

    def __init__(self, database: "Database", receiver: "Receiver", plan: _Plan) -> None:
        from scheduler import load_detections

        self._database = database
        self._receiver = receiver
        self._plan = plan
        self._turns = int(plan.timeout / _WAIT)
        self._judging = len(load_detections())
        self._wanted = {attack.rule for attack in plan.live().attacks}
        self._shown: dict[str, Alert] = {}
        self.historical = 0

    @property
    def webhooks(self) -> int:
        """How many webhooks arrived with a genuine signature."""
        return len(self._receiver.bodies)

    def until_judged(self, hub: "DevHub") -> int:
        """Wait until every message is stored and judged by every detection; return how many events the lake holds."""
        from storage.lake import Lake
        from storage.lake.snapshot import total_rows

        ends = {f"/{HUB}/{number}/0": hub.last_sequence_number(HUB, number) for number in range(PARTITIONS)}
        self._wait_for(lambda: self._judged(ends), "the detections did not judge all events")
        return total_rows(Lake.open(self._plan.folder / "lake").snapshot().files)

    def until_complete(self) -> None:
        """Wait until each attack has its alert on the screen, and the receiver has heard of all of them."""
        self._wait_for(lambda: self._wanted <= self._rules(), "an alert about each attack did not come")
        self._wait_for(lambda: self._shown.keys() <= self._receiver.alert_ids(), "the webhooks did not arrive")

    def _wait_for(self, met: Callable[[], bool], otherwise: str) -> None:
        while not met():
            self._show_new()
            self._turns -= 1
            if self._turns <= 0:
                missing = ", ".join(sorted(self._wanted - self._rules())) or "none"
                raise StoreError(
                    f"After {self._plan.timeout} seconds {otherwise} (alerts missing: {missing})",
                    remedy=f"Look at {self._plan.folder}, or give it longer with --timeout",
                )
            with self._receiver.changed:
                self._receiver.changed.wait(_WAIT)
        self._show_new()

    def _judged(self, ends: Mapping[str, int]) -> bool:
        from storage.state import runs

        with self._database.connect() as connection:
            cursors = runs.load(connection).values()
        if len(cursors) < self._judging:
            return False
        return all(
            any(stream.endswith(end) and at >= last for stream, at in cursor.positions.items())
            for cursor in cursors
            for end, last in ends.items()
        )

    def _rules(self) -> set[str]:
        return {alert.rule for alert in self._shown.values()}

    def _show_new(self) -> None:
        from storage.state import alerts

        with self._database.connect() as connection:
            found = alerts.find(connection)
        self.historical = sum(alert.historical for alert in found)
        for alert in sorted(found, key=lambda alert: alert.id):
            if not alert.historical and alert.id not in self._shown:
                self._shown[alert.id] = alert
                heading = cell(f" {alert.severity.upper()} ", SEVERITY_STYLE.get(alert.severity, ""))
                render(heading.append_text(cell(f"  {alert.title}", "bold")), cell(f"    {alert.reason}"), cell(""))


def _farewell(plan: _Plan, watch: _Watch) -> None:
    config = f"{program()} --config {shlex.quote(str(_shortest(plan.folder) / 'acrwatch.toml'))}"
    note(f"{counted(watch.webhooks, 'webhook')} arrived at the local receiver, every signature verified.")
    note(f"{watch.historical} more alerts, about the {DAYS} days of history, are kept as historical: not delivered.")
    note("")
    note(f"The data lies in {plan.folder}: events in lake/ (Delta, Parquet), state in state.db (SQLite). Next:")
    for command in ("alerts list", "alerts show ID", "rules list", "rules show mass-delete", "deliveries list"):
        note(f"  {config} {command}")


def _shortest(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
