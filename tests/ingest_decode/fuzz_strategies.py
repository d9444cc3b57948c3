"""Records and bodies as hypothesis makes them: small, odd in one place at a time, and shrunk when they fail."""

import json
from typing import Any, Final

from hypothesis import strategies as st

from tests.ingest_decode.fuzz_inputs import SPLICES, make

GOOD: Final[dict[str, Any]] = {
    "time": "2025-01-30T14:19:15.1931730Z",
    "category": "ContainerRegistryLoginEvents",
    "resourceId": "/S/REGISTRIES/EXAMPLE",
    "operationName": "Login",
    "properties": {},
}
_NAMES: Final = st.sampled_from(
    ["time", "category", "resourceId", "operationName", "identity", "properties", "durationMs", "size", "tag", "Tag",
     "callerIpAddress", "resultDescription", "Type", "TimeGenerated", "_ResourceId", "records", "metricName", "x"]
)  # fmt: skip
_SCALARS: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=20),
    st.sampled_from(["<nil>", "null", "200", "{}", '{"upn":1}', "2025-01-30T14:19:15Z", *GOOD.values()]),
)  # fmt: skip
_VALUES: Final = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4)
)
RECORDS: Final = st.dictionaries(_NAMES, _VALUES, max_size=6).map(lambda changes: {**GOOD, **changes})

_PIECES: Final = st.lists(st.sampled_from(SPLICES) | st.binary(max_size=3), max_size=30).map(b"".join)
_LISTS: Final = st.lists(RECORDS, max_size=4).map(json.dumps).map(str.encode)
_ENVELOPES: Final = _LISTS.map(lambda body: b'{"records":' + body + b"}")
_MADE: Final = st.randoms(use_true_random=False).map(make)
BODIES: Final = st.binary(max_size=300) | _PIECES | _LISTS | _ENVELOPES | _MADE
