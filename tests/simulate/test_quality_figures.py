"""The counting behind the figures of detection quality: which alert is true, which attack is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from acrwatch.simulate import Attack, addresses
from benchmarks.quality_figures import Figures, evasive_table, table
from benchmarks.quality_places import SimulatedPlaces
from benchmarks.quality_world import Played
from storage.state.alerts import Alert

NOON = datetime(2026, 2, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _attack(kind: str, rule: str, *, evasive: bool = False, also: tuple[str, ...] = ()) -> Attack:
    return Attack(
        kind, kind, rule, NOON, NOON + HOUR, "eve", "192.0.2.7", "Contoso", 2, also, evasive, marks=("x", "y")
    )


def _alert(rule: str, evidence: list[str], **more: Any) -> Alert:
    empty: dict[str, Any] = dict.fromkeys(Alert.__dataclass_fields__)
    changed = {
        "id": f"{rule}/{evidence}",
        "rule": rule,
        "evidence": [[NOON.isoformat(), event_id] for event_id in evidence],
        "count": len(evidence),
        "first_seen": NOON - HOUR,
        "last_seen": NOON + HOUR,
        "registries": ["contoso"],
        "entities": [{"type": "identity", "value": "EVE"}],
        "reason": "because",
    }
    return Alert(**{**empty, **changed, **more})


def _counted(attacks: list[Attack], *given: Alert) -> Figures:
    figures = Figures()
    labels = {f"{place}{letter}": place for place in range(len(attacks)) for letter in "ab"}
    figures.add(Played(attacks, given, labels, events=1000))
    return figures


UNTAG = _attack("mass-untag", "mass-untag", also=("mass-delete",))
SLOW = _attack("mass-delete-paced", "mass-delete", evasive=True)


def test_an_alert_on_a_record_of_its_attack_is_true_and_finds_it() -> None:
    figures = _counted([UNTAG], _alert("mass-untag", ["benign", "0a"]))
    assert (figures.true["mass-untag"], figures.recall("mass-untag"), figures.precision("mass-untag")) == (1, 1.0, 1.0)


def test_a_detection_that_may_rightly_fire_is_true_and_finds_nothing() -> None:
    figures = _counted([UNTAG], _alert("mass-delete", ["0a"]))
    assert figures.true["mass-delete"] == 1
    assert figures.recall("mass-untag") == 0.0
    assert figures.recall("mass-delete") is None


def test_a_detection_that_has_no_business_there_is_false_even_on_a_record_of_an_attack() -> None:
    figures = _counted([UNTAG], _alert("look-alike-repository", ["0a"]))
    assert figures.false["look-alike-repository"] == 1
    assert "rests on: mass-untag" in figures.examples["look-alike-repository"][0]


def test_an_alert_on_benign_records_alone_is_false() -> None:
    figures = _counted([UNTAG], _alert("mass-untag", ["benign"]))
    assert (figures.false["mass-untag"], figures.recall("mass-untag")) == (1, 0.0)
    assert figures.missed["mass-untag"]


@pytest.mark.parametrize(
    ("change", "true"),
    [
        ({}, 1),
        ({"registries": ["fabrikam"]}, 0),
        ({"entities": [{"type": "identity", "value": "bob"}]}, 0),
        ({"first_seen": NOON + 2 * HOUR, "last_seen": NOON + 3 * HOUR}, 0),
        ({"count": 1}, 0),
    ],
)
def test_beyond_the_cap_of_evidence_time_place_and_identity_decide(change: dict[str, Any], true: int) -> None:
    figures = _counted([UNTAG], _alert("mass-untag", ["benign"], **{"count": 500, **change}))
    assert figures.true["mass-untag"] == true


@pytest.mark.parametrize(("hours", "true"), [(0, 1), (7, 1), (9, 0), (-2, 0)])
def test_an_alert_of_absence_is_true_while_the_silence_lasts_or_is_just_over(hours: int, true: int) -> None:
    silent = {"marks": (), "identity": "", "records": 0, "silent_until": NOON + HOUR}
    silence = replace(_attack("registry-silent", "registry-silent"), **silent)  # type: ignore[arg-type]
    seen = NOON + hours * HOUR
    alert = _alert("registry-silent", [], count=1, entities=[], first_seen=seen, last_seen=seen)
    assert _counted([silence], alert).found["registry-silent"] == true


def test_an_evasive_attack_counts_by_its_kind_and_not_for_the_detection_it_evades() -> None:
    figures = _counted([SLOW, UNTAG], _alert("mass-delete", ["0a"]))
    assert figures.recall("mass-delete") is None
    assert figures.recall("mass-delete-paced") == 1.0
    assert "| mass-delete-paced | mass-delete | 1 | 1 |  |" in list(evasive_table(figures))


def test_silence_that_an_attack_with_records_brings_is_told_rightly_too() -> None:
    attack = replace(_attack("registry-deleted", "registry-deleted", also=("registry-silent",)), end=NOON)
    seen = NOON + 5 * HOUR
    silence = _alert("registry-silent", [], count=1, entities=[], first_seen=seen, last_seen=seen)
    told = replace(attack, silent_until=NOON + 2 * HOUR)
    assert _counted([told], silence).true["registry-silent"] == 1
    assert _counted([attack], silence).false["registry-silent"] == 1


def test_a_detection_set_apart_has_its_row_and_no_part_in_the_totals() -> None:
    figures = _counted([UNTAG], _alert("mass-untag", ["0a"]), _alert("mass-untag", ["benign"]))
    figures.apart = frozenset({"mass-untag"})  # set late here, so that its attack counts as told
    rows = list(table(figures, {"mass-untag": None}, 1))
    assert "| mass-untag (staged) | 1 | 1 | 1.00 | 1 | 1 | 1 | 0.50 | 1.000 |" in rows
    assert rows[-1] == "| **all that is told** |  |  |  |  | 0 | 0 |  | 0.000 |"
    assert figures.false_told() == 0


def test_building_blocks_find_and_are_not_told() -> None:
    blocks = [_alert("mass-untag", [event], status="building-block") for event in ("0a", "benign")]
    figures = _counted([UNTAG], *blocks)
    rows = list(table(figures, {"mass-untag": None}, 1))
    assert "| mass-untag | 1 | 1 | 1.00 | 0 | 0 | 0 |  | 0.000 |" in rows
    assert "| mass-untag (building blocks) |  |  |  |  | 1 | 1 | 0.50 | 1.000 |" in rows
    assert rows[-1] == "| **all that is told** | 1 | 1 | 1.00 | 0 | 0 | 0 |  | 0.000 |"
    assert figures.untold["mass-untag"]
    assert _counted([UNTAG], *blocks, _alert("entity-risk", ["0a"])).told["mass-untag"] == 1


def test_the_table_has_a_row_for_each_detection_missing_ones_and_the_total() -> None:
    figures = _counted([UNTAG, SLOW], _alert("mass-untag", ["0a"]), _alert("mass-untag", ["benign"]))
    rows = list(table(figures, {"mass-untag": None, "mass-delete": None}, 2))
    assert "| mass-untag | 1 | 1 | 1.00 | 1 | 1 | 1 | 0.50 | 0.500 |" in rows
    assert "| mass-delete |  |  |  |  | 0 | 0 |  | 0.000 |" in rows
    assert "| slow-delete | 0 | missing | | | | | | |" in rows
    assert rows[-1] == "| **all that is told** | 1 | 1 | 1.00 | 1 | 1 | 1 | 0.50 | 0.500 |"


def test_home_is_one_country_and_abroad_is_none_of_its_neighbours() -> None:
    places, random = SimulatedPlaces(), Random(1)
    homes = {places.of(f"198.18.{third}.9") for third in (0, 8, 9, 16, 33, 64, 127)}
    trips = {places.of(f"198.18.{third}.9") for third in range(192, 256)}
    abroad = {places.of(addresses.abroad(random)) for _ in range(200)}
    countries = [{place.country for place in found if place} for found in (homes, trips, abroad)]
    assert countries == [{"DE"}, {"FR", "NL", "ES", "IT"}, {"BR", "SG", "US", "ZA"}]
    assert places.of("10.20.1.10") is None
