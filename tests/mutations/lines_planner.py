# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the planner: what is decided, compared and reported."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils/_core"
_UNIT = "tests/unit/module_utils/_core"
_POWER_TABLE = "tests/unit/tables/test_power_table.py"
_CASES = "tests/unit/tables/test_driver_cases.py"

MUTATIONS = (
    Mutation(
        "restart-without-permission",
        f"{_CODE}/plan.py",
        "if needs_off and not task.policy.allow_restart:",
        "if not needs_off and not task.policy.allow_restart:",
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "transient-vm-is-stopped-and-lost",
        f"{_CODE}/plan.py",
        'if {"stop", "kill", "suspend"} & set(moves):',
        'if {"suspend"} & set(moves):',
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "rebuild-loses-snapshots",
        f"{_CODE}/plan.py",
        "if not vm.owned or vm.snapshots or not vm.persistent:",
        "if not vm.owned or not vm.persistent:",
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "rebuild-of-foreign-vm",
        f"{_CODE}/plan.py",
        "if not vm.owned or vm.snapshots or not vm.persistent:",
        "if vm.snapshots or not vm.persistent:",
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "rebuild-as-clone-of-itself",
        f"{_CODE}/plan.py",
        "_check_not_its_own_source(task)",
        "pass",
        {"unit": ("tests/unit/module_utils/_core/test_plan_clone.py",)},
    ),
    Mutation(
        "unknown-state-passes-for-reached",
        f"{_CODE}/plan.py",
        "if changes or not _is_reported(vm, request.state):",
        "if changes:",
        {"unit": [_POWER_TABLE]},
    ),
    Mutation(
        "busy-source-is-cloned",
        f"{_CODE}/plan.py",
        "if task.vm.power == ABSENT and task.source is not None and task.source.busy:",
        "if task.vm.busy and task.source is not None and task.source.busy:",
        {"unit": ("tests/unit/module_utils/_core/test_plan_clone.py",)},
    ),
    Mutation(
        "paused-vm-is-not-resumed-to-stop",
        f"{_CODE}/power.py",
        'Moves("create"), _NOTHING, Moves("stop", "kill"), Moves("resume stop", "kill"), Moves("start stop", "kill"),',
        'Moves("create"), _NOTHING, Moves("stop", "kill"), Moves("stop", "kill"), Moves("start stop", "kill"),',
        {"unit": [_POWER_TABLE]},
    ),
    Mutation(
        "suspended-vm-does-not-come-back",
        f"{_CODE}/power.py",
        'BACK_TO = {STOPPED: (), RUNNING: ("start",), PAUSED: ("start", "pause"),'
        ' SUSPENDED: ("start", "suspend"), FAILED: ()}',
        'BACK_TO = {STOPPED: (), RUNNING: ("start",), PAUSED: ("start", "pause"), SUSPENDED: ("start",), FAILED: ()}',
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "stop-is-not-waited-for",
        f"{_CODE}/segments.py",
        '_OBSERVED = frozenset({"create", "clone", "stop", "kill", "suspend", "delete", "snapshot",'
        ' "restore", "drop_snapshot"})',
        '_OBSERVED = frozenset({"create", "clone", "kill", "suspend", "delete", "snapshot",'
        ' "restore", "drop_snapshot"})',
        {"unit": ["tests/unit/module_utils/_engine/test_task.py"]},
    ),
    Mutation(
        "foreign-mark-deletes-disk",
        f"{_CODE}/plan_delete.py",
        'if delete_disks == "all" or (file.ours and vm.owned):',
        'if delete_disks == "all" or file.ours:',
        {"unit": [_CASES]},
    ),
    Mutation(
        "disk-in-use-is-deleted",
        f"{_CODE}/plan_delete.py",
        "if file.used_by:",
        "if file.used_by and file.bound:",
        {"unit": [_CASES]},
    ),
    Mutation(
        "iso-is-deleted-with-all-disks",
        f"{_CODE}/plan_delete.py",
        'if file.role == "medium":',
        'if file.role == "medium" and delete_disks == "none":',
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "clone-keeps-mac-of-source",
        f"{_CODE}/plan_create.py",
        'for name, own in (("disks", "source"), ("networks", "mac")):',
        'for name, own in (("disks", "source"),):',
        {"unit": [f"{_UNIT}/test_plan_clone.py"]},
    ),
    Mutation(
        "name-of-another-vm-is-ignored",
        f"{_CODE}/identity.py",
        "if vm.power != ABSENT and folded(vm.name) != folded(name):",
        "if vm.power == ABSENT and folded(vm.name) != folded(name):",
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "one-snapshot-too-many-is-kept",
        f"{_CODE}/plan_snapshot.py",
        "surplus = len(others) - (asked.keep_last - 1)",
        "surplus = len(others) - asked.keep_last",
        {"unit": [f"{_UNIT}/test_plan_snapshot.py"]},
    ),
    Mutation(
        "newest-snapshots-are-dropped",
        f"{_CODE}/plan_snapshot.py",
        "to_delete = sorted(others, key=lambda one: one.created)[:surplus]",
        "to_delete = sorted(others, key=lambda one: one.created)[-surplus:]",
        {"unit": [f"{_UNIT}/test_plan_snapshot.py"]},
    ),
    Mutation(
        "unfinished-snapshot-is-restored",
        f"{_CODE}/plan_snapshot.py",
        'if asked.state != "absent":',
        'if asked.state == "present":',
        {"unit": [f"{_UNIT}/test_plan_snapshot.py"]},
    ),
    Mutation(
        "running-disk-shrinks",
        f"{_CODE}/differences.py",
        "if change.new < change.old:",
        "if change.new < change.old and not vm.on:",
        {"unit": [_CASES]},
    ),
    Mutation(
        "suspended-vm-is-changed-live",
        "plugins/module_utils/_core/model.py",
        "return max(cost, self.while_suspended, key=COSTS.index) if vm.power in (SUSPENDED, FAILED) else cost",
        "return max(cost, self.while_suspended, key=COSTS.index) if vm.power == FAILED else cost",
        {"unit": ["tests/unit/module_utils/_drivers/virsh/test_traits.py"]},
    ),
    Mutation(
        "size-counts-in-thousands",
        f"{_CODE}/units.py",
        'factor = 1024 ** _EXPONENTS[(prefix or "").upper()] if has_unit else bare',
        'factor = 1000 ** _EXPONENTS[(prefix or "").upper()] if has_unit else bare',
        {"unit": [f"{_UNIT}/test_units.py"]},
    ),
    Mutation(
        "memory-reported-in-megabytes",
        f"{_CODE}/results.py",
        '"memory_mib": None if memory is None else memory // MIB,',
        '"memory_mib": None if memory is None else memory // 1000**2,',
        {"unit": [f"{_UNIT}/test_results.py"]},
    ),
    Mutation(
        "secret-in-difference",
        f"{_CODE}/results.py",
        'return MASK if before in (None, value) else f"{MASK} (another)"',
        'return value if before in (None, value) else f"{MASK} (another)"',
        {"unit": ("tests/unit/module_utils/_core/test_results.py",)},
    ),
    Mutation(
        "pending-change-is-not-reported",
        f"{_CODE}/simulate.py",
        "live = [change for change in step.changes if change.cost == LIVE]",
        "live = list(step.changes)",
        {"unit": [f"{_UNIT}/test_plan.py"]},
    ),
    Mutation(
        "two-vms-share-one-address",
        f"{_CODE}/request.py",
        "if len(names) > 1:",
        "if len(names) > 2:",
        {"unit": [f"{_UNIT}/test_request.py"]},
    ),
    Mutation(
        "multicast-mac-is-accepted",
        f"{_CODE}/units.py",
        "if not _MAC.fullmatch(mac) or int(mac[1], 16) & 1:",
        "if not _MAC.fullmatch(mac):",
        {"unit": [f"{_UNIT}/test_request.py"]},
    ),
    Mutation(
        "each-vm-of-a-task-has-all-the-space",
        "plugins/module_utils/_kit/space.py",
        "reserved[name, option] = needed",
        "pass",
        {"unit": ["tests/unit/module_utils/_kit/test_space.py"]},
    ),
    Mutation(
        "snapshot-task-rejects-other-spellings-of-an-id",
        "plugins/module_utils/_front/snapshots.py",
        "return Declaration(options, answer, platform)",
        "return Declaration(options, answer)",
        {"unit": ["tests/unit/modules/test_ids.py"]},
    ),
    Mutation(
        "dictionary-is-compared-as-a-whole",
        f"{_CODE}/model.py",
        'return {kind.partition(".")[0] for kind in self.fields if "." in kind} - {*COLLECTIONS}',
        "return set()",
        {"unit": ["tests/unit/toy_platform/test_toy_platform.py"]},
    ),
    Mutation(
        "other-image-is-no-warning",
        f"{_CODE}/results.py",
        'if not asked or not created_from or asked["source"] == created_from:',
        "if True:",
        {"unit": [f"{_UNIT}/test_results.py"]},
    ),
    Mutation(
        "number-of-memory-is-not-checked",
        f"{_CODE}/units.py",
        "if not has_unit and 0 < Fraction(number) < least:",
        "if False:",
        {"unit": ["tests/unit/modules/test_short_forms.py"]},
    ),
    Mutation(
        "path-is-a-public-key",
        f"{_CODE}/public_keys.py",
        "if not lines or not all(map(_is_key, lines)):",
        "if not lines:",
        {"unit": [f"{_UNIT}/test_public_keys.py"]},
    ),
)
