"""What alerts say of the events around them is the same whether a run asks for each or reads whole dates."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from detections import beside

ALERTS: Final = 6
MINUTE: Final = timedelta(minutes=1)


def _calls(happening: Callable[..., Any], network: int, first: int) -> list[Any]:
    """A login as admin from one network shortly before or after midnight, with refused ones around it."""
    usual = {"operation": "login", "identity": "contoso", "ip": f"2001:db8:{network}::9"}
    refused = [(first + minute) * MINUTE for minute in (-40, 1, 45, *range(2, 2 + network))]
    moments = enumerate([first * MINUTE, *refused, (first + 500) * MINUTE])
    return [happening(first * 1000 + network * 50 + n, at=at, status=401 if n else 200, **usual) for n, at in moments]


@pytest.mark.parametrize(("one_by_one", "held"), [(0, 200_000), (1000, 200_000), (0, 3)])
def test_alerts_of_one_run_count_what_lies_around_them(
    monkeypatch: pytest.MonkeyPatch,
    make_bench: Callable[..., Any],
    happening: Callable[..., Any],
    everything: dict[str, Any],
    one_by_one: int,
    held: int,
) -> None:
    monkeypatch.setattr(beside, "_ONE_BY_ONE", one_by_one)
    monkeypatch.setattr(beside, "_HELD", held)
    bench = make_bench({"admin-user-login": everything["admin-user-login"]})
    for first in (14 * 60 + 20, 14 * 60 + 40):
        bench.judge(*[one for network in range(ALERTS) for one in _calls(happening, network, first)])
    found = {alert.group_key: alert.facts["notes"]["nearby"] for alert in bench.standing()}
    assert sorted(found.values()) == [2 * (3 + network) for network in range(ALERTS)]
