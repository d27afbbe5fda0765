"""Which commit an environment runs, as far as GitHub knows: its last successful deployment."""

from __future__ import annotations

import re

from mldeploy.errors import MldeployError
from mldeploy.github.api import Api

_QUERY = """
query($owner: String!, $name: String!, $environment: String!) {
  repository(owner: $owner, name: $name) {
    deployments(environments: [$environment], first: 100, orderBy: {field: CREATED_AT, direction: DESC}) {
      nodes { commitOid latestStatus { state } }
    }
  }
}
"""


def last_successful_commit(api: Api, environment: str) -> str | None:
    """Give the commit of the newest deployment of `environment` that succeeded, or None before the first one.

    A failed deployment in between does not count, so that what it should have applied is planned again.

    Raises:
        MldeployError: GitHub refused, or its answer is not understood.
    """
    owner, _, name = api.repository.partition("/")
    data = api.graphql(_QUERY, {"owner": owner, "name": name, "environment": environment})
    try:
        for node in data["repository"]["deployments"]["nodes"]:
            if (node["latestStatus"] or {}).get("state") == "SUCCESS":
                commit = str(node["commitOid"])
                if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
                    raise MldeployError(f"GitHub names {commit!r} as a commit", remedy="run the job again")
                return commit
    except (KeyError, TypeError) as error:
        raise MldeployError("GitHub's list of deployments is not understood", remedy="run the job again") from error
    return None
