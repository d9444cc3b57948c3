"""Asks the rules' KQL of an engine of KQL, over the events of the rules' own cases, and compares with acrwatch.

    python -m drill.exported --kql DIR [--only RULE...]

DIR is an environment with the package `duckdb-kql` (`make drill-exports` makes it): KQL by Microsoft's grammar, run on
DuckDB, which its authors compare with the Kusto emulator. What it lacks is counted and named. Ends with 1 where a query
finds something else than acrwatch.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from sigma.correlations import SigmaCorrelationRule

from detections.case import START, event_row
from detections.case_spec import Case, CaseEvent, read_case
from detections.compile import UnsupportedError
from detections.detection import Detection
from detections.export import export
from detections.rule import read_rules
from detections.trial import Trial, try_rules
from storage.lake import Lake
from storage.query import Reader
from storage.schema import ARROW_SCHEMA, BY_NAME, CATEGORIES

_ASKED: Final = Path(__file__).with_name("kusto.py")
_SECONDS: Final = 300.0
# What the query reads is text in Log Analytics, where a text is empty and never null.
_TEXTS: Final = {name: column.log_analytics for name, column in BY_NAME.items() if column.log_analytics}


@dataclass(frozen=True, slots=True)
class Question:
    """One case of a rule as KQL, the events it is asked of, and what acrwatch found in them.

    `counts` says that the query finds windows that are full, and not every event in them.
    """

    name: str
    query: str
    rows: Sequence[Mapping[str, Any]]
    found: Trial
    counts: bool

    def tables(self) -> dict[str, list[dict[str, str]]]:
        """Return the two tables as Log Analytics has them; `CorrelationId` is the event's id."""
        tables: dict[str, list[dict[str, str]]] = {category: [] for category in CATEGORIES}
        for row in self.rows:
            texts = {column: _text(row.get(name)) for name, column in _TEXTS.items()}
            known = {"CorrelationId": row["event_id"].hex(), "Type": row["category"]}
            tables[row["category"]].append({**texts, **known})
        return tables

    def differs(self, ids: Sequence[str | None]) -> str | None:
        """Return how what the query found is another thing than what acrwatch found; None where it is the same."""
        if self.counts:
            same = bool(ids) == bool(self.found.alerts)
            return None if same else f"{len(ids)} windows, acrwatch has {len(self.found.alerts)} alerts"
        mine = {event for alert in self.found.alerts for _, event in alert.evidence}
        same = len(set(ids)) == self.found.matched and mine <= set(ids)
        return None if same else f"found {len(set(ids))} events, acrwatch {self.found.matched}"


def questions(only: Collection[str] = ()) -> Iterator[Question]:
    """Yield every case of every shipped rule, or of some, that is exported to KQL under the case's context."""
    rules = read_rules()
    for slug, document in [one for one in rules.documents.items() if not only or one[0] in only]:
        for case in map(read_case, rules.detections[slug].metadata.tests):
            if case.closing or not all(isinstance(event, CaseEvent) for event in case.events):
                continue
            try:
                query = export(document, "kql", case.context)
            except UnsupportedError:
                continue
            rows = _rows(case)
            found = _judged(slug, rules.detections[slug], rows, case)
            yield Question(f"{slug}: {case.name}", query, rows, found, isinstance(document, SigmaCorrelationRule))


def main() -> int:
    """Ask every question; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m drill.exported", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kql", type=Path, required=True, metavar="DIR", help="an environment with duckdb-kql")
    parser.add_argument("--only", nargs="*", default=[], metavar="RULE", help="these rules (default: all)")
    options = parser.parse_args()
    asked = list(questions(options.only))
    answers = _answers(options.kql, asked)
    lacking: dict[str, int] = {}
    wrong = same = 0
    for question, answer in zip(asked, answers, strict=True):
        if "lacks" in answer:
            lacking[answer["lacks"]] = lacking.get(answer["lacks"], 0) + 1
        elif "error" in answer or (words := question.differs(answer["ids"])):
            wrong += 1
            print(f"{question.name}: {answer.get('error') or words}")
        else:
            same += 1
    for what, number in sorted(lacking.items()):
        print(f"{number} not asked, for the engine lacks {what}")
    print(f"{same} as acrwatch has it, {wrong} otherwise")
    return 1 if wrong or not same else 0


def _answers(environment: Path, asked: Sequence[Question]) -> list[dict[str, Any]]:
    request = json.dumps([{"query": question.query, "tables": question.tables()} for question in asked])
    python = environment.absolute() / "bin" / "python"
    if not python.exists():
        sys.exit(f"{environment} is no environment: {python} is not there. Run make drill-exports")
    done = subprocess.run(
        [str(python), str(_ASKED)],
        input=request,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        sys.exit(f"The engine of KQL could not be asked:\n{done.stderr[-2000:]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _rows(case: Case) -> list[dict[str, Any]]:
    events = [event for event in case.events if isinstance(event, CaseEvent)]
    return [event_row(event, number, case.context) for number, event in enumerate(events, start=1)]


def _judged(slug: str, detection: Detection, rows: Sequence[Mapping[str, Any]], case: Case) -> Trial:
    with tempfile.TemporaryDirectory(prefix="acrwatch-exported-") as folder:
        lake = Lake.open(Path(folder))
        lake.commit(pa.Table.from_pylist(rows, ARROW_SCHEMA), {"cases": len(rows)})
        last = max(event.at for event in case.events) + timedelta(seconds=1)
        with Reader(lake.snapshot()) as reader:
            (found,) = try_rules({slug: detection}, reader, case.context, START, START + last)
    if found.error:
        sys.exit(f"{slug} could not be judged: {found.error}")
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
