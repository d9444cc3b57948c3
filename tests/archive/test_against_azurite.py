"""The same over the network: an emulator of the service, real clients, the real pipeline, and kills."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import BlobLeaseClient, ContainerSasPermissions, generate_container_sas

from acrwatch.core.crashpoint import VARIABLE
from acrwatch.core.errors import AuthError, NotFoundError
from acrwatch.core.setting import Secret
from ingest.archive.address import Address
from ingest.archive.blobs import Blobs, GoneError, OutOfRangeError
from ingest.archive.service import Container
from tests.archive.conftest import Bench
from tests.archive.container import ROOT, Memory, hourly, line, lines
from tests.azurite import ACCOUNT, Archive, Azurite

Fill = Callable[[str, bytes], object]


@pytest.fixture(params=["memory", "azurite"])
def filled(request: pytest.FixtureRequest) -> Iterator[tuple[Blobs, Fill]]:
    """A container, and what appends to its blobs: the one in memory has to behave as the service does."""
    if request.param == "memory":
        memory = Memory()
        yield memory, memory.append
        return
    archive: Archive = request.getfixturevalue("archive")
    client = Container(archive.address)
    yield client, archive.append
    client.close()


def test_a_container_is_what_its_reader_takes_it_for(filled: tuple[Blobs, Fill]) -> None:
    blobs, append = filled
    assert blobs.roots() == []
    append(hourly(11), lines(0))
    append(hourly(11, day=23), lines(1))
    append(f"{ROOT}notes.txt", b"none of ours")
    assert blobs.roots() == [ROOT]
    (before,) = blobs.listed(f"{ROOT}y=2026/m=11/d=22/")
    assert (before.name, before.size, before.hour.hour) == (hourly(11), len(lines(0)), 11)
    assert [one.name for one in blobs.listed(f"{ROOT}y=")] == [hourly(11), hourly(11, day=23)]
    assert blobs.read(hourly(11), 3, 10_000).etag == before.etag
    append(hourly(11), lines(2))
    (after,) = blobs.listed(f"{ROOT}y=2026/m=11/d=22/")
    assert after.etag != before.etag
    found = blobs.read(hourly(11), 3, 100)
    assert (found.data, found.etag) == (lines(0, 2)[3:103], after.etag)
    with pytest.raises(OutOfRangeError):
        blobs.read(hourly(11), 100_000, 100)
    with pytest.raises(GoneError):
        blobs.read(hourly(1), 0, 100)


def test_growing_blobs_reach_the_lake_once_each_over_restarts(bench: Bench, archive: Archive) -> None:
    """Blobs grow by pieces that end anywhere, also within a record, and every reader is a new process as it were."""
    chance = random.Random(5)
    streams = {hourly(hour): b"".join(map(line, range(hour * 100, hour * 100 + 40))) for hour in (10, 11, 12)}
    at = dict.fromkeys(streams, 0)
    while any(at[name] < len(content) for name, content in streams.items()):
        for name, content in streams.items():
            piece = content[at[name] : at[name] + chance.randrange(1, 6_000)]
            if piece:
                archive.append(name, piece)
                at[name] += len(piece)
        bench.store(bench.source(address=archive.address, connect=Container))
    expected = sorted(
        f"user{number}@example.com" for hour in (10, 11, 12) for number in range(hour * 100, hour * 100 + 40)
    )
    assert bench.rows() == expected
    assert bench.rejects() == []


@pytest.mark.parametrize("point", ["lake.committed", "ingest.hints_stored"])
def test_a_reader_killed_anywhere_and_started_again_stores_each_event_once(
    bench: Bench, archive: Archive, point: str
) -> None:
    whole = line(3)
    archive.append(hourly(10), b"no json\n" + lines(0, 1))
    archive.append(hourly(11), lines(2) + whole[:40])
    assert child(bench.folder, archive.address, f"{point}:1") == -signal.SIGKILL
    archive.append(hourly(11), whole[40:] + lines(4))
    assert child(bench.folder, archive.address) == 0
    assert bench.rows() == [f"user{number}@example.com" for number in range(5)]
    assert bench.rejects() == ["invalid_json"]


def child(root: Path, address: Address, crash_at: str | None = None) -> int:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if crash_at:
        environment[VARIABLE] = crash_at
    assert address.key is not None
    command = [sys.executable, "-m", "tests.archive.child", str(root), address.container]
    return subprocess.run(
        command, env=environment, input=address.key.reveal(), text=True, timeout=100, check=False
    ).returncode


def test_a_leased_blob_is_read(bench: Bench, archive: Archive) -> None:
    """A lease keeps others from writing, not from reading."""
    archive.append(hourly(11), lines(0))
    lease = BlobLeaseClient(archive.client.get_blob_client(hourly(11)))
    lease.acquire(60)
    assert bench.store(bench.source(address=archive.address, connect=Container)).events == 1
    lease.release()


def test_a_signature_for_the_container_is_enough(bench: Bench, archive: Archive, azurite: Azurite) -> None:
    archive.append(hourly(11), lines(0))
    signature = generate_container_sas(
        ACCOUNT,
        archive.address.container,
        account_key=azurite.key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(minutes=10),
    )
    address = Address(archive.address.account, archive.address.container, azurite.url, Secret(signature))
    assert bench.store(bench.source(address=address, connect=Container)).events == 1


def test_a_wrong_key_and_a_missing_container_are_told(archive: Archive, azurite: Azurite) -> None:
    wrong = Secret(azurite.connection_string.replace(azurite.key, "d3Jvbmdrd3Jvbmdr"))
    refused = Container(Address(archive.address.account, archive.address.container, None, wrong))
    with pytest.raises(AuthError):
        refused.roots()
    refused.close()
    missing = Container(azurite.address("nosuch"))
    with pytest.raises(NotFoundError, match="'nosuch'"):
        missing.roots()
    missing.close()
