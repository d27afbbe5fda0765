"""The rules: a module each, with its ID, its documentation (the docstring) and `check`.

`FILE` rules look at one values file, `RELEASE` rules at a release's merged values, `CHECKOUT` rules at everything.
"""

from __future__ import annotations

from mldeploy.values.rules import (
    duplicate_key,
    empty_value,
    environment_order,
    floating_tag,
    hpa_bounds,
    invariant,
    lost_digits,
    merge_order,
    network_isolation,
    orphan_file,
    pdb_blocks_drain,
    plain_secret,
    printed_as_float,
    probe_timing,
    repeats_default,
    requests_over_limits,
    schema,
    schema_pattern,
    second_document,
    undeclared_value,
    unknown_key,
    yaml_boolean,
    yaml_number,
)

FILE = (duplicate_key, lost_digits, merge_order, plain_secret, second_document, yaml_boolean, yaml_number)
RELEASE = (
    empty_value,
    floating_tag,
    hpa_bounds,
    network_isolation,
    pdb_blocks_drain,
    printed_as_float,
    probe_timing,
    requests_over_limits,
    schema,
    unknown_key,
)
CHECKOUT = (environment_order, invariant, orphan_file, repeats_default, schema_pattern, undeclared_value)

DOCUMENTATION: dict[str, str] = {
    **{rule.ID: (rule.__doc__ or "").strip() for rule in (*FILE, *RELEASE, *CHECKOUT)},
    "dead-value": (
        "A value that no render reads (only with --dead).\n\nEach value is changed in every environment and with each "
        "file of the chart's ci/ folder; where no manifest\ndiffers, nothing reads it: it is misspelt or left over."
    ),
    "ignore-comment": (
        "An ignore comment that is wrong.\n\n`# lint-ignore RULE: reason` at the end of a line, or alone on the line "
        "above, ignores what RULE finds there.\nIt needs a reason, and is reported when it ignores nothing any more."
    ),
    "unreadable": (
        "A file that Helm would refuse, or that exceeds a limit.\n\nThe file is read exactly as the pinned Helm reads "
        "it. Beyond 1 MiB, 40,000 values or 100 levels it is\nrefused here before Helm would: no release can hold that."
    ),
}
"""Every rule's documentation by its ID; the first line is its summary."""
