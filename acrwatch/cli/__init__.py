"""The command line: one module per noun. Data goes to stdout, everything else to stderr.

Exit codes: 0 done (alerts found are no failure), 1 a check failed, 2 usage or configuration, 3 not found,
4 credentials refused, 5 remote unreachable, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from acrwatch.core.clock import Clock, SystemClock

INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command (`sys.argv` if None) and end the process with its exit code."""
    from acrwatch.core.log import log_unexpected_errors
    from acrwatch.core.masking import hide_environment

    hide_environment(os.environ)
    log_unexpected_errors()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str], *, clock: Clock | None = None) -> int:
    """Run one command and return its exit code; what goes wrong is told on stderr, as JSON if `--json` was asked for.

    `clock` (the computer's if None) decides what "ago" means and how late an event is.
    """
    import click

    from acrwatch.cli import failure
    from acrwatch.cli.root import root
    from acrwatch.core.errors import AcrWatchError

    as_json = "--json" in arguments or "--jsonl" in arguments
    try:
        result = root.main(list(arguments), prog_name="acrwatch", standalone_mode=False, obj=clock or SystemClock())
        sys.stdout.flush()
    except click.ClickException as error:
        return failure.tell_usage(error, as_json=as_json)
    except AcrWatchError as error:
        return failure.tell(error, as_json=as_json)
    except OSError as error:  # a disk that is full or fails, below whatever no command foresaw: output above all
        said = f"{error.filename or 'the output'} cannot be read or written: {error.strerror}"
        return failure.tell(AcrWatchError(said, remedy="Check the disk, and who may use it"), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return result if isinstance(result, int) else 0
