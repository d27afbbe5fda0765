"""The embedded cluster: a real node in namespaces of its own on this machine."""

from __future__ import annotations

from pathlib import Path

from mldeploy.cluster import host, images, machine, node, processes, record, supervision, wait
from mldeploy.cluster.api import Api, ApiError
from mldeploy.cluster.components import components
from mldeploy.cluster.placed import Placed
from mldeploy.cluster.provider import ClusterStatus, ComponentStatus
from mldeploy.cluster.readiness import Alive
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress
from mldeploy.toolchain import group_folder

# A busy machine may take this long over a restart of the API server; what is deployed is not given up for less.
_ANSWER_S = 60.0


class EmbeddedCluster(Placed):
    """See `mldeploy.cluster.provider.Cluster`."""

    @property
    def context(self) -> str:
        """`mldeploy-<name>`."""
        return self.place.context

    def up(self, progress: Progress, *, port: int | None = None) -> None:
        """See `Cluster.up`."""
        host.check(self.place.folder, whole_node=True)
        programs = group_folder("cluster")
        with record.locked(self.place):
            if record.running(self.place):
                if self._serves(port):
                    return
                progress.note(f"cluster {self.name} runs but does not answer: it is started again")
            # A run that was killed may have left a cgroup behind, too.
            machine.end(self.place)
            try:
                node.up(node.plan(self.place, programs, whole_node=True), port, progress)
            except OSError as error:
                raise MldeployError(
                    f"cluster {self.name}: {error.filename or self.place.folder}: {error.strerror}",
                    remedy="free some space if the disk is full, then run this again",
                ) from error

    def down(self, progress: Progress) -> None:
        """See `Cluster.down`."""
        if not self.place.folder.exists():
            return
        with record.locked(self.place), progress.step(f"Ending cluster {self.name}", key="cluster down"):
            machine.end(self.place)
            machine.remove_files(self.place)

    def status(self) -> ClusterStatus:
        """See `Cluster.status`."""
        place = self.place
        found = record.read(place) if record.running(place) else None
        if found is None or found.first == 0:
            return ClusterStatus(self.name, "embedded", "stopped", self.context, self.kubeconfig)
        everyone = processes.of(found.first)
        by_inner = {one.inner: one for one in everyone}
        shown = []
        for component in components(self.name, whole_node=True):
            state = supervision.state(place, component.name)
            seen = by_inner.get(state.pid)
            pid, resident = (seen.pid, seen.resident) if seen else (0, 0)
            shown.append(ComponentStatus(component.name, state.up, pid, state.seconds, resident))
        condition = self._node_condition(found.port)
        whole = condition == "Ready" and all(one.running for one in shown)
        return ClusterStatus(
            name=self.name,
            provider="embedded",
            state="ready" if whole else "not ready",
            context=self.context,
            kubeconfig=self.kubeconfig,
            server=f"https://127.0.0.1:{found.port}",
            node=condition,
            first_pid=found.first,
            components=tuple(shown),
            images=tuple(sorted(self._images(found.first))),
            resident=sum(one.resident for one in everyone),
        )

    def load_image(self, archive: Path, progress: Progress) -> bool:
        """See `Cluster.load_image`."""
        found = record.read(self.place) if record.running(self.place) else None
        if found is None or found.first == 0:
            raise MldeployError(
                f"cluster {self.name} does not run", remedy=f"run mldeploy cluster up --name {self.name}"
            )
        return images.load(group_folder("cluster") / "ctr", found.first, archive, progress)

    def logs(self, component: str, *, follow: bool) -> list[str]:
        """See `Cluster.logs`."""
        known = sorted(path.name for path in self.place.logs.glob("*") if (path / "current").is_file())
        if component not in known:
            raise MldeployError(
                f"cluster {self.name}: no log of {component!r}",
                remedy=f"choose one of {', '.join(known)}" if known else f"run mldeploy cluster up --name {self.name}",
            )
        folder = self.place.logs / component
        if follow:
            return ["tail", "-n", "100", "-F", str(folder / "current")]
        # The supervisor's logger names finished files @<time>, which sorts; the audit log's are current-<time>.
        finished = sorted(path for path in folder.iterdir() if path.name.startswith(("@", "current-")))
        return ["cat", *(str(path) for path in (*finished, folder / "current"))]

    def _serves(self, port: int | None) -> bool:
        """Tell whether the running cluster came up whole and answers; one whose API server is being restarted will."""
        found = record.read(self.place)
        if found is None or found.first == 0 or not node.bootstrapped(self.place):
            return False
        if port not in {None, found.port}:
            raise MldeployError(
                f"cluster {self.name} runs on port {found.port}",
                remedy=f"run mldeploy cluster down --name {self.name} first, then up with --port {port}",
            )
        api = Api(found.port, self.place.pki)
        try:
            wait.until(lambda: api.ok("/readyz"), "the API server", timeout_s=_ANSWER_S, alive=Alive(self.place))
        except MldeployError:
            return False
        return True

    def _node_condition(self, port: int) -> str:
        try:
            status = Api(port, self.place.pki).get(f"/api/v1/nodes/{self.name}").get("status", {})
        except (ApiError, OSError):
            return ""
        ready = next((one for one in status.get("conditions", []) if one["type"] == "Ready"), None)
        if ready is None:
            return ""
        return "Ready" if ready["status"] == "True" else str(ready.get("message", "not ready"))

    def _images(self, first: int) -> list[str]:
        try:
            known = images.present(group_folder("cluster") / "ctr", first)
        except MldeployError:
            return []
        # The kubelet's names by digest say the same again.
        return [name for name in known if not name.startswith("sha256:") and "@" not in name]
