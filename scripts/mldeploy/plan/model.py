"""What a plan says, as data; every report is written from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any


class Action(Enum):
    """What happens to an object or a release; the value is its sign in reports."""

    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"


class Kind(Enum):
    """What a change means to who applies it; the value is its name in JSON.

    Ordered from what stops an apply to what merely informs.
    """

    IMMUTABLE = "immutable-field"
    DATA_LOSS = "data-loss"
    KEY_DROPPED = "key-dropped"
    RBAC_WIDENED = "rbac-widened"
    NETWORK_OPENED = "network-opened"
    CRD = "crd"
    RESTART = "restarts-pods"
    IMAGE = "image"
    RESOURCES = "resources"
    HPA = "hpa"
    BUDGET = "budget"
    REPLICAS = "replicas"
    SECRET_REFERENCE = "secret-reference"  # noqa: S105 - the name of a class of change
    DRIFT = "drift"
    HOOK = "hook"

    @property
    def label(self) -> str:
        """The words that people read."""
        return _LABELS[self]

    @property
    def severity(self) -> str:
        """How loud a report is about it: "error", "warning" or "notice"."""
        if self in {Kind.IMMUTABLE, Kind.DATA_LOSS}:
            return "error"
        return (
            "warning"
            if self in {Kind.KEY_DROPPED, Kind.RBAC_WIDENED, Kind.NETWORK_OPENED, Kind.CRD, Kind.DRIFT}
            else "notice"
        )


_LABELS = {
    Kind.IMMUTABLE: "changes an immutable field: the apply would fail",
    Kind.DATA_LOSS: "deletes stored data",
    Kind.KEY_DROPPED: "drops a key that was set",
    Kind.RBAC_WIDENED: "widens RBAC",
    Kind.NETWORK_OPENED: "opens the network",
    Kind.CRD: "changes a CRD",
    Kind.RESTART: "restarts pods",
    Kind.IMAGE: "changes an image",
    Kind.RESOURCES: "changes resource requests or limits",
    Kind.HPA: "changes autoscaling",
    Kind.BUDGET: "changes a disruption budget",
    Kind.REPLICAS: "changes the number of replicas",
    Kind.SECRET_REFERENCE: "changes a reference to a secret",
    Kind.DRIFT: "was edited in the cluster",
    Kind.HOOK: "changes a Helm hook",
}


def ordered(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Give each kind once, the gravest first."""
    order = list(Kind)
    return tuple(sorted(set(kinds), key=order.index))


class Item(str):
    """A step of a path that is an item of a list: what its merge key holds, or its index."""

    __slots__ = ()


Path_ = tuple[str, ...]


class Missing(Enum):
    """The side of a change that has nothing there (`null` is a value of its own in JSON)."""

    MISSING = "missing"


MISSING = Missing.MISSING


@dataclass(frozen=True)
class FieldChange:
    """One field that differs.

    Attributes:
        path: where; steps of type `Item` are items of lists.
        before, after: the values; `MISSING` where there is none. Never secret data: see `redact`.
        kinds: what it means.
    """

    path: Path_
    before: Any
    after: Any
    kinds: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class ObjectChange:
    """One object that is added, removed or changed.

    Attributes:
        source: the template that it is from.
        fields: what differs; empty for an object that is added or removed.
        noise: how many fields differ that say nothing (`helm.sh/chart`), which `fields` leaves out.
        hook: it is a Helm hook, so it is run and not kept.
    """

    action: Action
    api_version: str
    kind: str
    namespace: str
    name: str
    source: str
    fields: tuple[FieldChange, ...] = ()
    kinds: tuple[Kind, ...] = ()
    noise: int = 0
    hook: bool = False


@dataclass(frozen=True)
class Reason:
    """A line of a file that makes a release differ.

    Attributes:
        path: relative to the checkout; line: counted from 1, 0 for the file as a whole.
        what: the values key, or what the file is.
        side: "head", or "base" where the line exists no more.
        dropped: the key was set and no values file sets it now.
    """

    path: Path
    line: int
    what: str
    side: str = "head"
    dropped: bool = False

    @property
    def place(self) -> str:
        """`path:line`, or the path alone."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)


@dataclass(frozen=True)
class ReleaseChange:
    """A release that differs, or that one side could not render.

    Attributes:
        error: which side does not render and why; then `objects` is empty.
    """

    action: Action
    environment: str
    name: str
    namespace: str
    service: str
    objects: tuple[ObjectChange, ...] = ()
    reasons: tuple[Reason, ...] = ()
    kinds: tuple[Kind, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Resources:
    """Summed resource requests: CPU in cores, memory in bytes, other resources by their names."""

    amounts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Demand:
    """What an environment asks the scheduler for on one side: as rendered, and with every autoscaler at its maximum."""

    minimum: Resources
    maximum: Resources


@dataclass(frozen=True)
class EnvironmentPlan:
    """What changes in one environment.

    Attributes:
        unchanged: how many releases render the same on both sides.
        errors: why one side's releases could not be listed.
    """

    name: str
    releases: tuple[ReleaseChange, ...]
    unchanged: int
    before: Demand
    after: Demand
    errors: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Action, int]:
        """How many objects are added, removed and changed."""
        actions = [each.action for release in self.releases for each in release.objects]
        return {action: actions.count(action) for action in Action}


@dataclass(frozen=True)
class Plan:
    """The whole answer.

    Attributes:
        base, head: what was compared, for people: a ref and its commit, or "working tree".
    """

    base: str
    head: str
    environments: tuple[EnvironmentPlan, ...]

    @property
    def affected(self) -> list[ReleaseChange]:
        """Every release that differs, in the environments' order."""
        return [release for environment in self.environments for release in environment.releases]

    @property
    def failed(self) -> bool:
        """Something could not be rendered or listed, so the plan is not whole."""
        return any(environment.errors for environment in self.environments) or any(
            release.error for release in self.affected
        )
