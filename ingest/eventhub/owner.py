"""The name under which a process claims partitions, and whether the process behind such a name is surely gone.

A process that was killed on this machine is known to be dead at once, so that a restart need not wait until its
claims expire. Of one elsewhere, or in another container, only expiry can tell.
"""

import os
import secrets
import socket
from functools import cache
from hashlib import blake2s
from pathlib import Path
from typing import Final

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/ns/pid")
_here: Final[set[str]] = set()  # owners alive in this process


def enter() -> str:
    """Return a new name, at most 100 characters: machine, process id, random part."""
    name = f"{_machine()}/{os.getpid()}/{secrets.token_hex(4)}"
    _here.add(name)
    return name


def leave(name: str) -> None:
    """Note that nothing in this process acts under this name any more."""
    _here.discard(name)


def gone(name: str) -> bool:
    """Return whether the process, or the part of this one, behind `name` is surely gone. False where unknown."""
    machine, _, rest = name.partition("/")
    number = rest.partition("/")[0]
    if machine != _machine() or not number.isdigit():
        return False
    if int(number) == os.getpid():
        return name not in _here  # an earlier process had our number, as in a container, or it has stopped
    return not _alive(int(number))


@cache
def _machine() -> str:
    """Return what two names share only where process ids mean the same: host, boot and process namespace."""
    host = socket.gethostname()[:60].replace("/", "-")
    try:
        same = f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:  # no Linux: the host's name must do; a wrong guess costs links, never rows
        same = ""
    return f"{host}.{blake2s(same.encode(), digest_size=4).hexdigest()}"


def _alive(number: int) -> bool:
    if os.name != "posix":  # there, signal 0 would end the process
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
