"""On what kind of filesystem a path lies: where a network is between, a journal can be lost in ways no test here knows.

SQLite's log needs memory that its readers share and locks that hold; NFS, SMB and shared folders of virtual machines
promise both and keep neither.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ON_A_NETWORK", "network_filesystem"]

ON_A_NETWORK = "set TAP_STATE_DIR to a disk of this machine: a journal on a network or a shared folder can be damaged"

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(
    "9p|afs|beegfs|ceph|cifs|coda|davfs|drvfs|glusterfs|gpfs|lustre|ncpfs|nfs4?|orangefs|prl_fs|smb3|smbfs|vboxsf"
    "|virtiofs|vmhgfs"
)
_BY_FUSE = re.compile(
    r"fuse\.(?:sshfs|rclone|s3fs|glusterfs|davfs2?|smbnetfs|cephfs|ceph-fuse|curlftpfs|gcsfuse|vmhgfs-fuse|nfs.*)"
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_filesystem(path: Path, mounts: str | None = None) -> str | None:
    """``nfs4 (server:/export)``, say, where ``path`` lies on a network or a shared folder; None where it does not.

    A path that is not there yet counts as what it would be made in. ``mounts``: the kernel's table, read unless given.
    """
    try:
        place = path.resolve()
        table = _MOUNTS.read_text(encoding="utf-8", errors="replace") if mounts is None else mounts
    except (OSError, RuntimeError):
        return None
    kind, source, depth = "", "", -1
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        fields, more = left.split(" "), right.split(" ")
        if len(fields) < 5 or len(more) < 2:
            continue
        point = Path(_unescaped(fields[4]))
        # A filesystem that is mounted later on the same point hides the one before it.
        if (place == point or point in place.parents) and len(point.parts) >= depth:
            kind, source, depth = more[0], _unescaped(more[1]), len(point.parts)
    return f"{kind} ({source})" if _NETWORK.fullmatch(kind) or _BY_FUSE.fullmatch(kind) else None


def _unescaped(text: str) -> str:
    """Spaces and the like are written as octal numbers there."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
