"""Kustomize overlays from charts and values, and the charts that carry what kustomize builds of them (helmify).

helmfile's hooks wait for `chart`, so nothing is imported here.
"""
