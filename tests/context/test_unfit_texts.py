"""Texts of users that no database can hold are refused by who takes them, in words, and never end in a traceback."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from acrwatch.core.characters import unfit
from acrwatch.core.errors import ConfigError, StoreError
from acrwatch.core.setting import text
from detections.notices import Publishing
from detections.rule import read_rules
from detections.rulebook import Rulebook
from detections.suppressing import drafted
from detections.watch_list import canonical
from ingest.registry_settings.reading import read_settings
from storage.lake.snapshot import Snapshot
from storage.query import Reader
from storage.sandbox import ask
from storage.state import incidents
from storage.state.tables import ingest_counts
from tests.sqlite import database_in

HALF = "a\ud800b"
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
RULE = "title: T\nlogsource: {product: azure, service: acr}\ndetection: {s: {identity: ci}, condition: s}\n"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("plain, \u00e9, \U0001f600, \ud7ff\ue000", None),
        (HALF, "half of a character, U+D800"),
        ("\udfff", "half of a character, U+DFFF"),
        ("a\0b", "a NUL"),
    ],
)
def test_what_cannot_be_stored_is_told(given: str, wrong: str | None) -> None:
    assert unfit(given) == wrong


def test_a_setting_from_bytes_of_another_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a text in UTF-8, found half of a character, U\\+DCE9"):
        text(os.fsdecode(b"caf\xe9"))


@pytest.mark.parametrize("type_", ["identity", "ip", "digest"])
def test_it_cannot_be_watched(type_: str) -> None:
    with pytest.raises(ConfigError, match=f"{type_} 'a.*' holds half of a character"):
        canonical(type_, HALF)


@pytest.mark.parametrize("changed", [{"identity": HALF}, {"repository": HALF}, {"reason": HALF}])
def test_it_cannot_be_suppressed_nor_be_the_reason(changed: dict[str, str]) -> None:
    given = {"identity": "ci", "reason": "known", **changed}
    reason = given.pop("reason")
    with pytest.raises(ConfigError, match="holds half of a character"):
        drafted(given, owner="ana", reason=reason, starts_at=NOW, expires_at=NOW + timedelta(1), by="ana", now=NOW)


def test_an_imported_setting_that_holds_it_is_named_with_its_place(tmp_path: Path, flat: Callable[..., Any]) -> None:
    file = tmp_path / "show.json"
    file.write_text(json.dumps(flat(adminUserEnabled=True, loginServer=f"{HALF}.azurecr.io")))
    with pytest.raises(ConfigError) as raised:
        read_settings([file])
    assert f"{file}: loginServer: expected a text, found half of a character, U+D800 in it" in str(raised.value)


def test_what_nobody_looked_at_is_refused_at_the_door_of_the_database(tmp_path: Path) -> None:
    database = database_in(tmp_path / "state.db")
    with pytest.raises(ConfigError, match="holds half of a character"), database.begin() as connection:
        connection.execute(insert(ingest_counts).values(date="2026-11-22", name=HALF, count=1))
    with pytest.raises(ConfigError, match="holds half of a character"), database.connect() as connection:
        connection.execute(select(ingest_counts).where(ingest_counts.c.name == HALF))
    database.close()


@pytest.mark.parametrize("question", ["query", "rows"])
def test_a_question_that_holds_it_is_refused(question: str) -> None:
    with Reader(Snapshot(Path(), 0, ())) as reader:
        with pytest.raises(StoreError):
            getattr(reader, question)(f"SELECT '{HALF}'")
        with pytest.raises(StoreError):
            reader.hold("held", f"SELECT '{HALF}' AS x")
        assert getattr(reader, question)("SELECT 1 AS x")


def test_sql_that_holds_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="holds half of a character"):
        ask(Snapshot(Path(), 0, ()), f"SELECT '{HALF}'")


def test_a_rule_file_whose_name_is_no_utf_8_is_a_mistake_that_can_be_stored(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "good.yml").write_text(RULE)
    (folder / os.fsdecode(b"caf\xe9.yml")).write_text(RULE)
    rules = read_rules([folder])
    assert set(rules.detections) == {"good"}
    (mistake,) = rules.mistakes
    assert str(mistake).endswith("caf\\udce9.yml:1: the file's name holds half of a character, U+DCE9: "
                                 "it is the rule's slug; write it in UTF-8")  # fmt: skip
    database = database_in(tmp_path / "state.db")
    Rulebook([folder]).refresh(database, Publishing(), now=NOW)
    with database.connect() as connection:
        assert [one.key for one in incidents.current(connection)] == [f"broken_rule/{folder}/caf\\udce9.yml"]
    database.close()
