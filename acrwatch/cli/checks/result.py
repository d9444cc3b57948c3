"""What one check found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from acrwatch.core.errors import AcrWatchError
from acrwatch.core.log import mask

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of `acrwatch check`: what was looked at, how it is, and where it is not well, what to do.

    `warn` asks for a look but keeps nothing from working; `fail` does.
    """

    name: str
    status: Status
    what: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the members of one object of `--json`, secrets masked."""
        return {"name": self.name, "status": self.status, "what": mask(self.what), "remedy": mask(self.remedy)}


def failed(name: str, error: AcrWatchError) -> Result:
    """Return what an error means for a check, on one line."""
    return Result(name, FAIL, " ".join(error.message.split()), error.remedy)


def guarded(name: str, check: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    """Yield what a check finds; an error that we foresee is a failure of it, not of the whole command."""
    try:
        yield from check()
    except AcrWatchError as error:
        yield failed(name, error)
