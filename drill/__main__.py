"""Kills every process under load, with faults around them, and compares the outcome with an undisturbed run.

    python -m drill [--seed N] [--kills N] [--minutes M] [--keep DIR]

Ends with 1 where a promise was broken; the folder is then kept and named. docs/reliability.md says what is promised.
"""

import argparse
import logging
import shutil
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from acrwatch.core.clock import SystemClock
from acrwatch.core.errors import AcrWatchError
from drill.course import Result, Wish, drill
from drill.report import as_rows, in_words


def main() -> int:
    """Run one drill as the command line asks; return the exit code."""
    options = _options()
    folder = _folder(options.keep)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: no process is left
    logging.basicConfig(filename=folder / "drill.log", level=logging.INFO)
    try:
        result = drill(_wish(options), folder, tell=_tell)
    except AcrWatchError as error:
        _tell(f"The drill could not be done: {error}\nEverything lies in {folder}")
        return 2
    except BaseException:
        _tell(f"Interrupted; everything lies in {folder}")
        raise
    return _conclude(result, folder, keep=options.keep is not None)


def _conclude(result: Result, folder: Path, *, keep: bool) -> int:
    report = f"{in_words(result)}\n\n{as_rows(result)}\n"
    print(f"\n{report}")
    (folder / "report.md").write_text(report, encoding="utf-8")
    if keep or not result.held:
        _tell(f"Everything lies in {folder}")
    else:
        shutil.rmtree(folder)
    return 0 if result.held else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drill", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="the same seed and end give the same traffic and plan")
    parser.add_argument("--kills", type=int, default=120, help="how many kill -9 (default: 120)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of load and faults (default: 5)")
    parser.add_argument("--events-per-day", type=int, default=3000, help="of 17 days of traffic (default: 3000)")
    parser.add_argument("--end", type=_moment, help="the traffic's newest time, ISO with a zone (default: now)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="do it in this new folder, and keep it")
    return parser.parse_args()


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("give a time with a zone, such as 2026-11-22T06:00Z")
    return found.astimezone(UTC)


def _wish(options: argparse.Namespace) -> Wish:
    end = options.end or SystemClock().now().replace(second=0, microsecond=0)
    return Wish(options.seed, options.kills, 60 * options.minutes, options.events_per_day, end)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="acrwatch-drill-"))
    keep.mkdir(parents=True)
    return keep.absolute()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
