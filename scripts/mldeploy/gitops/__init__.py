"""Deploying by git: what is published, a repository for machines that reach no other, the agents, and their status."""

from __future__ import annotations
