# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of how the plans of a task are arranged: their order, and which of them are compared."""

from __future__ import annotations

from mutations.lines_claims import CODE, FIRST, TESTS, WORLD
from mutations.mutation import Mutation

_ARRANGE, _ORDER = f"{CODE}/_engine/arrange.py", f"{CODE}/_engine/order.py"
_ORDERED = {"unit": [f"{TESTS}/_engine/test_arrange_order.py"]}

MUTATIONS = (
    Mutation(
        "unfinished-vm-is-another-one",
        WORLD,
        "self._unfinished = {one.also: one for one in self._before.values() if one.also is not None}",
        "self._unfinished = {}",
        _ORDERED,
    ),
    Mutation(
        "linked-clone-has-no-clones",
        WORLD,
        "if not new.is_added or new.claim.is_inherited:",
        "if not new.is_added:",
        _ORDERED,
    ),
    Mutation("vm-listed-twice", _ARRANGE, "reject_twice_listed(works)", "pass", FIRST),
    Mutation(
        "two-new-vms-get-one-id",
        _ORDER,
        "selected = {work.owner_id, *([work.owner_of(work.request.id)] if work.request.id else [])}",
        "selected = {work.owner_id}",
        _ORDERED,
    ),
    Mutation(
        "vms-are-cloned-from-each-other",
        _ORDER,
        "if work.found.power != ABSENT and work in _above(work, sources):",
        "if False:",
        _ORDERED,
    ),
    Mutation(
        "vm-that-is-not-cloned-needs-its-source",
        _ORDER,
        'return work.found.power == ABSENT or any(step.verb == "clone" for step in work.plan.steps)',
        "return True",
        _ORDERED,
    ),
    Mutation(
        "what-has-to-wait-does-not",
        _ARRANGE,
        "work.after += [one for one in waits if one not in work.after]",
        "pass",
        FIRST,
    ),
    Mutation(
        "needed-file-is-deleted",
        _ARRANGE,
        "files.append(replace(file, used_by=tuple(sorted({*file.used_by, *users}))))",
        "files.append(file)",
        {"unit": [f"{TESTS}/_drivers/virsh/test_own_files.py"]},
    ),
    Mutation("started-source-comes-first", _ORDER, "return None if is_only_started else found", "return found", FIRST),
    Mutation(
        "reserved-port-of-a-vm-that-is-off",
        WORLD,
        "return (both or (claim.is_reserved and new.is_added)) and overlap(claim.where, held.where)",
        "return both and overlap(claim.where, held.where)",
        FIRST,
    ),
    Mutation(
        "own-vms-of-the-task-are-unknown",
        _ARRANGE,
        "return [*held, *(one.claims.observed(one.found) for one in known)]",
        "return held",
        {"unit": [f"{TESTS}/_engine/test_claims_read.py"]},
    ),
)
