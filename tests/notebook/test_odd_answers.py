"""SQL whose answers have values of which there are none in Python, or times that no query takes."""

import math
from typing import Any

import pandas as pd
import pytest

from acrwatch.core.errors import ConfigError
from acrwatch.notebook import Client

YEARS = "infinite, or in no year from 1 to 9999"
REFUSED = {
    "'infinity'::TIMESTAMPTZ": f"a time that is {YEARS}",
    "'-infinity'::TIMESTAMP": f"a time that is {YEARS}",
    "TIMESTAMP_S '290000-01-10 04:00:54'": f"a time that is {YEARS}",
    "TIMESTAMP '0044-03-15 (BC) 12:00:00'": f"a time that is {YEARS}",
    "'infinity'::DATE": f"a date that is {YEARS}",
    "DATE '5874897-12-31'": f"a date that is {YEARS}",
    "TIME '24:00:00'": "a time of day that is 24:00",
    "['infinity'::TIMESTAMPTZ]": f"a time that is {YEARS}",
    "{'a': [TIME '24:00:00']}": "a time of day that is 24:00",
}


@pytest.mark.parametrize("value", REFUSED)
@pytest.mark.parametrize("arrow", [False, True])
def test_times_of_no_calendar_are_refused_by_column(client: Client, value: str, arrow: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        client.sql(f"SELECT 1 AS n, {value} AS seen", arrow=arrow)
    assert refused.value.message == f"column seen has {REFUSED[value]}"
    assert "CAST(seen AS VARCHAR)" in refused.value.remedy


@pytest.mark.parametrize("value", ["1::BIGNUM", "[1::BIGNUM]"])
def test_a_type_of_duckdb_alone_is_refused(client: Client, value: str) -> None:
    with pytest.raises(ConfigError, match=r"column n is a BIGNUM, .* CAST\(n AS VARCHAR\), or as DOUBLE"):
        client.sql(f"SELECT {value} AS n")
    assert client.sql("SELECT CAST(1::BIGNUM AS VARCHAR) AS n")["n"].tolist() == ["1"]


def test_times_at_the_edges_are_answers(client: Client) -> None:
    found = client.sql(
        "SELECT TIMESTAMP '0001-01-01 00:00:00' AS a, TIMESTAMPTZ '9999-12-31 23:59:59.999999+00' AS b, "
        "DATE '0001-01-01' AS c, DATE '9999-12-31' AS d, TIME '23:59:59.999999' AS e, NULL::TIMESTAMP AS f, "
        "[]::TIMESTAMP[] AS g, NULL::DATE[] AS h"
    )
    assert [str(found[name].item())[:10] for name in "abcd"] == ["0001-01-01", "9999-12-31"] * 2
    assert len(str(found)) > 0


def test_nanoseconds_are_kept(client: Client) -> None:
    found = client.sql("SELECT TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS t")["t"]
    assert found.item() == pd.Timestamp("2026-01-01T00:00:00.123456789Z")
    assert str(found.dtype) == "datetime64[ns, UTC]"


@pytest.mark.parametrize("seconds", [0, -1, math.nan, "60"])
def test_a_time_that_no_query_takes_is_refused(client: Client, seconds: Any) -> None:
    with pytest.raises(ConfigError, match=r"seconds=.* is no time that a query may take. Pass a number above 0"):
        client.sql("SELECT 1", seconds=seconds)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seconds", [1e10, math.inf])
def test_a_query_may_take_for_ever(client: Client, seconds: float) -> None:
    """A thread that fails tells of it in a warning."""
    assert client.sql("SELECT 1 AS n", seconds=seconds)["n"].tolist() == [1]
