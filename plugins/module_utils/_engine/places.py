# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places where the VMs of a task are, and the limits of each place."""

from __future__ import annotations

from .._core.errors import PolyvirtError
from .._core.model import ABSENT
from .._core.sharing.limits import Usage, grows

_FACETS = frozenset({"power", "config"})


def find_places(tasks):
    """Two connections can lead to one place, where the VMs of both share files, ports and free space."""
    spaces = {}
    for task in (one for one in tasks if one.claims is not None):
        task.claims.place = place = task.claims.read_place()
        if hasattr(task.driver, "space"):
            task.driver.space = spaces.setdefault(place[0], task.driver.space)


def check_limits(tasks, works):
    """Reject the plans that exceed limits. All VMs of a host are read, if a plan uses more.

    Several Tasks can lead to one host: their VMs are counted together.
    """
    growing = [work for work in works if work.plan.refusal is None and grows(work.plan)]
    if not growing:
        return
    if len(tasks) > 1:
        find_places([work.task for work in works])
    for place in dict.fromkeys(work.place for work in growing):
        of_host = [work for work in works if work.place == place]
        _check_host(of_host, [work for work in growing if work.place == place])


def _check_host(works, growing):
    first = growing[0]
    try:
        usage = Usage(first.task.observer.observe(None, _FACETS).vms, first.request.policy.limits)
    except PolyvirtError as error:
        first.plan = first.refused(first.labelled(f"limits: {error.message}"), error.remedy)
        return
    for work in works:
        if work in growing or (work.plan.changed and work.plan.after.power == ABSENT):
            usage.release(work.plan)
    for work in growing:
        try:
            usage.add(work.plan)
        except PolyvirtError as error:
            work.plan = work.refused(error.message, error.remedy)
