"""Addresses of destinations are checked, and never shown whole."""

import pytest

from acrwatch.delivery.address import WebAddress, web_address


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://siem.example/hook", "https://siem.example/********"),
        ("http://siem.example:8088", "http://siem.example:8088/********"),
        ("https://user:hunter2@siem.example/a?sig=abc", "https://siem.example/********"),
        ("https://[2001:db8::1]:8443/hook", "https://[2001:db8::1]:8443/********"),
    ],
)
def test_an_address_shows_its_host_only(written: str, shown: str) -> None:
    address = web_address(written)
    assert address.reveal() == written
    assert [str(address), repr(address), f"{address}"] == [shown] * 3


@pytest.mark.parametrize(
    "written",
    [
        "",
        "siem.example/hook",
        "ftp://siem.example",
        "https://",
        "https://:8080/",
        "https://h:99999/",
        "https://h/a b",
        "https://h/\n",
    ],
)
def test_what_is_no_web_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"expected an? (http or https address|non-empty text)") as caught:
        web_address(written)
    assert "h/a b" not in str(caught.value)


def test_the_secret_parts_are_the_long_ones_of_path_query_and_password() -> None:
    address = WebAddress("https://bob:correcthorse@h.example/v1/T0000000000/hook?sig=abcd%2Fefgh&v=1")
    assert set(address.secrets()) == {
        "/v1/T0000000000/hook",
        "T0000000000",
        "sig=abcd%2Fefgh&v=1",
        "sig=abcd/efgh&v=1",
        "abcd/efgh",
        "correcthorse",
    }
