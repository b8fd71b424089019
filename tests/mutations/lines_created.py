# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the two facts about a VM, recorded and created, and of what asks for them."""

from __future__ import annotations

from mutations.mutation import Mutation

_CORE = "tests/unit/module_utils/_core"
_CREATED = [f"{_CORE}/planner/test_created.py"]
_DELETE = [f"{_CORE}/planner/test_plan_delete.py"]

MUTATIONS = (
    Mutation("recorded-vm-counts-as-created", "_core/model.py", "self.owned and records_creation(self.mark)",
             "self.owned", _CREATED),
    Mutation("any-mark-records-a-creation", "_core/record/mark.py",
             'CREATED in mark or is_unfinished(mark) or mark.get("v", 1) < VERSION', "True", _CREATED),
    Mutation("unfinished-vm-is-foreign", "_core/record/mark.py",
             'CREATED in mark or is_unfinished(mark) or mark.get("v", 1) < VERSION',
             'CREATED in mark or mark.get("v", 1) < VERSION', _CREATED),
    Mutation("vm-of-an-old-mark-is-foreign", "_core/record/mark.py",
             'CREATED in mark or is_unfinished(mark) or mark.get("v", 1) < VERSION',
             "CREATED in mark or is_unfinished(mark)", _CREATED),
    Mutation("old-mark-loses-its-creation", "_core/record/mark.py",
             '{CREATED: mark.get(CREATED, "")} if records_creation(mark) else {}', "{}", _CREATED),
    Mutation("creation-without-time-is-not-recorded", "_core/record/mark.py", 'iso(values[CREATED]) or ""',
             "iso(values[CREATED])", _CREATED),
    Mutation("mark-of-another-birth-is-valid", "_core/record/mark.py", "is_same and mark.get(BIRTH, birth) == birth",
             "is_same", _CREATED),
    Mutation("mark-without-birth-is-a-proof", "_core/model.py",
             "self.owned and (self.birth is None or BIRTH in self.mark)", "self.owned", _CREATED),
    Mutation("image-adopts-a-vm", "_core/planner/plan_create.py",
             "not given or vm.created or vm.id is None or request.policy.adopt", "True", _CREATED),
    Mutation("image-adopts-a-recorded-vm", "_core/planner/plan_create.py",
             "not given or vm.created or vm.id is None or request.policy.adopt",
             "not given or vm.owned or vm.id is None or request.policy.adopt", _CREATED),
    Mutation("adopt-has-no-effect", "_core/planner/plan_create.py",
             "not given or vm.created or vm.id is None or request.policy.adopt",
             "not given or vm.created or vm.id is None", _CREATED),
    Mutation("recorded-vm-is-pruned", "_core/planner/fleet.py",
             "vm.id is None or (vm.created and vm.is_proven)", "True",
             _CREATED),
    Mutation("vm-without-birth-in-its-mark-is-pruned", "_core/planner/fleet.py",
             "vm.id is None or (vm.created and vm.is_proven)", "vm.id is None or vm.created", _CREATED),
    Mutation("recorded-vm-is-created-again", "_core/planner/plan_create.py",
             "not vm.created or vm.snapshots or not vm.persistent",
             "not vm.owned or vm.snapshots or not vm.persistent", _CREATED),
    Mutation("foreign-bound-disk-is-deleted", "_core/planner/plan_delete.py",
             'foreign and delete_disks == "owned"', "False",
             _DELETE),
    Mutation("bound-disk-of-a-recorded-vm-is-ours", "_core/planner/plan_delete.py",
             "vm.created if file.bound else vm.owned",
             "vm.owned", _DELETE),
    Mutation("expiry-in-the-past-is-accepted", "_core/record/leases.py", "asked.at <= now", "False", _CREATED),
    Mutation("unchanged-expiry-in-the-past-is-rejected", "_core/record/leases.py",
             "bool(asked) and unmoved(found, asked, extend=False) is asked", "bool(asked)", _CREATED),
)  # fmt: skip
