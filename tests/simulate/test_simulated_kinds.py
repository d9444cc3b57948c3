"""Each kind of attack: staged whole, within its span, with victims that have a past, and evading what it evades."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from acrwatch.simulate import KINDS, Attack, Labelled, PlannedAttack, Scenario, ground_truth, simulate, spread_attacks
from acrwatch.simulate.attacks.staging import Staged, staged

START = datetime(2026, 2, 2, tzinfo=UTC)
END = START + timedelta(days=90)
REGISTRIES = ("contoso", "fabrikam", "northwind", "adatum")

# The library's slugs that a scenario can show; of the engine's own only silence is.
SLUGS = """admin-user-login mass-delete pull-outside-allowed-ranges anomalous-source-ip admin-login-while-disabled
admin-push-or-delete failed-login-burst password-spray success-after-failures blocked-network-burst
write-outside-allowed-ranges public-address-on-private-registry slow-delete mass-untag repository-wiped
delete-outside-purge-identity protected-tag-overwritten tag-overwrite-burst push-outside-pipeline look-alike-repository
import-from-unapproved-source repository-enumeration foreign-tenant anonymous-pull throttling-storm odd-user-agent
scanner-doing-other-things identity-on-two-networks off-hours-write known-bad-digest-pulled push-then-foreign-pull
unknown-operation watched-entity-seen first-seen-identity new-user-agent-family dormant-identity-awake role-drift
delete-by-newcomer first-push-to-repository pull-volume-spike repository-spread first-country impossible-travel
country-new-to-registry registry-silent admin-user-enabled firewall-loosened public-access-enabled
anonymous-pull-enabled
credentials-listed-or-regenerated token-or-scope-map-written role-assigned-on-registry image-imported
diagnostic-setting-removed registry-deleted registry-lock-removed private-endpoint-removed webhook-written
registry-written-unseen"""


@pytest.fixture(scope="module")
def campaign() -> Scenario:
    """Four of each kind over a quarter of a year."""
    attacks = spread_attacks(START, END, count=4, seed=3)
    return Scenario(start=START, end=END, seed=3, registries=REGISTRIES, attacks=attacks, everyday=True)


@pytest.fixture(scope="module")
def cast(campaign: Scenario) -> dict[str, list[Staged]]:
    found: dict[str, list[Staged]] = {}
    for one in staged(campaign):
        found.setdefault(one.attack.kind, []).append(one)
    return found


def _two_days(kind: str, **more: object) -> tuple[Attack, list[Labelled]]:
    """Stage one attack on the second of two days of thin traffic; return its truth and all records."""
    plan = PlannedAttack(kind, START + timedelta(hours=33))
    end = START + timedelta(hours=34) + KINDS[kind].span
    scenario = Scenario(start=START, end=end, events_per_day=50, attacks=(plan,), **more)  # type: ignore[arg-type]
    return ground_truth(scenario)[0], list(simulate(scenario))


def test_each_detection_of_the_library_has_a_scenario_of_its_own() -> None:
    assert set(SLUGS.split()) == {kind.rule for kind in KINDS.values() if not kind.evasive}


def test_four_attacks_of_each_kind_fit_a_quarter_of_a_year(cast: dict[str, list[Staged]]) -> None:
    assert {name: len(found) for name, found in cast.items()} == {
        name: min(4, kind.most or 4) for name, kind in KINDS.items()
    }


@pytest.mark.parametrize("name", KINDS)
def test_an_attack_keeps_to_its_span_and_has_a_past(name: str, cast: dict[str, list[Staged]]) -> None:
    for one in cast[name]:
        assert one.attack.end - one.attack.start <= KINDS[name].span
        assert one.attack.start - START >= KINDS[name].history
        assert set(one.attack.marks) == {draft.record["correlationId"] for draft in one.drafts}
        assert one.attack.records > 0 or one.hush is not None


@pytest.mark.parametrize("name", KINDS)
def test_attacks_of_a_kind_differ(name: str, cast: dict[str, list[Staged]]) -> None:
    shapes = {
        tuple((d.record["operationName"], d.ticks - one.drafts[0].ticks) for d in one.drafts) for one in cast[name]
    }
    assert len(shapes) > 1 or len(cast[name]) == 1 or all(len(shape) <= 1 for shape in shapes)


def test_no_two_attacks_share_a_victim(cast: dict[str, list[Staged]]) -> None:
    victims = [resident.caller.identity for found in cast.values() for one in found for resident in one.residents]
    assert len(set(victims)) == len(victims) > 150


@pytest.mark.parametrize("kind", ["role-drift", "slow-delete", "implant-pulled-by-cluster", "tag-overwrite-burst"])
def test_the_marks_are_the_correlation_ids_of_the_labelled_records(kind: str) -> None:
    attack, items = _two_days(kind)
    labelled = [item for item in items if item.label]
    assert {item.label for item in labelled} == {attack.id}
    assert sorted(attack.marks) == sorted(item.record["correlationId"] for item in labelled)


def test_a_victim_lives_unlabelled_until_its_attack() -> None:
    attack, items = _two_days("role-drift")
    own = [item for item in items if item.record["identity"] == attack.identity]
    before = [item for item in own if item.label is None]
    assert len(before) >= 3
    assert max(item.time for item in before) < attack.start
    assert {item.record["operationName"] for item in before} == {"Login", "Pull"}


def test_a_silenced_registry_logs_nothing_while_others_go_on(registry_of: Callable[[Labelled], str]) -> None:
    attack, items = _two_days("registry-silent", registries=REGISTRIES, everyday=True)
    during = {registry_of(item) for item in items if attack.start <= item.time < attack.end}
    after = {registry_of(item) for item in items if item.time >= attack.end}
    assert attack.end - attack.start >= timedelta(hours=10)
    assert during == set(REGISTRIES) - {"fabrikam"}
    assert "fabrikam" in after


def test_a_dormant_token_slept_two_months(campaign: Scenario, cast: dict[str, list[Staged]]) -> None:
    for one in cast["dormant-identity-awake"]:
        (sleeper,) = one.residents
        asleep = (one.drafts[0].ticks - sleeper.until) / 864e9
        assert asleep >= 60
        assert campaign.end > one.attack.start


def test_the_overwritten_tags_were_pushed_before(cast: dict[str, list[Staged]]) -> None:
    for one in cast["tag-overwrite-burst"]:
        pushed = {d.record["properties"]["tag"]: d for d in one.past if d.record["operationName"] == "Push"}
        moved = {d.record["properties"]["tag"]: d for d in one.drafts if d.record["operationName"] == "Push"}
        tags = {tag for tag in moved if not tag.startswith("sha256:")}
        assert len(tags) >= 5
        assert all(pushed[tag].ticks < moved[tag].ticks for tag in tags)
        digests = [
            (pushed[tag].record["properties"]["digest"], moved[tag].record["properties"]["digest"]) for tag in tags
        ]
        assert all(before != after for before, after in digests)


@pytest.mark.parametrize("kind", ["mass-delete-nineteen", "mass-delete-paced", "slow-delete"])
def test_no_identity_deletes_twenty_in_ten_minutes(
    kind: str,
    cast: dict[str, list[Staged]],
    is_deletion: Callable[[Labelled], bool],
    most_targets: Callable[[list[Labelled]], int],
) -> None:
    attack = cast[kind][0]
    items = [Labelled(START + timedelta(microseconds=d.ticks // 10), END, d.record) for d in attack.drafts]
    deletions = [item for item in items if is_deletion(item)]
    assert len(deletions) >= 50
    assert most_targets(deletions) < 20


def test_a_split_deletion_is_shared_by_three(cast: dict[str, list[Staged]]) -> None:
    for one in cast["mass-delete-split"]:
        names = [draft.record["identity"] for draft in one.drafts]
        assert sorted(names.count(name) for name in set(names)) == [15, 15, 15]


def test_the_kinds_for_a_private_registry_are_staged_there(cast: dict[str, list[Staged]]) -> None:
    for name, found in cast.items():
        places = {one.attack.registry for one in found}
        assert (places == {"adatum"}) == (KINDS[name].place == "private"), name
        assert (places == {"fabrikam"}) == (KINDS[name].place == "public"), name


def test_writes_at_night_are_at_night_and_office_work_in_office_hours(cast: dict[str, list[Staged]]) -> None:
    for one in cast["off-hours-write"]:
        assert one.attack.start.weekday() == 6 or one.attack.start.hour >= 22 or one.attack.start.hour < 4
    for one in cast["role-drift"]:
        assert one.attack.start.weekday() < 5
        assert 8 <= one.attack.start.hour < 15
