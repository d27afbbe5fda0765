"""A cluster's processes as the host sees them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process of a cluster.

    Attributes:
        pid: the host's number.
        inner: its number inside the cluster.
        name: its command's name, cut at 15 characters by the kernel.
        resident: bytes of memory that it holds, its share of what several hold.
    """

    pid: int
    inner: int
    name: str
    resident: int


def of(first: int) -> list[Process]:
    """List the processes of the cluster whose first process is `first`, its pods' and itself included.

    An orphan's parent is the first process of its namespace, so they are exactly its descendants.
    """
    table: dict[int, dict[str, str]] = {}
    for entry in _PROC.iterdir():
        # It may end while it is looked at.
        if entry.name.isdigit():
            with suppress(OSError):
                table[int(entry.name)] = _fields(entry)
    if first not in table:
        return []
    children: dict[int, list[int]] = {}
    for pid, fields in table.items():
        children.setdefault(int(fields.get("PPid", "0")), []).append(pid)
    depth = len(table[first]["NSpid"].split())
    found, waiting = [], [first]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        fields = table[pid]
        found.append(Process(pid, int(fields["NSpid"].split()[depth - 1]), fields["Name"], _resident(pid)))
    return found


def on_host(first: int, inner: int) -> int:
    """Give the host's number of the process that is `inner` inside the cluster; 0 when there is none."""
    return next((one.pid for one in of(first) if one.inner == inner), 0)


def _resident(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        # It has ended meanwhile.
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _fields(entry: Path) -> dict[str, str]:
    lines = (entry / "status").read_text("utf-8", "replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
