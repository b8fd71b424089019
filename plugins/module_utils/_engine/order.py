# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which the plans of a task take effect: as listed, but a clone after its source."""

from __future__ import annotations

from .._core.model import ABSENT
from .._core.verbs import STARTING


def source_of(work):
    """Return the name or id of the VM to clone, if this VM may have to be created, else None."""
    request = work.request
    if request.state == "absent" or not (work.found.power == ABSENT or request.policy.allow_recreate):
        return None
    return request.creation.get("clone", {}).get("source")


def reject_twice_listed(works):
    """Reject the plans of a VM that two requests select, such as one by its name and one by its id."""
    first = {}
    for work in works if len(works) > 1 and _may_be_listed_twice(works) else ():
        place = id(work.task) if work.place is None else work.place
        selected = set(map(work.owner_of, _owners(work)))
        for other in [first.setdefault((place, one), work) for one in selected]:
            if other is not work:
                names = " and ".join(dict.fromkeys((_selector(other.request), _selector(work.request))))
                message = f"{work.request.label}: the VM is listed twice, as {names}."
                work.plan = work.refused(message, "List each VM once.")


def _may_be_listed_twice(works):
    """Return False if their names and ids show that no VM is listed twice, which saves the import of the claims."""
    selected = [{str(own).casefold() for own in _owners(work)} for work in works]
    return len({id(work.task) for work in works}) > 1 or len(set().union(*selected)) < sum(map(len, selected))


def _owners(work):
    return [work.found.id or work.name, *([work.request.id] if work.request.id else [])]


def _selector(request):
    return f"id {request.id}" if request.id else request.name


def in_order(works):
    """Return ``works`` in their order; clones of VMs that the task changes are planned again with the changed source.

    ``work.source`` is then the work of the source.
    """
    if not any(map(_may_clone, works)):
        return list(works)
    sources = {id(work): _find_source(work, works) for work in works}
    for work in works:
        if work.found.power != ABSENT and work in _above(work, sources):
            message = f"{work.request.label}: clone.source: its source is cloned from it in the same task."
            work.plan = work.refused(message, "Use two tasks.")
            sources[id(work)] = None
    ordered = sorted_by(works, lambda work: filter(None, [sources[id(work)]]))
    for work in ordered:
        _plan_clone(work, sources[id(work)])
    return ordered


def _above(work, sources):
    """Return the sources of a work: its own one, the source of that one, and so on."""
    found, source = [], sources[id(work)]
    while source is not None and source not in found:
        found.append(source)
        source = sources[id(source)]
    return found


def _plan_clone(work, source):
    if source is not None and source.plan.changed and not source.plan.refusal:
        work.source, work.after = source, [source]
        work.plan = work.task.planned(work)
        if source.plan.after.power == ABSENT:
            message = f"{work.request.label}: clone.source: this task deletes '{source.name}'."
            work.plan = work.refused(message, "Delete it in a task after this one.")


def _find_source(work, works):
    """Return the work of the source if it has to come first; one that is only started, and listed later, need not."""
    if not _may_clone(work):
        return None
    at_place = [one for one in works if one.place == work.place]
    found = _find_work(source_of(work), at_place, work.task.traits.folded)
    if found is None or works.index(found) < works.index(work) or found.plan.refusal:
        return found
    is_only_started = {step.verb for step in found.plan.steps} <= STARTING
    return None if is_only_started else found


def _may_clone(work):
    """Return whether a plan clones; that of a new VM is rejected as long as its source does not exist."""
    return work.found.power == ABSENT or any(step.verb == "clone" for step in work.plan.steps)


def _find_work(name_or_id, works, folded):
    """Return the VM of the task with this name or id; a name takes precedence over an equal id."""
    if name_or_id is None:
        return None
    wanted = folded(name_or_id)
    by_name = [work for work in works if folded(work.found.name) == wanted]
    by_id = [work for work in works if work.found.id and folded(work.found.id) == wanted]
    return next(iter(by_name or by_id), None)


def sorted_by(works, needed_by, may_move=lambda work: False):
    """Return ``works`` in their order, but each after those that ``needed_by(work)`` returns.

    It is moved behind them, or they are moved before it if ``may_move`` them. In a circle, the order remains.
    """
    ordered, left = [], list(works)

    def is_next(work, above=()):
        others = [one for one in needed_by(work) if one in left]
        return all(may_move(one) and one not in above and is_next(one, (*above, work)) for one in others)

    def take(work):
        left.remove(work)
        for one in needed_by(work):
            if one in left and may_move(one):
                take(one)
        ordered.append(work)

    while left:
        take(next(filter(is_next, left), left[0]))
    return ordered
