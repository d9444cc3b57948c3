"""Reading what Azure prints of registries: which shape, which registry, which facts, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.errors import ConfigError, NotFoundError
from ingest.registry_settings.reading import Reading, read_settings

Write = Callable[[str, Any], Path]
Make = Callable[..., dict[str, Any]]

TOKEN = {
    "name": "ci",
    "status": "enabled",
    "scopeMapId": "/x/scopeMaps/_repositories_push",
    "credentials": {"passwords": [{"name": "password1", "expiry": "2027-01-01T00:00:00Z", "value": None}]},
}
RULES = {"ipRules": [{"ipAddressOrRange": "203.0.113.9", "action": "Allow"}], "virtualNetworkRules": []}
CREDENTIAL = {"username": "contoso", "passwords": [{"name": "password", "value": "hunter-two"}]}
ENDPOINTS = {"loginServer": "contoso-a1b2.azurecr.io", "dataEndpoints": [{"region": "eu", "endpoint": "c.eu.example"}]}


def only(path: Path, registry: str | None = None) -> Reading:
    (found,) = read_settings([path], registry)
    return found


def mistakes(*paths: Path, registry: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(paths, registry)
    return str(caught.value)


def test_a_registry_reads_the_same_from_the_command_line_and_from_arm(write: Write, flat: Make, arm: Make) -> None:
    printed, answered = only(write("cli.json", flat())), only(write("arm.json", arm()))
    assert printed.facts == answered.facts
    assert printed.registry == answered.registry == "contoso"
    assert printed.facts["ip_rules"] == ["203.0.113.0/24"]
    assert printed.facts["private_endpoints"] == ["approved"]
    assert printed.facts["arm_audience_tokens"] == "disabled"
    assert (printed.facts["retention"], printed.facts["retention_days"]) == ("enabled", 30)


def test_what_a_document_does_not_say_is_no_fact(write: Write, flat: Make) -> None:
    document = flat(adminUserEnabled=None, policies=None)
    del document["anonymousPullEnabled"]
    facts = only(write("old.json", document)).facts
    assert not facts.keys() & {"admin_enabled", "anonymous_pull", "quarantine", "retention_days"}


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_list_of_registries_is_read_one_by_one(write: Write, flat: Make, wrapped: bool) -> None:
    items = [flat("contoso"), flat("Fabrikam")]
    found = read_settings([write("list.json", {"value": items} if wrapped else items)])
    assert [one.registry for one in found] == ["contoso", "fabrikam"]


def test_tokens_are_one_list_per_registry(write: Write, id_of: Callable[[str], str]) -> None:
    tokens = [{**TOKEN, "name": name, "id": f"{id_of('contoso')}/tokens/{name}"} for name in ("ci", "edge")]
    found = only(write("tokens.json", tokens))
    assert (found.kind, found.registry) == ("tokens", "contoso")
    assert [one["name"] for one in found.facts["tokens"]] == ["ci", "edge"]
    assert found.facts["tokens"][0]["expiries"] == ["2027-01-01T00:00:00Z"]
    assert found.facts["tokens"][0]["scope_map"] == "_repositories_push"


def test_an_arm_answer_of_tokens_reads_the_same(write: Write, id_of: Callable[[str], str]) -> None:
    identified = {"id": f"{id_of('contoso')}/tokens/ci", "name": "ci"}
    inner = {key: value for key, value in TOKEN.items() if key != "name"}
    arm = only(write("arm.json", {"value": [{**identified, "properties": inner}]}))
    assert arm.facts == only(write("cli.json", [{**TOKEN, **identified}])).facts


def test_a_login_server_with_a_hash_is_of_the_registry_before_it(write: Write) -> None:
    found = only(write("endpoints.json", ENDPOINTS))
    assert found.registry == "contoso"
    assert found.facts["data_endpoints"] == ["c.eu.example"]


def test_of_credentials_the_user_name_alone_is_kept(write: Write) -> None:
    found = only(write("credential.json", CREDENTIAL))
    assert (found.registry, found.facts, found.passwords) == ("contoso", {"admin_username": "contoso"}, 1)


def test_passwords_are_found_wherever_a_document_holds_them(write: Write) -> None:
    token = {**TOKEN, "credentials": {"passwords": [{"value": "hunter-two"}, {"value": "x"}]}}
    found = only(write("tokens.json", [token]), "contoso")
    assert found.passwords == 2
    assert "hunter-two" not in str(found)


def test_diagnostic_settings_keep_what_is_logged_and_whether_to_a_hub(
    write: Write, id_of: Callable[[str], str]
) -> None:
    setting = {
        "id": f"{id_of('contoso')}/providers/microsoft.insights/diagnosticSettings/audit",
        "name": "audit",
        "eventHubAuthorizationRuleId": "/x",
        "logs": [{"category": "LoginEvents", "enabled": True}, {"category": "Other", "enabled": False}],
    }
    found = only(write("settings.json", [setting]))
    assert found.facts["diagnostics"] == [{"name": "audit", "logs": ["LoginEvents"], "to_event_hub": True}]


def test_a_file_that_names_no_registry_needs_one_said(write: Write) -> None:
    rules = write("rules.json", RULES)
    assert "rules.json: `az acr network-rule list` does not say which registry it is of" in mistakes(rules)
    found = only(rules, "Contoso")
    assert (found.registry, found.facts["ip_rules"]) == ("contoso", ["203.0.113.9/32"])


def test_a_file_that_names_no_registry_is_of_the_only_one_that_others_name(write: Write, flat: Make) -> None:
    rules, show = write("rules.json", RULES), write("show.json", flat())
    found = {one.kind: (one.registry, one.assumed) for one in read_settings([rules, show])}
    assert found == {"network rules": ("contoso", True), "registry": ("contoso", False)}
    assert "does not say which registry" in mistakes(rules, show, write("other.json", flat("fabrikam")))


def test_a_file_of_another_registry_than_said_is_a_mistake(write: Write, flat: Make) -> None:
    assert "this is of registry contoso, not of fabrikam" in mistakes(write("show.json", flat()), registry="fabrikam")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"adminUserEnabled": "hunter-two"}, "show.json: adminUserEnabled: expected true or false, found a text"),
        ({"policies": ["hunter-two"]}, "show.json: policies: expected an object, found a list"),
        (
            {"policies": {"retentionPolicy": {"days": True}}},
            "policies.retentionPolicy.days: expected a whole number, found tr",
        ),
        (
            {"policies": {"retentionPolicy": {"days": 7.5}}},
            "policies.retentionPolicy.days: expected a whole number, found a number",
        ),
        ({"networkRuleSet": {"ipRules": {}}}, "networkRuleSet.ipRules: expected a list, found an object"),
        (
            {"networkRuleSet": {"ipRules": [{"value": "hunter-two"}]}},
            "networkRuleSet.ipRules[0].value: expected an address or a range",
        ),
    ],
)
def test_a_wrong_member_is_named_with_its_file_and_not_quoted(
    write: Write, flat: Make, change: dict[str, Any], words: str
) -> None:
    message = mistakes(write("show.json", flat(**change)))
    assert words in message
    assert "hunter-two" not in message


def test_a_wrong_member_of_an_arm_answer_is_named_with_its_place(write: Write, arm: Make) -> None:
    assert "arm.json: properties.adminUserEnabled: exp" in mistakes(write("arm.json", arm(adminUserEnabled=1)))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('{"a": 1,\n "b"}', "x.json:2: not valid JSON"),
        ("[]", "x.json: an empty list does not say what it lists"),
        ('{"value": []}', "x.json: an empty list does not say what it lists"),
        ("9" * 5_000, "x.json: holds a number of more than"),
        ("3", "x.json: expected an object"),
        (
            {"colour": "red"},
            "x.json: none of the shapes that are known; known are the outputs of `az acr credential show`",
        ),
        ([{"colour": "red"}], "x.json[0]: none of the shapes"),
        (TOKEN, "x.json: one of a registry's tokens; import `az acr token list`, all of them"),
        ({**CREDENTIAL, "username": "con toso"}, "x.json: no registry is called like that"),
    ],
)
def test_what_is_none_of_the_shapes_is_refused_with_its_place(write: Write, document: Any, words: str) -> None:
    assert words in mistakes(write("x.json", document))


@pytest.mark.parametrize("empty", ["[]", '{"value": []}'])
def test_an_empty_list_beside_other_files_says_nothing(write: Write, flat: Make, empty: str) -> None:
    """`az acr token list` prints one for each registry without tokens."""
    found = read_settings([write("show.json", flat()), write("tokens.json", empty)], "contoso")
    assert [one.kind for one in found] == ["registry"]


def test_every_mistake_of_every_file_is_told_at_once(write: Write, flat: Make) -> None:
    message = mistakes(write("a.json", "{"), write("b.json", flat(adminUserEnabled=1)), write("c.json", flat()))
    assert "a.json:1:" in message
    assert "b.json: adminUserEnabled" in message
    assert "c.json" not in message


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no file .*gone\.json"):
        read_settings([tmp_path / "gone.json"])
