"""Which settings make an address, and which mistakes are caught before anything connects."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import Secret
from ingest.eventhub import access
from ingest.eventhub.access import Access
from ingest.eventhub.address import from_settings, parse_start
from ingest.eventhub.credentials import made_by

KEYS = "SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0"
AZURE = f"Endpoint=sb://NS.servicebus.windows.net/;{KEYS}"


def settings(connection_string: str | None = None, **others: str) -> dict[str, Any]:
    secret = None if connection_string is None else Secret(connection_string)
    return {
        "connection_string": secret,
        "fully_qualified_namespace": None,
        "eventhub": None,
        "consumer_group": "$Default",
        **others,
    }


def test_namespace_and_hub_are_folded_so_that_a_stream_keeps_its_name() -> None:
    address = from_settings(settings(AZURE, eventhub="Acr-Audit"))
    assert address.name == "eventhub/ns.servicebus.windows.net/acr-audit"


def test_the_hub_may_stand_in_the_connection_string() -> None:
    assert from_settings(settings(f"{AZURE};EntityPath=audit")).eventhub == "audit"


def test_a_local_hub_keeps_its_port() -> None:
    local = f"Endpoint=sb://localhost:5673;{KEYS};UseDevelopmentEmulator=true"
    assert from_settings(settings(local, eventhub="a")).namespace == "localhost:5673"


def test_entra_id_needs_no_secret() -> None:
    address = from_settings(settings(fully_qualified_namespace="ns.servicebus.windows.net", eventhub="a"))
    assert address.connection_string is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (settings(), "either connection_string or"),
        (settings(AZURE, fully_qualified_namespace="ns.example.com", eventhub="a"), "either connection_string or"),
        (settings(AZURE), "not named"),
        (settings("nonsense", eventhub="a"), "not one of Event Hubs"),
        (settings("Endpoint=sb://ns.example.com/", eventhub="a"), "not one of Event Hubs"),
        (settings(f"Endpoint=sb://ns.example.com:5910/;{KEYS}", eventhub="a"), "names a port"),
        (settings(f"{AZURE};UseDevelopmentEmulator=True", eventhub="a"), "lower case"),
        (settings("Endpoint=sb://[ns;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0"), "not one of Event Hubs"),
        (settings(fully_qualified_namespace="ns.example.com"), "needs eventhub"),
        (settings(fully_qualified_namespace="https://ns.example.com/", eventhub="a"), "Expected a host"),
    ],
)
def test_a_mistake_is_told_before_anything_connects(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        from_settings(given)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"http_proxy": Secret("http://p.example.com:3128")}, "WebSockets only"),
        ({"connection_verify": Path("/nowhere/ca.pem")}, "there is no file"),
        ({"credential": "environment", "client_id": "x"}, "does not go with"),
    ],
)
def test_options_that_do_not_go_together_are_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_settings({**settings(AZURE, eventhub="a"), **given})


@pytest.mark.parametrize("written", ["localhost:5910", "sb://localhost:5910", "sb://localhost:5910/"])
def test_an_endpoint_is_kept_with_its_scheme(written: str) -> None:
    assert access.parse_endpoint(written) == "sb://localhost:5910"


@pytest.mark.parametrize("written", ["", "sb://", "sb://h:0", "sb://h:99999", "ftp://h", "sb://h/path", "sb://[h"])
def test_what_is_no_endpoint_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        access.parse_endpoint(written)


@pytest.mark.parametrize(
    "written", ["", "p.example.com:3128", "https://p.example.com:1", "http://p.example.com", "http://a:b@[p:1"]
)
def test_what_is_no_proxy_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        access.parse_proxy(written)


def test_a_proxy_is_given_as_the_client_wants_it() -> None:
    found = Access(proxy=Secret("http://bob:p%40ss@[2001:db8::1]:3128")).proxy_options()
    assert found == {
        "proxy_hostname": "http://[2001:db8::1]",
        "proxy_port": 3128,
        "username": "bob",
        "password": "p@ss",
    }


@pytest.mark.parametrize(
    ("kind", "client", "expected"),
    [
        ("default", None, "DefaultAzureCredential"),
        ("default", "x", "DefaultAzureCredential"),
        ("managed_identity", "x", "ManagedIdentityCredential"),
        ("environment", None, "EnvironmentCredential"),
        ("workload_identity", "x", "WorkloadIdentityCredential"),
    ],
)
def test_the_credential_is_the_one_chosen(
    kind: str, client: str | None, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000000")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    made = made_by(Access(credential=kind, client_id=client))()
    assert type(made).__name__ == expected
    asyncio.run(made.close())


def test_workload_identity_without_its_surroundings_says_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
    with pytest.raises(ConfigError, match="AZURE_FEDERATED_TOKEN_FILE"):
        made_by(Access(credential="workload_identity"))()


def test_start_is_a_word_or_a_time_with_a_zone() -> None:
    assert parse_start("latest") == "latest"
    assert parse_start("2026-11-22T00:00:00Z") == parse_start("2026-11-22T01:00:00+01:00")
    with pytest.raises(ValueError, match="earliest, latest or a time"):
        parse_start("yesterday")


def test_what_is_no_proxy_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        access.parse_proxy("http://bob:℀secret@p.example.com:1")  # urlsplit quotes a host that it cannot fold
    assert "secret" not in str(caught.value)
