"""`acrwatch posture`: what it says of registries that were imported, and of those that were not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def imported(call: Call) -> Callable[..., None]:
    """Return what imports one registry with these settings."""

    def take(name: str = "contoso", **settings: Any) -> None:
        identifier = f"/subscriptions/s/providers/Microsoft.ContainerRegistry/registries/{name}"
        document = {"id": identifier, "name": name, "sku": {"name": "Premium"}, **settings}
        Path("show.json").write_text(json.dumps(document), encoding="utf-8")
        assert call("context", "import", "show.json").exit_code == 0

    return take


def test_a_failed_check_ends_with_1_and_names_remedy_and_policy(call: Call, imported: Callable[..., None]) -> None:
    imported(adminUserEnabled=True)
    done = call("posture", "contoso")
    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if " admin-user " in line]
    assert line.startswith("fail")
    assert "az acr update -n contoso --admin-enabled false" in line
    assert "Azure Policy: Container registries should have local admin account disabled." in line
    assert "contoso: 1 fail, 15 unknown, 0 pass (imported just now)" in done.stdout


def test_as_json_each_check_has_its_source_and_policies(call: Call, imported: Callable[..., None]) -> None:
    imported(adminUserEnabled=False)
    imported("fabrikam", adminUserEnabled=False)
    done = call("posture", "--json")
    assert done.exit_code == 0
    assert [report["registry"] for report in done.json] == ["contoso", "fabrikam"]
    (admin,) = [check for check in done.json[0]["checks"] if check["check"] == "admin-user"]
    assert (admin["result"], admin["remedy"]) == ("pass", "")
    assert admin["policies"] == ["Container registries should have local admin account disabled."]
    assert admin["policy_ids"] == ["dc921057-6b28-4fbe-9b83-f7bec05db6c2"]
    assert admin["source"].startswith("https://learn.microsoft.com/")


def test_a_registry_that_was_not_imported_is_unknown_and_says_how_to(call: Call, imported: Callable[..., None]) -> None:
    imported(adminUserEnabled=False)
    Path("acrwatch.toml").write_text("[registries.fabrikam]\n")
    done = call("posture", "Fabrikam")
    assert done.exit_code == 0
    assert "fabrikam: 0 fail, 16 unknown, 0 pass (nothing imported)" in done.stdout
    assert "az acr show -n fabrikam > show.json; acrwatch context import show.json" in done.stderr


def test_a_registry_that_nobody_knows_is_not_found(call: Call, imported: Callable[..., None]) -> None:
    imported()
    done = call("posture", "northwind")
    assert done.exit_code == 3
    assert "Known are contoso" in done.stderr
