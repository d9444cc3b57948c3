"""What a correct configuration becomes."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from acrwatch.core.config import Config
from acrwatch.core.registry import RegistryContext
from acrwatch.core.setting import Secret
from storage.lake.clustering import CLOSED_AFTER

Load = Callable[..., Config]


def origin(config: Config, key: str) -> str:
    return next(entry.origin for entry in config.entries if entry.key == key)


def test_without_file_and_environment_the_defaults_hold(load_config: Load, tmp_path: Path) -> None:
    config = load_config()
    assert config.store.path == str(tmp_path / "data/lake")
    assert config.store.database == f"sqlite:///{tmp_path}/data/state.db"
    assert config.store.retention is None
    assert (config.detections.every, config.detections.lateness) == (timedelta(seconds=30), timedelta(hours=24))
    assert (config.registries, config.sources, config.destinations, config.path) == ({}, (), (), None)


def test_the_state_is_kept_for_a_month_and_dates_close_after_a_day_and_a_half(load_config: Load) -> None:
    store = load_config().store
    assert (store.state_retention, store.closed_after) == (timedelta(days=30), CLOSED_AFTER)


def test_lists_of_paths_start_at_the_configuration_files_folder(
    load_config: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = f'[[sources]]\ntype = "files"\npaths = ["in", "a/../b.json", "{tmp_path}/c.gz"]'
    monkeypatch.chdir("/")
    by_file = load_config(listed)
    by_environment = load_config('[[sources]]\ntype = "files"', ACRWATCH__SOURCES__0__PATHS="in,a/../b.json")
    assert by_file.sources[0].values["paths"] == (tmp_path / "in", tmp_path / "b.json", tmp_path / "c.gz")
    assert by_environment.sources[0].values["paths"] == (tmp_path / "in", tmp_path / "b.json")


def test_a_file_named_acrwatch_toml_in_the_working_directory_is_found(load_config: Load, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text('[detections]\nevery = "1m"')
    assert load_config().detections.every == timedelta(minutes=1)


def test_each_section_of_a_file_is_read(load_config: Load) -> None:
    config = load_config(
        """
        [registries.Contoso]
        allowed_ranges = ["203.0.113.0/24", "2001:db8::/32"]
        admin_usernames = ["root"]
        [[sources]]
        type = "eventhub"
        eventhub = "acr-audit"
        [[sources]]
        type = "files"
        [[destinations]]
        name = "siem"
        type = "webhook"
        url = "https://siem.example.com/hook"
        """
    )
    contoso = config.registries["contoso"]
    assert contoso.ranges["allowed_ranges"] == (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))
    assert contoso.lists["admin_usernames"] == ("root",)
    assert [source.type for source in config.sources] == ["eventhub", "files"]
    assert config.sources[0].values["eventhub"] == "acr-audit"
    assert config.sources[0].values["commit_interval"] == timedelta(seconds=5)
    assert "type" not in config.sources[0].values
    assert config.sources[1].where.endswith("acrwatch.toml: sources[1]")
    assert (config.destinations[0].name, config.destinations[0].type) == ("siem", "webhook")
    assert config.destinations[0].values["attempts"] == 12


def test_the_environment_wins_over_the_file(load_config: Load) -> None:
    config = load_config('[store]\nretention = "30d"', ACRWATCH__STORE__RETENTION="60d")
    assert config.store.retention == timedelta(days=60)
    assert origin(config, "store.retention") == "ACRWATCH__STORE__RETENTION"


def test_every_value_tells_its_origin(load_config: Load, tmp_path: Path) -> None:
    config = load_config('[store]\nretention = "30d"', ACRWATCH__DETECTIONS__EVERY="5s")
    assert origin(config, "store.retention") == str(tmp_path / "acrwatch.toml")
    assert origin(config, "store.path") == "default"
    assert origin(config, "detections.every") == "ACRWATCH__DETECTIONS__EVERY"


def test_the_environment_completes_an_item_of_a_list(load_config: Load) -> None:
    config = load_config(
        '[[sources]]\ntype = "eventhub"\neventhub = "acr-audit"',
        ACRWATCH__SOURCES__0__CONNECTION_STRING="Endpoint=sb://hub.example.com/",
    )
    assert config.sources[0].values["connection_string"] == Secret("Endpoint=sb://hub.example.com/")


def test_the_environment_alone_makes_a_whole_source(load_config: Load) -> None:
    config = load_config(ACRWATCH__SOURCES__0__TYPE="eventhub", ACRWATCH__SOURCES__0__EVENTHUB="acr-audit")
    assert config.sources[0].values["eventhub"] == "acr-audit"


def test_eleven_sources_of_the_environment_keep_their_order(load_config: Load) -> None:
    pairs = {f"ACRWATCH__SOURCES__{n}__TYPE": "eventhub" for n in range(11)}
    hubs = {f"ACRWATCH__SOURCES__{n}__EVENTHUB": f"hub{n}" for n in range(11)}
    config = load_config(**pairs, **hubs)
    assert [source.values["eventhub"] for source in config.sources] == [f"hub{n}" for n in range(11)]


def test_registry_names_of_file_and_environment_meet_in_any_case(load_config: Load) -> None:
    config = load_config(
        '[registries.Contoso]\nadmin_usernames = ["root"]',
        ACRWATCH__REGISTRIES__CONTOSO__ALLOWED_RANGES="192.0.2.0/24, 198.51.100.7",
    )
    assert list(config.registries) == ["contoso"]
    assert config.registries["contoso"].lists["admin_usernames"] == ("root",)
    assert config.registries["contoso"].ranges["allowed_ranges"] == (
        ip_network("192.0.2.0/24"),
        ip_network("198.51.100.7/32"),
    )


def test_a_secret_is_read_from_the_file_that_the_environment_names(load_config: Load, tmp_path: Path) -> None:
    (tmp_path / "hub.txt").write_text("Endpoint=sb://hub.example.com/\n")
    config = load_config(
        '[[sources]]\ntype = "eventhub"\neventhub = "acr-audit"\nconnection_string = "old"',
        ACRWATCH__SOURCES__0__CONNECTION_STRING_FILE=str(tmp_path / "hub.txt"),
    )
    assert config.sources[0].values["connection_string"] == Secret("Endpoint=sb://hub.example.com/")
    assert origin(config, "sources[0].connection_string") == "ACRWATCH__SOURCES__0__CONNECTION_STRING_FILE"


def test_a_setting_whose_own_name_ends_in_file_is_no_secret_file(load_config: Load) -> None:
    config = load_config('[[destinations]]\nname = "log"\ntype = "file"\nca_file = "ca.pem"')
    assert config.destinations[0].values["ca_file"] == "ca.pem"


def test_relative_paths_are_relative_to_the_file(
    load_config: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    config = load_config('[store]\npath = "lake"\ndatabase = "sqlite:///x.db"\n[[sources]]\ntype = "files"')
    assert config.store.path == str(tmp_path / "lake")
    assert config.store.database == f"sqlite:///{tmp_path}/x.db"
    assert config.sources[0].values["folder"] == tmp_path / "inbox"


@pytest.mark.parametrize("url", ["postgresql+psycopg://me@db.example.com/acrwatch", "sqlite:////srv/state.db"])
def test_other_urls_stay_as_written(load_config: Load, url: str) -> None:
    config = load_config(f'[store]\npath = "abfss://lake@x.dfs.core.windows.net/acr"\ndatabase = "{url}"')
    assert (config.store.path, config.store.database) == ("abfss://lake@x.dfs.core.windows.net/acr", url)


def test_lists_and_flags_of_ones_own_are_read_beside_the_known_ones(load_config: Load) -> None:
    config = load_config(
        """
        [registries.contoso]
        push_identities = ["ci"]
        flags = ["admin_disabled", "!ours"]
        [registries.contoso.lists]
        crown_jewels = ["payments/*"]
        [registries.contoso.ranges]
        offices = ["192.0.2.0/24"]
        """,
        ACRWATCH__REGISTRIES__CONTOSO__LISTS__FRIENDS="a, b",
    )
    contoso = config.registries["contoso"]
    assert contoso.lists == {"push_identities": ("ci",), "crown_jewels": ("payments/*",), "friends": ("a", "b")}
    assert contoso.ranges == {"offices": (ip_network("192.0.2.0/24"),)}
    assert contoso.flags == ("admin_disabled", "!ours")


def test_what_holds_for_every_registry_is_none_of_the_registries(load_config: Load) -> None:
    config = load_config('[registries."*"]\nodd_user_agents = []\n[registries.contoso]\n')
    assert list(config.registries) == ["contoso"]
    assert config.every_registry.lists == {"odd_user_agents": ()}


def test_a_stronger_context_replaces_lists_and_takes_flags_away() -> None:
    weak = RegistryContext(lists={"a": ("1",), "b": ("2",)}, flags=("x", "y"))
    both = RegistryContext(lists={"a": ()}, flags=("!x", "z")).over(weak)
    assert both == RegistryContext({}, {"a": (), "b": ("2",)}, ("y", "z"))


@pytest.mark.parametrize("heading", ["[registries.contoso]", "[registries.contoso.lists]"])
def test_hours_of_work_stand_below_the_registry_and_may_stand_where_they_once_did(
    load_config: Load, heading: str
) -> None:
    config = load_config(f'{heading}\nworking_hours = ["mon 09", "tue 1?"]\n')
    assert config.registries["contoso"].lists == {"working_hours": ("mon 09", "tue 1?")}
