"""What every sink must keep, whichever modules there are. A new sink needs an entry in GOOD and nothing else here."""

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from acrwatch.core.config import DestinationConfig
from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import REQUIRED
from acrwatch.delivery.sinks import Outgoing, Sink
from acrwatch.delivery.sinks.discover import collect, open_sinks, sink_types
from acrwatch.delivery.worker import ping
from tests.delivery.receiver import NOW, SECRET, MovableClock, Receiver

Place = Callable[[Receiver, Path], dict[str, Any]]
# Settings, as written in the configuration, of a destination that takes what it is given ...
GOOD: dict[str, Place] = {
    "webhook": lambda receiver, _: {"url": receiver.url, "secret": SECRET},
    "jsonl": lambda _, folder: {"path": str(folder / "alerts.jsonl")},
}
# ... and of one that cannot be reached.
DOWN: dict[str, Place] = {
    "webhook": lambda *_: {"url": "http://127.0.0.1:1/hook", "secret": SECRET},
    "jsonl": lambda _, folder: {"path": str(folder / "missing" / "alerts.jsonl")},
}
TYPES = sorted(sink_types())
OUTGOING = Outgoing("alr_1_1_x_created", "alert.created", b'{"type":"alert.created"}', NOW)


def _open(kind: str, written: dict[str, Any]) -> Sink:
    settings = sink_types()[kind].settings
    assert set(written) <= {setting.name for setting in settings}
    values = {
        setting.name: setting.parse(written[setting.name]) if setting.name in written else setting.default
        for setting in settings
    }
    (sink,) = open_sinks([DestinationConfig("siem", kind, values, "destinations[0]")]).values()
    return sink


@pytest.mark.parametrize("kind", TYPES)
def test_it_sends_and_may_send_the_same_again(kind: str, receiver: Receiver, tmp_path: Path) -> None:
    sink = _open(kind, GOOD[kind](receiver, tmp_path))
    assert [sink.send(OUTGOING).result for _ in range(2)] == ["sent", "sent"]


@pytest.mark.parametrize("kind", TYPES)
def test_opening_touches_nothing_and_trouble_is_an_outcome(kind: str, receiver: Receiver, tmp_path: Path) -> None:
    outcome = _open(kind, DOWN[kind](receiver, tmp_path)).send(OUTGOING)
    assert outcome.result == "retry"
    assert outcome.detail


@pytest.mark.parametrize("kind", TYPES)
def test_a_ping_goes_through(kind: str, receiver: Receiver, tmp_path: Path) -> None:
    sink = _open(kind, GOOD[kind](receiver, tmp_path))
    assert ping(sink, clock=MovableClock(), rng=random.Random(1)).result == "sent"


@pytest.mark.parametrize("kind", TYPES)
def test_it_can_be_closed_twice(kind: str, receiver: Receiver, tmp_path: Path) -> None:
    sink = _open(kind, GOOD[kind](receiver, tmp_path))
    sink.close()
    sink.close()


@pytest.mark.parametrize("kind", TYPES)
def test_its_settings_are_described_and_have_no_secret_default(kind: str) -> None:
    settings = sink_types()[kind].settings
    assert settings
    for setting in settings:
        assert setting.doc.endswith(".")
        assert setting.default is REQUIRED or setting.default is None
        assert setting.name not in ("name", "type"), "taken by the configuration itself"


def _module(name: str, **members: object) -> ModuleType:
    return cast("ModuleType", SimpleNamespace(__name__=name, **members))


def test_two_modules_cannot_claim_one_type() -> None:
    twins = [_module(name, TYPE="webhook", SETTINGS=(), open=None) for name in ("first", "second")]
    with pytest.raises(ConfigError, match="'webhook' is claimed by first and second"):
        collect(twins)


def test_a_module_without_a_type_is_no_sink() -> None:
    assert collect([_module("helper")]) == {}


def test_a_destination_that_cannot_work_is_named_by_its_place(tmp_path: Path) -> None:
    (good,) = [kind for kind in sink_types().values() if kind.type == "webhook"]
    values = {setting.name: setting.default for setting in good.settings}
    values |= {
        setting.name: setting.parse({"url": "https://siem.example/", "secret": SECRET}[setting.name])
        for setting in good.settings
        if setting.default is REQUIRED
    }
    values["ca_file"] = tmp_path / "missing.pem"
    with pytest.raises(ConfigError, match=r"^destinations\[3\]: ca_file"):
        open_sinks([DestinationConfig("siem", "webhook", values, "destinations[3]")])
