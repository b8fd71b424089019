# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which the plans of a task take effect: as listed, but a clone after its source."""

from __future__ import annotations

from .._lifecycle.model import ABSENT

#: Steps of a source that a clone listed before it need not wait for: the clone is created first.
_STARTING = frozenset({"start", "resume"})


def source_of(work):
    """Return the name or id of the VM to clone, if this VM may have to be created, else None."""
    request = work.request
    if request.state == "absent" or not (work.found.power == ABSENT or request.policy.allow_recreate):
        return None
    return request.creation.get("clone", {}).get("source")


def in_order(works):
    """Return ``works`` in their order; clones of VMs that the task changes are planned again with the changed source.

    ``work.source`` is then the work of the source.
    """
    sources = {id(work): _find_source(work, works) for work in works}
    ordered, left = [], list(works)
    while left:
        ready = next((work for work in left if sources[id(work)] not in left), None)
        if ready is None:
            # They are cloned from each other: their plans already have the refusal that the source is missing.
            return [*ordered, *left]
        _plan_clone(ready, sources[id(ready)])
        ordered.append(ready)
        left.remove(ready)
    return ordered


def _plan_clone(work, source):
    if source is not None and source.plan.changed and not source.plan.refusal:
        work.source, work.after = source, [source]
        work.plan = work.task.planned(work)
        if source.plan.after.power == ABSENT:
            message = f"{work.request.label}: clone.source: this task deletes '{source.name}'."
            work.plan = work.refused(message, "Delete it in a task after this one.")


def _find_source(work, works):
    """Return the work of the source if it comes first; a source that is only started, and listed later, does not."""
    found = _find_work(source_of(work), [one for one in works if one.place == work.place])
    if found is None or works.index(found) < works.index(work) or found.plan.refusal:
        return found
    is_only_started = {step.verb for step in found.plan.steps} <= _STARTING
    return None if is_only_started else found


def _find_work(name_or_id, works):
    """Return the VM of the task with this name or id; a name takes precedence over an equal id."""
    if name_or_id is None:
        return None
    by_name = [work for work in works if work.found.name == name_or_id]
    return next(iter(by_name or [work for work in works if work.found.id == name_or_id]), None)


def users_first(works, users_of):
    """Return ``works`` with each deletion after those of the VMs that use its files: ``users_of(work)`` are these."""
    ordered = []

    def add(work, above=()):
        if work in ordered or work in above:
            return
        for first in (*users_of(work), *filter(None, [work.source])):
            add(first, (*above, work))
        ordered.append(work)

    for work in works:
        add(work)
    return ordered
