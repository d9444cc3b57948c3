"""The storage emulator that tests of the archive start themselves: Azurite, from npm (`make azurite`).

Where it is missing those tests are skipped, unless ACRWATCH_REQUIRE=azurite says that they must not.
"""

import base64
import os
import queue
import re
import secrets
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerClient

from acrwatch.core.setting import Secret
from ingest.archive.address import Address

REQUIRED: Final = "azurite" in os.environ.get("ACRWATCH_REQUIRE", "").split(",")
ACCOUNT: Final = "acrwatchtest"
_INSTALLED: Final = Path(__file__).parents[1] / ".ci/azurite/node_modules/.bin/azurite-blob"
_SECONDS: Final = 60
_PORT: Final = re.compile(r"successfully listens on http://127\.0\.0\.1:(\d+)")


def program() -> str | None:
    """Return the emulator's program: installed by `make azurite`, named by ACRWATCH_AZURITE, or on the path."""
    named = os.environ.get("ACRWATCH_AZURITE")
    if named:
        return named
    return str(_INSTALLED) if _INSTALLED.exists() else shutil.which("azurite-blob")


class Azurite:
    """A running emulator that keeps everything in memory, with an account and a key of its own. `stop` it."""

    def __init__(self, folder: Path) -> None:
        found = program()
        if found is None:
            raise RuntimeError("Azurite is not here; `make azurite` installs it")
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--extentMemoryLimit", "256"]
        self._process = subprocess.Popen(
            [found, *options, "--disableTelemetry", "--skipApiVersionCheck", "--silent"],
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.port = self._listening()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def url(self) -> str:
        """The account's address."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What opens the account."""
        return f"AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={self.url}"

    def service(self) -> BlobServiceClient:
        """Return a client that may do everything."""
        return BlobServiceClient.from_connection_string(self.connection_string)

    def address(self, container: str) -> Address:
        """Return the container as a source names it."""
        account = self.url.removeprefix("http://")
        return Address(account, container, None, Secret(self.connection_string))

    def _listening(self) -> int:
        """Return the port once it listens; what it prints after that is read and dropped."""
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._drain, args=(lines,), daemon=True).start()
        said: list[str] = []
        while True:
            line = lines.get(timeout=_SECONDS)
            said.append(line)
            if match := _PORT.search(line):
                return int(match[1])
            if not line:
                raise RuntimeError("Azurite ended: " + "".join(said))

    def _drain(self, lines: "queue.Queue[str]") -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            lines.put(line)
        lines.put("")


class Archive:
    """One container, filled as Azure Monitor fills it."""

    def __init__(self, azurite: Azurite, name: str) -> None:
        self.address = azurite.address(name)
        self.client: ContainerClient = azurite.service().get_container_client(name)
        self.client.create_container()

    def append(self, name: str, content: bytes) -> None:
        """Add to an append blob, which is made where there is none."""
        blob = self.client.get_blob_client(name)
        try:
            blob.append_block(content)
        except HttpResponseError:
            blob.create_append_blob()
            blob.append_block(content)

    def replace(self, name: str, content: bytes) -> None:
        """Write a blob anew."""
        self.client.upload_blob(name, content, overwrite=True)

    def delete(self, name: str) -> None:
        """Delete a blob."""
        self.client.delete_blob(name)

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()
