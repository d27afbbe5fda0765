"""Tooling of this deployment repository: lint, plan, apply and smoke-test ML services on Kubernetes."""
