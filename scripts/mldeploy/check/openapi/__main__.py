"""Writes the compact form of an OpenAPI v2 document; see the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mldeploy.check.openapi import compact

sys.stdout.write(compact(json.loads(Path(sys.argv[1]).read_text("utf-8"))["definitions"]))
