"""Is a path on a file system that several machines share? SQLite's WAL needs memory that all its users map."""

import os
import re
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mounts")
_KERNEL: Final = "nfs nfs4 cifs smb smb2 smb3 smbfs ncpfs 9p afs ceph glusterfs lustre beegfs gpfs ocfs2 gfs2 davfs"
_FUSE: Final = "sshfs s3fs rclone davfs2 blobfuse blobfuse2 glusterfs ceph gcsfuse goofys smbnetfs"
_NETWORK_TYPES: Final = frozenset([*_KERNEL.split(), *(f"fuse.{name}" for name in _FUSE.split())])


def network_file_system(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the network file system that holds `path`, or None where it is local or unknown.

    `mounts` is the text of Linux's mount table; without it the running system's is read, and where there is none
    (macOS, Windows) nothing is known and None is returned. `path` need not exist yet.
    """
    if mounts is None:
        mounts = _MOUNTS.read_text(errors="surrogateescape") if _MOUNTS.exists() else ""
    target = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescape(fields[1])
        # A later mount on the same point hides the earlier one.
        if len(point) >= len(best) and _holds(point, target):
            best, kind = point, fields[2]
    return kind if kind in _NETWORK_TYPES else None


def _holds(point: str, target: str) -> bool:
    return point == "/" or target == point or target.startswith(point + "/")


def _unescape(field: str) -> str:
    # The kernel writes space, tab, newline and backslash as three octal digits.
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
