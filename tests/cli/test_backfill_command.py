"""`acrwatch backfill log-analytics`: against an endpoint over TLS, with tokens of a managed identity."""

import logging
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from acrwatch.cli.checks.result import guarded
from acrwatch.cli.checks.sources import source
from acrwatch.cli.session import Session
from tests.cli.conftest import NOW, StandingClock
from tests.devhub.managed_identity import ManagedIdentity
from tests.loganalytics.peer import AUDIENCE, LOGINS, REPOSITORIES, Peer, throttled
from tests.loganalytics.scene import OTHER, WORKSPACE, login, pull

Call = Callable[..., Any]
HOUR = timedelta(hours=1)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as found:
        found.add(WORKSPACE, LOGINS, [login(1, NOW - 50 * HOUR, Identity="contoso"), login(2, NOW - HOUR)])
        found.add(WORKSPACE, REPOSITORIES, [pull(3, NOW - 40 * HOUR)])
        found.add(OTHER, LOGINS, [login(4, NOW - 30 * HOUR)])
        yield found


@pytest.fixture
def identity(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedIdentity]:
    with ManagedIdentity(lambda roles: peer.token(roles), []) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def backfill(call: Call, peer: Peer, identity: ManagedIdentity, tmp_path: Path) -> Call:
    """Return a caller of the command, for this peer."""
    ca = peer.write_ca(tmp_path / "ca.pem")
    there = ("--endpoint", peer.endpoint, "--audience", AUDIENCE, "--connection-verify", str(ca))

    def called(*arguments: str, workspaces: tuple[str, ...] = (WORKSPACE,), before: tuple[str, ...] = ()) -> Any:
        named = [word for workspace in workspaces for word in ("--workspace", workspace)]
        options = ["--credential", "managed_identity", "--client-id", "app-1", *there, *named]
        return call(*before, "backfill", "log-analytics", *options, *arguments)

    return called


def test_two_workspaces_come_in_and_their_alerts_are_historical_unless_asked_for(
    backfill: Call, identity: ManagedIdentity
) -> None:
    ended = backfill("--from", "3d", "--json", workspaces=(WORKSPACE, OTHER.upper()))
    assert ended.exit_code == 0
    assert (ended.json["events"], ended.json["rows"]) == (4, 4)
    assert ended.json["absent_tables"] == [{"workspace": OTHER, "table": REPOSITORIES}]
    assert f"Workspace {OTHER} has no table {REPOSITORIES}" in ended.stderr
    assert identity.clients == {"app-1"}
    assert "Alerts are historical: listed, not delivered." in ended.stderr
    assert "Alerts are told." not in backfill("--from", "9d", "--alert").stderr, "nothing is new"


def test_what_was_read_is_not_read_again_and_a_longer_stretch_goes_on(backfill: Call) -> None:
    assert "2 rows" in backfill("--from", "2026-11-19", "--to", "24h").stderr
    ended = backfill("--from", "2026-11-20T00:00:00Z", "--to", "2026-11-30")
    assert "1 row from" in ended.stderr
    assert "1 new event" in ended.stderr
    assert "What an earlier run has read is not read again" in backfill("--from", "2d").stderr
    assert "3 known already" in backfill("--from", "3d", "--again").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--from", "tomorrow"), 2, "--from is 'tomorrow'"),
        (("--from", "2026-11-21", "--to", "2026-11-20"), 2, "is not before --to"),
        (("--from", "2027-01-01"), 2, "which is now at the latest"),
        (("--from", "3d", "--workspace", "my-workspace"), 2, "--workspace is 'my-workspace': expected the id"),
        (("--from", "3d", "--endpoint", "http://localhost"), 2, "--endpoint is 'http://localhost': expected https://"),
        (("--from", "3d", "--credential", "sas"), 2, "--credential is 'sas': expected default, "),
        (("--from", "3d", "--connection-verify", "no.pem"), 2, "there is no file"),
        (("--from", "3d", "--workspace", "11111111-aaaa-4444-8888-00000000000f"), 3, "there is no workspace"),
        (("--from", "3d", "--workspace", OTHER), 4, "Log Analytics Reader"),
        (("--from", "3d", "--endpoint", "https://127.0.0.1:1"), 5, "cannot be reached"),
    ],
)
def test_mistakes_are_told_with_their_value(
    backfill: Call, peer: Peer, arguments: tuple[str, ...], code: int, says: str
) -> None:
    peer.forbidden = {OTHER}
    ended = backfill(*arguments)
    assert ended.exit_code == code
    assert says in ended.stderr


def test_no_token_is_written_however_much_is_logged(
    backfill: Call, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    issue = peer.token

    def token(roles: Any = ()) -> str:
        given.append(issue(roles))
        return given[-1]

    monkeypatch.setattr(peer, "token", token)
    peer.faults = [throttled("0")]
    ended = backfill("--from", "3d", before=("-vv",))
    logging.getLogger("azure").setLevel(logging.NOTSET)
    assert (ended.exit_code, "throttles us" in ended.stderr, bool(given)) == (0, True, True)
    written = ended.stderr.encode() + b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [token for token in given if token.rpartition(".")[2].encode() in written] == []


def test_a_bar_on_a_terminal_tells_rows_and_rate(backfill: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    ended = backfill("--from", "3d")
    assert "Backfilling" in ended.stderr
    assert "rows, " in ended.stderr


@pytest.fixture
def configured(peer: Peer, identity: ManagedIdentity, tmp_path: Path) -> Path:
    """Return a configuration that follows both workspaces."""
    peer.write_ca(tmp_path / "ca.pem")
    config = tmp_path / "acrwatch.toml"
    config.write_text(
        f'[[sources]]\ntype = "loganalytics"\nworkspaces = ["{WORKSPACE}", "{OTHER}"]\nendpoint = "{peer.endpoint}"\n'
        f'audience = "{AUDIENCE}"\nconnection_verify = "ca.pem"\ncredential = "managed_identity"\nstart = "2d"\n'
    )
    return config


@pytest.mark.usefixtures("configured")
def test_a_configured_workspace_is_followed(call: Call) -> None:
    (done,) = call("ingest", "--once", "--json").json
    assert (done["type"], done["events"]) == ("loganalytics", 3), "all but what is older than two days"
    assert call("ingest", "--once", "--json").json[0]["events"] == 0


def test_check_asks_each_table_of_a_followed_workspace(peer: Peer, configured: Path) -> None:
    peer.add(OTHER, REPOSITORIES, [])
    del peer.rows[OTHER][LOGINS]
    session = Session(configured, clock=StandingClock())
    (one,) = session.config.sources

    def said(*, offline: bool = False) -> list[tuple[str, str]]:
        look = guarded(one.type, lambda: source(session, one, offline=offline))
        return [(result.status, result.what) for result in look]

    logins, repositories, absent, empty = said()
    here = f"of workspace {WORKSPACE} answers, lets us in, and holds rows of the last day"
    assert logins == ("ok", f"table {LOGINS} {here}")
    assert absent == ("warn", f"table {LOGINS} of workspace {OTHER} does not exist: nothing was ever written to it")
    assert {repositories[0], empty[0]} == {"warn"}
    peer.forbidden = {WORKSPACE}
    ((status, what),) = said()
    assert (status, "HTTP 403" in what) == ("fail", True)
    assert said(offline=True) == [("ok", "2 workspaces: its settings are in order (not asked: --offline)")]
