# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the driver of OpenBSD's vmd."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils/_drivers/vmm"
_UNIT = "tests/unit/module_utils/_drivers/vmm"
_CHANGES = (f"{_UNIT}/test_vm_conf_changes.py",)
_OTHERS = (f"{_UNIT}/test_changes_of_others.py",)
_POWER = (f"{_UNIT}/test_power.py",)
_INSTANCES = (f"{_UNIT}/test_instances.py",)

MUTATIONS = (
    Mutation(
        "reload-starts-vms-of-others",
        f"{_CODE}/edit.py",
        "self._stop_again(to_stop)",
        "pass",
        {"unit": _CHANGES},
    ),
    Mutation(
        "own-enabled-vm-starts-at-reload",
        f"{_CODE}/edit.py",
        "self._write(self._disable_others(self._parts))",
        "self._write(self._parts)",
        {"unit": _CHANGES},
    ),
    Mutation(
        "edit-of-others-is-overwritten",
        f"{_CODE}/edit.py",
        "self._take_over_changes()",
        "pass",
        {"unit": _OTHERS},
    ),
    Mutation(
        "block-of-others-is-deleted",
        f"{_CODE}/marked_block.py",
        "text = self.text[:start] + new + self.text[end:]",
        "text = new",
        {"unit": _OTHERS},
    ),
    Mutation(
        "broken-file-is-written",
        f"{_CODE}/edit.py",
        "if errors:",
        "if not errors:",
        {"unit": _CHANGES},
    ),
    Mutation(
        "failed-edit-leaves-disks",
        f"{_CODE}/edit.py",
        "self.discard(self.created_files)",
        "pass",
        {"unit": _CHANGES},
    ),
    Mutation(
        "pending-change-is-forgotten-at-start",
        f"{_CODE}/power.py",
        "if INCOMPLETE & (found.mark(vm.name) or {}).keys() or vm.name not in found.rows:",
        "if vm.name not in found.rows:",
        {"unit": _CHANGES},
    ),
    Mutation(
        "base-of-linked-clones-starts",
        f"{_CODE}/claims.py",
        "return bases_of(path)",
        "return ()",
        {"unit": _POWER},
    ),
    Mutation(
        "switch-without-interface-ends-vmd",
        f"{_CODE}/checks.py",
        "missing = sorted(set(needed) - driver.tool.interfaces()) if needed else []",
        "missing = []",
        {"unit": _CHANGES},
    ),
    Mutation(
        "newline-before-marked-lines-stays",
        f"{_CODE}/marked_block.py",
        "added = _missing_newlines(before)",
        "added = 1",
        {"unit": (f"{_UNIT}/test_marked_block.py",)},
    ),
    Mutation(
        "reload-while-an-instance-runs",
        f"{_CODE}/checks.py",
        "if one.parent and one.name != name and found.power(one.name) != STOPPED:",
        "if False:",
        {"unit": _INSTANCES},
    ),
    Mutation(
        "instance-repeats-its-template",
        f"{_CODE}/definition.py",
        "return self._own().statements()",
        "return replace(self, template=None).statements()",
        {"unit": _INSTANCES},
    ),
    Mutation(
        "unread-change-is-not-checked-at-start",
        f"{_CODE}/checks.py",
        "check_reload(driver, found, plan.after.name, {plan.after.name})",
        "pass",
        {"unit": _CHANGES},
    ),
    Mutation(
        "started-vm-counts-as-stopped",
        f"{_CODE}/power.py",
        "driver.starting.add(vm.name)",
        "pass",
        {"unit": _POWER},
    ),
    Mutation(
        "statement-of-several-is-dropped",
        f"{_CODE}/marked_block.py",
        "if old == new:",
        "if old == new == []:",
        {"unit": _CHANGES},
    ),
    Mutation(
        "reservations-are-not-checked",
        f"{_CODE}/network_problems.py",
        "_check_reservations,",
        "",
        {"unit": (f"{_UNIT}/test_network.py",)},
    ),
)
