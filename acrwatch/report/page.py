"""Writing a report as one HTML file: no script, no link to anywhere, nothing to fetch.

Log values are the attacker's words. Every value is escaped by the template engine, after `shown` took from it what
steers text; and the page forbids itself by policy to run or load anything, should both ever fail.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from acrwatch.core.wording import DIGEST_DIGITS, at_least, counted, evidence_heading, image, noun_of, told
from acrwatch.report import charts
from acrwatch.report.around import PLACES, Around
from acrwatch.report.drawing import Drawing, shown
from acrwatch.report.palette import INK, MUTED, PAPER, dark_overrides
from acrwatch.report.shift import DETAILED, LISTED, Shift
from detections.episode import SAMPLES
from storage.state.alerts import Alert, as_json, made_of

if TYPE_CHECKING:
    from jinja2 import Environment

    from detections.detection import Metadata

# Below so many alerts a rule the table says at a glance what a picture would.
_REPEATED: Final = 2
_UNITS: Final = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))
_COLUMNS: Final = (
    ("status", "status_code"),
    ("registry", "registry"),
    ("identity", "identity"),
    ("address", "caller_ip"),
    ("region", "region"),
    ("client", "user_agent"),
    ("details", "details"),
)


def shift_page(shift: Shift, rules: "Mapping[str, Metadata]", versions: Mapping[str, str]) -> str:
    """Return the report on a shift as HTML. `rules` are what the rules behind its alerts say of themselves, `versions`
    those of the programs behind the report."""
    pictures = {
        "timeline": charts.timeline(
            shift.scope, shift.traffic.by_time, shift.standing, shift.blindness.incidents, now=shift.made_at
        )
    }
    if len(shift.alerts) > _REPEATED * len(shift.by_rule()):
        pictures["rules"] = charts.by_rule(shift.by_rule())
    if shift.traffic.presence:
        pictures["presence"] = charts.presence(shift.scope, shift.traffic.presence)
    return _written("shift.html.j2", shift, pictures, rules, versions=versions, detailed=DETAILED, listed=LISTED)


def alert_page(around: Around, rules: "Mapping[str, Metadata]", versions: Mapping[str, str]) -> str:
    """Return the report on one alert as HTML."""
    alerts = [around.alert, *around.related[:LISTED]]
    pictures = {
        "timeline": charts.timeline(
            around.scope, around.traffic.by_time, alerts, around.blindness.incidents, now=around.made_at
        ),
        "spans": charts.spans(around.scope, alerts, around.alert),
    }
    return _written("alert.html.j2", around, pictures, rules, versions=versions, shown_places=PLACES, listed=LISTED)


def _written(
    template: str, about: Shift | Around, pictures: Mapping[str, Drawing], rules: "Mapping[str, Metadata]", **more: Any
) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            it=about,
            pictures={name: picture.svg for name, picture in pictures.items()},
            rules=rules,
            colours={"ink": INK, "muted": MUTED, "paper": PAPER, "overrides": dark_overrides()},
            **more,
        )
    )


def _environment() -> "Environment":
    """Return the template engine: it escapes every value, fails for a name that is not there, and knows our words."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=PackageLoader("acrwatch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    made.filters |= {
        "utc": _utc,
        "span": _span,
        "number": "{:,}".format,
        "counted": counted,
        "noun": noun_of,
        "drawing": lambda svg: Markup(svg),  # noqa: S704 - made by `drawn`, which escapes what it is given
        "image": image,
        "told": told,
        "entities": _entities,
        "evidence": _evidence,
        "events": lambda alert: at_least(alert.count, as_json(alert)),
        "judges": _judges,
        "made_of": made_of,
    }
    return made


def _utc(moment: datetime | str | None) -> Any:
    """Return a time as an element that programs can read too."""
    from markupsafe import Markup

    if moment is None:
        return "-"
    at = (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%d %H:%M:%S}Z")


def _span(length: timedelta) -> str:
    """Return a length of time in its two largest units: `8 h`, `1 h 30 min`, `42 s`."""
    found, rest = [], length
    for unit, word in _UNITS:
        if number := rest // unit:
            found.append(f"{number} {word}")
            rest -= number * unit
    return " ".join(found[:2]) or f"{length.total_seconds():.0f} s"


def _entities(alert: Alert) -> Iterable[tuple[str, str]]:
    """Return the entities of an alert by their kind; so many of one kind were kept and no more."""
    values: dict[str, list[str]] = {}
    for entity in alert.entities:
        values.setdefault(entity["type"], []).append(entity["value"])
    return [
        (kind, ", ".join(found) + (", perhaps others" if len(found) >= SAMPLES else ""))
        for kind, found in values.items()
    ]


def _evidence(alert: Alert) -> Mapping[str, Any]:
    """Return the evidence of an alert as a table: `heading`, `rows`, the `different` columns, what is `same` in all."""
    document = as_json(alert)
    rows: Sequence[Mapping[str, Any]] = document["evidence_rows"]
    columns = [(name, field) for name, field in _COLUMNS if any(row.get(field) is not None for row in rows)]
    different = [one for one in columns if len({str(row.get(one[1])) for row in rows}) > 1]
    same = [(name, rows[0][field]) for name, field in columns if (name, field) not in different]
    return {"heading": evidence_heading(document), "rows": rows, "different": different, "same": same}


def _judges(alerts: Iterable[Alert]) -> list[tuple[str, str, str, str | None]]:
    """Return the rules that raised these alerts, each with its version, the beginning of it, and that of the context it
    judged by."""
    found = {(alert.rule, alert.rule_version, alert.context_version) for alert in alerts}
    return [
        (rule, version, version[:DIGEST_DIGITS], context and context[:DIGEST_DIGITS])
        for rule, version, context in sorted(found, key=lambda one: (one[0], one[1], one[2] or ""))
    ]
