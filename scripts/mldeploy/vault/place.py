"""Where the cluster's own Vault is, and the Secrets that it and its clients know it by."""

from __future__ import annotations

NAMESPACE = "vault"
SERVICE = "vault"
HOST = f"{SERVICE}.{NAMESPACE}.svc"
# In plain HTTP, on the pod's loopback address alone: a port-forward reaches it, and no other pod.
LOOPBACK_PORT = 8210
ROOT_SECRET, ROOT_KEY = "vault-root", "token"
TLS_SECRET, CERTIFICATE_KEY = "vault-tls", "tls.crt"
# What a store trusts, in its own namespace.
CA_CONFIG_MAP, CA_KEY = "vault-ca", "ca.crt"
