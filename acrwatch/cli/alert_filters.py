"""Which alerts a list or an export is of: the options, and the search that they stand for."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from acrwatch.cli.session import Session
from acrwatch.core.wording import counted, noun_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.state.alerts import Alert

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--status", type=click.Choice(["new", "active", "closed"]), help="Only these."),
    click.option("--rule", metavar="SLUG", help="Only those of this rule."),
    click.option("--assignee", metavar="NAME", help="Only those of this person."),
    click.option("--unassigned", is_flag=True, help="Only those of nobody."),
    click.option("--historical", is_flag=True, help="Only those that late events raised, which are never delivered."),
    click.option(
        "--suppressed", "apart", flag_value="suppressed", help="Those that a suppression keeps from being told."
    ),
    click.option("--staged", "apart", flag_value="staged", help="Those that staged rules would have raised."),
    click.option(
        "--building-blocks",
        "apart",
        flag_value="building-block",
        help="Those that are too weak to be told alone, and count towards entity-risk.",
    ),
    click.option("--all", "everything", is_flag=True, help="Historical, merged and withdrawn ones too."),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked for, by the options' names."""

    status: str | None
    rule: str | None
    assignee: str | None
    unassigned: bool
    historical: bool
    apart: str | None
    everything: bool

    @property
    def hides_historical(self) -> bool:
        """Whether historical alerts are left out without having been asked about."""
        return not (self.everything or self.apart or self.historical)

    def hidden(self, connection: "Connection") -> str:
        """Say how many historical alerts are left out without having been asked about; "" where none are."""
        from storage.state import alerts as store

        number = store.count(connection, historical=True) if self.hides_historical else 0
        left_out = f"{counted(number, 'historical alert')} {noun_of(number, 'is', 'are')} hidden; --all shows them."
        return left_out if number else ""

    def find(self, session: Session, connection: "Connection", *, limit: int | None) -> "list[Alert]":
        """Return these alerts, newest first. Raises NotFoundError for a rule that nobody has."""
        from acrwatch.cli.rules import refuse_unknown
        from storage.state import alerts as store

        found = store.find(
            connection,
            status=self.apart or self.status,
            rule=self.rule,
            historical=None if self.everything or self.apart else self.historical,
            assignee="" if self.unassigned else self.assignee,
            include_withdrawn=self.everything,
            limit=limit,
        )
        unknown = self.rule is not None and not found
        if unknown and not store.find(connection, rule=self.rule, include_withdrawn=True, limit=1):
            refuse_unknown(session, str(self.rule))
        return found


def filter_options(command: F) -> F:
    """Add the options, passed on together as `filters`."""

    @wraps(command)
    def with_filters(*arguments: Any, **given: Any) -> Any:
        filters = Filters(**{field.name: given.pop(field.name) for field in fields(Filters)})
        if filters.apart is not None and filters.status is not None:
            raise click.UsageError(
                "--suppressed, --staged and --building-blocks go without --status: theirs is their own"
            )
        return command(*arguments, filters=filters, **given)

    wrapped: Any = with_filters
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    found: F = wrapped
    return found
