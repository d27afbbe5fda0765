"""A Vault inside the cluster, for environments that take their secrets from one: server, API, and who may read what."""
