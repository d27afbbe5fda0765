"""Runs in checkov's own environment, by its Python: groups of objects on stdin, what checkov says of each on stdout.

Its command line would do for one group; here a hundred cost as much as importing it does, which is most of it. Its
Kubernetes runner reads files alone: it asks no service and sends nothing (`checkov` itself may, where it finds a key).
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

from checkov.kubernetes.runner import Runner
from checkov.runner_filter import RunnerFilter


def main() -> None:
    """Answer `{"groups": [[object, ...], ...], "checks": [ID, ...]}`; no checks mean all of them."""
    logging.disable(logging.CRITICAL)
    request = json.load(sys.stdin)
    asked = RunnerFilter(framework=["kubernetes"], checks=request["checks"] or None)
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, group in enumerate(request["groups"]):
            path = Path(scratch) / f"{number}.yaml"
            path.write_text("\n---\n".join(json.dumps(each) for each in group), "utf-8")
            report = Runner().run(root_folder=None, files=[str(path)], runner_filter=asked)
            if report.parsing_errors:
                sys.exit(f"checkov could not read what is rendered: {report.parsing_errors}")
            found.append(
                [
                    {
                        "id": each.check_id,
                        "says": each.check_name,
                        "resource": each.resource,
                        "keys": each.check_result.get("evaluated_keys", []),
                    }
                    for each in report.failed_checks
                ]
            )
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
