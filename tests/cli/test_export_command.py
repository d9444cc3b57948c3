"""`acrwatch rules export`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[..., Any]


def test_a_rule_is_printed_as_a_query_with_the_configured_context(call: Call, tmp_path: Path) -> None:
    (tmp_path / "acrwatch.toml").write_text('[registries.contoso]\nallowed_ranges = ["198.51.100.0/24"]\n')
    done = call("rules", "export", "pull-outside-allowed-ranges", "--format", "kql")
    assert done.exit_code == 0
    assert done.stdout.startswith("// pull-outside-allowed-ranges: ")
    assert 'ipv4_is_in_range(caller_ip, "198.51.100.0/24")' in done.stdout
    assert done.stderr == "1 rule exported, 0 refused.\n"


def test_a_rule_asked_for_and_refused_ends_with_1_and_says_why(call: Call) -> None:
    done = call("rules", "export", "anomalous-source-ip", "pull-outside-allowed-ranges", "--format", "esql")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "anomalous-source-ip: not exported: its baseline is built by code" in done.stderr
    assert "pull-outside-allowed-ranges: not exported: %registries_with_ranges% is empty" in done.stderr


def test_all_that_can_be_exported_is_without_a_failure(call: Call) -> None:
    done = call("rules", "export", "--format", "spl", "--json")
    assert done.exit_code == 0
    assert {one["rule"] for one in done.json if one["query"]} >= {"admin-user-login", "mass-delete"}


def test_a_file_is_exported_too(call: Call, tmp_path: Path) -> None:
    (tmp_path / "pulls.yml").write_text(
        "title: Pulls\nlogsource: {product: azure, service: acr}\ndetection: {s: {operation: pull}, condition: s}\n"
    )
    done = call("rules", "export", "pulls.yml", "--format", "esql")
    assert done.stdout.splitlines() == [
        "// pulls: Pulls",
        "FROM acr-events*",
        '| WHERE TO_LOWER(operation) == "pull"',
        "",
    ]
