"""The API server alone: what server-side dry runs, schemas and conflicts need, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mldeploy.cluster import ApiServer, api_server
from mldeploy.cluster.cgroups import hierarchies
from mldeploy.errors import RefusedError
from tests.cluster.support import kubectl_for, traces


def test_a_dry_run_is_validated_by_the_server_and_changes_nothing(api: ApiServer) -> None:
    kubectl = kubectl_for(api.kubeconfig)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    said = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input_text=json.dumps(service))
    assert "service/a serverside-applied (server dry run)" in said
    assert "NotFound" in kubectl("get", "service", "a", ok=(1,))
    service["spec"] = {"ports": [{"port": 80000}]}
    said = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input_text=json.dumps(service), ok=(1,))
    assert "must be between 1 and 65535" in said


def test_a_conflict_of_field_managers_is_reported(api: ApiServer) -> None:
    kubectl = kubectl_for(api.kubeconfig)
    for manager, value, ok in (("one", "a", 0), ("two", "b", 1)):
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": {"key": value}}
        words = ["apply", "--server-side", f"--field-manager={manager}", "-f", "-"]
        said = kubectl(*words, input_text=json.dumps(manifest), ok=(ok,))
    assert 'conflict with "one"' in said


def test_a_user_without_rights_is_refused(api: ApiServer) -> None:
    kubectl = kubectl_for(api.kubeconfig)
    assert kubectl("auth", "can-i", "delete", "namespaces").strip() == "yes"
    assert kubectl("auth", "can-i", "get", "secrets", "--as=somebody", ok=(1,)).startswith("no")


def test_it_leaves_nothing_and_has_no_cgroup(tmp_path: Path) -> None:
    before = traces(str(tmp_path), "short")
    with api_server(tmp_path, "short") as api:
        assert api.context == "mldeploy-short"
        assert traces(str(tmp_path), "short").processes
        assert not [one for top in hierarchies() for one in top.mount.glob("mldeploy-short-*")]
        with pytest.raises(RefusedError, match="short"), api_server(tmp_path, "short"):
            pass
        kubectl_for(api.kubeconfig)("get", "--raw", "/readyz")
    assert traces(str(tmp_path), "short") == before
    assert list(tmp_path.iterdir()) == []
