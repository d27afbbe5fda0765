"""How Vault is asked, against a small server of this test's own: what is sent, and what a refusal says and does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from mldeploy.secrets.vault import VaultSource
from mldeploy.vault.access import Store, admit, declared
from mldeploy.vault.certificate import self_signed
from mldeploy.vault.client import Vault, VaultError

ROOT = Path(__file__).parents[2]
CANARY = "canary-8d21"
STORE = Store("secret", "kubernetes", "staging", "vault")


@dataclass
class Asked:
    """What the server was asked, and what it answers: (status, JSON) by "METHOD path"."""

    port: int
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    requests: list[tuple[str, Any, str | None, str | None]] = field(default_factory=list)


@pytest.fixture
def asked() -> Iterator[Asked]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            what = f"{self.command} {self.path.removeprefix('/v1/')}"
            headers = self.headers["X-Vault-Token"], self.headers["Content-Type"]
            found.requests.append((what, json.loads(body) if body else None, *headers))
            status, content = found.answers.get(what, (204, None))
            text = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Asked(server.server_address[1])
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def source(asked: Asked) -> VaultSource:
    return VaultSource(Vault(asked.port, CANARY), STORE, "staging")


def test_a_secret_is_read_and_one_that_is_not_there_is_empty(asked: Asked) -> None:
    asked.answers["GET secret/data/staging/ml-api"] = (200, {"data": {"data": {"api-keys": "a\nb"}}})
    asked.answers["GET secret/data/staging/none"] = (404, {"errors": []})
    assert source(asked).read("staging/ml-api") == {"api-keys": "a\nb"}
    assert source(asked).read("staging/none") == {}
    assert {token for *_, token, _ in asked.requests} == {CANARY}


def test_writing_leaves_the_other_properties(asked: Asked) -> None:
    source(asked).write("staging/ml-api", {"api-keys": "new"})
    body = {"data": {"api-keys": "new"}}
    assert asked.requests == [("PATCH secret/data/staging/ml-api", body, CANARY, "application/merge-patch+json")]


def test_writing_makes_a_secret_that_is_not_there(asked: Asked) -> None:
    asked.answers["PATCH secret/data/staging/ml-api"] = (404, {"errors": []})
    source(asked).write("staging/ml-api", {"api-keys": "new"})
    what, body, _, kind = asked.requests[-1]
    assert (what, body, kind) == ("POST secret/data/staging/ml-api", {"data": {"api-keys": "new"}}, "application/json")


def test_a_refusal_says_vault_s_reasons_and_no_value(asked: Asked) -> None:
    asked.answers["PATCH secret/data/staging/ml-api"] = (403, {"errors": ["1 error occurred:\n\t* permission denied"]})
    with pytest.raises(VaultError) as refused:
        source(asked).write("staging/ml-api", {"api-keys": "value-5c"})
    assert refused.value.status == 403
    said = str(refused.value)
    assert said == "Vault refuses PATCH secret/data/staging/ml-api: 1 error occurred: * permission denied"


def test_no_answer_is_said_without_the_token(asked: Asked) -> None:
    with pytest.raises(VaultError, match="Vault does not answer GET sys/health") as failed:
        # Nobody listens on the port that is reserved for multiplexing.
        Vault(1, CANARY).ask("GET", "sys/health")
    assert failed.value.status == 0
    assert CANARY not in f"{failed.value}{failed.value.__cause__!r}"


@pytest.mark.parametrize("enabled", [False, True])
def test_one_account_is_admitted_to_one_path(enabled: bool, asked: Asked) -> None:
    asked.answers["GET sys/auth"] = (200, {"data": {"kubernetes/": {}} if enabled else {"token/": {}}})
    admit(Vault(asked.port, CANARY), STORE, "staging")
    sent = {what: body for what, body, *_ in asked.requests}
    assert ("POST sys/auth/kubernetes" in sent) is not enabled
    assert sent["PUT sys/policies/acl/staging"] == {
        "policy": 'path "secret/data/staging/*" { capabilities = ["read"] }'
    }
    role = sent["POST auth/kubernetes/role/staging"]
    assert role["bound_service_account_names"] == ["staging-secret-store"]
    assert role["bound_service_account_namespaces"] == ["staging"]
    assert (role["audience"], role["token_policies"]) == ("vault", ["staging"])


def test_what_is_declared_of_staging_s_store() -> None:
    assert declared(ROOT, "staging") == STORE
    assert declared(ROOT, "dev") is None
    assert declared(ROOT, "prod") is None


def test_the_certificate_is_for_its_host_alone() -> None:
    from cryptography import x509

    text, key = self_signed("vault.vault.svc")
    certificate = x509.load_pem_x509_certificate(text.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["vault.vault.svc"]
    certificate.verify_directly_issued_by(certificate)
    assert key.startswith("-----BEGIN PRIVATE KEY-----")
