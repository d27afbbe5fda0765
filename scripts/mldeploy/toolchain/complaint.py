"""What the compiler complained about, as one message with a remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mldeploy.errors import MldeployError
from mldeploy.toolchain import caches

_SHOWN_LINES = 12
_NETWORK = re.compile(
    r"dial tcp|no such host|proxyconnect|i/o timeout|TLS handshake|connection re(fused|set)|network is unreachable"
    r"|x509:|50[234] |context deadline exceeded"
)


def explain(lines: Sequence[str], cwd: Path) -> MldeployError:
    """Turn the compiler's last words into one message with a remedy."""
    text = "\n".join(lines)
    where = f"{cwd}: "
    # After an error the compiler goes on for a while, and names each package that it is done with.
    said = [line for line in lines if " " in line] or lines
    shown = "".join(f"\n  {line}" for line in said[-_SHOWN_LINES:])
    again = "run mldeploy tools install again: it goes on from here"
    if "checksum mismatch" in text or "SECURITY ERROR" in text:
        start = next(i for i, line in enumerate(lines) if "checksum mismatch" in line or "SECURITY ERROR" in line)
        hashes = "".join(f"\n  {line.strip()}" for line in lines[start : start + 4])
        return MldeployError(
            f"{where}a downloaded module is not what go.sum says it is:{hashes}",
            remedy="do not use it: compare go.sum with git, and check which GOPROXY answered",
        )
    if "no space left on device" in text:
        return MldeployError(f"{where}the disk of {caches.folder()} is full", remedy=f"make room, then {again}")
    if _NETWORK.search(text):
        found = next(line for line in lines if _NETWORK.search(line))
        return MldeployError(
            f"{where}a module could not be fetched: {found.strip()}",
            remedy=f"make the Go module proxy reachable (GOPROXY and HTTPS_PROXY apply), then {again}",
        )
    return MldeployError(f"{where}go build failed{shown}", remedy=f"correct what it names, then {again}")
