"""The components' configuration files: written before the first start, the same for every start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from mldeploy.cluster.layout import (
    API_PORT,
    CLUSTER_DOMAIN,
    CONTAINERD_SOCKET,
    DNS_ADDRESS,
    NODE_POD_NETWORK,
    POD_NETWORK,
    Layout,
    inside,
)
from mldeploy.cluster.pki import write_private

CONTROL_CLIENTS = ("controller-manager", "scheduler", "proxy", "kubelet-client")


def kubeconfig(server: str, context: str, authority: bytes, certificate: bytes, key: bytes) -> dict[str, Any]:
    """Give a kubeconfig for one user of one cluster, with everything inside it."""
    import base64

    def inline(content: bytes) -> str:
        return base64.b64encode(content).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": inline(authority)}}],
        "users": [
            {
                "name": context,
                "user": {"client-certificate-data": inline(certificate), "client-key-data": inline(key)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    }


def write_kubeconfig(place: Layout, path: Path, server: str, user: str) -> None:
    """Write the kubeconfig of certificate `user` for `server` to `path`, mode 0600."""
    pki = place.pki
    content = kubeconfig(
        server,
        place.context,
        (pki / "ca.crt").read_bytes(),
        (pki / f"{user}.crt").read_bytes(),
        (pki / f"{user}.key").read_bytes(),
    )
    write_private(path, yaml.safe_dump(content, sort_keys=False).encode())


def write_api_server(place: Layout) -> None:
    """Write what kube-apiserver reads: encryption at rest, audit policy, admission."""
    key = (place.pki / "secrets.key").read_text("ascii")
    write_private(place.config / "encryption.json", _json(_encryption(key)))
    (place.config / "audit.json").write_bytes(_json(_AUDIT))
    (place.config / "admission.json").write_bytes(_json(_ADMISSION))


def write_node(place: Layout, *, cgroup_root: str, snapshotter: str, programs: Path, runc: Path, pause: str) -> None:
    """Write what the node's components read.

    Args:
        place: the cluster's files.
        cgroup_root: the cluster's own cgroup, such as /mldeploy-local-1a2b3c.
        snapshotter: containerd's, `overlayfs` or `native`.
        programs: the folder of the cluster's binaries.
        runc: the distribution's runc.
        pause: the reference of the image that holds a pod's namespaces.
    """
    for user in CONTROL_CLIENTS:
        write_kubeconfig(place, place.config / f"{user}.kubeconfig", f"https://127.0.0.1:{API_PORT}", user)
    (place.config / "kubelet.json").write_bytes(_json(_kubelet(cgroup_root)))
    (place.config / "proxy.json").write_bytes(_json(_proxy(place.name)))
    (place.config / "containerd.toml").write_text(_containerd(snapshotter, programs, runc, pause), "utf-8")
    (place.config / "cni").mkdir(exist_ok=True)
    (place.config / "cni" / "10-bridge.conflist").write_bytes(_json(_CNI))


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"


def _encryption(key: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [{"secretbox": {"keys": [{"name": "cluster", "secret": key}]}}, {"identity": {}}],
            }
        ],
    }


# Who did what to which object, without bodies: a Secret's content must not reach a log file. Reads of the components
# themselves, leases and events would drown everything else.
_AUDIT: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]},
        {"level": "None", "resources": [{"group": "", "resources": ["events"]}, {"group": "events.k8s.io"}]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch"]},
        {
            "level": "None",
            "users": [
                "system:kube-controller-manager",
                "system:kube-scheduler",
                "system:kube-proxy",
                "system:apiserver",
            ],
            "verbs": ["get", "list", "watch"],
        },
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"], "verbs": ["get", "list", "watch"]},
        {"level": "Metadata"},
    ],
}

# A namespace without labels is as strict as one that asks for it; `pod-security.kubernetes.io/enforce` loosens one.
_ADMISSION: dict[str, Any] = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {"enforce": "restricted", "audit": "restricted", "warn": "restricted"},
            },
        }
    ],
}


def _kubelet(cgroup_root: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "x509": {"clientCAFile": inside("pki", "ca.crt")},
            "webhook": {"enabled": True},
            "anonymous": {"enabled": False},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": inside("pki", "kubelet.crt"),
        "tlsPrivateKeyFile": inside("pki", "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_root,
        # The host's choice, not ours: it may have cgroup v1 and swap.
        "failCgroupV1": False,
        "failSwapOn": False,
        "seccompDefault": True,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        # Nothing outside can be reached, so no pod gets the host's name servers.
        "resolvConf": "",
        # A laptop's disk is often over 90 % full, where the defaults would evict every pod.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        # Images come from the host, not from a registry: one that was removed could not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "podLogsDir": inside("pods"),
        "containerLogMaxSize": "5Mi",
        "volumePluginDir": inside("kubelet", "volume-plugins"),
        "registerWithTaints": [],
    }


def _proxy(node: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": inside("config", "proxy.kubeconfig")},
        "hostnameOverride": node,
        "clusterCIDR": POD_NETWORK,
        "mode": "iptables",
        # A new endpoint is of use at once: one node has few rules to write.
        "iptables": {"minSyncPeriod": "100ms"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The host's connection table is the host's: its limits stay as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


_CNI: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "mldeploy",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni/networks",
                "ranges": [[{"subnet": NODE_POD_NETWORK}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def _containerd(snapshotter: str, programs: Path, runc: Path, pause: str) -> str:
    quote = json.dumps
    return f"""version = 3
root = {quote(inside("containerd"))}
state = "/run/containerd"
# The shim's own socket folder and containerd's state are in the namespace's /run, which ends with the cluster.
disabled_plugins = [
  "io.containerd.internal.v1.tracing",
  "io.containerd.nri.v1.nri",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = {quote(CONTAINERD_SOCKET)}

[plugins."io.containerd.internal.v1.opt"]
  path = {quote(inside("containerd", "opt"))}

[plugins."io.containerd.transfer.v1.local"]
  [[plugins."io.containerd.transfer.v1.local".unpack_config]]
    platform = "linux"
    snapshotter = {quote(snapshotter)}

[plugins."io.containerd.cri.v1.images"]
  snapshotter = {quote(snapshotter)}
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = {quote(pause)}

[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE (containers, micro-VMs) no process may lower its score, and every sandbox would fail.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [{quote(str(programs))}]
    conf_dir = {quote(inside("config", "cni"))}
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = {quote(str(programs / "containerd-shim-runc-v2"))}
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = {quote(str(runc))}
      SystemdCgroup = false
"""
