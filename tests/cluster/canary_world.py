"""The checkout, release and secrets of `test_secret_canaries`, and a record of what comes out of its commands."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from mldeploy import paths, process
from mldeploy.image import build
from mldeploy.progress import Quiet
from mldeploy.toolchain import tool
from tests.deployments.scratch import Scratch
from tests.fixtures.canaries import Canary, found, password, plant, planted
from tests.fixtures.watchers import Files, Processes

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("mldeploy")
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: canary\nversion: 0.1.0\n",
    "values.yaml": "secrets: {}\nencoded: {}\ncopies: {}\n",
    "templates/secrets.yaml": """
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData: {{ .Values.secrets | toJson }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}-encoded
data:
{{- range $key, $value := .Values.encoded }}
  {{ $key }}: {{ $value | b64enc }}
{{- end }}
""",
    "templates/copies.yaml": """
{{- with .Values.copies }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}
  annotations:
    note: {{ .url | quote }}
data:
  copy: {{ .copy | quote }}
  copy.b64: {{ .encodedCopy | b64enc }}
  settings.json: {{ dict "deep" .jsonCopy | toJson | quote }}
  login: {{ printf "password=%s" .assigned | quote }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ $.Release.Name }}
spec:
  containers:
    - name: main
      image: example.com/main:1
      args: ["--token={{ .argument }}"]
      env: {{ .env | toJson }}
{{- end }}
""",
}
RELEASE = """
  - name: "{{ .Values.environment }}-canary"
    chart: "{{ .Values.root }}/charts/canary"
    inherit: [template: service]
    labels:
      service: canary
      tier: online
"""


FIRST, EDITED, ENCODED = plant("values", 8), plant("edited values", 8), plant("encoded values", 4)
STORE, BY_HAND, COPIES = plant("store", 9), plant("by hand", 3), plant("copies", 5)
REFUSED = [
    planted(f"refused values {name}", word, f"redis://user:{word}@host/0") for name in "ab" for word in [password()]
]
FLAT = {name: planted(name, password(32)) for name in (
    "argument", "assigned", "variable", "registry", "auth file", "git helper", "git header", "git token",
    "git password", "environment", "environment token",
)}  # fmt: skip
CANARIES = [*FIRST, *EDITED, *ENCODED, *STORE, *BY_HAND, *COPIES, *REFUSED, *FLAT.values()]
CONTROLS = {name: planted(f"control: {name}", password(40)) for name in (
    "output", "release", "file", "argument", "environment", "cache", "state", "object",
)}  # fmt: skip


@dataclass
class World:
    """Where the commands run, and what came out of them.

    Attributes:
        scratch: the checkout.
        folder: all that they may write to but the checkout: TMPDIR, HOME, the cache.
        outputs: what each said, by its words.
        watched, started: what it did meanwhile.
    """

    scratch: Scratch
    folder: Path
    # Neither is for a report of this test's own.
    environment: dict[str, str] = field(repr=False)
    watched: Files
    started: Processes
    outputs: list[tuple[str, bytes]] = field(default_factory=list, repr=False)

    def run(
        self, *argv: str | Path, ok: tuple[int, ...] = (0,), cwd: Path | None = None, input_text: str = "", **env: str
    ) -> process.Completed:
        """Run a command; a wrong end of it is an error that names neither its words nor what it said."""
        name = " ".join(Path(word).name if "/" in str(word) else str(word) for word in argv)
        try:
            done = process.run(
                argv, timeout_s=120, ok=range(256), cwd=cwd or self.scratch.root, env=self.environment | env,
                input_text=input_text,
            )  # fmt: skip
        except process.ProcessError:
            raise AssertionError(f"{name}: did not end") from None
        self.outputs.append((name, (done.stdout + done.stderr).encode()))
        if done.returncode not in ok:
            shown = found(CANARIES, self.outputs[-1][1])
            said = "(with a secret in it)" if shown else done.stdout + done.stderr
            raise AssertionError(f"{name} ended with {done.returncode}: {said[-3000:]}")
        return done

    def mldeploy(self, *words: str, ok: tuple[int, ...] = (0,), cwd: Path | None = None, **env: str) -> None:
        self.run(COMMAND, *words, ok=ok, cwd=cwd, **env)

    def helmfile(self, *words: str, ok: tuple[int, ...] = (0,)) -> None:
        self.run(tool("helmfile"), "--no-color", "--environment", "dev", *words, ok=ok)


@contextmanager
def refusing_server() -> Iterator[str]:
    """A server that wants a password and is never content with one: a registry's, and a git repository's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - the base's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def own_cache(folder: Path) -> None:
    """A cache with the tools and the images that are there; what is written to it is this test's."""
    shared = paths.cache()
    (folder / "images").mkdir(parents=True)
    (folder / "tools").symlink_to(shared / "tools")
    image = build(ROOT, "redis", Quiet()).archive
    for path in (image, image.with_suffix(".json")):
        (folder / "images" / path.name).symlink_to(path)


def values(world: World, secrets: list[Canary], **more: Any) -> None:
    """Write the canary release's values: a secret has a key that says so, or one that does not."""
    keys = {f"{'password' if number % 2 else 'entry'}-{number}": one.text for number, one in enumerate(secrets)}
    encoded = {f"key-{number}": one.text for number, one in enumerate(ENCODED)}
    text = yaml.safe_dump({"secrets": keys, "encoded": encoded, **more})
    for environment in ("dev", "staging", "prod"):
        world.scratch.write(f"values/{environment}/canary.yaml", text)


def with_canary_release(world: World) -> None:
    for name, text in CHART.items():
        world.scratch.write(f"charts/canary/{name}", text)
    world.scratch.append("deployments/base.yaml", RELEASE)
    values(world, FIRST)
    world.scratch.commit("canaries")
