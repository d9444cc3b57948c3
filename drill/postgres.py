"""A PostgreSQL server of one's own: made in a temporary folder, reached through a socket in it, gone afterwards.

The machine needs the server's programs (Debian's package `postgresql`) and nothing else: no service, no password, no
port. The drill and the tests use it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError

from acrwatch.core.errors import ConfigError, StoreError

WAIT: Final = 60.0  # seconds; starting takes a third of one on an idle machine
# Nothing here outlives the machine's power: no syncing, so that a thousand small commits take no time.
_OPTIONS: Final = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "log_statement=none",
)


def programs() -> Path | None:
    """Return the folder of the newest installed server's programs: Debian's place first, then the search path."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(debian, key=lambda path: float(path.parents[1].name))
    on_path = shutil.which("initdb")
    if not found and on_path is not None:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found else None


class Server:
    """A running server. `stop` it; `halt`, `crash` and `start` take it away for a while.

    Raises ConfigError where the programs are not installed, StoreError where the server does not start.
    """

    def __init__(self) -> None:
        found = programs()
        if found is None:
            raise ConfigError("PostgreSQL's programs are not here", remedy="apt-get install postgresql")
        self._programs = found
        self._folder = Path(tempfile.mkdtemp(prefix="acrwatch-pg-"))  # short: a socket's path has 107 bytes
        self._account = _unprivileged(self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        initialise = ("-A", "trust", "-U", "acrwatch", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        try:
            if self._run("initdb", "-D", str(self._data), *initialise).wait(WAIT) != 0:
                raise self._failure("initdb failed")
            self.start()
        except BaseException:  # also on Ctrl-C nobody but us knows of it yet
            self.stop()
            raise

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def url(self, database: str = "postgres") -> str:
        """Return what `store.database` takes."""
        url = URL.create("postgresql+psycopg", "acrwatch", database=database, query={"host": str(self._folder)})
        return url.render_as_string(hide_password=False)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = [word for option in (*_OPTIONS, f"unix_socket_directories={self._folder}") for word in ("-c", option)]
        self._process = self._run("postgres", "-D", str(self._data), *options)
        deadline = time.monotonic() + WAIT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise self._failure("PostgreSQL did not start")

    def halt(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Take it away: SIGQUIT as a crash does, connections and all; SIGINT in order. What was committed stays."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(WAIT)
            self._process = None

    def crash(self) -> None:
        """Kill one client's server process, as the kernel does when memory runs out: all are dropped for a moment."""
        rows = self.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname <> ''")
        try:
            os.kill(max(row[0] for row in rows), signal.SIGKILL)
        except ProcessLookupError:  # it has just ended; the next one meets another
            return

    def stop(self) -> None:
        """End it for good, with its folder."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def create(self, *, template: str | None = None) -> str:
        """Make a database, empty or copied from `template`; return its name."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> list[Any]:
        """Run one statement outside any transaction, as the server's owner; return its rows."""
        engine = create_engine(self.url(), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return list(result) if result.returns_rows else []
        finally:
            engine.dispose()

    def await_answer(self) -> None:
        """Return once it takes connections again after `crash`. Raises StoreError if it does not."""
        deadline = time.monotonic() + WAIT
        while not self._answers():
            if time.monotonic() > deadline:
                raise self._failure("PostgreSQL did not come back")

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except OperationalError:
            time.sleep(0.02)  # the server says nothing when it is ready; bounded by the caller
            return False
        return True

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / program), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever uses it, who then stops the server
                **self._account,
            )

    def _failure(self, message: str) -> StoreError:
        said = (self._folder / "log").read_text(errors="replace")[-3000:]
        return StoreError(f"{message}; it said: {said}", remedy="See its words")


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Return who runs the programs: PostgreSQL refuses root. The folder becomes theirs."""
    if os.geteuid() != 0:
        return {}
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = accounts.get("postgres") or accounts["nobody"]
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
