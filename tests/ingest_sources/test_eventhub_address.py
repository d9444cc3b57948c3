"""Which settings make an address, and which mistakes are caught before anything connects."""

from typing import Any

import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.core.setting import Secret
from ingest.eventhub.address import from_settings, parse_start

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
        (settings(fully_qualified_namespace="ns.example.com"), "needs eventhub"),
        (settings(fully_qualified_namespace="https://ns.example.com/", eventhub="a"), "Expected a host"),
    ],
)
def test_a_mistake_is_told_before_anything_connects(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        from_settings(given)
    assert "c2VjcmV0" not in str(caught.value)


def test_start_is_a_word_or_a_time_with_a_zone() -> None:
    assert parse_start("latest") == "latest"
    assert parse_start("2026-11-22T00:00:00Z") == parse_start("2026-11-22T01:00:00+01:00")
    with pytest.raises(ValueError, match="earliest, latest or a time"):
        parse_start("yesterday")
