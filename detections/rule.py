"""Rule files: Sigma documents parsed by pySigma, with our `x_` keys, turned into detections.

One file is one detection: a Sigma rule, or a correlation with the rules it is over, of which any may stand in another
file. A file of Sigma filters narrows the rules they name. Every mistake is told with its file and line; one bad file
never hides the mistakes of others, nor costs another detection that does not refer to it.
"""

import copy
import hashlib
import logging
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from sigma.collection import SigmaCollection
from sigma.conditions import SigmaCondition
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaDetection, SigmaDetections, SigmaRule

from acrwatch.core.characters import unfit
from acrwatch.core.errors import ConfigError, StoreError
from detections import lock
from detections.compile import Condition, UnsupportedError, needed, predicate
from detections.context import Context
from detections.correlation import correlation, group_fields
from detections.detection import Detection, Metadata
from detections.events import NewEvents
from detections.fields import CONTROL_FIELDS
from detections.mistake import Mistake, RuleMistakeError
from detections.place import Document
from detections.rule_activity import ActivityRule
from detections.rule_event import EventRule
from detections.rule_keys import CONDITIONS, metadata
from storage.lake.snapshot import Snapshot
from storage.query import Reader, Slice

log = logging.getLogger(__name__)

SHIPPED: Final = Path(__file__).parent / "rules"

# The log sources of registry events, as rules of several authors call them, each with the condition it stands for.
_SERVICES: Final[Mapping[str, str]] = {
    "containerregistry": "",
    "container_registry": "",
    "acr": "",
    "containerregistryloginevents": "e.category = 'ContainerRegistryLoginEvents'",
    "containerregistryrepositoryevents": "e.category = 'ContainerRegistryRepositoryEvents'",
}

# Those of the Activity Log: Sigma's own name first.
_ACTIVITY_SERVICES: Final = frozenset({"activitylogs", "azureactivity", "azure activity", "azure_activity"})
_CONTROL_FIELD: Final = re.compile(rf"\be\.({'|'.join(sorted(CONTROL_FIELDS))})\b")

# What pySigma raises where a part of a rule has another shape than it expects, or is nested without end.
_SHAPE: Final = (AttributeError, KeyError, TypeError, RecursionError)
# What a file that is no rule raises, as far as we foresee it.
_FORESEEN: Final = (OSError, ValueError, SigmaError, StoreError, yaml.YAMLError, *_SHAPE)

# Versions of rules (hashes of all they are made of) that this process has tried: 30 ms each, which adds up.
_TRIED: Final[set[str]] = set()

SUFFIXES: Final = (".yml", ".yaml")
# The longest of ours has 6 kB; a file far beyond is no rule, and the parser takes about a second for each MB.
_LARGEST: Final = 1_000_000
_SLUG_CHARACTERS: Final = 100  # as many as the columns that hold slugs have


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The detections of some rule files, by slug, and the files that are none.

    `documents` are the Sigma documents behind them, with filters applied and references resolved.
    """

    detections: Mapping[str, Detection]
    mistakes: Sequence[Mistake] = ()
    documents: Mapping[str, SigmaRule | SigmaCorrelationRule] = field(default_factory=dict)


def rule_files(path: Path) -> list[Path]:
    """Return the rule files of a folder, in order of name; of a file, itself. Hidden ones are an editor's."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))


def read_rules(paths: Iterable[Path] = (SHIPPED,), *, taken: Collection[str] = ()) -> RuleSet:
    """Read every rule file of these folders. A broken one costs its own detection and those that refer to it, no other.

    Mistakes are files that differ from their folder's lock, unreadable or unparsable ones, constructs or fields without
    a translation, unknown `x_` keys, slugs that are `taken`, or by a file before, and whatever else reading a file
    raises: no file raises here.
    """
    files: list[_File] = []
    mistakes: list[Mistake] = []
    for file_path in _listed(paths, mistakes):
        with _at_cost_of(file_path) as raised:
            files.append(_File(file_path, _text_of(file_path)))
        mistakes += [Mistake(file_path, _line_of_yaml(error), _words(error)) for error in raised]
    vouched = lock.vouched(SHIPPED, [file.path for file in files if file.path.parent == SHIPPED])
    found: dict[str, Detection] = {}
    documents: dict[str, SigmaRule | SigmaCorrelationRule] = {}
    with _no_events() as nothing:
        library = _Library(files, nothing, vouched)
        for file in files:
            with _at_cost_of(file.path) as raised:
                head, slug = library.head(file), file.path.stem
                if head is None:
                    continue
                rule = library.detection(head, file)
                if slug in taken or slug in found:
                    raise RuleMistakeError(f"slug {slug!r} is taken by another detection: rename the file")
                found[slug], documents[slug] = rule, head
            mistakes += [file.mistake(error, nothing) for error in raised]
    return RuleSet(found, tuple(mistakes), documents)


def _listed(paths: Iterable[Path], mistakes: list[Mistake]) -> list[Path]:
    """Return the rule files of all paths, each once; note the folders that cannot be read, and leave out files that are
    not as the lock of their folder has them."""
    found: dict[Path, None] = {}
    for path in paths:
        try:
            files = rule_files(path)
            refused = list(lock.violations(path, files)) if path.is_dir() else []
        except OSError as error:
            mistakes.append(Mistake(path, 1, _words(error)))
            continue
        mistakes += refused
        found.update(dict.fromkeys(file for file in files if file not in {one.file for one in refused}))
    return list(found)


def read_files(paths: Iterable[Path], *, beside: Iterable[Path] = ()) -> RuleSet:
    """Return the detections of these files and folders, and of no others; `beside` are folders of rules that they may
    refer to. A name may be one of those beside: so a rule in use is tried in another version."""
    files = [file for path in paths for file in rule_files(path)]
    rules = read_rules([*files, *beside])
    mine = {file.stem: rules.detections[file.stem] for file in files if file.stem in rules.detections}
    return RuleSet(mine, tuple(mistake for mistake in rules.mistakes if mistake.file in files), rules.documents)


def load_rules(paths: Iterable[Path] = (SHIPPED,), *, beside: Iterable[Path] = ()) -> Mapping[str, Detection]:
    """Return the detections of `read_files`. Raises ConfigError that lists every mistake where there is one."""
    rules = read_files(paths, beside=beside)
    if rules.mistakes:
        listed = "\n  ".join(map(str, rules.mistakes))
        raise ConfigError(f"Rules cannot be loaded:\n  {listed}", remedy="Correct the rule files")
    return rules.detections


def parse_rule(text: str, stem: str) -> Detection:
    """Return the detection that one file's text describes. Raises ValueError or SigmaError with the first mistake."""
    file = _File(Path(f"{stem}.yml"), text)
    with _no_events() as nothing:
        library = _Library([file], nothing)
        if (head := library.head(file)) is None:
            raise RuleMistakeError("the file holds no rule")
        return library.detection(head, file)


class _File:
    """One rule file: its documents as pySigma has them, references still open."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.document = Document(text)
        parsed = SigmaCollection.from_dicts(
            self.document.contents(), collect_errors=True, collect_filters=True, resolve_references=False
        )
        self.errors: Sequence[Exception] = parsed.errors
        self.rules: Sequence[SigmaRule | SigmaCorrelationRule] = parsed.rules
        self.filters: Sequence[SigmaFilter] = parsed.filters

    def mistake(self, error: Exception, nothing: NewEvents) -> Mistake:
        """Return an error with the line it is about: that of the item that is wrong by itself, or of the key named."""
        placed = []
        with _at_cost_of(self.path):  # what made the rule fail may make the search for its line fail, too
            placed.append(self._placed(error, nothing))
        return placed[0] if placed else Mistake(self.path, 1, _words(error))

    def _placed(self, error: Exception, nothing: NewEvents) -> Mistake:
        if isinstance(error, RuleMistakeError) and error.path:
            return Mistake(self.path, self.document.line_of(*error.path), str(error))
        if isinstance(error, UnsupportedError | SigmaError | StoreError) and (
            blamed := self.document.blame(lambda definition: _item_mistake(definition, nothing))
        ):
            return Mistake(self.path, blamed[0], _words(blamed[1]))
        section = next((key for key in ("correlation", "detection", "filter") if key in _words(error).lower()), None)
        if self.filters and not self.rules:
            section = "filter"
        return Mistake(self.path, self.document.line_of(*([section] if section else [])), _words(error))


class _Library:
    """Files that may refer to each other."""

    def __init__(self, files: Sequence[_File], nothing: NewEvents, vouched: Collection[Path] = ()) -> None:
        """Rules and filters are tried on `nothing`. `vouched` are files that the lock of ours holds: rules made of them
        alone need no trial."""
        self._nothing = nothing
        self._file_of = {id(rule): file for file in files for rule in file.rules}
        self._filters = [(file, narrowing) for file in files for narrowing in file.filters if not file.errors]
        sound = self._sound = [rule for file in files if not file.errors for rule in file.rules]
        self._vouched = {file.text for file in files if file.path in vouched}
        self._versions: dict[int, set[str]] = {}
        self._failed: dict[Path, Exception] = {}
        for rule in sound:
            self._narrow(rule)
        self._dangling: dict[int, Exception] = {}
        self._silent: set[int] = set()
        for rule in sound:
            if isinstance(rule, SigmaCorrelationRule):
                self._resolve(rule)

    def head(self, file: _File) -> SigmaRule | SigmaCorrelationRule | None:
        """Return the document of a file that alerts; None for filters, and for rules that only others use."""
        if file.errors:
            raise file.errors[0]
        if file.path in self._failed:
            raise self._failed[file.path]
        if dangling := [self._dangling[id(rule)] for rule in file.rules if id(rule) in self._dangling]:
            raise dangling[0]
        heads = [rule for rule in file.rules if id(rule) not in self._silent]
        if not heads and (file.rules or file.filters):
            return None
        if len(heads) != 1:
            raise RuleMistakeError(f"expected one rule that alerts, found {len(heads)}")
        if wrong := unfit(file.path.stem):
            raise RuleMistakeError(f"the file's name holds {wrong}: it is the rule's slug; write it in UTF-8")
        if len(file.path.stem) > _SLUG_CHARACTERS:
            raise RuleMistakeError(f"the file's name has over {_SLUG_CHARACTERS} characters: it is the rule's slug")
        return heads[0]

    def detection(self, head: SigmaRule | SigmaCorrelationRule, file: _File) -> Detection:
        """Return the detection that a file with this head is.

        It is tried on no events: what the database does not take (a regular expression, say) it refuses even then.
        What passed once is not tried again, so that one changed file does not cost all of them; nor is what the lock
        of ours vouches for, so that no command waits for it.
        """
        detection = self._compiled(head, file)
        if (version := detection.metadata.version) not in _TRIED and not self._is_vouched(head):
            detection.observe(self._nothing)
            if isinstance(detection, ActivityRule):  # on no records it asks nothing of them
                self._nothing.actions().rows("count(*)", detection.where)
            _TRIED.add(version)
        return detection

    def _is_vouched(self, head: SigmaRule | SigmaCorrelationRule) -> bool:
        """Return whether a rule is made of nothing but what the lock of ours holds."""
        rules = [head, *(_used(head) if isinstance(head, SigmaCorrelationRule) else [])]
        return all(self._versions[id(rule)] <= self._vouched for rule in rules)

    def _compiled(self, head: SigmaRule | SigmaCorrelationRule, file: _File) -> Detection:
        if isinstance(head, SigmaCorrelationRule):
            used = _used(head)
            about = metadata(head, file.path.stem, self._version(file, used), group_fields(head))
            return correlation(head, about, _where)
        if is_activity(head):
            return _activity_rule(head, metadata(head, file.path.stem, self._version(file, [head]), None))
        optional = {name: str(head.custom_attributes[name]) for name in CONDITIONS if name in head.custom_attributes}
        compiled = {name: predicate(_parsed(head, text)) for name, text in optional.items()}
        where = _where(head)
        return EventRule(
            metadata(head, file.path.stem, self._version(file, [head]), None),
            where=where.sql,
            unjudged=compiled.get("x_unjudged"),
            nearby_where=compiled.get("x_nearby"),
            needs=where.needs,
        )

    def _narrow(self, rule: SigmaRule | SigmaCorrelationRule) -> None:
        """Apply the filters that name a rule, and note whose texts it is made of from then on.

        One that cannot be applied, or is wrong by itself, is the mistake of its own file: it leaves the rule as it was,
        or a filter over all rules would take all of them along.
        """
        texts = self._versions.setdefault(id(rule), {self._file_of[id(rule)].text})
        if not isinstance(rule, SigmaRule):
            return
        for file, narrowing in self._filters:
            if file.path in self._failed:
                continue
            whole, selections = list(rule.detection.condition), dict(rule.detection.detections)
            with _at_cost_of(file.path) as raised:
                narrowing.apply_on_rule(rule)
                if rule.detection.condition != whole:
                    self._check(narrowing)
                    texts.add(file.text)
            if raised:
                self._failed[file.path] = raised[0]
                rule.detection = SigmaDetections(selections, whole, rule.detection.source)

    def _check(self, narrowing: SigmaFilter) -> None:
        """Raise what is wrong with a filter by itself. Parsed is a copy, for the parser writes into what it parses."""
        alone = copy.deepcopy(narrowing.filter)
        for condition in alone.condition:
            _try(predicate(SigmaCondition(condition, alone).parsed), self._nothing)

    def _resolve(self, head: SigmaCorrelationRule) -> None:
        """Find the rules a correlation is over, in its own file first; those of its folder alert no longer by
        themselves, unless it says so. Those of other folders go on: nobody switches off ours by referring to them."""
        home = self._file_of[id(head)]
        own = home.rules
        with _at_cost_of(home.path) as raised:
            head.resolve_rule_references(SigmaCollection([*self._sound, *own], resolve_references=False))
        if raised:
            self._dangling[id(head)] = raised[0]  # told where its own file is compiled
        else:
            used = [reference.rule for reference in head.referenced_rules if not head.generate]
            self._silent.update(id(one) for one in used if self._file_of[id(one)].path.parent == home.path.parent)

    def _version(self, file: _File, rules: Iterable[SigmaRule | SigmaCorrelationRule]) -> str:
        """Return the SHA-256 of all texts that decide what a detection finds, its own first."""
        others = {text for rule in rules for text in self._versions[id(rule)]} - {file.text}
        return hashlib.sha256("\0".join([file.text, *sorted(others)]).encode()).hexdigest()


def _used(head: SigmaCorrelationRule) -> list[SigmaRule | SigmaCorrelationRule]:
    """Return the rules a correlation is over, and those that correlations among them are over."""
    mine = [reference.rule for reference in head.referenced_rules]
    within = [r.rule for rule in mine if isinstance(rule, SigmaCorrelationRule) for r in rule.referenced_rules]
    return [*mine, *within]


def _where(rule: SigmaRule) -> Condition:
    """Return a rule's conditions as one: any of them is enough, within its log source."""
    service = _service(rule)
    if is_activity(rule):
        raise RuleMistakeError("a correlation over the Activity Log is not supported", "logsource")
    if service is None or service not in _SERVICES:
        raise RuleMistakeError(
            "logsource must be product azure, service containerregistry (or one of its two tables) or activitylogs",
            "logsource",
        )
    meets = _meets(rule)
    if named := _CONTROL_FIELD.findall(meets.sql):
        raise UnsupportedError(f"{named[0]!r}, of which only the Activity Log (service activitylogs) speaks")
    return replace(meets, sql=f"({meets.sql} AND {_SERVICES[service]})") if _SERVICES[service] else meets


def _meets(rule: SigmaRule) -> Condition:
    conditions = [_parsed(rule, condition) for condition in rule.detection.condition]
    return Condition(
        "(" + " OR ".join(map(predicate, conditions)) + ")", frozenset.intersection(*map(needed, conditions))
    )


def _service(rule: SigmaRule) -> str | None:
    source = rule.logsource
    return (source.service or "").casefold() if source.product == "azure" and not source.category else None


def is_activity(rule: SigmaRule) -> bool:
    """Return whether a rule is on the Activity Log, not on registry events."""
    return _service(rule) in _ACTIVITY_SERVICES


def _activity_rule(rule: SigmaRule, about: Metadata) -> ActivityRule:
    if given := [name for name in CONDITIONS if name in rule.custom_attributes]:
        raise RuleMistakeError(f"a rule on the Activity Log cannot have {given[0]}", given[0])
    meets = _meets(rule)
    return ActivityRule(about, meets.sql, meets.needs)


def _parsed(rule: SigmaRule, condition: str) -> Any:
    return SigmaCondition(condition, rule.detection).parsed


def _item_mistake(definition: Any, nothing: NewEvents) -> Exception | None:
    """Return what is wrong with one detection item by itself."""
    try:
        detection = SigmaDetection.from_definition(definition)
        _try(predicate(SigmaCondition("item", SigmaDetections({"item": detection}, ["item"])).parsed), nothing)
    except (SigmaError, UnsupportedError, StoreError) as error:
        return error
    return None


def _try(where: str, nothing: NewEvents) -> None:
    """Ask the database for no events that meet a predicate. Raises StoreError where it does not take it."""
    if not _CONTROL_FIELD.search(where):
        nothing.new("count(*)", where)
    else:
        nothing.actions().rows("count(*)", where)


@contextmanager
def _no_events() -> Iterator[NewEvents]:
    """Yield a slice of no events, on which all rules of a set are tried: opening a database costs more than a rule."""
    with Reader(Snapshot(Path(), 0, ())) as reader:
        yield NewEvents(reader, Slice({}, {}, (), None, 0, more=False), Context(), lateness=timedelta())


def _text_of(path: Path) -> str:
    """Return the text of a rule file. Raises RuleMistakeError for what is not read like a file: a pipe never ends."""
    look = path.stat()
    if not stat.S_ISREG(look.st_mode):
        raise RuleMistakeError("this is no file")
    if look.st_size > _LARGEST:
        raise RuleMistakeError(f"the file has over {_LARGEST:,} bytes, which no rule needs")
    return path.read_text(encoding="utf-8")


def _words(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    if isinstance(error, yaml.MarkedYAMLError):  # its own words show the place over several lines
        return ", ".join(filter(None, (error.context, error.problem)))
    if isinstance(error, _SHAPE):
        return f"not a rule: {error}"
    return str(error) if isinstance(error, _FORESEEN) else f"not a rule: {type(error).__name__}: {error}"


@contextmanager
def _at_cost_of(path: Path) -> Iterator[list[Exception]]:
    """Yield a list that holds, after the block, what it raised: the mistake of one file.

    The rule loop begins where a rule is read: that is done at the beginning of every pass, and what a file can make
    pySigma, the parser and the database raise is as open as what a detection raises in its run.
    """
    raised: list[Exception] = []
    try:
        yield raised
    except Exception as error:  # the rule loop: see above
        if not isinstance(error, _FORESEEN):  # a defect of ours, though it costs one file alone
            log.exception("%s raised what no rule file should", path)
        raised.append(error)


def _line_of_yaml(error: BaseException) -> int:
    mark = getattr(error, "problem_mark", None)
    return 1 if mark is None else int(mark.line) + 1
