"""Brings a cluster up: prepares its files, starts its components in the order in which they are of use, waits."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mldeploy.cluster import (
    addons,
    configs,
    host,
    images,
    machine,
    pki,
    processes,
    record,
    snapshot,
    supervision,
    wait,
)
from mldeploy.cluster.api import Api, ApiError
from mldeploy.cluster.components import API_SERVER_ONLY, Component, components
from mldeploy.cluster.layout import Layout
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress, Quiet
from mldeploy.toolchain.packages import PATH

_API_S = 120.0
_NODE_S = 180.0
_DNS_S = 180.0
_SUPERVISOR_S = 60.0
_SOCKET_S = 60.0
_BOOTSTRAPPED = "bootstrapped"


@dataclass(frozen=True)
class Plan:
    """Everything about a start that is known before it.

    Attributes:
        place: the cluster's files.
        programs: the folder of the cluster's binaries.
        components: what will run.
        images: of the system's pods; None for an API server alone.
        snapshotter: containerd's; "" for an API server alone.
        key: what a snapshot, or the state of an earlier run, must agree with.
    """

    place: Layout
    programs: Path
    components: tuple[Component, ...]
    images: addons.SystemImages | None
    snapshotter: str
    key: str


def plan(place: Layout, programs: Path, *, whole_node: bool) -> Plan:
    """Find out what a start needs: images, snapshotter, key."""
    wanted = components(place.name, whole_node=whole_node)
    if not whole_node:
        return Plan(place, programs, wanted, None, "", "")
    found = addons.system_images(programs, host.program("catatonit"))
    snapshotter = host.snapshotter(place.folder / "overlay")
    return Plan(place, programs, wanted, found, snapshotter, snapshot.key(wanted, found, snapshotter))


def up(plan: Plan, port: int | None, progress: Progress) -> None:
    """Start a cluster that does not run, and return when it can be used: API ready, node Ready, DNS answering.

    Raises:
        MldeployError: a component did not become ready; nothing is left running, its log stays.
    """
    place = plan.place
    resumed = _prepared(place, plan.key)
    restored = not resumed and plan.images is not None and snapshot.usable(place, plan.key)
    listener = machine.listen(place, port)
    if not resumed:
        machine.remove_files(place)
    try:
        _start(plan, listener, resumed=resumed, restored=restored, progress=progress)
    except BaseException as error:
        machine.end(place)
        if isinstance(error, ApiError):
            raise MldeployError(
                f"cluster {place.name}: {error}", remedy="run mldeploy cluster logs kube-apiserver"
            ) from error
        raise


def _start(plan: Plan, listener: machine.Listener, *, resumed: bool, restored: bool, progress: Progress) -> None:
    place, whole = plan.place, plan.images is not None
    began = datetime.now(UTC).replace(microsecond=0)
    how = "Resuming" if resumed else "Restoring" if restored else "Starting"
    with progress.step(f"{how} cluster {place.name}", key=f"cluster {how.lower()}") as step:
        place.config.mkdir(parents=True, exist_ok=True)
        supervision.write_services(place, plan.components, plan.programs, PATH)
        cgroup = machine.new_cgroup(place) if whole else ""
        launched: list[int] = []
        launching = Task(lambda: launched.append(machine.launch(place, listener, cgroup=cgroup)))
        if restored:
            snapshot.restore(place)
        elif not resumed:
            pki.make(place.pki, pki.certificates(place.name, whole_node=whole))
        configs.write_api_server(place)
        if plan.images is not None:
            configs.write_node(
                place,
                cgroup_root=f"/{cgroup}",
                snapshotter=plan.snapshotter,
                programs=plan.programs,
                runc=host.program("runc"),
                pause=plan.images.pause,
            )
        launching.result()
        first = launched[0]
        names = tuple(component.name for component in plan.components)
        alive = _Alive(place)
        wait.until(
            lambda: supervision.ready_for_orders(place, names), "the supervisor", timeout_s=_SUPERVISOR_S, alive=alive
        )
        supervision.start(place, *API_SERVER_ONLY)
        found = record.read(place)
        if found is None:
            raise MldeployError(f"{place.record}: gone while the cluster was starting", remedy="start it again")
        place.port.write_text(str(found.port), "ascii")
        server = f"https://127.0.0.1:{found.port}"
        configs.write_kubeconfig(place, place.kubeconfig, server, "admin")
        api = Api(found.port, place.pki)
        loading = Task(lambda: _load_images(plan, first, alive)) if whole else None
        step.update("waiting for the API server")
        _await(
            place,
            lambda: api.text("/readyz") == "ok",
            "the API server",
            component="kube-apiserver",
            timeout_s=_API_S,
            alive=alive,
        )
        if plan.images is None or loading is None:
            return
        step.update("applying the add-ons")
        supervision.start(place, "kube-controller-manager", "kube-scheduler", "kube-proxy")
        if not restored and not resumed:
            for manifest in addons.manifests(plan.images, place.pki):
                api.apply(manifest)
        loading.result()
        if not restored and not resumed:
            pids = [processes.on_host(first, supervision.state(place, name).pid) for name in ("etcd", "containerd")]
            snapshot.take(place, plan.key, pids)
        supervision.start(place, "kubelet")
        (place.node / _BOOTSTRAPPED).write_text(plan.key, "ascii")
        step.update("waiting for the node")
        _await(
            place,
            lambda: node_ready(api, place.name, began),
            "the node",
            component="kubelet",
            timeout_s=_NODE_S,
            alive=alive,
        )
        step.update("waiting for cluster DNS")
        _await(place, lambda: dns_ready(api, began), "cluster DNS", component="kubelet", timeout_s=_DNS_S, alive=alive)


def bootstrapped(place: Layout) -> bool:
    """Tell whether the running cluster's bootstrap came to its end."""
    return (place.node / _BOOTSTRAPPED).is_file()


def node_ready(api: Api, node: str, since: datetime) -> bool:
    """Tell whether the node is Ready, as its kubelet said after `since` (an older word is of an earlier run)."""
    conditions = api.get(f"/api/v1/nodes/{node}").get("status", {}).get("conditions", [])
    return any(
        one["type"] == "Ready" and one["status"] == "True" and _time(one["lastHeartbeatTime"]) >= since
        for one in conditions
    )


def dns_ready(api: Api, since: datetime) -> bool:
    """Tell whether a pod of the cluster's DNS is ready that was started after `since`."""
    pods = api.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")["items"]
    return any(
        one["ready"] and _time(one["state"].get("running", {}).get("startedAt", "1970-01-01T00:00:00Z")) >= since
        for pod in pods
        for one in pod["status"].get("containerStatuses", [])
    )


class Task:
    """A piece of work in a thread of its own; its error comes out where its end is waited for."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._error = error

    def result(self) -> None:
        """Wait for the end, and raise what the work raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error


class _Alive:
    """Why waiting makes no sense any more: "" while the cluster's keeper lives; asked seldom."""

    def __init__(self, place: Layout) -> None:
        self._place = place
        self._asked = time.monotonic()

    def __call__(self) -> str:
        if time.monotonic() - self._asked < 0.5:
            return ""
        self._asked = time.monotonic()
        return "" if record.running(self._place) else "the cluster has ended"


def _await(
    place: Layout,
    condition: Callable[[], bool],
    what: str,
    *,
    component: str,
    timeout_s: float,
    alive: Callable[[], str],
) -> None:
    def asked() -> bool:
        try:
            return condition()
        except ApiError:
            return False

    try:
        wait.until(asked, what, timeout_s=timeout_s, alive=alive)
    except MldeployError as error:
        lines = _last_lines(place.component_log(component))
        raise MldeployError(
            f"cluster {place.name}: {error.message}; last lines of {component}:\n{lines}",
            remedy=f"see mldeploy cluster logs {component} --name {place.name}",
        ) from error


def _load_images(plan: Plan, first: int, alive: Callable[[], str]) -> None:
    """Start containerd and give it the system's images; the API server starts meanwhile."""
    supervision.start(plan.place, "containerd")
    wait.until(lambda: images.accepts(first), "containerd", timeout_s=_SOCKET_S, alive=alive)
    if plan.images is not None:
        images.load(plan.programs / "ctr", first, plan.images.archive, Quiet())


def _prepared(place: Layout, key: str) -> bool:
    """Tell whether an earlier run, of the same components, ended without `down` and can be gone on with."""
    try:
        whole = (place.node / _BOOTSTRAPPED).read_text("ascii") == key
    except OSError:
        return False
    if whole:
        # The supervisor's own state is of processes that have ended.
        shutil.rmtree(place.services, ignore_errors=True)
    return whole


def _last_lines(path: Path) -> str:
    try:
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-8:])
    except OSError:
        return "(nothing)"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
