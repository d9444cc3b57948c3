"""Logging of entry points: two formats, levels, and secrets that never show."""

import io
import json
import logging
import sys
import unicodedata
from collections.abc import Iterator

import pytest

from acrwatch.core.log import mask, printable, set_up

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_found() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("azure", "uamqp", "alembic", "apscheduler", "httpx", "httpcore", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Endpoint=sb://h.example.com/;SharedAccessKeyName=n;SharedAccessKey=aB+/c=;EntityPath=e", "aB+/c="),
        ("SharedAccessSignature sr=sb&sig=q%2Bz%3D&se=1", "q%2Bz%3D"),
        ("https://flow.example.com/x?sp=1&sig=abcdef", "abcdef"),
        ("secret is whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw today", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("Authorization: Bearer eyJ.a.b", "eyJ.a.b"),
        ("postgresql+psycopg://me:hunter2@db.example.com/x", "hunter2"),
    ],
)
def test_whatever_looks_like_a_credential_is_masked(text: str, hidden: str) -> None:
    masked = mask(text)
    assert hidden not in masked
    assert "********" in masked


def test_what_stands_around_a_secret_stays_readable() -> None:
    text = "Endpoint=sb://h.example.com/;SharedAccessKeyName=n;SharedAccessKey=abc=;EntityPath=e"
    assert mask(text) == text.replace("abc=", "********")
    assert mask("config design=big https://example.com:443/a@b") == "config design=big https://example.com:443/a@b"


def test_control_and_direction_characters_become_escapes() -> None:
    assert printable("a\x1b[31m\nb\u202ec\td") == "a\\x1b[31m\\nb\\u202ec\td"


def test_what_an_error_quotes_steers_no_terminal() -> None:
    stream = Terminal()
    set_up(stream=stream)
    try:
        raise ValueError("cannot convert 'a\x1b[2Jb\u202ec'")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "cannot convert 'a\\x1b[2Jb\\u202ec'" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


# Bidi_Control of Unicode's PropList.txt, and Default_Ignorable_Code_Point of its DerivedCoreProperties.txt, 16.0.
BIDI = [(0x61C, 0x61C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069)]
INVISIBLE = [
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]  # fmt: skip


def test_nothing_that_hides_or_reorders_text_is_left() -> None:
    told = [code for first, last in BIDI + INVISIBLE for code in range(first, last + 1)]
    formats = [code for code in range(sys.maxunicode + 1) if unicodedata.bidirectional(chr(code)) in DIRECTIONS]
    for code in [*told, *formats]:
        assert printable(f"a{chr(code)}b") == f"a{chr(code).encode('unicode_escape').decode()}b", hex(code)


def test_letters_of_every_script_stay() -> None:
    words = "caf\u00e9 \u0645\u0631 \u05e9\u05dc \u4f60\u597d \u0928\u0938\u094d\u0924\u0947 e\u0301 \U0001f433 \ufffd"
    assert printable(words) == words


def test_a_terminal_gets_one_line_per_record() -> None:
    stream = Terminal()
    set_up(stream=stream)
    logging.getLogger("ingest.x").warning("repository %s", "a\nERROR forged")
    assert stream.getvalue().endswith("Z WARNING ingest.x: repository a\\nERROR forged\n")
    assert stream.getvalue().count("\n") == 1


def test_anything_else_gets_json_lines_with_extras() -> None:
    stream = io.StringIO()
    set_up(stream=stream)
    logging.getLogger("ingest.x").info("stored %d events", 3, extra={"partition": "0"})
    document = json.loads(stream.getvalue())
    assert (document["level"], document["logger"], document["message"]) == ("INFO", "ingest.x", "stored 3 events")
    assert document["partition"] == "0"
    assert document["time"].endswith("+00:00")


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["line", "json"])
def test_secrets_in_messages_and_tracebacks_are_masked(stream: io.StringIO) -> None:
    set_up(stream=stream)
    try:
        raise ValueError("whsec_inTheTraceback")
    except ValueError:
        logging.getLogger("x").exception("SharedAccessKey=%s", "inTheMessage")
    assert "ValueError: whsec_********" in stream.getvalue()
    assert "inThe" not in stream.getvalue()


def test_quiet_leaves_warnings_and_verbose_adds_debug() -> None:
    quiet, verbose = io.StringIO(), io.StringIO()
    set_up(stream=quiet, quiet=True)
    logging.getLogger("x").info("no")
    set_up(stream=verbose, verbosity=1)
    logging.getLogger("x").debug("yes")
    assert (quiet.getvalue(), "yes" in verbose.getvalue()) == ("", True)


def test_the_azure_client_is_quiet_until_asked_twice() -> None:
    stream = io.StringIO()
    set_up(stream=stream, verbosity=1)
    logging.getLogger("azure.eventhub").warning("link detached")
    assert stream.getvalue() == ""
    set_up(stream=stream, verbosity=2)
    logging.getLogger("azure.eventhub").warning("link detached")
    assert "link detached" in stream.getvalue()


@pytest.mark.parametrize("verbosity", [0, 1, 2, 3])
def test_rows_of_the_database_are_never_logged(verbosity: int) -> None:
    set_up(stream=io.StringIO(), verbosity=verbosity)
    assert not logging.getLogger("sqlalchemy.engine.Engine").isEnabledFor(logging.DEBUG)


def test_a_log_that_cannot_be_written_stops_nobody_and_prints_no_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    set_up(stream=Full())
    logging.getLogger("x").warning("an argument: %s", "open-sesame")
    assert capfd.readouterr().err == ""


def test_setting_up_twice_logs_once() -> None:
    stream = io.StringIO()
    set_up(stream=stream)
    set_up(stream=stream)
    logging.getLogger("x").warning("once")
    assert stream.getvalue().count("once") == 1
