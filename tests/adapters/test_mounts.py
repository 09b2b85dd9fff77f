"""What kind of filesystem a path lies on, by the kernel's own table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tap.adapters.mounts import network_filesystem

TABLE = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /dev rw - devtmpfs udev rw
30 21 0:40 / /srv/shows rw,relatime shared:9 - nfs4 nas:/export/shows rw,vers=4.2
31 30 8:2 / /srv/shows/local rw shared:10 - xfs /dev/sdb1 rw
32 21 0:41 / /mnt/with\040space rw - cifs //nas/tap rw
33 21 0:42 / /mnt/twice rw - nfs nas:/a rw
34 21 0:43 / /mnt/twice rw - tmpfs tmpfs rw
35 21 0:44 / /home/pi/sshfs rw master:1 propagate_from:2 - fuse.sshfs pi@nas:/ rw
36 21 0:45 / /media/usb rw - fuseblk /dev/sdc1 rw
37 21 0:46 / /media/vm rw - vboxsf share rw
a line that is none
38 21 0:47 / /mnt/short -
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/lib/multicam-tap/hall", None),
        ("/srv/shows", "nfs4 (nas:/export/shows)"),
        ("/srv/shows/hall/not-made-yet", "nfs4 (nas:/export/shows)"),
        ("/srv/shows/local/hall", None),
        ("/srv/showsroom", None),
        ("/mnt/with space/hall", "cifs (//nas/tap)"),
        ("/mnt/twice/hall", None),
        ("/home/pi/sshfs/tap", "fuse.sshfs (pi@nas:/)"),
        ("/media/usb/tap", None),
        ("/media/vm/tap", "vboxsf (share)"),
        ("/mnt/short/tap", None),
    ],
)
def test_the_nearest_mount_says_it(path: str, found: str | None) -> None:
    """Not one above it, not one of which the name only begins alike, and of two on one point the later one."""
    assert network_filesystem(Path(path), TABLE) == found


def test_here_nothing_is_a_network(tmp_path: Path) -> None:
    """By the table of this machine; and where there is none, nothing is said."""
    assert network_filesystem(tmp_path / "state") is None
    assert network_filesystem(tmp_path, "") is None


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What counts is where the files come to lie."""
    link = tmp_path / "state"
    link.symlink_to("/srv/shows/hall")
    assert network_filesystem(link, TABLE) == "nfs4 (nas:/export/shows)"
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert network_filesystem(loop, TABLE) is None
