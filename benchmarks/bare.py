"""The least anyone must do with a message: decode it into typed structs, and its raw columns into Arrow."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import pyarrow as pa


class Properties(msgspec.Struct):
    """The members of `properties`."""

    loginServer: str | None = None  # noqa: N815 - wire names
    userAgent: str | None = None  # noqa: N815
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    mediaType: str | None = None  # noqa: N815
    artifactType: str | None = None  # noqa: N815
    tenantId: str | None = None  # noqa: N815
    jwtId: str | None = None  # noqa: N815


class Record(msgspec.Struct):
    """The members at the top of a record."""

    time: datetime
    category: str
    resourceId: str  # noqa: N815
    operationName: str  # noqa: N815
    identity: str | None = None
    location: str | None = None
    resultType: str | None = None  # noqa: N815
    resultDescription: str | None = None  # noqa: N815
    durationMs: str | None = None  # noqa: N815
    callerIpAddress: str | None = None  # noqa: N815
    correlationId: str | None = None  # noqa: N815
    properties: Properties = msgspec.field(default_factory=Properties)


class Body(msgspec.Struct):
    """One message."""

    records: list[Record]


_decoder = msgspec.json.Decoder(Body)


def raw_columns(batch: Sequence[bytes]) -> pa.Table:
    """Return the raw columns of these messages, and the date they are partitioned by."""
    records = [record for body in batch for record in _decoder.decode(body).records]
    top = list(zip(*map(msgspec.structs.astuple, records), strict=True))
    nested = list(zip(*(msgspec.structs.astuple(properties) for properties in top.pop()), strict=True))
    names = [f for f in Record.__struct_fields__ if f != "properties"] + list(Properties.__struct_fields__)
    arrays = [pa.array(column, pa.timestamp("us", tz="UTC") if number == 0 else pa.string())
              for number, column in enumerate([*top, *nested])]  # fmt: skip
    table = pa.table(dict(zip(names, arrays, strict=True)))
    return table.append_column("event_date", table.column("time").cast(pa.date32()))
