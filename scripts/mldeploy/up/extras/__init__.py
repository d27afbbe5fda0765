"""What `mldeploy up --with NAME` adds: each a module of its own, listed here."""

from __future__ import annotations

from mldeploy.errors import MldeployError
from mldeploy.up.extras.argocd import ARGOCD
from mldeploy.up.extras.flux import FLUX
from mldeploy.up.extras.vault import VAULT
from mldeploy.up.place import Extra

EXTRAS: dict[str, Extra] = {"argocd": ARGOCD, "flux": FLUX, "vault": VAULT}


def extra(name: str) -> Extra:
    """Find an extra.

    Raises:
        MldeployError: there is none of that name.
    """
    try:
        return EXTRAS[name]
    except KeyError:
        raise MldeployError(f"--with {name}: there is no such extra", remedy=f"choose of {', '.join(EXTRAS)}") from None
