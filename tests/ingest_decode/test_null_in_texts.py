import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.wire import may_hold_null


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (rb'{"a":"plain"}', False),
        (rb'{"a":"\u0000"}', True),
        (rb'{"a":"docker/24.0 (linux \\(amd64\\))"}', False),
        (rb'{"a":"\"\\\u0000"}', True),
        (rb'{"a":"an escaped backslash before \\u0000"}', False),
        (rb'{"a":"\u0001\u000"}', False),
        (rb'"' + rb"\\" * 5_000 + rb'\u0000"', True),
        (rb'"' + rb"\n" * 5_000 + rb'"', False),
    ],
)
def test_an_escape_of_u0000_is_found_among_other_escapes(raw: bytes, expected: bool) -> None:
    assert may_hold_null(raw) is expected


@given(st.text(alphabet=st.sampled_from('\0\\u0"\né'), max_size=40))
def test_no_text_with_u0000_is_passed_over(text: str) -> None:
    assert may_hold_null(json.dumps(text).encode()) is ("\0" in text)
