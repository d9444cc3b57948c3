import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from ingest.envelope import Damage, unwrap
from ingest.normalise import Normalised

A, B, C = b'{"a":1}', b'{"b":2}', b'{"c":"}]\\""}'


def pieces(body: bytes) -> list[Any]:
    return [(p.reason, p.body, p.whole) if isinstance(p, Damage) else p for p in unwrap(body)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"records":[%s,%s,%s]}' % (A, B, C),
        b'{"x":[1],"records":[%s,%s,%s],"PartitionId":3}' % (A, B, C),
        b'[{"records":[%s,%s]},{"records":[%s]}]' % (A, B, C),
        b"[%s,%s,%s]" % (A, B, C),
        b"%s\n%s\n%s" % (A, B, C),
        b"%s\r\n\r\n%s\r\n%s\r\n" % (A, B, C),
        b'{"records":[%s,%s]}\n%s' % (A, B, C),
        b'[%s]\n{"records":[%s]}\n%s' % (A, B, C),
        b"%s%s %s" % (A, B, C),
        b'\xef\xbb\xbf{"records":[%s,%s,%s]}' % (A, B, C),
        b"\xef\xbb\xbf%s\n\xef\xbb\xbf%s\n%s" % (A, B, C),
        b' \n{ "records" : [\n%s,\n%s,\n%s\n] }\n' % (A, B, C),
    ],
)
def test_records_are_found_in_every_envelope_azure_is_known_to_use(body: bytes) -> None:
    assert pieces(body) == [A, B, C]


@pytest.mark.parametrize("body", [b'{"records":[]}', b"[]", b'[{"records":[]}]'])
def test_an_empty_envelope_holds_nothing_and_is_no_damage(body: bytes) -> None:
    assert pieces(body) == []


BAD = [
    b'{"a":"\\ud800"}',
    b'{"a":NaN}',
    b'{"a":\xff}',
    b"oops",
    b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"a":"\x01"}',
]


@pytest.mark.parametrize("split", [b"\r", b"\n", b"\r\n"], ids=["cr", "lf", "crlf"])
def test_a_bare_carriage_return_between_members_is_white_space_as_in_json(split: bytes) -> None:
    """Whether or not lines end in one too, and whether or not all of them can be parsed."""
    lines = [A, b'{"b":\r2}', C, A, C, BAD[0]]
    assert pieces(split.join(lines)) == lines


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize(
    "envelope", [b'{"records":[%s,%s,%s]}', b'[{"records":[%s,%s,%s]}]', b"[%s,%s,%s]", b"%s\n%s\n%s"], ids=range(4)
)
def test_a_record_no_parser_accepts_is_told_from_its_neighbours(envelope: bytes, bad: bytes) -> None:
    assert pieces(envelope % (A, bad, C)) == [A, bad, C]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_damaged_first_line_costs_none_of_those_that_follow(bad: bytes) -> None:
    assert pieces(b"%s\n%s\n%s" % (bad, A, C)) == [bad, A, C]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"records":[%s,%s,{"c":1,"d"' % (A, B), [A, B, ("invalid_json", b'{"c":1,"d"', False)]),
        (b'[{"records":[%s,{"b' % A, [A, ("invalid_json", b'{"b', False)]),
        (b"[%s,%s" % (A, B), [A, B]),
        (b'{"records":[%s,{"b":"x"y"}]}' % A, [A, ("invalid_json", b'{"b":"x"y"}]}', False)]),
        (
            b'{"records":[%s},%s]}' % (A, B),
            [A, ("invalid_json", b"},%s]" % B, False), ("invalid_json", b"}", False)],
        ),
        (b'{"records":[%s]}}' % A, [A, ("invalid_json", b"}", False)]),
        (b'{"records":[%s],%s}' % (A, B), [A, ("invalid_json", b"],%s}" % B, False)]),
        (b'{"records":[%s]}\n%s\n{"c' % (A, B), [A, B, b'{"c']),
        (b'{"records":[%s]} and more' % A, [A, b"and", b"more"]),
    ],
)
def test_a_body_that_breaks_off_gives_what_came_before_and_keeps_the_rest(body: bytes, found: list[Any]) -> None:
    assert pieces(body) == found


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "invalid_json"),
        (b" \r\n", "invalid_json"),
        (b"null", "invalid_json"),
        (b"<html>", "invalid_json"),
        (b"\xff\xfe{", "invalid_utf8"),
        (gzip.compress(A, mtime=0), "invalid_utf8"),
        (b'{"records":5}', "wrong_type"),
        (b'{"records":{"a":1}}', "wrong_type"),
        (b'{"a":', "invalid_json"),
        (b"}", "invalid_json"),
    ],
)
def test_a_body_without_any_record_is_damage_as_a_whole(body: bytes, reason: str) -> None:
    assert pieces(body) == [(reason, body, True)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"records":19}', "records is 19 where an array is expected"),
        (b'{"records":"none"}', 'records is "none" where an array is expected'),
        (b"<html>", "the message starts with '<html>' where a JSON object or array is expected"),
        (b"\xff{", "the message is not UTF-8 at byte 0, in '\\xff{'"),
        (b"[true]", "the record is true where an object is expected"),
        (b"[null]", "the record is null where an object is expected"),
        (b"[1.5]", "the record is 1.5 where an object is expected"),
    ],
)
def test_what_is_refused_is_named_as_json_names_it(body: bytes, words: str, decode: Callable[..., Normalised]) -> None:
    (reject,) = decode(body).rejects
    assert reject.detail == words


@pytest.mark.parametrize("envelope", [b'{"records":[%s]}', b"[%s]", b'[{"records":[%s]}]'])
def test_a_large_body_is_scanned_to_the_same_records(envelope: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.envelope.WHOLE_LIMIT", 10)
    assert pieces(envelope % b",".join([A, B, C] * 5)) == [A, B, C] * 5


@pytest.mark.parametrize("shape", ["envelope", "listed envelope", "bare", "list", "lines", "pretty", "bom"])
def test_every_envelope_gives_the_same_event(
    shape: str, pull: Callable[..., Any], decode: Callable[..., Normalised]
) -> None:
    record = pull()
    line = json.dumps(record).encode()
    bodies = {
        "envelope": b'{"records":[%s]}' % line,
        "listed envelope": b'[{"records":[%s]}]' % line,
        "bare": line,
        "list": b"[%s]" % line,
        "lines": line + b"\n",
        "pretty": json.dumps({"records": [record]}, indent=2).encode(),
        "bom": b'\xef\xbb\xbf{"records":[%s]}' % line,
    }
    assert decode(bodies[shape]).events.to_pylist() == decode(record).events.to_pylist()
    assert decode(bodies[shape]).events.num_rows == 1
