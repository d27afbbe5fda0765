"""A cluster's status as a person reads it."""

from __future__ import annotations

from mldeploy.cluster.provider import ClusterStatus


def status_text(status: ClusterStatus) -> str:
    """Write the status as plain text with aligned columns."""
    facts = {
        "cluster": f"{status.name} ({status.provider}): {status.state}",
        "context": status.context,
        "kubeconfig": str(status.kubeconfig),
        "server": status.server,
        "node": status.node,
        "first process": str(status.first_pid or ""),
        "memory": f"{status.resident / 1e6:.0f} MB, pods included" if status.resident else "",
    }
    lines = [f"{key + ':':<15}{value}" for key, value in facts.items() if value]
    if status.components:
        width = max(len("component"), *(len(one.name) for one in status.components))
        lines += ["", f"{'component':<{width}}  {'state':<7}  {'pid':>8}  {'uptime':>10}  {'memory':>8}"]
        for one in status.components:
            state = "running" if one.running else "down"
            lines.append(
                f"{one.name:<{width}}  {state:<7}  {one.pid:>8}  {_duration(one.seconds):>10}"
                f"  {one.resident / 1e6:>5.0f} MB"
            )
    if status.images:
        lines += ["", "images:", *(f"  {image}" for image in status.images)]
    return "\n".join(lines) + "\n"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
