"""`acrwatch init` and `acrwatch config show`."""

import json
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core import config, registry
from acrwatch.core.setting import Setting

Call = Callable[..., Any]


def test_init_writes_a_configuration_that_loads(call: Call, tmp_path: Path) -> None:
    done = call("init", "--registry", "Contoso.azurecr.io", "--namespace", "ns1.servicebus.windows.net")
    assert done.exit_code == 0
    written = tomllib.loads((tmp_path / "acrwatch.toml").read_text())
    assert list(written["registries"]) == ["contoso"]
    assert written["sources"][0]["fully_qualified_namespace"] == "ns1.servicebus.windows.net"
    assert call("config", "show").exit_code == 0


def test_init_mentions_every_setting_of_the_core(call: Call, tmp_path: Path) -> None:
    call("init")
    text = (tmp_path / "acrwatch.toml").read_text()
    tables: list[tuple[Setting[Any], ...]] = [config.STORE, config.DETECTIONS, registry.SETTINGS]
    names = [setting.name for table in tables for setting in table]
    assert [name for name in names if f"{name} = " not in text] == []


def test_what_init_writes_are_the_defaults(call: Call, tmp_path: Path) -> None:
    call("init")
    written = tomllib.loads((tmp_path / "acrwatch.toml").read_text())
    for section, settings in (("store", config.STORE), ("detections", config.DETECTIONS)):
        for setting in settings:
            value = written[section].get(setting.name)
            assert (None if value is None else setting.parse(value)) == setting.default


def test_init_prints_commands_that_a_shell_can_split(call: Call) -> None:
    steps = call("init", "--registry", "contoso", "--eventhub", "hub9").stdout
    assert "--event-hub hub9" in steps
    assert '"ContainerRegistryLoginEvents","enabled":true' in steps
    commands = [line for line in steps.replace("\\\n", "").splitlines() if line.startswith("az ")]
    assert len(commands) == 4
    assert all(shlex.split(command)[0] == "az" for command in commands)


def test_init_refuses_to_overwrite(call: Call, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text("# mine")
    done = call("init")
    assert done.exit_code == 2
    assert "exists already" in done.stderr
    assert (tmp_path / "acrwatch.toml").read_text() == "# mine"


@pytest.mark.parametrize("name", ["a b", 'x"', "$(id)", "-n"])
def test_init_takes_no_name_that_a_shell_would_read_otherwise(call: Call, tmp_path: Path, name: str) -> None:
    assert call("init", "--eventhub", name).exit_code == 2
    assert not (tmp_path / "acrwatch.toml").exists()


def test_config_show_masks_secrets_and_keeps_what_is_open(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACRWATCH__SOURCES__0__TYPE", "eventhub")
    monkeypatch.setenv("ACRWATCH__STORE__DATABASE", "postgresql+psycopg://me:hunter2@db.example.com/x")
    key = "SharedAccessKeyName=listen;SharedAccessKey=topsecret="
    monkeypatch.setenv("ACRWATCH__SOURCES__0__CONNECTION_STRING", f"Endpoint=sb://ns.example.com/;{key};EntityPath=hub")
    done = call("config", "show", "--json")
    shown = {entry["key"]: entry["value"] for entry in done.json}
    assert shown["sources[0].connection_string"] == (
        "Endpoint=sb://ns.example.com/;SharedAccessKeyName=listen;SharedAccessKey=********;EntityPath=hub"
    )
    assert shown["store.database"] == "postgresql+psycopg://me:********@db.example.com/x"
    assert "topsecret" not in done.stdout + done.stderr


def test_config_show_origin_tells_who_said_so(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acrwatch.toml").write_text('[store]\nretention = "30d"')
    monkeypatch.setenv("ACRWATCH__DETECTIONS__EVERY", "5s")
    rows = [line.split() for line in call("config", "show", "--origin").stdout.splitlines()]
    assert ["SETTING", "VALUE", "ORIGIN"] in rows
    assert ["store.retention", "30d", "acrwatch.toml"] in rows
    assert ["detections.every", "5s", "ACRWATCH__DETECTIONS__EVERY"] in rows
    assert ["detections.lateness", "24h", "default"] in rows


def test_a_configuration_mistake_ends_with_2_and_its_place(call: Call, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text("[store]\npth = 1\n[stroe]")
    done = call("config", "show")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "Error: the configuration has 2 mistakes:",
        "  acrwatch.toml: stroe: section 'stroe' is unknown; did you mean 'store'?",
        "  acrwatch.toml: store.pth: 'pth' is unknown; did you mean 'path'?",
    ]


def test_the_same_mistake_as_json(call: Call, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text("[stroe]")
    done = call("config", "show", "--json")
    assert json.loads(done.stderr)["error"]["code"] == "config"


def test_the_next_steps_name_the_program_as_it_was_called_where_the_shell_would_not_find_it(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(sys, "argv", [".venv/bin/acrwatch", "init"])
    assert ".venv/bin/acrwatch --config acrwatch.toml run" in call("init").stdout.splitlines()


def test_the_next_steps_name_the_bare_program_where_the_shell_finds_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "acrwatch"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(program), "init"])
    assert "acrwatch --config acrwatch.toml run" in call("init").stdout.splitlines()


def test_the_next_steps_quote_a_file_name_for_the_shell(call: Call) -> None:
    assert "acrwatch --config 'my watch.toml' run" in call("init", "my watch.toml").stdout.splitlines()
