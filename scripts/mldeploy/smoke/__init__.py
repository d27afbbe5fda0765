"""Proves that what was deployed works: a supervised port-forward, declared checks, and a diagnosis when one fails."""
