"""SQLite is kept off network file systems."""

from pathlib import Path

import pytest

from acrwatch.core.errors import ConfigError
from storage.state import mounts
from storage.state.database import Database

_TABLE = r"""
/dev/vda / ext4 rw 0 0
server:/export /srv nfs4 rw 0 0
//server/share /srv/with\040space cifs rw 0 0
/dev/vdb /srv/local xfs rw 0 0
me@host: /mnt/remote fuse.sshfs rw 0 0
drive /mnt/c 9p rw 0 0
/dev/vdc /mnt/usb fuseblk rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/state.db", None),
        ("/srv/state.db", "nfs4"),
        ("/srv/with space/state.db", "cifs"),
        ("/srv/local/state.db", None),
        ("/srvother/state.db", None),
        ("/mnt/remote/not/yet/there/state.db", "fuse.sshfs"),
        ("/mnt/c/state.db", "9p"),
        ("/mnt/usb/state.db", None),
    ],
)
def test_the_innermost_mount_decides(path: str, kind: str | None) -> None:
    assert mounts.network_file_system(Path(path), _TABLE) == kind


def test_a_later_mount_hides_an_earlier_one_at_the_same_point() -> None:
    table = "a / ext4 rw 0 0\nb /data nfs rw 0 0\nc /data ext4 rw 0 0\n"
    assert mounts.network_file_system(Path("/data/state.db"), table) is None


def test_nothing_is_known_without_a_mount_table() -> None:
    assert mounts.network_file_system(Path("/data/state.db"), "") is None


def test_the_database_refuses_such_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"server:/export {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr(mounts, "_MOUNTS", table)
    with pytest.raises(ConfigError, match=r"network file system \(nfs\).*local disk"):
        Database(f"sqlite:///{tmp_path}/state.db")
