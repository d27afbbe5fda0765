"""GitHub's REST and GraphQL interfaces with the standard library alone: this runs where nothing is installed."""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from mldeploy.errors import MldeployError

_TIMEOUT_S = 30.0
_PAGE = 100
_MAX_PAGES = 30
_ANSWER_LIMIT = 20_000_000
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Api:
    """A repository on GitHub, and the right to speak for it.

    Attributes:
        url: where the REST interface is, such as the one of a GitHub Enterprise server.
        graphql_url: where the GraphQL interface is.
        repository: `owner/name`.
        token: sent in a header, and shown nowhere.
    """

    url: str
    graphql_url: str
    repository: str
    token: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Api:
        """Read what GitHub Actions sets: GITHUB_API_URL, GITHUB_GRAPHQL_URL, GITHUB_REPOSITORY; and GITHUB_TOKEN.

        Raises:
            MldeployError: one of them is missing or malformed.
        """
        names = ("GITHUB_API_URL", "GITHUB_GRAPHQL_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
        if missing := [name for name in names if not environment.get(name)]:
            raise MldeployError(
                f"{', '.join(missing)} not set",
                remedy="run this inside GitHub Actions, with GITHUB_TOKEN in the step's env",
            )
        url, graphql_url, repository, token = (environment[name] for name in names)
        for address in (url, graphql_url):
            parts = urlsplit(address)
            if parts.scheme != "https" and parts.hostname != "127.0.0.1":
                raise MldeployError(f"{address}: a token is sent over https only", remedy="correct GITHUB_API_URL")
        if not _REPOSITORY.fullmatch(repository):
            raise MldeployError(f"GITHUB_REPOSITORY={repository}: not owner/name", remedy="correct it")
        return cls(url.rstrip("/"), graphql_url, repository, token)

    def get_all(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield every item of a list below the repository, page after page."""
        for page in range(1, _MAX_PAGES + 1):
            words = urlencode({**(query or {}), "per_page": str(_PAGE), "page": str(page)})
            items = self._send("GET", f"{self.url}/repos/{self.repository}/{path}?{words}")
            if not isinstance(items, list):
                raise MldeployError(f"GitHub's answer for {path} is not a list", remedy="try again")
            yield from items
            if len(items) < _PAGE:
                return

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """Write `body` to a path below the repository, and give the answer."""
        return self._send(method, f"{self.url}/repos/{self.repository}/{path}", body)

    def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """Ask GraphQL, and give the answer's data.

        Raises:
            MldeployError: GitHub refused, or answered with errors.
        """
        answer = self._send("POST", self.graphql_url, {"query": query, "variables": variables})
        errors = answer.get("errors") if isinstance(answer, dict) else "no object"
        if errors:
            raise MldeployError(f"GitHub's GraphQL answered {json.dumps(errors)[:500]}", remedy=_PERMISSIONS)
        return answer["data"]

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked in from_environment
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "User-Agent": "mldeploy",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        place = f"{method} {urlsplit(url).path}"
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_S) as response:
                raw = response.read(_ANSWER_LIMIT)
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            raise MldeployError(f"GitHub answered {error.code} to {place}: {said}", remedy=_PERMISSIONS) from error
        except (OSError, http.client.HTTPException) as error:
            raise MldeployError(
                f"GitHub could not be reached for {place}: {error}", remedy="run the job again"
            ) from error
        try:
            return json.loads(raw)
        except ValueError as error:
            raise MldeployError(f"GitHub's answer to {place} is not JSON", remedy="run the job again") from error


_PERMISSIONS = "see docs/ci.md for the permissions that the job needs"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever the answer points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""


_OPENER = urllib.request.build_opener(_NoRedirect)
