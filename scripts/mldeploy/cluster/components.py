"""Every component of a cluster: its program and its flags."""

from __future__ import annotations

from dataclasses import dataclass

from mldeploy.cluster.layout import API_PORT, NODE_ADDRESS, POD_NETWORK, SERVICE_NETWORK, inside

API_SERVER_ONLY = ("etcd", "kube-apiserver")

# All five Kubernetes programs: it becomes the one that it is called as.
_KUBERNETES = "kube-node"


@dataclass(frozen=True)
class Component:
    """A program that the supervisor keeps running.

    Attributes:
        name: what it is called as, its service folder and its log folder.
        arguments: its flags.
        binary: the file that it is, where that has another name.
    """

    name: str
    arguments: tuple[str, ...]
    binary: str = ""


def _pki(name: str) -> str:
    return inside("pki", name)


def _config(name: str) -> str:
    return inside("config", name)


def etcd() -> Component:
    """The store: on the namespace's loopback, with certificates both ways."""
    client, peer = "https://127.0.0.1:2379", "https://127.0.0.1:2380"
    return Component(
        "etcd",
        (
            "--name=node",
            f"--data-dir={inside('etcd')}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=node={peer}",
            f"--cert-file={_pki('etcd.crt')}",
            f"--key-file={_pki('etcd.key')}",
            f"--trusted-ca-file={_pki('etcd-ca.crt')}",
            "--client-cert-auth=true",
            f"--peer-cert-file={_pki('etcd.crt')}",
            f"--peer-key-file={_pki('etcd.key')}",
            f"--peer-trusted-ca-file={_pki('etcd-ca.crt')}",
            "--peer-client-cert-auth=true",
            # One member: an election has nobody to wait for.
            "--heartbeat-interval=20",
            "--election-timeout=200",
            "--snapshot-count=5000",
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=30m",
            "--log-level=warn",
        ),
    )


def api_server(*, whole_node: bool) -> Component:
    """The API server; `whole_node`: False where no kubelet and no aggregated API will ever be there."""
    flags = [
        "--etcd-servers=https://127.0.0.1:2379",
        f"--etcd-cafile={_pki('etcd-ca.crt')}",
        f"--etcd-certfile={_pki('apiserver-etcd-client.crt')}",
        f"--etcd-keyfile={_pki('apiserver-etcd-client.key')}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--tls-cert-file={_pki('apiserver.crt')}",
        f"--tls-private-key-file={_pki('apiserver.key')}",
        f"--client-ca-file={_pki('ca.crt')}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--admission-control-config-file={_config('admission.json')}",
        f"--encryption-provider-config={_config('encryption.json')}",
        f"--audit-policy-file={_config('audit.json')}",
        f"--audit-log-path={inside('log', 'audit', 'current')}",
        "--audit-log-maxsize=10",
        "--audit-log-maxbackup=3",
        "--audit-log-maxage=7",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={_pki('service-account.pub')}",
        f"--service-account-signing-key-file={_pki('service-account.key')}",
        "--profiling=false",
        f"--requestheader-client-ca-file={_pki('front-proxy-ca.crt')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={_pki('front-proxy-client.crt')}",
        f"--proxy-client-key-file={_pki('front-proxy-client.key')}",
    ]
    if whole_node:
        flags += [
            "--enable-aggregator-routing=true",
            # Pod Security decides, namespace by namespace; without this no namespace could be loosened.
            "--allow-privileged=true",
            f"--kubelet-certificate-authority={_pki('ca.crt')}",
            f"--kubelet-client-certificate={_pki('apiserver-kubelet-client.crt')}",
            f"--kubelet-client-key={_pki('apiserver-kubelet-client.key')}",
            # By name it would ask DNS, which does not know the node.
            "--kubelet-preferred-address-types=InternalIP",
        ]
    return Component("kube-apiserver", tuple(flags), _KUBERNETES)


def controller_manager() -> Component:
    """The controllers, each with a service account of its own."""
    kubeconfig = _config("controller-manager.kubeconfig")
    return Component(
        "kube-controller-manager",
        (
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--root-ca-file={_pki('ca.crt')}",
            f"--client-ca-file={_pki('ca.crt')}",
            f"--requestheader-client-ca-file={_pki('front-proxy-ca.crt')}",
            f"--service-account-private-key-file={_pki('service-account.key')}",
            "--use-service-account-credentials=true",
            f"--cluster-cidr={POD_NETWORK}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--allocate-node-cidrs=true",
            f"--cluster-signing-cert-file={_pki('ca.crt')}",
            f"--cluster-signing-key-file={_pki('ca.key')}",
            "--horizontal-pod-autoscaler-sync-period=5s",
            # Each controller makes its account and asks for a token before the next one starts: at the default rate
            # of 20 a second that alone takes four seconds.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--leader-elect=false",
            "--profiling=false",
        ),
        _KUBERNETES,
    )


def scheduler() -> Component:
    """The scheduler."""
    kubeconfig = _config("scheduler.kubeconfig")
    return Component(
        "kube-scheduler",
        (
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--client-ca-file={_pki('ca.crt')}",
            f"--requestheader-client-ca-file={_pki('front-proxy-ca.crt')}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            "--profiling=false",
        ),
        _KUBERNETES,
    )


def containerd() -> Component:
    """The container runtime."""
    return Component("containerd", (f"--config={_config('containerd.toml')}", "--log-level=warn"))


def kubelet(node: str) -> Component:
    """The node's agent; `node` is its name."""
    return Component(
        "kubelet",
        (
            f"--config={_config('kubelet.json')}",
            f"--kubeconfig={_config('kubelet-client.kubeconfig')}",
            f"--hostname-override={node}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={inside('kubelet')}",
            f"--cert-dir={inside('kubelet', 'pki')}",
        ),
        _KUBERNETES,
    )


def proxy() -> Component:
    """Services, as rules in the cluster's own network namespace."""
    return Component("kube-proxy", (f"--config={_config('proxy.json')}",), _KUBERNETES)


def components(node: str, *, whole_node: bool) -> tuple[Component, ...]:
    """List a cluster's components in the order in which `status` shows them."""
    control = (etcd(), api_server(whole_node=whole_node))
    if not whole_node:
        return control
    return (*control, controller_manager(), scheduler(), containerd(), kubelet(node), proxy())
