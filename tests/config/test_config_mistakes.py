"""What a wrong configuration is answered with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from acrwatch.core.config import Config, load
from acrwatch.core.errors import ConfigError

Load = Callable[..., Config]
HUB = '[[sources]]\ntype = "eventhub"\neventhub = "acr-audit"\n'
HOOK = '[[destinations]]\nname = "siem"\ntype = "webhook"\nurl = "https://siem.example.com"\n'


@pytest.mark.parametrize(
    ("toml", "place", "problem"),
    [
        ('[stroe]\npath = "x"', "stroe", "section 'stroe' is unknown; did you mean 'store'?"),
        ('[store]\npth = "x"', "store.pth", "'pth' is unknown; did you mean 'path'?"),
        ("[store]\nzzz = 1", "store.zzz", "'zzz' is unknown; known are closed_after, database, path, retention"),
        ('[store]\nstate_retention = "23h"', "store.state_retention", "expected a time span of at least 24h"),
        ('[store]\nretention = "soon"', "store.retention", "expected a time span"),
        ('[store]\nretention = "99999999999d"', "store.retention", "expected a time span of at most 36500d"),
        ('store = "x"', "store", "is a single value; expected a section `[store]`"),
        ('[[sources]]\ntype = "evenhub"', "sources[0].type", "type 'evenhub' is unknown; did you mean 'eventhub'?"),
        ('[[sources]]\ntype = "eventhub"', "sources[0]", "eventhub is missing: The hub."),
        ('[[sources]]\neventhub = "x"', "sources[0]", "type is missing"),
        ('[sources]\ntype = "eventhub"', "sources.type", "sources is a list; write [[sources]]"),
        ("sources = 3", "sources", "is a list; write [[sources]]"),
        (HUB + "evnthub = 1", "sources[0].evnthub", "'evnthub' is unknown; did you mean 'eventhub'?"),
        ('[[destinations]]\ntype = "webhook"\nurl = "x"', "destinations[0]", "name is missing"),
        (HOOK + HOOK, "destinations[1]", "name 'siem' is taken by"),
        (HOOK.replace("siem", "a b"), "destinations[0]", "name 'a b' may have only letters"),
        ('[registries."contoso.azurecr.io"]', "registries.contoso.azurecr.io", "perhaps `[registries.contoso]`"),
        ("[registries.contoso]\n[registries.CONTOSO]", "registries.CONTOSO", "is configured twice"),
        ("registries.contoso = 1", "registries.contoso", "is a single value"),
        ('[registries.contoso]\nallowed_ranges = ["300.0.0.0/8"]', "allowed_ranges", "300.0.0.0/8"),
        ('[registries.contoso.lists]\nallowed_ranges = ["a"]', "contoso.lists", "a setting by itself"),
        ("[registries.contoso]\nprivate_only = true", "private_only", 'is a flag; write flags = ["private_only"]'),
        ('[registries.contoso]\nworking_hours = ["9-17"]', "working_hours", "'9-17' is no hour of the week; expected"),
        ('[registries.contoso.ranges]\noffices = ["a"]', "contoso.ranges", "expected a range such as"),
        ('[registries.contoso.lists]\n"crown jewels" = ["a"]', "contoso.lists", "'crown jewels' is no name"),
        ('[registries.contoso]\nlists = ["a"]', "contoso.lists", "expected a table of lists by name"),
        ('[registries.contoso]\nflags = ["!not-so"]', "contoso.flags", "'not-so' is no name"),
    ],
)
def test_a_mistake_in_the_file_names_its_place(load_config: Load, toml: str, place: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(toml)
    assert "one mistake" in str(caught.value)
    line = str(caught.value).splitlines()[1]
    assert f"acrwatch.toml: {place}" in line or f".{place}:" in line
    assert problem in line


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ACRWATCH__STORE__PTH", "x", "'pth' is unknown; did you mean 'path'?"),
        ("ACRWATCH__STROE__PATH", "x", "section 'stroe' is unknown; did you mean 'store'?"),
        ("ACRWATCH_STORE__PATH", "x", "is unknown; did you mean ACRWATCH__STORE__PATH?"),
        ("ACRWATCH__STORE", "x", "store is a section, not a single value"),
        ("ACRWATCH__STORE____PATH", "x", "a part of the name is empty"),
        ("ACRWATCH__STORE__PATH__DEEP", "x", "store.path is a single value"),
        ("ACRWATCH__SOURCES__0", "x", "sources[0] is a section, not a single value"),
        ("ACRWATCH__SOURCES__7__TYPE", "files", "the next free number is 1"),
        ("ACRWATCH__SOURCES__MAIN__TYPE", "files", "is a list"),
        ("ACRWATCH__SOURCES__0__TYPE", "filse", "type 'filse' is unknown; did you mean 'files'?"),
        ("ACRWATCH__STORE__RETENTION", "soon", "expected a time span"),
        ("ACRWATCH__SOURCES__0__CONNECTION_STRING_FILE", "gone.txt", "cannot be read: No such file"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    load_config: Load, name: str, value: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config('[store]\npath = "lake"\n' + HUB, **{name: value})
    assert problem in str(caught.value)
    assert name.rpartition("__")[0] in str(caught.value)


def test_all_mistakes_are_reported_together(load_config: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config('[store]\npth = "x"\nretention = 3\n[[sources]]\ntype = "no"', ACRWATCH__DETECTIONS__EVRY="1s")
    assert "4 mistakes" in str(caught.value)
    assert [word in str(caught.value) for word in ("pth", "retention", "'no'", "DETECTIONS__EVRY")] == [True] * 4
    assert caught.value.exit_code == 2


def test_a_missing_value_tells_the_variable_that_would_set_it(load_config: Load) -> None:
    with pytest.raises(ConfigError, match="ACRWATCH__SOURCES__0__EVENTHUB"):
        load_config('[[sources]]\ntype = "eventhub"')


def test_only_secrets_come_from_files(load_config: Load, tmp_path: Path) -> None:
    (tmp_path / "retention").write_text("30d")
    with pytest.raises(ConfigError, match="only secrets can be read from a file"):
        load_config("", ACRWATCH__STORE__RETENTION_FILE=str(tmp_path / "retention"))


def test_a_secret_given_twice_in_one_place_is_refused(load_config: Load) -> None:
    with pytest.raises(ConfigError, match="is given both directly and as secret_file"):
        load_config(HOOK + 'secret = "whsec_x"\nsecret_file = "y"')


def test_a_wrong_secret_is_not_repeated(load_config: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(HOOK + 'secret = ["whsec_topsecret"]')
    assert "topsecret" not in str(caught.value)


def test_a_file_that_was_asked_for_must_exist(load_config: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        load(tmp_path / "gone.toml", {}, source_settings={}, destination_settings={})


def test_broken_toml_is_answered_with_line_and_column(load_config: Load) -> None:
    with pytest.raises(ConfigError, match=r"not valid TOML: .*line 2"):
        load_config("[store]\npath = \n")
