# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the plans of a task with its limits, before the first step."""

from __future__ import annotations

from .._core.errors import PolyvirtError
from .._core.limits import Usage, grows
from .._core.model import ABSENT

_FACETS = frozenset({"power", "config"})


def check_limits(task):
    """Reject plans of a Task that exceed its limits. All VMs of the connection are read, if a plan uses more."""
    growing = [work for work in task.works if work.plan.refusal is None and grows(work.plan)]
    if not growing:
        return
    try:
        usage = Usage(task.observer.observe(None, _FACETS).vms, growing[0].request.policy.limits)
    except PolyvirtError as error:
        growing[0].plan = growing[0].refused(growing[0].labelled(f"limits: {error.message}"), error.remedy or "")
        return
    for work in task.works:
        if work.plan.changed and work.plan.after.power == ABSENT:
            usage.remove(work.plan)
    for work in growing:
        try:
            usage.add(work.plan)
        except PolyvirtError as error:
            work.plan = work.refused(error.message, error.remedy)
