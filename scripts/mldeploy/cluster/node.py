"""Brings a cluster up: prepares its files, starts its components in the order in which they are of use, waits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mldeploy.cluster import addons, configs, host, images, machine, pki, processes, record, snapshot, supervision, wait
from mldeploy.cluster.api import Api, ApiError
from mldeploy.cluster.components import API_SERVER_ONLY, Component, components
from mldeploy.cluster.layout import Layout
from mldeploy.cluster.readiness import Alive, await_component, dns_ready, node_ready
from mldeploy.cluster.task import Task
from mldeploy.errors import MldeployError
from mldeploy.progress import Progress, Quiet, Step
from mldeploy.toolchain.packages import PATH

# Deadlines are for what will never come: a busy machine takes many times as long as an idle one.
_API_S = 120.0
_NODE_S = 180.0
_DNS_S = 180.0
_SUPERVISOR_S = 60.0
_CONTAINERD_S = 60.0
_BOOTSTRAPPED = "bootstrapped"
_CHECKS = "waiting for the API server's own checks"
_READY = "/readyz"
# Two of its checks begin only a second after the server does, by a timer of its own: that the store has the server's
# own roles and priorities. It serves before, and what needs neither, or has them from an earlier run, need not wait.
_SERVES = (
    f"{_READY}?exclude=poststarthook/rbac/bootstrap-roles"
    "&exclude=poststarthook/scheduling/bootstrap-system-priority-classes"
)


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
    began = datetime.now(UTC).replace(microsecond=0)
    listener = machine.listen(place, port)
    if not resumed:
        if bootstrapped(place):
            progress.note(f"cluster {place.name}: its components are others than in its last run: it begins anew")
        machine.remove_files(place)
    place.config.mkdir(parents=True, exist_ok=True)
    supervision.write_services(place, plan.components, plan.programs, PATH)
    cgroup = machine.new_cgroup(place) if plan.images else ""
    how = "Resuming" if resumed else "Restoring" if restored else "Starting"
    with progress.step(f"{how} cluster {place.name}", key=f"cluster {how.lower()}") as step:
        launching = Task(lambda: machine.launch(place, listener, cgroup=cgroup))
        try:
            _write(plan, cgroup, resumed=resumed, restored=restored)
            first = launching.result()
            _await_supervisor(plan)
            loading = Task(lambda: _load(plan, first))
            api = _start_api(plan, first, step)
            if plan.images is None:
                _await_api(place, api, _READY)
            else:
                fresh = not (resumed or restored)
                if fresh:
                    _bootstrap(plan, plan.images, first, api, step)
                _start_node(plan, first, loading, api, fresh=fresh, step=step, began=began)
        except BaseException as error:
            launching.settle()
            machine.end(place)
            if isinstance(error, ApiError):
                remedy = f"see mldeploy cluster logs kube-apiserver --name {place.name}"
                raise MldeployError(f"cluster {place.name}: {error}", remedy=remedy) from error
            raise


def bootstrapped(place: Layout) -> bool:
    """Tell whether the running cluster's bootstrap came to its end."""
    return (place.node / _BOOTSTRAPPED).is_file()


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


def _write(plan: Plan, cgroup: str, *, resumed: bool, restored: bool) -> None:
    """Write what the components read, while the namespaces are being made."""
    place = plan.place
    if restored:
        snapshot.restore(place)
    elif not resumed:
        pki.make(place.pki, pki.certificates(place.name, whole_node=plan.images is not None))
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


def _await_supervisor(plan: Plan) -> None:
    names = tuple(component.name for component in plan.components)
    wait.until(
        lambda: supervision.ready_for_orders(plan.place, names),
        "the supervisor",
        timeout_s=_SUPERVISOR_S,
        alive=Alive(plan.place),
    )


def _start_api(plan: Plan, first: int, step: Step) -> Api:
    """Start the store and the API server; return when it serves."""
    place = plan.place
    supervision.start(place, *API_SERVER_ONLY)
    found = record.read(place)
    if found is None or found.first != first:
        raise MldeployError(f"{place.record}: changed while the cluster was starting", remedy="start it again")
    place.port.write_text(str(found.port), "ascii")
    configs.write_kubeconfig(place, place.kubeconfig, f"https://127.0.0.1:{found.port}", "admin")
    api = Api(found.port, place.pki)
    step.update("waiting for the API server")
    _await_api(place, api, _SERVES)
    return api


def _await_api(place: Layout, api: Api, path: str) -> None:
    await_component(
        place,
        lambda: api.text(path) == "ok",
        "the API server",
        component="kube-apiserver",
        timeout_s=_API_S,
        alive=Alive(place),
    )


def _bootstrap(plan: Plan, system: addons.SystemImages, first: int, api: Api, step: Step) -> None:
    """Fill the store: the add-ons, and the server's own objects, which it makes meanwhile; and keep a copy."""
    step.update("applying the add-ons")
    api.apply(addons.manifests(system, plan.place.pki))
    step.update(_CHECKS)
    _await_api(plan.place, api, _READY)
    snapshot.take_store(plan.place, _pid(plan.place, first, "etcd"))


def _start_node(
    plan: Plan, first: int, loading: Task[None], api: Api, *, fresh: bool, step: Step, began: datetime
) -> None:
    """Start the rest; return when the node is Ready and answers for DNS.

    The kubelet comes after the store's copy and the scheduler after the images': what is kept has no node and no pod.
    """
    place, alive = plan.place, Alive(plan.place)
    supervision.start(place, "kubelet", "kube-controller-manager", "kube-proxy")
    loading.result()
    if fresh:
        snapshot.take_images(place, _pid(place, first, "containerd"), plan.key)
    supervision.start(place, "kube-scheduler")
    (place.node / _BOOTSTRAPPED).write_text(plan.key, "ascii")
    step.update("waiting for the node")
    await_component(
        place,
        lambda: node_ready(api, place.name, began),
        "the node",
        component="kubelet",
        timeout_s=_NODE_S,
        alive=alive,
    )
    step.update(_CHECKS)
    _await_api(place, api, _READY)
    step.update("waiting for cluster DNS")
    await_component(
        place, lambda: dns_ready(api, began), "cluster DNS", component="kubelet", timeout_s=_DNS_S, alive=alive
    )


def _load(plan: Plan, first: int) -> None:
    """Start containerd and give it the system's images; they need the processor that the API server leaves idle."""
    if plan.images is None:
        return
    supervision.start(plan.place, "containerd")
    wait.until(lambda: images.accepts(first), "containerd", timeout_s=_CONTAINERD_S, alive=Alive(plan.place))
    images.load(plan.programs / "ctr", first, plan.images.archive, Quiet())


def _pid(place: Layout, first: int, name: str) -> int:
    return processes.on_host(first, supervision.state(place, name).pid)
