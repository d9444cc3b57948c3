"""What is said to Spark means there what it means in DuckDB; what cannot be said there is refused by name."""

import os
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from acrwatch.core.errors import ConfigError, RemoteUnreachableError, StoreError
from storage.lake.snapshot import Snapshot
from storage.query import Reader
from storage.spark import SparkReader
from storage.spark.dialect import translated
from storage.spark.pattern import PatternError, portable

ATOMS = (
    "a", "K", "é", "1", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", ".", "^", "$", r"\.", r"\A", r"\z", "[a-c]", "[^a]",
    "[]a]", "[[a]", "[a&&b]", "[a--b]", r"[\w-]", r"[\W_]", r"[^\D]", "[[:alpha:]]", "[[:^digit:]x]", "[é-ü]", r"\x41",
    r"\x{e9}", r"\pL", r"\p{Lu}", r"\Qa.b\E", r"\t", r"\n", "(?i)k", r"(?i:K\w)", r"(?i:[\W_])", "(?s:.)", "(?m)^a$",
    "(?-i:a)", "(?P<n>a)", "a{2}", "{", "a{,2}", "}", "]", "a|b", "~", "&&", "#", " ", r"\/", "(?U)a+", "(?i)[a-z]",
    "\n", r"\101",
)  # fmt: skip
SUBJECTS = (
    "", "a", "A", "b", "k", "K", "\u212a", "\u017f", "s", "é", "É", "ab", "a.b", "a\nb", "ab\n", "\na\n", "1", "\u0663",
    "_", "-", "aa", "{", "a{,2}", "}", "]", "[a", "a&b", "~", "#", " ", "\t", "a\rb", "/", "ak1", "x", "\x85", "ü",
)  # fmt: skip


def _patterns(number: int) -> list[str]:
    """Return patterns put together at random that RE2 takes."""
    chance, found = random.Random(4), list[str]()
    while len(found) < number:
        parts = [chance.choice(ATOMS) + chance.choice(("", "", "", "*", "+?", "{0,2}")) for _ in range(3)]
        pattern = chance.choice(("{}{}{}", "({}|{}){}", "(?i:{}{}){}", "{}(?:{})?{}")).replace("{}", "%s") % tuple(
            parts
        )
        try:
            duckdb.execute(f"SELECT regexp_matches('a', {_quoted(pattern)})")
        except duckdb.Error:
            continue
        found.append(pattern)
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_a_regular_expression_finds_on_spark_what_it_finds_in_duckdb(spark: SparkReader, duck: Reader) -> None:
    patterns = [*ATOMS[:1], *_patterns(150)]
    table = pa.table({"n": range(len(SUBJECTS)), "x": SUBJECTS})
    tested = ", ".join(f"regexp_matches(x, {_quoted(one)}) AS c{n}" for n, one in enumerate(patterns))
    for reader in (spark, duck):
        reader.register("subjects", table)
    sql = f"SELECT {tested} FROM subjects ORDER BY n"
    there, here = spark.query(sql).to_pylist(), duck.query(sql).to_pylist()
    different = [
        (one, subject)
        for n, one in enumerate(patterns)
        for m, subject in enumerate(SUBJECTS)
        if there[m][f"c{n}"] != here[m][f"c{n}"] and not _ends_lines_elsewhere(one, subject)
    ]
    assert different == []


def _ends_lines_elsewhere(pattern: str, subject: str) -> bool:
    """Return whether Java, which Apache Spark has and Sail has not, takes for two lines what others take for one."""
    return "ACRWATCH_SPARK_URL" in os.environ and "(?m)" in pattern and any(end in subject for end in "\r\x85")


def test_letters_fold_on_spark_as_in_duckdb(spark: SparkReader, duck: Reader) -> None:
    """Up to U+1C88: letters that Unicode got after version 15, the first at U+1C89, DuckDB does not know as letters."""
    letters = [chr(code) for code in range(1, 0x1C89)]
    table = pa.table({"n": range(len(letters)), "x": letters, "y": ["A" + letter for letter in letters]})
    for reader in (spark, duck):
        reader.register("letters", table)
    sql = "SELECT lower(x) AS x, lower(y) AS y FROM letters ORDER BY n"
    assert spark.query(sql).to_pylist() == duck.query(sql).to_pylist()


@pytest.mark.parametrize("pattern", [r"\bci\b", r"\p{Greek}", r"\pN\B"])
def test_a_regular_expression_that_other_engines_read_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="in the regular expression"):
        portable(pattern)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT histogram(e.x) FROM e", "the function histogram"),
        ("SELECT list(e.x)[1:2] FROM e", "slice"),
        ("SELECT 1 FROM e WHERE e.x ILIKE 'a'", "ilike"),
        ("SELECT regexp_matches(e.x, e.y) FROM e", "not written in the statement"),
        ("SELECT date_part('epoch', e.x) FROM e", "the function date_part"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(sql: str, named: str) -> None:
    with pytest.raises(StoreError, match=named):
        translated(sql)


def test_an_address_where_nobody_listens_is_told_at_once() -> None:
    with pytest.raises(RemoteUnreachableError, match="No Spark Connect server answers at sc://127"):
        SparkReader(_nothing(), "sc://127.0.0.1:1")


def test_what_is_no_address_is_told_with_what_one_looks_like() -> None:
    with pytest.raises(ConfigError, match="no Spark Connect address") as told:
        SparkReader(_nothing(), "127.0.0.1:15002")
    assert told.value.remedy == "Give it as sc://host:15002"


def test_a_client_that_is_not_installed_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(ConfigError, match="needs a package that is not installed: sqlglot") as told:
        SparkReader(_nothing(), "sc://127.0.0.1:1")
    assert told.value.remedy == "Install it with: pip install 'acrwatch[spark]'"


def test_a_program_without_a_file_can_use_it_too(spark_url: str) -> None:
    program = (
        "from pathlib import Path\n"
        "from storage.lake.snapshot import Snapshot\n"
        "from storage.spark import SparkReader\n"
        f"with SparkReader(Snapshot(Path(), 0, ()), {spark_url!r}) as reader:\n"
        "    print(reader.query('SELECT 1 AS one').to_pylist())\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[{'one': 1}]\n", 0), done.stderr


def _nothing() -> Snapshot:
    return Snapshot(Path(), 0, ())
