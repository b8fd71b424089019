# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the driver of OpenBSD's vmd."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/vmm"
_CHANGES = (f"{_UNIT}/test_vm_conf_changes.py",)
_OTHERS = (f"{_UNIT}/test_changes_of_others.py",)
_POWER = (f"{_UNIT}/test_power.py",)
_INSTANCES = (f"{_UNIT}/test_instances.py",)

MUTATIONS = (
    Mutation("reload-starts-vms-of-others", "_drivers/vmm", "self._stop_again(to_stop)", "pass", _CHANGES),
    Mutation(
        "own-enabled-vm-starts-at-reload", "_drivers/vmm", "self._disable_others(self._parts)", "self._parts", _CHANGES
    ),
    Mutation("edit-of-others-is-overwritten", "_drivers/vmm", "self._check_unchanged()", "pass", _OTHERS),
    Mutation("block-of-others-is-deleted", "_drivers/vmm", "self.text[:start] + new + self.text[end:]", "new", _OTHERS),
    Mutation(
        "broken-file-is-written", "_drivers/vmm::_validate", "if errors:\n    ...", "if not errors:\n    ...", _CHANGES
    ),
    Mutation("failed-edit-leaves-disks", "_drivers/vmm", "self.discard(self.created_files)", "pass", _CHANGES),
    Mutation(
        "pending-change-is-forgotten-at-start",
        "_drivers/vmm",
        "is_unread or INCOMPLETE & (found.mark(vm.name) or {}).keys()",
        "is_unread",
        _CHANGES,
    ),
    Mutation("base-of-linked-clones-starts", "_drivers/vmm", "return bases_of(path)", "return ()", _POWER),
    Mutation(
        "switch-without-interface-ends-vmd",
        "_drivers/vmm",
        "sorted(set(needed) - driver.tool.interfaces()) if needed else []",
        "[]",
        _CHANGES,
    ),
    Mutation(
        "newline-before-marked-lines-stays",
        "_drivers/vmm",
        "_missing_newlines(before)",
        "1",
        ("tests/unit/module_utils/_tools/test_marked_block.py",),
    ),
    Mutation(
        "reload-while-an-instance-runs",
        "_drivers/vmm",
        "one.parent and one.name != name and found.power(one.name) != STOPPED",
        "False",
        _INSTANCES,
    ),
    Mutation(
        "instance-repeats-its-template", "_drivers/vmm", "self._own()", "replace(self, template=None)", _INSTANCES
    ),
    Mutation(
        "unread-change-is-not-checked-at-start",
        "_drivers/vmm",
        "check_reload(driver, found, plan.after.name, {plan.after.name}, gone)",
        "pass",
        _CHANGES,
    ),
    Mutation("started-vm-counts-as-stopped", "_drivers/vmm", "driver.starting.add(vm.name)", "pass", _POWER),
    Mutation(
        "statement-of-several-is-dropped",
        "_drivers/vmm",
        "if old == new:\n    ...",
        "if old == new == []:\n    ...",
        _CHANGES,
    ),
    Mutation(
        "reservations-are-not-checked",
        "_drivers/vmm",
        "[_check_reservations, *_]",
        "[*_]",
        ("tests/unit/module_utils/_hosts/openbsd/test_network.py",),
    ),
    Mutation(
        "deleted-vm-is-never-forgotten",
        "_drivers/vmm/edit.py",
        "block is None and name not in self.found.rows",
        "block is None",
        ("tests/unit/module_utils/_drivers/vmm/test_vm_conf_changes.py",),
    ),
)
