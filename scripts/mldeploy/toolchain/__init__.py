"""Finds, builds and verifies the pinned programs that everything else starts: helm, kubectl, containerd, ..."""

from __future__ import annotations

from mldeploy.toolchain.find import group_folder, tool, tool_environment, tool_file
from mldeploy.toolchain.installation import install
from mldeploy.toolchain.packages import install_packages

__all__ = ["group_folder", "install", "install_packages", "tool", "tool_environment", "tool_file"]
