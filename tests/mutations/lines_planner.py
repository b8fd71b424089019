# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the planner: what is decided, compared and reported."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_core"
_POWER_TABLE = "tests/unit/tables/test_power_table.py"
_CASES = "tests/unit/tables/test_driver_cases.py"

MUTATIONS = (
    Mutation(
        "mark-of-an-earlier-version-is-finished",
        "_core",
        '"new" in mark',
        "False",
        ["tests/unit/module_utils/_core/record/test_mark.py"],
    ),
    Mutation(
        "restart-without-permission",
        "_core",
        "needs_off and not task.policy.allow_restart",
        "not needs_off and not task.policy.allow_restart",
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "transient-vm-is-stopped-and-lost",
        "_core",
        '{"stop", "kill", "suspend"}',
        '{"suspend"}',
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "rebuild-loses-snapshots",
        "_core",
        "not vm.created or vm.snapshots or not vm.persistent",
        "not vm.created or not vm.persistent",
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "rebuild-of-foreign-vm",
        "_core",
        "not vm.created or vm.snapshots or not vm.persistent",
        "vm.snapshots or not vm.persistent",
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "rebuild-as-clone-of-itself",
        "_core",
        "check_not_its_own_source(vm, request, task.source)",
        "pass",
        ("tests/unit/module_utils/_core/planner/test_plan_clone.py",),
    ),
    Mutation(
        "unknown-state-passes-for-reached",
        "_core",
        "changes or not _is_reported(vm, request.state)",
        "changes",
        [_POWER_TABLE],
    ),
    Mutation(
        "busy-source-is-cloned",
        "_core",
        "task.vm.power == ABSENT and task.source is not None and task.source.busy",
        "task.vm.busy and task.source is not None and task.source.busy",
        ("tests/unit/module_utils/_core/planner/test_plan_clone.py",),
    ),
    Mutation(
        "paused-vm-is-not-resumed-to-stop",
        "_core",
        'Moves("resume stop", "kill")',
        'Moves("stop", "kill")',
        [_POWER_TABLE],
    ),
    Mutation(
        "suspended-vm-does-not-come-back",
        "_core",
        '("start", "suspend")',
        '("start",)',
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "stop-is-not-waited-for",
        "_core",
        '{"create", "clone", "stop", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot",'
        ' "edit_snapshot", "fetch"}',
        '{"create", "clone", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot",'
        ' "edit_snapshot", "fetch"}',
        ["tests/unit/module_utils/_engine/test_task.py"],
    ),
    Mutation(
        "foreign-mark-deletes-disk",
        "_core",
        "vm.created if file.bound else vm.owned",
        "vm.created if file.bound else True",
        [_CASES],
    ),
    Mutation(
        "disk-in-use-is-deleted",
        "_core",
        "if file.used_by:\n    ...",
        "if file.used_by and file.bound:\n    ...",
        [_CASES],
    ),
    Mutation(
        "iso-is-deleted-with-all-disks",
        "_core",
        'file.role == "medium"',
        'file.role == "medium" and delete_disks == "none"',
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "clone-keeps-mac-of-source",
        "_core",
        '(("disks", "source"), ("networks", "mac"), ("networks", "address"))',
        '(("disks", "source"), ("networks", "address"))',
        [f"{_UNIT}/planner/test_plan_clone.py"],
    ),
    Mutation(
        "name-of-another-vm-is-ignored",
        "_core::check_identity",
        "vm.power == ABSENT or folded(vm.name) == folded(name)",
        "vm.power != ABSENT or folded(vm.name) == folded(name)",
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "one-snapshot-too-many-is-kept",
        "_core",
        "asked.keep_last - 1",
        "asked.keep_last",
        [f"{_UNIT}/planner/test_plan_snapshot.py"],
    ),
    Mutation(
        "newest-snapshots-are-dropped",
        "_core",
        "sorted(others, key=lambda one: one.created)[:surplus]",
        "sorted(others, key=lambda one: one.created)[-surplus:]",
        [f"{_UNIT}/planner/test_plan_snapshot.py"],
    ),
    Mutation(
        "unfinished-snapshot-is-restored",
        "_core",
        'asked.state != "absent"',
        'asked.state == "present"',
        [f"{_UNIT}/planner/test_plan_snapshot.py"],
    ),
    Mutation(
        "running-disk-shrinks", "_core", "change.new < change.old", "change.new < change.old and not vm.on", [_CASES]
    ),
    Mutation(
        "suspended-vm-is-changed-live",
        "_drivers/virsh",
        "{SUSPENDED: NEXT_BOOT, FAILED: NEXT_BOOT}",
        "{FAILED: NEXT_BOOT}",
        ["tests/unit/module_utils/_drivers/virsh/test_traits.py"],
    ),
    Mutation(
        "size-counts-in-thousands",
        "_core",
        '1024 ** _EXPONENTS[(prefix or "").upper()]',
        '1000 ** _EXPONENTS[(prefix or "").upper()]',
        [f"{_UNIT}/test_units.py"],
    ),
    Mutation(
        "memory-reported-in-megabytes",
        "_core",
        "memory // MIB",
        "memory // 1000**2",
        [f"{_UNIT}/results/test_results.py"],
    ),
    Mutation(
        "secret-in-difference",
        "_core",
        'MASK if before in (None, value) else f"{MASK} (another)"',
        'value if before in (None, value) else f"{MASK} (another)"',
        ("tests/unit/module_utils/_core/results/test_results.py",),
    ),
    Mutation(
        "pending-change-is-not-reported",
        "_core",
        "[change for change in step.changes if change.cost == LIVE]",
        "list(step.changes)",
        [f"{_UNIT}/planner/test_plan.py"],
    ),
    Mutation(
        "two-vms-share-one-address",
        "_core::requests",
        "len(names) > 1",
        "len(names) > 2",
        [f"{_UNIT}/options/test_request.py"],
    ),
    Mutation(
        "multicast-mac-is-accepted",
        "_core",
        "not _MAC.fullmatch(mac) or int(mac[1], 16) & 1",
        "not _MAC.fullmatch(mac)",
        [f"{_UNIT}/options/test_request.py"],
    ),
    Mutation(
        "each-vm-of-a-task-has-all-the-space",
        "_kit",
        "reserved[name, option] = needed",
        "pass",
        ["tests/unit/module_utils/_kit/test_space.py"],
    ),
    Mutation(
        "snapshot-task-rejects-other-spellings-of-an-id",
        "_front::snapshot_module",
        "changing(options, answer, platform)",
        "changing(options, answer)",
        ["tests/unit/modules/test_ids.py"],
    ),
    Mutation(
        "dictionary-is-compared-as-a-whole",
        "_core",
        '{kind.partition(".")[0] for kind in self.fields if "." in kind} - {*COLLECTIONS}',
        "set()",
        ["tests/unit/toy_platform/test_toy_platform.py"],
    ),
    Mutation(
        "other-image-is-no-warning",
        "_core",
        'name != known["name"]',
        "False",
        [f"{_UNIT}/results/test_results.py"],
    ),
    Mutation(
        "number-of-memory-is-not-checked",
        "_core",
        "not has_unit and (0, 0) < _times(number, 1) < (least, 0)",
        "False",
        ["tests/unit/modules/test_short_forms.py"],
    ),
    Mutation(
        "path-is-a-public-key",
        "_core",
        "not lines or not all(map(_is_key, lines))",
        "not lines",
        [f"{_UNIT}/options/test_public_keys.py"],
    ),
)
