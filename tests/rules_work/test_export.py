"""Rules as queries of other systems: as written by hand, or refused with the reason. One suite over all languages."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from acrwatch.core.registry import RegistryContext
from detections.compile import UnsupportedError
from detections.context import Context
from detections.export import FORMATS, export
from detections.library import read_library

CONTEXT = Context({
    "contoso": RegistryContext(
        {"allowed_ranges": tuple(map(ipaddress.ip_network, ("198.51.100.0/24", "2001:db8::/32")))},
        {"protected_tags": ("v*", "latest"), "admin_usernames": ("breakglass",)},
        ("private_only",),
    ),
    "*": RegistryContext({}, {"odd_user_agents": ("curl/*",)}, ()),
})  # fmt: skip
RULE = """\
title: A rule
logsource: {product: azure, service: %s}
detection:
%s
"""
COUNT = """\
title: Pulls
name: pulls
logsource: {product: azure, service: acr}
detection: {s: {operation: pull}, condition: s}
---
title: Many
correlation: {type: %s, rules: [pulls], group-by: [%s], timespan: 10m, condition: %s}
"""


def query(text: str, language: str, context: Context = CONTEXT) -> str:
    return export(SigmaCollection.from_yaml(text).rules[-1], language, context)


def where(detection: str, language: str) -> str:
    """Return what the query asks of an event, without what stands before."""
    return where_of(query(RULE % ("acr", detection), language))


def where_of(found: str) -> str:
    return found.splitlines()[-1].removeprefix("| where ").removeprefix("| WHERE ")


LEAVES = yaml.safe_load(Path(__file__).with_name("leaves.yml").read_text())


@pytest.mark.parametrize("language", FORMATS)
def test_every_leaf_is_as_written_by_hand_or_refused(language: str) -> None:
    for leaf in LEAVES:
        detection = f"  s:\n    {leaf['item']}\n  condition: s"
        if leaf[language] is None:
            with pytest.raises(UnsupportedError):
                where(detection, language)
        else:
            assert where(detection, language) == leaf[language], leaf["item"]


BELOW_NOT = {
    "kql": 'not (Tag =~ "x" or Identity =~ "ci" and (isnotnull(status_code) and status_code == 200))',
    "spl": (
        'NOT ((isnotnull(tag) AND lower(tag)=="x") OR (isnotnull(identity) AND lower(identity)=="ci") AND '
        "(isnotnull(status_code) AND status_code == 200))"
    ),
    "esql": (
        'NOT ((tag IS NOT NULL AND TO_LOWER(tag) == "x") OR (identity IS NOT NULL AND TO_LOWER(identity) == "ci") AND '
        "(status_code IS NOT NULL AND status_code == 200))"
    ),
}


@pytest.mark.parametrize("language", FORMATS)
def test_below_a_not_a_condition_on_an_absent_field_is_false(language: str) -> None:
    detection = "  a: {tag: x}\n  b: {identity: ci, status_code: 200}\n  condition: not (a or b)"
    assert where(detection, language) == BELOW_NOT[language]


@pytest.mark.parametrize("language", FORMATS)
def test_several_conditions_are_alternatives_within_the_table_of_the_log_source(language: str) -> None:
    text = RULE % ("ContainerRegistryLoginEvents", "  a: {tag: x}\n  b: {tag: y}\n  condition: [a, b]")
    kql = '(Type =~ "ContainerRegistryLoginEvents") and ((Tag =~ "x") or (Tag =~ "y"))'
    spl = '(lower(category)=="containerregistryloginevents") AND ((lower(tag)=="x") OR (lower(tag)=="y"))'
    esql = (
        '(TO_LOWER(category) == "containerregistryloginevents") AND ((TO_LOWER(tag) == "x") OR (TO_LOWER(tag) == "y"))'
    )
    assert where_of(query(text, language)) == {"kql": kql, "spl": spl, "esql": esql}[language]


def test_an_event_count_is_a_sliding_window_in_kql_and_spl() -> None:
    text = COUNT % ("event_count", "registry, identity", "{gte: 5}")
    assert query(text, "kql").splitlines()[-3:] == [
        "| sort by registry asc, Identity asc, TimeGenerated asc",
        "| extend first_time = prev(TimeGenerated, 4), first_0 = prev(registry, 4), first_1 = prev(Identity, 4)",
        "| where first_0 == registry and first_1 == Identity and TimeGenerated - first_time <= 600s",
    ]
    assert query(text, "spl").splitlines() == [
        "`acr_events`",
        '| where lower(operation)=="pull"',
        '| eval group_0=coalesce(registry, ""), group_1=coalesce(identity, "")',
        "| sort 0 _time",
        "| streamstats window=5 global=false count AS events min(_time) AS first_time BY group_0 group_1",
        "| where events>=5 AND _time-first_time<=600",
    ]


def test_a_value_count_is_a_sliding_window_in_kql_and_spl() -> None:
    text = COUNT % ("value_count", "identity", "{gt: 4, field: repository}")
    kql = query(text, "kql").splitlines()
    assert kql[0].startswith("let matches = materialize(union isfuzzy=true ")
    assert kql[-9:] == [
        "| where isnotempty(Repository)",
        "| project TimeGenerated, value = Repository, key_0 = Identity);",
        "matches",
        "| distinct TimeGenerated, key_0",
        "| join kind=inner (matches | project-rename counted = TimeGenerated) on key_0",
        "| where counted between ((TimeGenerated - 600s) .. TimeGenerated)",
        "| distinct TimeGenerated, key_0, value",
        "| summarize distinct_values = count() by TimeGenerated, key_0",
        "| where distinct_values >= 5",
    ]
    assert query(text, "spl").splitlines()[-4:] == [
        "| where isnotnull(repository)",
        "| sort 0 _time",
        "| streamstats time_window=600s dc(repository) AS distinct_values BY group_0",
        "| where distinct_values>=5",
    ]


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (COUNT % ("event_count", "identity", "{gte: 5}"), "esql", "buckets of the clock"),
        (COUNT % ("temporal", "identity", "{gte: 1}"), "kql", "only event_count and value_count are exported"),
        (COUNT % ("event_count", "network", "{gte: 5}"), "kql", "field 'network', which Log Analytics does not have"),
        (COUNT % ("value_count", "identity", "{gte: 5, field: [tag, digest]}"), "kql", "several fields together"),
        (COUNT % ("event_count", "identity", "{gte: 10001}"), "spl", "Splunk keeps 10000"),
        (RULE % ("acr", "  k: [kaniko]\n  condition: k"), "kql", "the keyword"),
        (RULE % ("activitylogs", "  s: {operation: x}\n  condition: s"), "kql", "a rule on the Activity Log"),
    ],
)
def test_what_a_language_cannot_say_is_refused_with_the_reason(text: str, language: str, words: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        query(text, language)
    assert words in str(raised.value)


NO_EXCEPTION = {"kql": "not (false)", "spl": "NOT (1==0)", "esql": "NOT (false)"}


@pytest.mark.parametrize("language", FORMATS)
def test_an_exception_that_nobody_configured_excepts_nothing(language: str) -> None:
    detection = "  a: {tag: x}\n  b:\n    identity|expand: '%purge_identities%'\n  condition: a and not b"
    assert where(detection, language).endswith(NO_EXCEPTION[language])
    with pytest.raises(UnsupportedError, match="%purge_identities% is empty"):
        where(detection.replace("a and not b", "a and not (not b)"), language)


def test_kql_tells_the_kinds_of_identities_apart_with_the_configured_admin_names() -> None:
    lines = query(RULE % ("acr", "  s: {identity_kind: token}\n  condition: s"), "kql").splitlines()
    assert lines[-1] == '| where identity_kind =~ "token"'
    assert lines[-2] == (
        '| extend identity_kind = case(isempty(Identity), "anonymous", '
        'Identity matches regex @"^[^@\\s]+@[^@\\s]+$", "user", '
        'Identity matches regex @"(?i)^[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}$", "object_id", '
        'tolower(Identity) == registry or (registry =~ "contoso" and (Identity =~ "breakglass")), "admin", '
        'Identity matches regex @"^[\\p{L}\\p{N}_.~+:/\\\\-]{1,256}$", "token", "unknown")'
    )
    assert lines[-3].startswith("| extend registry = ")


def test_an_admin_user_without_configured_names_is_the_registry_itself() -> None:
    text = RULE % ("acr", "  s:\n    identity|expand: '%admin_usernames%'\n  condition: s")
    assert query(text, "kql", Context()).splitlines()[-1] == "| where Identity =~ registry"


@pytest.mark.parametrize("language", FORMATS)
def test_every_shipped_rule_is_exported_or_refused_in_words(language: str) -> None:
    found = {slug: _exported(document, language) for slug, document in read_library().documents.items()}
    assert all(found.values())
    assert all(found[slug].startswith(START[language]) for slug in ("admin-user-login", "pull-outside-allowed-ranges"))
    assert found["mass-delete"].startswith("refused: a window of 600 s" if language == "esql" else START[language])


START: Mapping[str, str | tuple[str, ...]] = {
    "kql": ("union ", "let matches = "),
    "spl": "`acr_events`",
    "esql": "FROM acr-events*",
}


def _exported(document: SigmaRule | SigmaCorrelationRule, language: str) -> str:
    try:
        return export(document, language, CONTEXT)
    except UnsupportedError as error:
        return f"refused: {error}" if str(error) else ""
