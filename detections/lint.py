"""What is wrong with rule files, or missing: everything a rule's author can be told before any event is judged."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from sigma.collection import SigmaCollection
from sigma.conditions import ConditionNOT, SigmaCondition
from sigma.exceptions import SigmaError
from sigma.rule import SigmaDetection, SigmaDetections, SigmaRule

from detections import attack
from detections import lock as locking
from detections.behavioural import discover
from detections.case import unreadable_cases, unshown
from detections.detection import Detection
from detections.place import Document
from detections.placeholders import misspelt
from detections.places import CASE_PLACES
from detections.reachable import VALUES, contradiction, unknown_value
from detections.rule import SHIPPED, is_activity, read_rules, rule_files
from detections.rule_keys import CONDITIONS

ERROR: Final = "error"
WARNING: Final = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one detection. `file` and `line` are where it stands; a behavioural detection has neither.

    An error keeps the rule from loading or from doing what it says; a warning names what whoever reads its alerts will
    miss.
    """

    rule: str
    severity: str
    message: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file else self.rule
        return f"{place}: {self.severity}: {self.message}"


def lint(paths: Sequence[Path], *, beside: Iterable[Path] = ()) -> list[Finding]:
    """Return what is found in the rule files of `paths`, in order of file and line.

    `beside` are the folders that are in use with them: rules there may be referred to, and their names are taken.
    """
    files = {file.resolve(): file for path in paths for file in rule_files(path)}
    others = [file for path in beside for file in rule_files(path) if file.resolve() not in files]
    rules = read_rules([*others, *files.values()], taken=discover(CASE_PLACES).keys())
    found = [
        Finding(one.file.stem, ERROR, one.message, one.file, one.line)
        for one in rules.mistakes
        if one.file in files.values()
    ]
    for folder in [path for path in paths if path.is_dir()]:
        differing = locking.violations(folder, rule_files(folder))
        found += [Finding(one.file.stem, ERROR, one.message, one.file, one.line) for one in differing]
    broken = {one.file for one in found}
    for file in files.values():
        if file not in broken:
            found += _Linted(file, rules.detections.get(file.stem)).findings()
    return sorted(found, key=lambda one: (str(one.file), one.line or 0))


def lint_behavioural() -> list[Finding]:
    """Return what is found in the behavioural detections."""
    detections = discover(CASE_PLACES)
    return [
        Finding(slug, severity, message)
        for slug, detection in detections.items()
        for severity, message, _ in _about(detection)
    ]


class _Linted:
    """One file that loads: a rule, or a part of others (then `detection` is None)."""

    def __init__(self, file: Path, detection: Detection | None) -> None:
        text = self._text = file.read_text(encoding="utf-8")
        self._file = file
        self._detection = detection
        self._document = Document(text)
        parsed = SigmaCollection.from_dicts(
            self._document.contents(), collect_errors=True, collect_filters=True, resolve_references=False
        )
        self._rules = [rule for rule in parsed.rules if isinstance(rule, SigmaRule)]

    def findings(self) -> Iterator[Finding]:
        """Yield what there is to say."""
        of_events = not any(is_activity(rule) for rule in self._rules)
        if of_events and (misspelt := self._document.blame(_unknown_value)):
            yield self._finding(ERROR, str(misspelt[1]), misspelt[0])
        else:
            for rule in self._rules:
                yield from self._unreachable(rule)
        for rule in self._rules:
            for name in _unused(rule):
                message = f"selection {name!r} is used by no condition"
                yield self._finding(ERROR, message, self._document.line_of("detection", name))
        yield from self._misspelt_placeholders()
        for severity, message, key in _about(self._detection) if self._detection else ():
            yield self._finding(severity, message, self._document.line_of(key))

    def _unreachable(self, rule: SigmaRule) -> Iterator[Finding]:
        line = self._document.line_of("detection", "condition", titled=rule.title)
        for text in rule.detection.condition:
            parsed = SigmaCondition(text, rule.detection).parsed
            values = {} if is_activity(rule) else VALUES
            if why := contradiction(parsed, values):
                yield self._finding(ERROR, f"no event can meet {text!r}: {why}", line)
            elif contradiction(ConditionNOT([parsed]), values):
                yield self._finding(WARNING, f"every event meets {text!r}", line)

    def _misspelt_placeholders(self) -> Iterator[Finding]:
        """A list that nobody configured is empty, so a misspelt one makes a rule silent, or loud, without a word."""
        for number, line in enumerate(self._text.splitlines(), start=1):
            for name in re.findall(r"\|expand.*?%(\w+)%", line):
                if meant := misspelt(name):
                    yield self._finding(WARNING, f"%{name}% is no list that is known: did you mean %{meant}%?", number)

    def _finding(self, severity: str, message: str, line: int) -> Finding:
        return Finding(self._file.stem, severity, message, self._file, line)


def _unknown_value(definition: Any) -> Exception | None:
    try:
        detection = SigmaDetection.from_definition(definition)
        words = unknown_value(SigmaCondition("item", SigmaDetections({"item": detection}, ["item"])).parsed)
    except SigmaError as error:
        return error
    return ValueError(words) if words else None


def _unused(rule: SigmaRule) -> list[str]:
    """Return the selections that no condition of a rule names; `them` is all but those that begin with a line."""
    texts = [*rule.detection.condition, *(str(rule.custom_attributes.get(name, "")) for name in CONDITIONS)]
    words = {word for text in texts for word in re.findall(r"[\w*-]+", text)}
    return [name for name in rule.detection.detections if not _used(name, words)]


def _used(name: str, words: Collection[str]) -> bool:
    return any(fnmatchcase(name, word) for word in words) or ("them" in words and not name.startswith("_"))


def _about(detection: Detection) -> Iterator[tuple[str, str, str]]:
    """Yield severity, message and key for what a detection's own words and cases lack."""
    about = detection.metadata
    for message in unreadable_cases(detection):
        yield ERROR, message, "x_tests"
    for message in unshown(detection):
        yield WARNING, message, "x_tests"
    for _, message, certain in attack.wrong_tags(about.tags):
        yield ERROR if certain else WARNING, message, "tags"
    needed: Mapping[str, tuple[object, str]] = {
        "id": (about.id, "id"),
        "description": (about.description, "description"),
        "falsepositives": (about.falsepositives, "falsepositives"),
        "tags with an ATT&CK technique (attack.t1078), nor an x_no_technique that says why": (
            attack.has_technique(about.tags) or about.no_technique,
            "tags",
        ),
        "x_runbook": (about.runbook, "x_runbook"),
        "x_blind_spots": (about.blind_spots, "x_blind_spots"),
    }
    yield from ((WARNING, f"no {name}", key) for name, (value, key) in needed.items() if not value)


def lint_library(folders: Iterable[Path] = ()) -> list[Finding]:
    """Return what is found in everything in use: the shipped detections and the rules of these folders."""
    return [*lint([SHIPPED, *folders]), *lint_behavioural()]
