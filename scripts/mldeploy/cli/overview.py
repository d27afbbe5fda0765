"""What `mldeploy --help` prints: every command by group, and where to begin."""

from __future__ import annotations

from mldeploy.cli.commands import COMMANDS


def overview() -> str:
    """Write the overview of all commands, in the table's order."""
    width = max((len(name) for name in COMMANDS), default=0)
    lines = ["usage: mldeploy COMMAND [OPTIONS]    (mldeploy COMMAND --help tells more)", ""]
    for group in dict.fromkeys(command.group for command in COMMANDS.values()):
        lines.append(f"{group}:")
        lines += [f"  {name:<{width}}  {c.summary}" for name, c in COMMANDS.items() if c.group == group]
        lines.append("")
    lines.append("Exit codes: 0 clean, 1 findings, 2 usage or environment error, 3 refused, 130 interrupted.")
    return "\n".join(lines) + "\n"
