# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task changes, or would change, of a VM: one difference for each setting, as a result has them."""

from __future__ import annotations

_ABSENT = "absent"
#: The costs of changes, in words.
_EFFECTS = {
    "live": "immediately",
    "next_boot": "at the next start",
    "power_off": "while stopped",
    "destructive": "by creating the VM again",
}


def differences_of(record):
    """[{path, before, after, effect}] of a record, sorted by path; the state is first."""
    before, after = _sides(record["diff"])
    steps = (record["info"] or {}).get("steps") or ()
    costs = {change["path"]: change.get("cost") for step in steps for change in step.get("changes") or ()}
    # A creation or a deletion is one difference: all settings would hide it.
    if _ABSENT in (before.get("state"), after.get("state")):
        paths = ["state"]
    else:
        paths = sorted({*before, *after}, key=lambda path: (path != "state", path))
    return [
        {
            "path": path,
            "before": before.get(path),
            "after": after.get(path),
            "effect": _EFFECTS.get(costs.get(path)),
        }
        for path in paths
        if before.get(path) != after.get(path)
    ]


def _sides(diff):
    """Both sides of the diff of one VM; a diff is a dictionary, or a list with one."""
    one = (diff[0] if diff else {}) if isinstance(diff, list) else diff or {}
    sides = (one.get("before"), one.get("after"))
    return tuple(side if isinstance(side, dict) else {} for side in sides)


def state_before(differences):
    """The state that the VM has now, if check mode would change it; else None."""
    return next((one["before"] for one in differences if one["path"] == "state"), None)


def is_planned(record):
    """Whether the facts of the record are those that the VM would have, and not those that it has."""
    return bool(record["check"] and record["changed"])


def summary_of(difference):
    """A difference as one line of text."""
    before, after = (text_of(difference[side]) for side in ("before", "after"))
    return f"{difference['path']}: {before} → {after}"


def text_of(value):
    """A value of a difference as people read it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(text_of(one) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {text_of(one)}" for name, one in value.items()) or "none"
    return str(value)
