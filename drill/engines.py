"""Runs on Apache Spark itself what the tests run on Sail: the same rules over the same events, on both engines.

    python -m drill.engines --spark DIR [-- PYTEST-OPTIONS]

DIR is an environment with the package `pyspark`, which brings Spark and its Connect server (`make drill-engines` makes
it). The server listens on this machine alone, and ends with the run. Ends with 1 where something differs.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from acrwatch.core.errors import AcrWatchError, ConfigError, StoreError

_SERVER: Final = "org.apache.spark.sql.connect.service.SparkConnectServer"
_HOST: Final = "127.0.0.1"
_PORT: Final = 15002  # what Spark Connect listens on unless told otherwise
_WAIT: Final = 120.0  # seconds; starting takes ten on an idle machine
_STOP: Final = 20.0
# A few hundred rows need no more; Spark's own 200 partitions would be 200 tasks a statement.
_SETTINGS: Final = {
    "spark.connect.grpc.binding.address": _HOST,
    "spark.driver.bindAddress": _HOST,
    "spark.driver.host": _HOST,
    "spark.log.level": "WARN",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}


def main() -> int:
    """Run the engines' tests on a server of our own; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m drill.engines", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spark", type=Path, required=True, metavar="DIR", help="an environment with pyspark")
    parser.add_argument("pytest", nargs="*", default=["-q"], help="what pytest is given beside")
    options = parser.parse_args()
    try:
        with spark_connect(options.spark) as url:
            return run_tests(url, options.pytest)
    except AcrWatchError as error:
        print(f"Nothing was run: {error}", file=sys.stderr)
        return 2


def run_tests(url: str, options: Sequence[str]) -> int:
    """Run the engines' tests against a server; return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "tests/engines", *options]
    return subprocess.run(command, env={**os.environ, "ACRWATCH_SPARK_URL": url}, check=False).returncode


@contextmanager
def spark_connect(environment: Path) -> Iterator[str]:
    """Start Spark with its Connect server, yield its address, and end it.

    Raises ConfigError where Spark or Java is not installed, StoreError with the server's last words where it does not
    start.
    """
    submit = environment / "bin" / "spark-submit"
    if not submit.exists():
        raise ConfigError(f"{environment} has no Spark: {submit} is not there", remedy="make drill-engines")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise ConfigError("Spark needs Java, which is not here", remedy="apt-get install openjdk-17-jre-headless")
    folder = Path(tempfile.mkdtemp(prefix="acrwatch-spark-"))
    port = _free_port()
    try:
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                _command(submit.absolute(), port, folder),
                cwd=folder,
                env=_environment(environment, folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_until_it_listens(server, port, folder / "server.log")
            yield f"sc://{_HOST}:{port}"
        finally:
            _end(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(submit: Path, port: int, folder: Path) -> list[str]:
    given = {**_SETTINGS, "spark.connect.grpc.binding.port": str(port), "spark.sql.warehouse.dir": str(folder)}
    settings = [word for name, value in given.items() for word in ("--conf", f"{name}={value}")]
    return [str(submit), "--master", "local[2]", "--class", _SERVER, *settings, "spark-internal"]


def _environment(environment: Path, folder: Path) -> dict[str, str]:
    """Return ours without what would lead to another Spark, and with the one given first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    path = os.pathsep.join([str(environment.absolute() / "bin"), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "SPARK_LOCAL_IP": _HOST, "SPARK_LOCAL_DIRS": str(folder)}


def _free_port() -> int:
    """Return a port that nobody listens on: not one of those the system hands out, from which a client that waits for
    the server could come to connect to itself."""
    for port in range(_PORT, _PORT + 100):
        with socket.socket() as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise StoreError(f"No port from {_PORT} to {_PORT + 99} is free for Spark's Connect server")


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            socket.create_connection((_HOST, port), timeout=1.0).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise StoreError(f"Spark's Connect server did not start:\n{words}") from None
            time.sleep(0.2)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(_STOP)


if __name__ == "__main__":
    sys.exit(main())
