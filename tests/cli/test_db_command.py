"""`acrwatch db verify` and `db vacuum`: exit codes, JSON, and what they say."""

import shutil
from pathlib import Path

import pytest

from storage.lake import Lake
from storage.lake.snapshot import total_rows
from tests.cli.conftest import Call

LINE = (
    '{"time":"2026-11-22T02:00:0%d.0000000Z","category":"ContainerRegistryLoginEvents","operationName":"Login",'
    '"resourceId":"/SUBSCRIPTIONS/0/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/CONTOSO",'
    '"properties":{"identity":"ana@example.com","callerIpAddress":"192.0.2.1","resultDescription":"200"}}\n'
)


@pytest.fixture
def lake(call: Call, tmp_path: Path) -> Lake:
    """A lake of two imported events."""
    traffic = tmp_path / "traffic.jsonl"
    traffic.write_text("".join(LINE % n for n in range(2)))
    assert call("import", traffic).exit_code == 0
    return Lake(tmp_path / "data" / "lake")


def test_a_whole_store_is_verified_with_exit_0(call: Call, lake: Lake) -> None:
    done = call("db", "verify", "--full", "--json")

    assert done.json == {"ok": True, "findings": [], "repaired": None}
    assert done.exit_code == 0


def test_a_missing_file_is_listed_with_exit_1_given_up_and_imported_again(
    call: Call, lake: Lake, tmp_path: Path
) -> None:
    (lost,) = lake.snapshot().files
    (tmp_path / "more.jsonl").write_text(LINE % 5)
    call("import", tmp_path / "more.jsonl")
    (lake.root / lost.path).unlink()

    found = call("db", "verify", "--json")
    assert (found.exit_code, [finding["kind"] for finding in found.json["findings"]]) == (1, ["file_missing"])

    repaired = call("db", "verify", "--repair", "--json")
    assert (repaired.exit_code, repaired.json["ok"]) == (0, True)
    (given_up,) = repaired.json["repaired"]["lost"]
    assert (given_up["path"], given_up["date"], given_up["rows"]) == (lost.path, "2026-11-22", 2)

    call("import", tmp_path / "traffic.jsonl", tmp_path / "more.jsonl")
    assert total_rows(lake.snapshot().files) == 3


def test_files_are_imported_again_after_the_lake_was_lost(call: Call, lake: Lake, tmp_path: Path) -> None:
    shutil.rmtree(lake.root)

    assert call("import", tmp_path / "traffic.jsonl", "--json").json["events"] == 2
    assert call("import", tmp_path / "traffic.jsonl", "--json").json["files_skipped"] == 1


def test_a_repair_tells_people_what_was_lost(call: Call, lake: Lake, tmp_path: Path) -> None:
    (lost,) = lake.snapshot().files
    (tmp_path / "more.jsonl").write_text(LINE % 5)
    call("import", tmp_path / "more.jsonl")
    (lake.root / lost.path).write_bytes(b"")

    found = call("db", "verify").stderr
    assert "instead of" in found
    assert found.endswith("1 thing is wrong.\n")
    said = call("db", "verify", "--repair").stderr
    assert "Given up: 2 rows of 2026-11-22" in said
    assert "acrwatch import" in said


def test_an_outdated_schema_is_a_finding(call: Call, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "data" / "state.db").unlink()

    found = call("db", "verify", "--json")

    assert (found.exit_code, [finding["kind"] for finding in found.json["findings"]]) == (1, ["state_unusable"])


def test_without_a_lake_there_is_nothing_to_verify(call: Call) -> None:
    assert call("db", "verify").exit_code == 3
    assert call("db", "vacuum").exit_code == 3


def test_vacuum_deletes_nothing_young_and_a_dry_run_makes_no_version(call: Call, lake: Lake) -> None:
    version = lake.snapshot().version

    assert call("db", "vacuum", "--dry-run", "--json").json == {"dry_run": True, "files": [], "bytes": 0, "deleted": 0}
    assert call("db", "vacuum", "--json").json["deleted"] == 0
    assert lake.snapshot().version == version


def test_stored_dates_past_retention_go_with_the_next_maintenance(call: Call, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text((LINE % 5).replace("2026-11-22T", "2026-10-02T"))
    call("import", tmp_path / "old.jsonl")
    (tmp_path / "acrwatch.toml").write_text('[store]\nretention = "30d"\n')

    done = call("db", "compact", "--json").json

    assert done["retired"] == {"dates": ["2026-10-02"], "rows": 1}
    assert total_rows(lake.snapshot().files) == 2
