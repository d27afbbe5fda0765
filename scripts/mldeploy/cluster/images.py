"""Images of a running node: what its containerd has, and loading an archive into it."""

from __future__ import annotations

import socket
from pathlib import Path

from mldeploy import process
from mldeploy.cluster import archive
from mldeploy.cluster.layout import CONTAINERD_SOCKET
from mldeploy.progress import Progress

_LIST_S = 20.0
_IMPORT_S = 600.0


def socket_of(first: int) -> str:
    """Give containerd's socket as the host reaches it: through the first process's mounts, always a short path."""
    return f"/proc/{first}/root{CONTAINERD_SOCKET}"


def accepts(first: int) -> bool:
    """Tell whether containerd takes requests."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(socket_of(first)) == 0


def present(ctr: Path, first: int) -> dict[str, str]:
    """Give the digest of each image that the node has, by reference."""
    done = process.run([*_ctr(ctr, first), "images", "ls"], timeout_s=_LIST_S)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def load(ctr: Path, first: int, path: Path, progress: Progress) -> bool:
    """Import an archive, unless the node has the same images by the same names.

    Args:
        ctr: containerd's client.
        first: the host's number of the cluster's first process.
        path: the OCI archive.
        progress: told when something is imported.

    Returns:
        Whether anything was imported.

    Raises:
        MldeployError: the file is no archive, or the import failed.
    """
    wanted = archive.contents(path)
    if wanted and wanted.items() <= present(ctr, first).items():
        return False
    megabytes = path.stat().st_size / 1e6
    with progress.step(f"Loading {path.name} ({megabytes:.0f} MB) into the node", key="cluster load"):
        process.run([*_ctr(ctr, first), "images", "import", path], timeout_s=_IMPORT_S)
    return True


def _ctr(ctr: Path, first: int) -> list[str]:
    return [str(ctr), "--address", socket_of(first), "--namespace", "k8s.io"]
