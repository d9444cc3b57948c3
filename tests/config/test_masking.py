"""What is masked: secrets by what they are, in every spelling, and strangers by what they look like."""

import json
from urllib.parse import quote, quote_plus

import pytest

from acrwatch.core.masking import hide, mask
from acrwatch.core.secret import DatabaseUrl, Secret, looks_like_a_key
from acrwatch.delivery.address import WebAddress

ODD = 'p&ss "wörd"/\\x9'


@pytest.mark.parametrize(
    "spelt", [str, quote, quote_plus, lambda text: json.dumps(text)[1:-1], lambda t: repr(t)[1:-1]]
)
def test_a_secret_is_known_however_it_is_spelt(spelt: object) -> None:
    Secret(ODD)
    assert callable(spelt)
    assert mask(f"before {spelt(ODD)} after") == "before ******** after"


def test_a_longer_secret_leaves_nothing_of_itself_where_a_shorter_one_is_part_of_it() -> None:
    hide("opensesame-1", "opensesame-1-and-more")
    assert mask("opensesame-1-and-more") == "********"


def test_words_too_short_to_be_keys_are_not_masked_everywhere() -> None:
    hide("shorter", "eight-ch")
    assert mask("a shorter way to eight-ch") == "a shorter way to ********"


@pytest.mark.parametrize("before", ["sharedaccesskey=", "PASSWORD: ", "BEARER "])
def test_what_looks_like_a_credential_does_so_in_any_case(before: str) -> None:
    assert mask(f"{before}a1B2c3D4e5F6") == f"{before}********"


def test_of_a_connection_string_only_the_keys_are_masked() -> None:
    text = (
        "Endpoint=sb://ns.example.com/;SharedAccessKeyName=listen-only;SharedAccessKey=a1B2c3D4e5F6=;EntityPath=audit"
    )
    Secret(text)
    assert mask("listen-only at ns.example.com with a1B2c3D4e5F6=") == "listen-only at ns.example.com with ********"


def test_each_of_several_signing_secrets_is_masked_with_and_without_its_prefix() -> None:
    Secret("whsec_Zmlyc3RmaXJzdA whsec_c2Vjb25kc2Vjb25k")
    assert mask("Zmlyc3RmaXJzdA and c2Vjb25kc2Vjb25k") == "******** and ********"


def test_of_a_web_address_keys_are_masked_everywhere_and_words_are_not() -> None:
    WebAddress("https://user:pass-word-17@siem.example.com/services/acrwatch/T0K3N1234567?code=q-u-e-r-y-1")
    assert mask("POST /services/acrwatch/T0K3N1234567?code=q-u-e-r-y-1") == "POST /services/acrwatch/********?********"
    assert mask("acrwatch services") == "acrwatch services"
    assert mask("login pass-word-17") == "login ********"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///data/state.db", "sqlite:///data/state.db"),
        ("postgresql://me@db.example.com/x", "postgresql://me@db.example.com/x"),
        ("postgresql://me:pw@db.example.com/x", "postgresql://me:********@db.example.com/x"),
        ("postgresql://me:a:b/c@db.example.com/x?sslpassword=y", "postgresql://me:********@db.example.com/x?********"),
    ],
)
def test_a_database_shows_itself_without_password_and_query(url: str, shown: str) -> None:
    assert str(DatabaseUrl(url)) == shown


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("amqp://me:p;w,x&y@host", "p;w,x&y"),
        ('{"access_token": "abc.def-ghi"}', "abc.def-ghi"),
        ("put-token eyJhbGciOi.eyJhdWQiOi.c2lnbmF0dXJl ends", "eyJhdWQiOi.c2lnbmF0dXJl"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("host=x password=hunter2 user=y", "hunter2"),
        ("https://chat.example.com/hook?token=abc&x=1", "abc"),
    ],
)
def test_strangers_are_masked_by_their_shape(text: str, hidden: str) -> None:
    assert hidden not in mask(text)


@pytest.mark.parametrize(("text", "key"), [("services", False), ("acrwatch-alerts", False), ("T0K3N123", True)])
def test_keys_are_told_from_words(text: str, key: bool) -> None:
    assert looks_like_a_key(text) is key
