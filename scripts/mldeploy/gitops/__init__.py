"""Deploying from git: a repository for machines that reach no other, the agents that follow it, and their status."""

from __future__ import annotations
