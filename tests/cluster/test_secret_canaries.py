"""Fifty secrets are planted wherever this project meets secrets; nothing that comes out of it may have one in it.

Allowed, and not looked at: where a secret was planted (the values, the file that seeds the store, git's own store of
credentials), the cluster's Secrets, and with them what Helm keeps of a release: it is in a Secret of the namespace, and
has what the chart itself renders into one. A variable that somebody sets is inherited, as any is. Some files have to
have one (`NEEDED`): nobody else may read them, and afterwards they are gone; but for the cache of what was committed,
which plans compare with. Not run is what shows values on purpose: helm template, and `helmfile --debug apply` where it
succeeds, after which Helm prints the values and the manifests (our charts have a secret in neither).

Not seen: what a process says within the few milliseconds that it lives (tests/fixtures/watchers.py), and what is cut to
fewer than sixteen characters.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mldeploy import paths, process
from mldeploy.cluster import ApiServer, api_server
from mldeploy.plan.reports import FORMATS
from mldeploy.toolchain import tool_environment
from tests.cluster.canary_world import (
    BY_HAND,
    CANARIES,
    CONTROLS,
    COPIES,
    EDITED,
    FIRST,
    FLAT,
    REFUSED,
    ROOT,
    STORE,
    World,
    own_cache,
    refusing_server,
    values,
    with_canary_release,
)
from tests.cluster.support import Kubectl, await_true, kubectl_for, with_kinds, with_namespace
from tests.deployments.scratch import Scratch
from tests.fixtures.canaries import found, zipped
from tests.fixtures.watchers import Files, files, processes

LINTED = ("text", "json", "github", "sarif", "junit", "markdown")
# By the end of their names: helmfile's copies of values files, what a builder logs in with, and what was committed.
NEEDED = re.compile(r"-values-[0-9a-f]+$|-auth\.json$|-canary\.yaml$")
COMMITTED = "canary.yaml"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    """One of its own: what other tests left in the session's would be waited for, and searched."""
    with api_server(tmp_path / "api", f"canaries-{os.getpid()}") as started:
        yield started


@pytest.fixture
def world(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    folder, kept = tmp_path / "watched", tmp_path / "kept"
    for each in (folder / "tmp", folder / "home", kept):
        each.mkdir(parents=True)
    own_cache(folder / "cache" / "mldeploy")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    scratch = Scratch(tmp_path / "checkout")
    for name in ("sources", "why"):
        (scratch.root / "scripts" / name).symlink_to(ROOT / "scripts" / name)
    # Hooks call the command beside them.
    (scratch.root / ".venv").symlink_to(ROOT / ".venv")
    scratch.append(".git/info/exclude", ".venv\n")
    environment = {
        **tool_environment(scratch.root),
        "KUBECONFIG": str(api.kubeconfig),
        "TMPDIR": str(folder / "tmp"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HOME": str(folder / "home"),
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.com",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.com",
        # What many a shell has; nothing here reads them.
        "AWS_SECRET_ACCESS_KEY": FLAT["environment"].text,
        "GITHUB_TOKEN": FLAT["environment token"].text,
    }
    state = paths.state(scratch.root)
    state.mkdir(mode=0o700)
    with files(folder, kept) as watched, processes() as started:
        yield World(scratch, folder, environment, watched, started)


def plans(world: World) -> None:
    """What a change of secrets, and of copies of them in other objects, looks like."""
    login, copy, encoded_copy, deep, url = COPIES
    copies = {
        "url": f"https://user:{login.secret.splitlines()[0]}@example.com/",
        # What a Secret holds too is known wherever it turns up.
        "copy": EDITED[0].text,
        "encodedCopy": EDITED[1].text,
        "jsonCopy": EDITED[2].text,
        "assigned": FLAT["assigned"].text,
        "argument": FLAT["argument"].text,
        "env": [
            {"name": "DB_PASSWORD", "value": copy.text},
            {"name": "API_TOKEN", "value": FLAT["variable"].text},
            {"name": "SIGNING_PRIVATE_KEY", "value": encoded_copy.text},
        ],
        "clientSecret": deep.text,
        "apiKey": url.text,
    }
    values(world, EDITED, copies=copies)
    for form in FORMATS:
        world.mldeploy("plan", "--base", "HEAD", "--output", form)
    for form in LINTED:
        world.mldeploy("lint", "--output", form, ok=(0, 1))
    # Refused, for its Secrets and for the rest.
    world.scratch.commit("published")
    world.mldeploy("gitops", "publish", "--folder", str(world.folder / "published"), ok=(3,))
    world.scratch.git("reset", "--quiet", "--hard", "HEAD~1")


def seeds(world: World) -> None:
    ours, queue, *others = STORE
    path = paths.state(world.scratch.root) / "secrets" / "dev.yaml"
    path.parent.mkdir()
    path.touch(0o600)
    more = {f"key-{number}": one.text for number, one in enumerate(others)}
    content = {"dev-ml-api": {"api-keys": ours.text}, "dev-ml-batch": {"redis-password": queue.text}, "more": more}
    path.write_text(yaml.safe_dump(content), "utf-8")
    world.mldeploy("secrets", "seed", "dev")
    world.mldeploy("--debug", "secrets", "rotate", "dev", "ml-api", ok=(1,))
    path.write_text(f"dev-ml-api: {{api-keys: {ours.text.splitlines()[0]}", "utf-8")
    world.mldeploy("--debug", "secrets", "seed", "dev", ok=(1,))


def deploys(world: World, kubectl: Kubectl) -> None:
    """helmfile through our configuration, from nothing and with a change, as it is and with --debug."""
    canary = ("--selector", "service=canary")
    world.helmfile(*canary, "diff")
    world.helmfile(*canary, "apply")
    values(world, EDITED)
    for options in ([], ["--output", "json"]):
        world.helmfile(*canary, "diff", *options)
    world.helmfile("--debug", *canary, "diff")
    for number, one in enumerate(BY_HAND):
        patch = {"stringData": {f"password-{number * 2 + 1}": one.text}}
        words = ("patch", "secret", "dev-canary", "--namespace=dev", "--patch-file=/dev/stdin")
        kubectl(*words, input_text=json.dumps(patch))
    for form in FORMATS:
        world.mldeploy("plan", "--live", "--drift", "--environment", "dev", "--output", form)
    world.helmfile(*canary, "apply")
    # What a Secret refuses: an immutable one.
    kubectl("patch", "secret", "dev-canary", "--namespace=dev", "--patch", '{"immutable": true}')
    values(world, FIRST)
    world.helmfile("--debug", *canary, "apply", ok=(1,))
    world.helmfile(*canary, "sync", ok=(1,))


def refusals(world: World) -> None:
    """Values that a schema refuses, and a chart that does not render."""
    first, second = REFUSED
    batch, ours = world.scratch.path("values/dev/ml-batch.yaml"), world.scratch.path("values/dev/ml-api.yaml")
    before = batch.read_text("utf-8"), ours.read_text("utf-8")
    world.scratch.append("values/dev/ml-batch.yaml", f"queue:\n  url: {first.text}\n")
    world.scratch.append("values/dev/ml-api.yaml", f"tracing:\n  endpoint: {second.text.replace('redis', 'http')}\n")
    for service in ("ml-api", "ml-batch"):
        world.helmfile("--debug", "--selector", f"service={service}", "diff", ok=(1,))
    world.mldeploy("lint", ok=(1,))
    world.mldeploy("plan", "--base", "HEAD", ok=(2,))
    batch.write_text(before[0], "utf-8")
    ours.write_text(before[1], "utf-8")
    broken = '{{- fail (printf "no %s" (index .Values.secrets "missing").name) }}\n'
    world.scratch.write("charts/canary/templates/broken.yaml", broken)
    world.mldeploy("--debug", "plan", "--base", "HEAD", ok=(2,))
    world.helmfile("--debug", "--selector", "service=canary", "apply", ok=(1,))
    world.scratch.path("charts/canary/templates/broken.yaml").unlink()


def pushes(world: World, server: str) -> None:
    """Credentials of a registry and of a git server, each of which refuses them."""
    push = ("image", "push", "redis", "--registry", server, "--project", "team")
    login = {"REGISTRY_USERNAME": "ci", "REGISTRY_PASSWORD": FLAT["registry"].text}
    world.mldeploy("--debug", *push, ok=(1,), cwd=ROOT, **login)
    auth = world.folder.parent / "auth.json"
    token = base64.b64encode(f"ci:{FLAT['auth file'].text}".encode()).decode()
    auth.write_text(json.dumps({"auths": {server: {"auth": token}}}), "utf-8")
    world.mldeploy("--debug", *push, "--auth-file", str(auth), ok=(1,), cwd=ROOT)

    world.scratch.git("reset", "--quiet", "--hard", world.scratch.base)
    # Nothing of it is deployed.
    world.mldeploy("--debug", "smoke", "dev", "--output", "junit", ok=(1,))
    publish = ("gitops", "publish", "--environment", "dev", "--push")
    store = world.folder.parent / "git-credentials"
    store.write_text(f"http://ci:{FLAT['git helper'].text}@{server}\n", "utf-8")
    world.scratch.git("config", "credential.helper", f"store --file={store}")
    world.scratch.git("remote", "add", "helped", f"http://{server}/team/repository.git")
    world.mldeploy("--debug", *publish, "helped", ok=(1,))
    header = base64.b64encode(f"x-access-token:{FLAT['git header'].text}".encode()).decode()
    # As workflows check out, but not by a command, which would have it as an argument.
    world.scratch.append(".git/config", f'[http "http://{server}/"]\n\textraheader = AUTHORIZATION: basic {header}\n')
    world.mldeploy("--debug", *publish, "helped", ok=(1,))
    # git itself would give these to a process of its own as an argument.
    for name in ("git token", "git password"):
        userinfo = FLAT[name].text if name == "git token" else f"ci:{FLAT[name].text}"
        remote = f'[remote "{name.replace(" ", "-")}"]\n\turl = http://{userinfo}@{server}/team/repository.git\n'
        world.scratch.append(".git/config", remote)
        world.mldeploy("--debug", *publish, name.replace(" ", "-"), ok=(1,))


def plant_controls(world: World, kubectl: Kubectl) -> None:
    """One secret for each searcher, put there for it to find."""
    said = CONTROLS["output"].text
    world.run(sys.executable, "-c", "import sys; print(sys.stdin.read())", input_text=said)
    release = zipped(CONTROLS["release"].text).decode()
    world.run(sys.executable, "-c", "import sys; print(sys.stdin.read())", input_text=release)
    # A file that is there and gone again.
    program = (
        "import os, sys, tempfile, time\n"
        "with tempfile.NamedTemporaryFile() as file:\n"
        "    file.write(sys.stdin.buffer.read()); file.flush()\n"
        "    end = time.monotonic() + 60\n"
        "    while os.stat(file.name).st_nlink < 2 and time.monotonic() < end: pass\n"
    )
    world.run(sys.executable, "-c", program, input_text=CONTROLS["file"].text)
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()", CONTROLS["argument"].text]
    with process.start(waiting, stdin=process.PIPE, env={"CONTROL": CONTROLS["environment"].text}) as child:
        wanted = CONTROLS["argument"].text.encode(), CONTROLS["environment"].text.encode()
        seen = world.started
        await_true(lambda: any(wanted[0] in one for one in set(seen.arguments)), "the argument is seen")
        await_true(lambda: any(wanted[1] in one for one in set(seen.environments)), "the variable is seen")
        process.terminate(child)
    (world.folder / "cache" / "mldeploy" / "control").write_bytes(zipped(CONTROLS["cache"].text))
    (paths.state(world.scratch.root) / "control").write_text(CONTROLS["state"].text, "utf-8")
    data = {"control": base64.b64encode(CONTROLS["object"].text.encode()).decode()}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "control"}, "data": data}
    kubectl("apply", "--namespace=dev", "-f", "-", input_text=json.dumps(manifest))


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        # What others may read of what was committed is told by its second name.
        if path.is_file() and not path.is_symlink() and path.name != COMMITTED:
            yield path.name, path.read_bytes()


def kept_files(watched: Files) -> Iterator[tuple[str, bytes]]:
    """Give what was there; a file that has to hold a secret is told of where others could read it, or it has stayed."""
    for path in sorted(watched.kept.iterdir()):
        gone = path.stat().st_nlink == 1 or path.name.endswith(f"-{COMMITTED}")
        if not (NEEDED.search(path.name) and gone) or watched.readable(path):
            yield path.name, path.read_bytes()


def objects(kubectl: Kubectl) -> bytes:
    kinds = kubectl("api-resources", "--verbs=list", "--output=name").split()
    wanted = ",".join(sorted(set(kinds) - {"secrets"}))
    return kubectl("get", wanted, "--all-namespaces", "--output=json", "--show-managed-fields").encode()


def test_no_secret_is_in_anything_that_comes_out(world: World, api: ApiServer) -> None:
    kubectl = kubectl_for(api.kubeconfig)
    with_kinds(kubectl, ROOT / "policies" / "crds" / "external-secrets.yaml")
    with_namespace(kubectl, "dev")
    assert len(CANARIES) == 50
    with_canary_release(world)
    plans(world)
    seeds(world)
    deploys(world, kubectl)
    refusals(world)
    with refusing_server() as server:
        pushes(world, server)
    plant_controls(world, kubectl)

    (paths.state(world.scratch.root) / "secrets" / "dev.yaml").unlink()
    everywhere = {
        "output": world.outputs,
        "file": [*contents(world.folder), *kept_files(world.watched)],
        "state": list(contents(paths.state(world.scratch.root))),
        "argument": [(one.split(b"\0")[0].decode(), one) for one in set(world.started.arguments)],
        "environment": [("some process's", one) for one in set(world.started.environments)],
        "object": [("objects", objects(kubectl))],
    }
    # A variable that was set is inherited; no other secret may have become one.
    given = {FLAT[name].name for name in ("environment", "environment token", "registry")}
    searched = [*CANARIES, *CONTROLS.values()]
    controls = {one.name for one in CONTROLS.values()}
    caught, leaks = set[str](), set[tuple[str, str, str]]()
    for kind, texts in everywhere.items():
        # An image that is pushed twice is unpacked twice: the same content once.
        for data, name in {data: name for name, data in texts}.items():
            names = found(searched, data) - (given if kind == "environment" else set())
            caught |= names & controls
            leaks |= {(kind, name, one) for one in names - controls}
    assert not leaks, "\n".join(" | ".join(leak) for leak in sorted(leaks)[:50])
    assert caught == controls
    shutil.rmtree(world.folder)
