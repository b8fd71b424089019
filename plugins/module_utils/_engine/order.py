# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order inside a task: a clone comes after its source, and a base is deleted after the VMs that use its files."""

from __future__ import annotations

from dataclasses import replace

from .._lifecycle.model import ABSENT


def source_of(work):
    """What the VM is to be cloned from, where it may have to be created; else None."""
    request = work.request
    if request.state == "absent" or not (work.found.power == ABSENT or request.policy.allow_recreate):
        return None
    return request.creation.get("clone", {}).get("source")


def put_in_order(works, planned):
    """Plan again what depends on other VMs of the task, and note in ``after`` what it has to wait for.

    ``planned(work, found=None, source=None)`` plans one VM.
    """
    _order_clones(works, planned)
    _order_deletions(works, planned)


def _order_clones(works, planned):
    sources = {id(work): _work_called(source_of(work), works) for work in works}
    open_ones = [work for work in works if sources[id(work)] is not None]
    while open_ones:
        ready = [work for work in open_ones if sources[id(work)] not in open_ones]
        if not ready:
            return  # They are cloned from each other: as planned, each lacks its source.
        for work in ready:
            source = sources[id(work)]
            if source.plan.changed and not source.plan.refusal:
                work.plan = planned(work, source=source.plan.after.having(id=source.plan.before.id))
                work.after = [source]
        open_ones = [work for work in open_ones if work not in ready]


def _work_called(word, works):
    """The VM of the task that ``word`` names: a name comes before an equal id."""
    if word is None:
        return None
    by_name = [work for work in works if work.found.name == word]
    return next(iter(by_name or [work for work in works if work.found.id == word]), None)


def _order_deletions(works, planned):
    """A file that only VMs use that the task deletes with all their disks is used by nobody then."""
    absent = [work for work in works if work.request.state == "absent" and work.found.power != ABSENT]
    files = {id(work): work.found.files for work in absent}
    for _round in absent:
        gone = {work.found.name: work for work in absent if _is_deleted_whole(work)}
        for work in absent:
            users = {user for file in files[id(work)] for user in file.used_by} & set(gone)
            if users:
                work.after += [gone[name] for name in sorted(users)]
                files[id(work)] = [_without(file, users) for file in files[id(work)]]
                work.plan = planned(work, found=work.found.having(files=tuple(files[id(work)])))


def _without(file, users):
    return replace(file, used_by=tuple(user for user in file.used_by if user not in users))


def _is_deleted_whole(work):
    last = work.plan.steps[-1] if work.plan.steps else None
    if last is None or last.verb != "delete":
        return False
    return not any(file.role == "disk" and file.path in last.arguments["kept"] for file in work.found.files)
