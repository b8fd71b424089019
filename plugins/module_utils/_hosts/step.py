# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that change the settings of a host (not of a VM), as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One change. ``key`` names the setting in diffs and errors, ``before`` and ``after`` are its values.

    ``ends_round``: the host must be read again before the steps after this one can be planned exactly. ``restarts``:
    the step restarts the host. ``waits``: the step is possible only after a restart, which the task does not allow.
    """

    key: str
    before: Any
    after: Any
    calls: tuple = ()
    modules: tuple = ()
    ends_round: bool = False
    restarts: bool = False
    waits: bool = False


def next_round(steps):
    """Return the steps that can be carried out before the host must be read again."""
    ready = []
    for step in steps:
        if step.waits:
            continue
        ready.append(step)
        if step.ends_round or step.restarts:
            break
    return ready


def difference(values):
    """Return the diff of {key: (before, after)}."""
    return {
        "before": {key: before for key, (before, _after) in values.items()},
        "after": {key: after for key, (_before, after) in values.items()},
    }
