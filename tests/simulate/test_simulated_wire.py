"""The records have the shape of the one real record known, oddities included."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from acrwatch.simulate import Labelled

MEMBERS = [
    "time", "category", "resourceId", "operationName", "identity", "location", "resultType", "resultDescription",
    "durationMs", "callerIpAddress", "correlationId", "properties", "RegionStamp",
]  # fmt: skip
PROPERTIES = ["tag", "digest", "mediaType", "repository", "artifactType", "tenantId", "loginServer", "userAgent"]


def _pulls(items: list[Labelled], *, failed: bool) -> Iterator[dict[str, Any]]:
    for item in items:
        if item.record["operationName"] == "Pull" and (item.record["resultDescription"] != "200") == failed:
            yield item.record["properties"]


def test_every_record_has_the_members_of_the_real_one_in_its_order(two_months: list[Labelled]) -> None:
    assert {tuple(item.record) for item in two_months} == {tuple(MEMBERS)}


def test_every_repository_record_has_the_properties_of_the_real_one(two_months: list[Labelled]) -> None:
    shapes = {(item.record["category"], tuple(item.record["properties"])) for item in two_months}
    assert shapes == {
        ("ContainerRegistryRepositoryEvents", tuple(PROPERTIES)),
        ("ContainerRegistryLoginEvents", ("jwtId", "loginServer", "userAgent")),
    }


def test_every_value_is_text(two_months: list[Labelled]) -> None:
    kinds = Counter(
        type(value)
        for item in two_months
        for value in (*item.record.values(), *item.record["properties"].values())
        if value is not item.record["properties"]
    )
    assert set(kinds) == {str}


def test_time_has_seven_digits_and_names_the_event_time(two_months: list[Labelled]) -> None:
    for item in two_months:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", item.record["time"])
        assert datetime.fromisoformat(item.record["time"][:26] + "+00:00") == item.time


def test_resource_ids_are_upper_case(two_months: list[Labelled]) -> None:
    identifiers = {item.record["resourceId"] for item in two_months}
    assert {identifier.upper() for identifier in identifiers} == identifiers
    assert {identifier.split("/")[-1] for identifier in identifiers} == {"CONTOSO", "FABRIKAM"}


def test_a_registry_with_a_domain_name_label_does_not_answer_under_its_bare_name(two_months: list[Labelled]) -> None:
    hosts = {item.record["properties"]["loginServer"] for item in two_months}
    assert "contoso.azurecr.io" in hosts
    assert any(re.fullmatch(r"fabrikam-[0-9a-f]{12}\.azurecr\.io", host) for host in hosts)


def test_durations_are_decimal_text(two_months: list[Labelled]) -> None:
    assert all(re.fullmatch(r"\d+\.\d{6}", item.record["durationMs"]) for item in two_months)


def test_a_failed_pull_resolves_nothing(two_months: list[Labelled]) -> None:
    failed = list(_pulls(two_months, failed=True))
    assert {(pull["digest"], pull["mediaType"]) for pull in failed} == {("<nil>", "<nil>")}
    assert any(pull["tag"].startswith("sha256:") for pull in failed)


def test_a_pull_by_digest_has_the_digest_in_tag(two_months: list[Labelled]) -> None:
    by_digest = [pull for pull in _pulls(two_months, failed=False) if pull["tag"].startswith("sha256:")]
    assert by_digest
    assert all(pull["tag"] == pull["digest"] for pull in by_digest)


def test_addresses_come_in_every_spelling(two_months: list[Labelled]) -> None:
    spellings = {
        "port": r"[\d.]+:\d+",
        "mapped": r"::ffff:[\d.]+",
        "v6": r"2001:db8:[0-9a-f:]+",
        "v6 port": r"\[2001:db8:.*\]:\d+",
        "bare": r"[\d.]+",
    }
    counts = Counter(
        name
        for item in two_months
        for name, pattern in spellings.items()
        if re.fullmatch(pattern, item.record["callerIpAddress"])
    )
    share = {name: counts[name] / len(two_months) for name in spellings}
    assert 0.005 < share["port"] < 0.02
    assert 0.002 < share["mapped"] < 0.01
    assert share["v6"] > 0.001
    assert share["v6 port"] > 0
    assert share["bare"] > 0.9


def test_failures_of_each_kind_occur_and_stay_rare(two_months: list[Labelled]) -> None:
    counts = Counter(item.record["resultDescription"] for item in two_months)
    assert all(20 < counts[status] < 0.01 * len(two_months) for status in ("401", "403", "404", "429"))


def test_correlation_ids_are_guids_and_never_repeat(two_months: list[Labelled]) -> None:
    identifiers = [item.record["correlationId"] for item in two_months]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) for value in identifiers)


def test_only_deletions_that_no_client_asked_for_lack_an_identity(
    two_months: list[Labelled], is_deletion: Callable[[Labelled], bool]
) -> None:
    nameless = [item for item in two_months if not item.record["identity"]]
    assert nameless
    assert all(is_deletion(item) and not item.record["callerIpAddress"] for item in nameless)
