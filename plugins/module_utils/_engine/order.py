# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order the VMs of a task: a clone after its source, and a base image is deleted after the VMs that use it."""

from __future__ import annotations

from dataclasses import replace

from .._lifecycle.model import ABSENT


def source_of(work):
    """Return the name or id of the VM to clone, if this VM may have to be created, else None."""
    request = work.request
    if request.state == "absent" or not (work.found.power == ABSENT or request.policy.allow_recreate):
        return None
    return request.creation.get("clone", {}).get("source")


def put_in_order(works, planned):
    """Plan VMs again that depend on other VMs of the task, and set ``after`` to the works that they have to wait for.

    ``planned(work, found=None, source=None)`` returns the plan of one VM.
    """
    _order_clones(works, planned)
    _order_deletions(works, planned)


def _order_clones(works, planned):
    sources = {id(work): _find_work(source_of(work), works) for work in works}
    unordered = [work for work in works if sources[id(work)] is not None]
    while unordered:
        ready = [work for work in unordered if sources[id(work)] not in unordered]
        if not ready:
            return  # They are cloned from each other: their plans already have the refusal that the source is missing.
        for work in ready:
            source = sources[id(work)]
            if source.plan.changed and not source.plan.refusal:
                work.plan = planned(work, source=source.plan.after.having(id=source.plan.before.id))
                work.after = [source]
        unordered = [work for work in unordered if work not in ready]


def _find_work(name_or_id, works):
    """Return the VM of the task with this name or id; a name takes precedence over an equal id."""
    if name_or_id is None:
        return None
    by_name = [work for work in works if work.found.name == name_or_id]
    return next(iter(by_name or [work for work in works if work.found.id == name_or_id]), None)


def _order_deletions(works, planned):
    """Plan deletions again without those users of files that the same task deletes together with all their disks."""
    absent = [work for work in works if work.request.state == "absent" and work.found.power != ABSENT]
    files = {id(work): work.found.files for work in absent}
    for _round in absent:
        deleted = {work.found.name: work for work in absent if _is_deleted_with_disks(work)}
        for work in absent:
            users = {user for file in files[id(work)] for user in file.used_by} & set(deleted)
            if users:
                work.after += [deleted[name] for name in sorted(users)]
                files[id(work)] = [_without(file, users) for file in files[id(work)]]
                work.plan = planned(work, found=work.found.having(files=tuple(files[id(work)])))


def _without(file, users):
    return replace(file, used_by=tuple(user for user in file.used_by if user not in users))


def _is_deleted_with_disks(work):
    last = work.plan.steps[-1] if work.plan.steps else None
    if last is None or last.verb != "delete":
        return False
    return not any(file.role == "disk" and file.path in last.arguments["kept"] for file in work.found.files)
