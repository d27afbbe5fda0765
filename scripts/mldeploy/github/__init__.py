"""What the workflows need from GitHub: one sticky comment, the last successful deployment, the releases to apply."""

from mldeploy.github.affected import affected_selectors
from mldeploy.github.api import Api
from mldeploy.github.comment import post_comment
from mldeploy.github.deployments import last_successful_commit

__all__ = ["Api", "affected_selectors", "last_successful_commit", "post_comment"]
