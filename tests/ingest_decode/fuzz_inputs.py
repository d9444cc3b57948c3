"""Message bodies for fuzzing the decoder: records as Azure writes them, bent member by member, then byte by byte.

Records are built as JSON text, not as objects, so that repeated names, NaN, half surrogates and numbers beyond 64 bits
can be said. Everything is drawn from the generator passed in: the same seed gives the same bodies.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Final

Members = list[tuple[str, str]]
"""Names, as JSON texts without quotes, and values as JSON texts."""

_TOP: Final = {
    "time": "2025-01-30T14:19:15.1931730Z",
    "category": "ContainerRegistryRepositoryEvents",
    "resourceId": "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000009/RESOURCEGROUPS/R/PROVIDERS"
    "/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/EXAMPLE",
    "operationName": "Pull",
    "identity": "user@example.com",
    "location": "westeurope",
    "resultType": "HttpStatusCode",
    "resultDescription": "404",
    "durationMs": "38.212784",
    "callerIpAddress": "203.0.113.18",
    "correlationId": "00000000-0000-0000-0000-000000000021",
}
_INNER: Final = {
    "tag": "v1",
    "digest": "<nil>",
    "mediaType": "<nil>",
    "repository": "app/web",
    "artifactType": "acr.docker",
    "tenantId": "00000000-0000-0000-0000-000000000011",
    "loginServer": "example.azurecr.io",
    "userAgent": "docker/27.0 (\\(linux\\))",
}
# The same event as exports of Log Analytics write it; queries leave out the last six.
_ROW: Final = {
    "TimeGenerated": "2025-01-30T14:19:15.193173Z",
    "Category": "ContainerRegistryRepositoryEvents",
    "_ResourceId": "/subscriptions/00000000-0000-0000-0000-000000000009/resourcegroups/r/providers"
    "/microsoft.containerregistry/registries/example",
    "Region": "westeurope",
    **{name[0].upper() + name[1:]: _TOP[name] for name in list(_TOP)[3:] if name != "location"},
    **{name[0].upper() + name[1:]: value for name, value in _INNER.items() if name != "tenantId"},
    "UserTenantId": _INNER["tenantId"],
    "Size": 742,
    "TenantId": "00000000-0000-0000-0000-0000000000aa",
    "SourceSystem": "Azure",
    "Type": "ContainerRegistryRepositoryEvents",
    "_BilledSize": 931.5,
    "_IsBillable": "True",
    "_Internal_WorkspaceResourceId": "/subscriptions/0/resourcegroups/r/providers/microsoft.operationalinsights/w",
}
_QUERIED: Final = len(_ROW) - 6
# How other roads name the members of both (Log Analytics rows, lower case), and members that mean something else.
_OTHER_NAMES: Final = (
    *("TimeGenerated", "Category", "Type", "_ResourceId", "ResourceId", "OperationName", "Identity", "Region"),
    *("ResultDescription", "DurationMs", "CallerIpAddress", "CorrelationId", "UserTenantId", "TenantId", "JwtId"),
    *("MG", "ManagementGroupName", "TableName", "_ItemId", "_TimeReceived", "_SubscriptionId", "_BilledSize"),
    *("records", "metricName", "properties", "size", "Size", "jwtId", "RegionStamp", "level", "x", "\\u0078", ""),
    *("\u017fize", "re\u017fourceId", "\\ud83d\\ude00", "\\ud800", "a\\u0000b"),
)
_VALUES: Final = (
    *('""', '"<nil>"', '"null"', '"None"', "null", "true", "false", "0", "-0", "-1", "1e3", "200", "200.0", "1.0"),
    *("1e400", "-1e999", "NaN", "Infinity", "-Infinity", "1" * 400, "9223372036854775807", "9223372036854775808"),
    *("123456789012345678", "1234567890123456789", "0.1", "1E-400", "01", "1.", ".5", "+1", "0x10", '"0"', '"007"'),
    *('"200"', '"200.0"', '"nan"', '"inf"', '"1_000"', '" 1"', '"\\u0661"', "[]", "{}", "[[]]", '{"upn":"a@b"}'),
    *('{"claims":{"appid":"x","http://schemas/upn":"u@example.com"}}', '"{\\"upn\\":\\"u@example.com\\"}"'),
    *('"{\\"a\\":1e999}"', '"{\\"a\\":NaN}"', '"{\\"tag\\":\\"\\\\u0000\\"}"', '"{\\"a\\":\\"\\u005cud800\\"}"'),
    *('"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u005cu0000"', '"\\/\\b\\f\\n\\r\\t"'),
    *('"\x00"', '"\x01"', '"\x7f"', '"\t"', '"\u2028"', '"\ufeff"', '"\U0001f600"', '"é"', '"\\x"', '"\\u12"', '"'),
    *('"2025-01-30T14:19:15Z"', '"2025-01-30 14:19:15.1"', '"2025-01-30T14:19:15.1931739+02:00"', '"2025"'),
    *('"2025-02-30T00:00:00.0000000Z"', '"2025-01-30T23:59:60.0000000Z"', '"2025-01-30T24:00:00.0000000Z"'),
    *('"9999-12-31T23:59:59.9999999Z"', '"1969-12-31T23:59:59.9999999Z"', '"0000-00-00T00:00:00.0000000Z"'),
    *('"2025-01-30T14:19:15.193173\u0660Z"', '"2025-01-30T14:19:15.19317 0Z"', '"2025-01-30T14:19:15.19317é0"'),
    *('"203.0.113.18:443"', '"[2001:db8::1]:443"', '"::ffff:203.0.113.18"', '"2001:db8::1%eth0"', '"203.0.113.018"'),
    *('"ContainerRegistryLoginEvents"', '"containerregistryloginevents"', '"AuditEvent"', '"/registries/"'),
    *('"/a/registries/İ"', '"/a/registries/b/"', '"/a/registries/b c"', '"/A/REGISTRIES/B\\n/registries/c"', '"Login"'),
)
_DEEP: Final = (50, 900, 1100, 3000)
_LONG: Final = (511, 65_535, 65_536, 65_537)
SPLICES: Final = (
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n", b"\r\n", b" ", b"\x00", b"\xff", b"\xc3", b"\xed\xa0"),
    *(b"\xef\xbb\xbf", b'"records":[', b"]}", b"{}", b"[]", b"null", b"1", b"\\ud800", b"\\u0000", b"\xf4\x90\x80\x80"),
)


def make(chance: Random) -> bytes:
    """Return a body: records in one of the known envelopes, often with something wrong in them."""
    texts = [record(chance) for _ in range(chance.choice((1, 1, 1, 2, 3, 5)))]
    joined = ",".join(texts)
    wrap: Callable[[], str] = chance.choice(
        (
            lambda: f'{{"records":[{joined}]}}',
            lambda: f'{{"records": [{joined}], "level": "x"}}',
            lambda: f'[{{"records":[{joined}]}},{texts[0]}]',
            lambda: f"[{joined}]",
            lambda: chance.choice(("\n", "\r\n", "\n\n", "")).join(texts),
            lambda: texts[0],
            lambda: f'\ufeff {{"records":[{joined}]}}\n',
            lambda: f'{{"records":[{joined}]}}\n{{"records":[{texts[-1]}]}}',
            lambda: f'{{"time":"x","records":[{joined}]}}',
        )
    )
    body = wrap().encode("utf-8", "surrogatepass")
    return change(body, chance) if chance.random() < 0.3 else body


def record(chance: Random) -> str:
    """Return one record as JSON text, as Azure or Log Analytics writes it or with up to four members changed."""
    if chance.random() < 0.3:
        return _row(chance)
    top: Members = [(name, json.dumps(value)) for name, value in _TOP.items()]
    inner: Members = [(name, json.dumps(value)) for name, value in _INNER.items()]
    if chance.random() < 0.3:
        top.append(("RegionStamp", '"weu-3"'))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        _bend(chance.choice((top, inner)), chance)
    nested = _written(inner)
    if chance.random() < 0.1:
        nested = json.dumps(nested)
    if chance.random() < 0.05:
        top += inner
    else:
        top.insert(chance.randrange(len(top) + 1), ("properties", nested))
    return _written(top)


def _row(chance: Random) -> str:
    names = list(_ROW)[: chance.choice((_QUERIED, len(_ROW)))]
    members: Members = [(name, json.dumps(_ROW[name])) for name in names]
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        _bend(members, chance)
    return _written(members)


def change(body: bytes, chance: Random) -> bytes:
    """Return a body with some bytes changed, cut, doubled or spliced in; now and then a part of it many times."""
    data = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(len(data) + 1)
        length = min(chance.choice((1, 1, 2, 8, 40)), len(data) - place)
        match chance.randrange(6):
            case 0:
                data[place : place + 1] = bytes((chance.randrange(256),))
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = chance.choice(SPLICES)
            case 3:
                del data[place:]
            case 4:
                data[place:place] = data[place : place + length] * chance.choice((1, 2, 3))
            case _:
                data[place : place + length] = chance.choice(_VALUES).encode("utf-8", "surrogatepass")
    return bytes(data)


def swollen(body: bytes, chance: Random, size: int) -> bytes:
    """Return a body in which a few bytes are repeated up to about `size`: where time must stay linear."""
    place = chance.randrange(len(body) + 1)
    part = chance.choice((body[place : place + chance.choice((1, 2, 5, 40))], chance.choice(SPLICES))) or b"["
    return body[:place] + part * (size // len(part)) + body[place:]


def _bend(members: Members, chance: Random) -> None:
    place = chance.randrange(len(members)) if members else 0
    if not members:
        members.append(("x", "1"))
    name, value = members[place]
    match chance.randrange(8):
        case 0:
            del members[place]
        case 1:
            members[place] = (chance.choice((str.upper, str.lower, str.capitalize))(name), value)
        case 2 | 3:
            members[place] = (name, chance.choice(_VALUES))
        case 4:
            members[place] = (chance.choice(_OTHER_NAMES), value)
        case 5:
            members.append((name, chance.choice((value, *_VALUES))))
        case 6:
            members.insert(place, (chance.choice(_OTHER_NAMES), chance.choice(_VALUES)))
        case _:
            members[place] = (name, _large(chance))


def _large(chance: Random) -> str:
    """Return a value that is deep or long; seldom, for it costs a hundred times what another does."""
    if chance.random() < 0.9:
        return chance.choice(_VALUES)
    if chance.random() < 0.5:
        depth = chance.choice(_DEEP)
        return "[" * depth + "]" * depth if chance.random() < 0.5 else '{"a":' * depth + "1" + "}" * depth
    return json.dumps(chance.choice("aé") * chance.choice(_LONG), ensure_ascii=False)


def _written(members: Members) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"
