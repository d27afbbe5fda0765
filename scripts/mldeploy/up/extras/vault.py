"""A Vault of the cluster's own, and staging's store on it (docs/secrets.md)."""

from __future__ import annotations

from mldeploy.up import stores
from mldeploy.up.place import Added, Extra, Place

ENVIRONMENT = "staging"


def _bring_up(place: Place) -> Added:
    from mldeploy.vault.server import serve, trust

    serve(place.cluster, place.progress)
    trust(place.cluster, ENVIRONMENT)
    return Added(changed=stores.install_store(place, ENVIRONMENT))


VAULT = Extra("Vault in the cluster, and staging's store on it, seeded", ("vault",), _bring_up)
