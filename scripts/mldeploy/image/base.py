"""Makes a base image of Debian packages: what the recipe keeps of them, and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path

from mldeploy import paths
from mldeploy.errors import MldeployError
from mldeploy.image.follow import follow
from mldeploy.image.oci import write_one_layer
from mldeploy.image.recipes import FORMAT, SUITE, Base
from mldeploy.image.scratch import scratch_folder
from mldeploy.process import ProcessError
from mldeploy.progress import Progress

_TIMEOUT_S = 600
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_CERTIFICATES = "usr/share/ca-certificates/mozilla/"
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_USERS = {
    "etc/passwd": b"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n",
    "etc/group": b"root:x:0:\nnonroot:x:65532:\n",
}
# (path, mode): a place to write where one is mounted or allowed, and places to mount on.
_FOLDERS = (("tmp", 0o1777), ("proc", 0o555), ("sys", 0o555), ("dev", 0o755), ("run", 0o755))


def make(base: Base, progress: Progress) -> Path:
    """Give the OCI archive of a base, from the cache where it is there.

    Raises:
        MldeployError: mmdebstrap or Debian's keyring is missing, or the packages cannot be fetched.
    """
    wanted = hashlib.sha256(json.dumps([FORMAT, SUITE, asdict(base)]).encode()).hexdigest()[:12]
    target = paths.cache() / "images" / f"base-{wanted}.oci.tar"
    if target.is_file():
        return target
    if shutil.which("mmdebstrap") is None:
        raise MldeployError("mmdebstrap was not found", remedy="apt-get install mmdebstrap (mldeploy doctor lists all)")
    if not _KEYRING.is_file():
        raise MldeployError(f"{_KEYRING}: missing", remedy="apt-get install debian-archive-keyring")
    title = f"Making a base image of Debian's {', '.join(base.packages)}"
    with (
        progress.step(title, key=f"image-base-{base.packages[0]}") as step,
        scratch_folder(target.parent) as scratch,  # two may make the same base at once
    ):
        packages, partial = scratch / "packages.tar", scratch / "base.tar"
        include = f"--include={','.join(base.packages)}"
        argv: list[str | Path] = [
            "mmdebstrap",
            "--variant=extract",
            "--architectures=amd64",
            include,
            "--format=tar",
            SUITE,
            packages,
        ]
        try:
            follow(
                argv,
                lambda line: step.update(line.removeprefix("I: ")),
                timeout_s=_TIMEOUT_S,
            )
        except ProcessError as error:
            raise MldeployError(
                f"Debian's packages could not be fetched\n  {error.stdout.strip()[-600:]}",
                remedy="check the network and apt's sources (apt-get update); the same command goes on from here",
            ) from error
        step.update("writing the layer")
        write_one_layer(partial, _layer(packages, base))
        partial.replace(target)
    return target


def _layer(source: Path, base: Base) -> bytes:
    """Filter a root file system: kept paths in order, owned by root, without times, with users and certificates."""
    out = io.BytesIO()
    with (
        tarfile.open(source) as packages,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as layer,
    ):
        members = {member.name.removeprefix("./").rstrip("/"): member for member in packages.getmembers()}
        kept = {name for name in members if _is_kept(name, base)}
        # A folder comes with the first thing that is kept in it.
        kept |= {str(parent) for name in kept for parent in Path(name).parents if str(parent) != "."}
        made = dict(_USERS)
        roots = sorted(name for name in kept if name.startswith(_CERTIFICATES) and name.endswith(".crt"))
        made[_BUNDLE] = b"".join(_content(packages, members[name]) for name in roots)
        folders = {str(p) for name in made for p in Path(name).parents if str(p) != "."} - kept
        plan: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
        for name in kept:
            member = members[name]
            plan[name] = (member, _content(packages, member) if member.isreg() else b"")
        for name, content in made.items():
            plan[name] = (_entry(name, tarfile.REGTYPE, 0o644, len(content)), content)
        for name, mode in [*_FOLDERS, *((folder, 0o755) for folder in folders)]:
            plan[name] = (_entry(name, tarfile.DIRTYPE, mode), b"")
        for name, (member, content) in sorted(plan.items()):
            member.name, member.mtime, member.pax_headers = name, 0, {}
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            layer.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _is_kept(name: str, base: Base) -> bool:
    matches = any(fnmatchcase(name, pattern) for pattern in base.keep)
    return matches and not any(fnmatchcase(name, pattern) or fnmatchcase(f"{name}/", pattern) for pattern in base.drop)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    found = archive.extractfile(member)
    return found.read() if found else b""


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, size
    return info
