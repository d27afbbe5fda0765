"""What a change to the repository changes in every environment, from renders; and what a cluster has of it.

helmfile's hooks wait for parts of this, so nothing is imported here: `planner` plans, `model` has what a plan is.
"""
