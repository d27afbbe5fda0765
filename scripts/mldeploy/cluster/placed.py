"""What the clusters that this repository makes have in common: their files are in a checkout's state folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mldeploy.cluster.layout import Layout


@dataclass(frozen=True)
class Placed:
    """A cluster with files of its own; the user's kubeconfig is not touched.

    Attributes:
        place: its files.
    """

    place: Layout

    @property
    def name(self) -> str:
        """Its name, as the commands take it."""
        return self.place.name

    @property
    def kubeconfig(self) -> Path:
        """Its kubeconfig, in the checkout's state folder."""
        return self.place.kubeconfig
