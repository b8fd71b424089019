# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what the records of VMs on Proxmox VE prove, of its second writes, and of what could not be read."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/proxmox"
_BIRTHS, _VOLUMES = f"{_UNIT}/test_births.py", f"{_UNIT}/test_own_volumes.py"
_WRITES = f"{_UNIT}/test_two_writes.py"

MUTATIONS = (
    Mutation(
        "birth-is-not-compared-before-a-deletion",
        "_drivers/proxmox/delete.py",
        "birth and birth != vm_options.birth",
        "False",
        [f"{_BIRTHS}::test_vm_that_replaces_another_is_not_deleted"],
    ),
    Mutation(
        "new-volume-is-deleted-unplanned",
        "_drivers/proxmox/delete.py",
        "if added:\n    ...",
        "if False:\n    ...",
        [f"{_BIRTHS}::test_disk_after_the_plan_is_not_deleted"],
    ),
    Mutation(
        "birth-without-the-uuid",
        "_drivers/proxmox/mark.py",
        'f"{vmid}:{created}:{uuid}" if _ else ""',
        'f"{vmid}:{created}"',
        [f"{_BIRTHS}::test_copied_record_is_not_valid_again"],
    ),
    Mutation(
        "birth-is-not-in-the-record",
        "_drivers/proxmox/create.py",
        "{CREATED: _1, **finished_mark(own, mark.NONCE, mark.UPLOADS), 'birth': vm_options.birth, 'slots': slots}",
        "{CREATED: _1, **finished_mark(own, mark.NONCE, mark.UPLOADS), 'slots': slots}",
        [f"{_BIRTHS}::test_copied_record_is_not_valid_again"],
    ),
    Mutation(
        "own-uuid-makes-a-stranger",
        "_drivers/proxmox/own_volumes.py",
        "mark.birth_of(update.vmid, {**update.current, **update.to_set})",
        "birth",
        [f"{_BIRTHS}::test_own_change_of_the_uuid_keeps_the_record_valid"],
    ),
    Mutation(
        "record-of-an-earlier-version-stays-as-it-is",
        "_drivers/proxmox/configure.py",
        '"birth" in own and "slots" in own',
        "True",
        [f"{_BIRTHS}::test_record_without_birth_gets_it_with_the_next_change"],
    ),
    Mutation(
        "record-only-in-the-last-line",
        "_drivers/proxmox/mark.py",
        r'Pattern(r"^<!-- polyvirt (\{.*\}) -->[ \t\r]*(?:\n|\Z)", re.MULTILINE)',
        r'Pattern(r"^<!-- polyvirt (\{.*\}) -->\s*\Z", re.MULTILINE)',
        [f"{_BIRTHS}::test_note_below_the_record_changes_nothing"],
    ),
    Mutation(
        "every-volume-is-ours",
        "_drivers/proxmox/own_volumes.py",
        '"slots" not in own',
        "True",
        [f"{_VOLUMES}::test_disk_of_a_user_is_not_deleted_in_silence"],
    ),
    Mutation(
        "every-detached-disk-is-ours",
        "_drivers/proxmox/own_volumes.py",
        'volume in own.get("detached", ())',
        "True",
        [f"{_VOLUMES}::test_disk_that_a_user_detached_and_one_that_a_task_detached"],
    ),
    Mutation(
        "attached-disk-of-a-user-becomes-ours",
        "_drivers/proxmox/own_volumes.py",
        'volume in known["detached"]',
        "True",
        [f"{_VOLUMES}::test_detached_disk_of_a_user_stays_foreign_when_a_task_attaches_it"],
    ),
    Mutation(
        "settings-make-a-strangers-disks-ours",
        "_drivers/proxmox/mark.py",
        "marks.new_mark(str(vmid), birth=birth, inputs={}, slots=[])",
        "marks.new_mark(str(vmid), birth=birth, inputs={}, created='')",
        [f"{_VOLUMES}::test_settings_make_no_disk_of_others_ours"],
    ),
    Mutation(
        "restore-leaves-a-stranger",
        "_drivers/proxmox/snapshots.py",
        'notes and driver.permissions.has(f"/vms/{vm.id}", "VM.Config.Options")',
        "False",
        [f"{_VOLUMES}::test_restore_leaves_no_stranger_behind"],
    ),
    Mutation(
        "missing-document-is-accepted",
        "_drivers/proxmox/settings/native.py",
        "_check_documents(driver, label, node, text)",
        "pass",
        [f"{_WRITES}::test_document_that_the_node_lacks_is_rejected"],
    ),
    Mutation(
        "failed-seed-stays-stored",
        "_drivers/proxmox/configure.py",
        "old or added",
        "False",
        [f"{_WRITES}::test_settings_of_a_failed_drive_are_put_back"],
    ),
    Mutation(
        "memory-is-never-live",
        "_drivers/proxmox/settings/hardware.py",
        'partial(cost_by_hotplug, "memory")',
        "NEXT_BOOT",
        [f"{_WRITES}::test_memory_with_hotplug_is_changed_live"],
    ),
    Mutation(
        "finished-mark-overwrites-others",
        "_drivers/proxmox/create.py",
        "driver.tool.put(_1, **settings, digest=vm_options.digest)",
        "driver.tool.put(_1, **settings)",
        [f"{_UNIT}/test_digests.py"],
    ),
    Mutation(
        "loser-has-changed-something",
        "_drivers/proxmox/create.py::_uncount",
        "change_counter.set_back(before)",
        "pass",
        [f"{_UNIT}/test_races.py::test_second_task_at_any_moment_leaves_one_vm"],
    ),
    Mutation(
        "unread-option-is-empty",
        "_core/planner/differences.py",
        "next((option for option in options if option not in vm.config), None)",
        "None",
        ["tests/unit/module_utils/_core/options/test_unknown.py"],
    ),
    Mutation(
        "unread-snapshot-is-absent",
        "_core/planner/plan.py",
        "task.vm.power == UNKNOWN and (steps or not is_there)",
        "task.vm.power == UNKNOWN and steps",
        ["tests/unit/module_utils/_core/options/test_unknown.py::test_snapshots_that_could_not_be_read_are_not_absent"],
    ),
    Mutation(
        "image-of-an-unread-vm-is-not-asked",
        "_core/planner/plan_create.py",
        "_unproven_sources(vm, request) if vm.mark is None else []",
        "[]",
        ["tests/unit/module_utils/_core/options/test_unknown.py::test_unread_setting_is_never_as_requested"],
    ),
    Mutation(
        "reap-ends-vms-in-any-pool",
        "plugins/plugin_utils/leases/decisions.py",
        'setting is None or bool(vm.get("snapshot")) or vm["settings"].get(setting) in pools',
        "True",
        ["tests/unit/plugin_utils/test_reap_decisions.py"],
    ),
)
