"""Every road from this repository to a cluster deploys the same: each is walked as far as the objects, and compared."""
