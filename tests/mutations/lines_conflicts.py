# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of how the plans of a task are arranged: their order, and which of them are compared."""

from __future__ import annotations

from mutations.lines_claims import FIRST, TESTS
from mutations.mutation import Mutation

_ORDERED = [f"{TESTS}/_engine/test_conflicts_order.py"]

MUTATIONS = (
    Mutation(
        "unfinished-vm-is-another-one",
        "_core",
        "{one.also: one for one in self._before.values() if one.also is not None}",
        "{}",
        _ORDERED,
    ),
    Mutation(
        "linked-clone-has-no-clones",
        "_core",
        "not new.is_added or new.claim.is_inherited",
        "not new.is_added",
        _ORDERED,
    ),
    Mutation("vm-listed-twice", "_engine", "reject_twice_listed(works)", "pass", FIRST),
    Mutation(
        "two-new-vms-get-one-id",
        "_engine",
        "[work.found.id or work.name, *([work.request.id] if work.request.id else [])]",
        "[work.found.id or work.name]",
        _ORDERED,
    ),
    Mutation(
        "vms-are-cloned-from-each-other",
        "_engine",
        "work.found.power != ABSENT and work in _above(work, sources)",
        "False",
        _ORDERED,
    ),
    Mutation(
        "vm-that-is-not-cloned-needs-its-source",
        "_engine",
        'work.found.power == ABSENT or any(step.verb == "clone" for step in work.plan.steps)',
        "True",
        _ORDERED,
    ),
    Mutation(
        "what-has-to-wait-does-not",
        "_engine",
        "work.after += [one for one in waits if one not in work.after]",
        "pass",
        FIRST,
    ),
    Mutation(
        "needed-file-is-deleted",
        "_engine",
        "replace(file, used_by=tuple(sorted({*file.used_by, *users})))",
        "file",
        [f"{TESTS}/_drivers/virsh/test_own_files.py"],
    ),
    Mutation("started-source-comes-first", "_engine", "None if is_only_started else found", "found", FIRST),
    Mutation(
        "reserved-port-of-a-vm-that-is-off", "_core", "both or (claim.is_reserved and new.is_added)", "both", FIRST
    ),
    Mutation(
        "own-vms-of-the-task-are-unknown",
        "_engine",
        "[*held, *(one.claims.observed(one.found) for one in known)]",
        "held",
        [f"{TESTS}/_engine/test_claims_read.py"],
    ),
)
