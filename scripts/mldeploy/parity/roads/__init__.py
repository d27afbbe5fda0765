"""The roads, each a module."""

from __future__ import annotations

from mldeploy.parity.road import Road
from mldeploy.parity.roads import argocd_chart, argocd_rendered, flux_chart, flux_rendered, helmify, overlay

ROADS: tuple[Road, ...] = (
    overlay.ROAD,
    helmify.ROAD,
    argocd_chart.ROAD,
    argocd_rendered.ROAD,
    flux_chart.ROAD,
    flux_rendered.ROAD,
)
