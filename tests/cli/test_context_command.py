"""`acrwatch context`: importing Azure's answers, and reading what rules know."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
PASSWORD = "hunter-two-hunter-two"


def registry(**changes: Any) -> dict[str, Any]:
    identifier = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/contoso"
    return {"id": identifier, "name": "contoso", "sku": {"name": "Premium"}, "adminUserEnabled": False, **changes}


@pytest.fixture
def files(call: Call) -> None:
    """Documents in the working folder."""
    written: dict[str, Any] = {
        "show.json": registry(),
        "changed.json": registry(adminUserEnabled=True, publicNetworkAccess="Disabled"),
        "wrong.json": registry(adminUserEnabled=PASSWORD),
        "rules.json": {"ipRules": [{"ipAddressOrRange": "203.0.113.9"}]},
        "credential.json": {"username": "contoso", "passwords": [{"name": "password", "value": PASSWORD}]},
    }
    for name, document in written.items():
        Path(name).write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def shown(call: Call, files: None) -> Callable[[], dict[str, Any]]:
    """Return what `context show contoso` knows, by name: values (None for a flag) and origins."""

    def show() -> dict[str, Any]:
        entries = call("context", "show", "contoso", "--json").json["entries"]
        return {one["name"]: (one["values"], one["origins"]) for one in entries if one["registry"] == "contoso"}

    return show


def test_an_import_says_what_came_of_each_file(call: Call, files: None) -> None:
    done = call("context", "import", "show.json", "rules.json", "--json")
    assert done.exit_code == 0
    assert [(one["registry"], one["kind"], one["new"]) for one in done.json] == [
        ("contoso", "registry", True),
        ("contoso", "network rules", True),
    ]
    assert "rules.json: does not name its registry (network rules); taken for contoso" in done.stderr
    assert "contoso has no section [registries.contoso]" in call("context", "import", "show.json").stderr


def test_an_empty_list_keeps_no_other_file_from_being_taken(call: Call, files: None) -> None:
    Path("tokens.json").write_text("[]", encoding="utf-8")
    done = call("context", "import", "show.json", "tokens.json", "--registry", "contoso")
    assert done.exit_code == 0
    assert "tokens.json: an empty list does not say what it lists: left out" in done.stderr
    assert call("context", "import", "tokens.json", "--registry", "contoso").exit_code == 2


def test_an_import_that_changes_something_says_what(call: Call, files: None) -> None:
    call("context", "import", "show.json")
    assert "as it was known" in call("context", "import", "show.json").stdout
    done = call("context", "import", "changed.json")
    assert "admin_enabled: no -> yes; public_network_access: not said -> disabled" in done.stdout


def test_where_one_file_is_wrong_none_is_taken(call: Call, files: None) -> None:
    done = call("context", "import", "show.json", "wrong.json")
    assert done.exit_code == 2
    assert "wrong.json: adminUserEnabled: expected true or false, found a text" in done.stderr
    assert PASSWORD not in done.stderr
    assert not Path("data/state.db").exists()
    gone = call("context", "import", "show.json", "gone.json")
    assert (gone.exit_code, gone.stderr) == (3, "Error: there is no file gone.json\nCheck the path\n")


def test_passwords_are_neither_kept_nor_printed(call: Call, files: None) -> None:
    done = call("context", "import", "credential.json")
    assert "credential.json: holds 1 password: left out and not kept" in done.stderr
    outputs = [done, call("context", "show", "contoso"), call("context", "history", "--json")]
    assert not [one for one in outputs if PASSWORD in one.stdout + one.stderr]
    kept = [path for path in Path("data").iterdir() if PASSWORD.encode() in path.read_bytes()]
    assert not kept


def test_each_value_says_who_it_is_from(call: Call, shown: Callable[[], dict[str, Any]]) -> None:
    Path("acrwatch.toml").write_text(
        '[registries.contoso]\nadmin_usernames = ["root"]\npush_identities = ["ci"]\nflags = ["!private_only"]\n'
    )
    call("context", "import", "show.json", "credential.json")
    assert shown() == {
        "admin_usernames": (["root"], ["configured"]),
        "push_identities": (["ci"], ["configured"]),
        "admin_disabled": (None, ["imported"]),
        "!private_only": (None, ["configured"]),
    }
    read = call("context", "show", "contoso").stdout
    assert "odd_user_agents" in read
    assert "Imported from credential.json (credential), as of 2026-11-22 03:00:00Z, just now" in read


def test_of_many_tokens_the_first_are_told_and_how_many_there_are(call: Call) -> None:
    def tokens(count: int) -> None:
        made = [{"name": f"t{number}", "scopeMapId": "/x", "status": "enabled"} for number in range(count)]
        Path("tokens.json").write_text(json.dumps(made))

    tokens(2)
    call("context", "import", "tokens.json", "--registry", "contoso")
    tokens(2002)
    done = call("context", "import", "tokens.json", "--registry", "contoso")
    assert "tokens: t2 (status enabled, scope_map x, expiries none) added, t3 " in done.stdout
    assert "t21 (status enabled, scope_map x, expiries none) added and 1980 more" in done.stdout


def test_the_registries_are_listed_with_what_is_known(call: Call, files: None) -> None:
    call("context", "import", "changed.json", "credential.json")
    listed = {one["registry"]: one for one in call("context", "list", "--json").json}
    assert listed["contoso"]["flags"] == ["public_access_off"]
    assert listed["contoso"]["lists"] == {"admin_usernames": 1}
    assert listed["contoso"]["imported_at"] == "2026-11-22T03:00:00Z"
    assert listed["*"]["origins"] == ["shipped"]


def test_the_history_tells_what_each_import_changed(call: Call, files: None) -> None:
    for name in ("show.json", "show.json", "changed.json"):
        call("context", "import", name)
    newest, first = call("context", "history", "contoso", "--json").json
    assert newest["changes"] == ["admin_enabled: no -> yes", "public_network_access: not said -> disabled"]
    assert (first["file"], first["changes"]) == ("show.json", [])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("fabrikam",), 3, "nothing is known of a registry 'fabrikam'\nKnown are *, contoso"),
        (("--version", "abc"), 3, "No context has a version that begins with abc"),
        ((), 2, "name a registry, or a version"),
    ],
)
def test_what_is_not_there_is_said(call: Call, files: None, arguments: tuple[str, ...], code: int, words: str) -> None:
    call("context", "import", "show.json")
    done = call("context", "show", *arguments)
    assert done.exit_code == code
    assert words in done.stderr
