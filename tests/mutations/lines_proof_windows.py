# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what is proven on Hyper-V, WSL and vmd: whose files these are, which exist, and which VM it is."""

from __future__ import annotations

from mutations.mutation import Mutation

_WORLD = ("tests/unit/module_utils/_core/sharing/test_world.py",)
_LOST = "tests/platforms/hyperv/test_lost_files.py"
_TWO = ("tests/platforms/hyperv/test_two_tasks.py",)
_WSL = "tests/platforms/wsl/test_files.py"
_VMM = "tests/unit/module_utils/_drivers/vmm"
_UNREAD, _BIRTHS, _LOCKED = (f"{_VMM}/test_{name}.py" for name in ("unread_vm_conf", "births", "locked_files"))
_FAILED = "tests/platforms/hyperv/test_failed_steps.py"
_REGISTRATION = ("tests/unit/module_utils/_tools/test_vm_conf_registration.py",)


def _of(file, *tests):
    return tuple(f"{file}::{test}" for test in tests)


MUTATIONS = (
    # A deletion and what it destroys anyway.
    Mutation(
        "own-chain-counts-as-user", "_core", "claim.part_of is None or claim.part_of not in deleted", "True", _WORLD
    ),
    Mutation(
        "checkpoint-file-is-part-of-nothing",
        "_drivers/hyperv",
        "self.identity(disk) if mode == WRITE and path != disk else None",
        "None",
        _of(_LOST, "test_vm_with_checkpoints_is_deleted_with_its_disk"),
    ),
    # Hyper-V: files that do not exist, and merges that never begin.
    Mutation(
        "unreadable-file-counts-as-lost",
        "_drivers/hyperv/observe.py",
        "self._exists.update(zip(unknown, result.answers[0].objects))",
        "self._exists.update(dict.fromkeys(unknown, False))",
        _of(_LOST, "test_file_that_cannot_be_read_is_not_lost"),
    ),
    Mutation(
        "file-on-a-share-counts-as-lost",
        "_drivers/hyperv/hyperv_vm.py",
        'path.lower().endswith(DISK_FILES) and not path.startswith("\\\\\\\\") and key_of(path) not in self.disks',
        "path.lower().endswith(DISK_FILES) and key_of(path) not in self.disks",
        _of(_LOST, "test_file_that_cannot_be_read_is_not_lost"),
    ),
    Mutation(
        "lost-file-is-waited-for",
        "_drivers/hyperv/delete.py",
        "has_checkpoints and not driver.found.never_merges(raw)",
        "has_checkpoints",
        _of(_LOST, "test_vm_with_a_lost_file_is_deleted"),
    ),
    Mutation(
        "idle-vm-is-merging-for-ever",
        "_drivers/hyperv/observe.py",
        "now - since >= _MERGE_BEGINS",
        "False",
        _of(_LOST, "test_merge_that_never_begins_delays_no_task"),
    ),
    Mutation(
        "merge-that-begins-late-is-not-waited-for",
        "_drivers/hyperv/observe.py",
        "now - since >= _MERGE_BEGINS",
        "True",
        _of(_LOST, "test_merge_that_begins_late_is_waited_for"),
    ),
    Mutation(
        "checkpoint-of-a-lost-file-is-deleted",
        "_drivers/hyperv/checks.py",
        "check_files_of_checkpoints(driver, plan)",
        "pass",
        _of(_LOST, "test_lost_file_is_reported_and_nothing_that_needs_it_begins"),
    ),
    Mutation(
        "file-of-a-kept-disk-is-deleted",
        "_drivers/hyperv/hyperv_vm.py",
        'File(path, "disk", key_of(disk) in own)',
        'File(path, "disk", True)',
        _of(_LOST, "test_disk_of_others_is_kept_with_what_is_on_top_of_it"),
    ),
    Mutation(
        "mounted-disk-is-deleted",
        "_drivers/hyperv/needed.py",
        "not is_own and bool((self._driver.found.disks.get(key_of(path)) or {}).get('Attached'))",
        "False",
        _of(_LOST, "test_mounted_disk_is_not_deleted"),
    ),
    # Two tasks on one VM.
    Mutation(
        "record-of-another-task-is-overwritten",
        "_drivers/wsl/configure.py",
        '[pick("distro", "own", conditions=recorded)] if recorded else []',
        "[]",
        _TWO,
    ),
    # WSL: what it deletes with a distribution.
    Mutation(
        "deletion-does-not-compare-the-disk",
        "_drivers/wsl/configure.py",
        "path not in planned",
        "False",
        _of(_WSL, "test_disk_that_was_moved_after_the_plan_is_not_deleted"),
    ),
    Mutation(
        "deletion-compares-the-name-only",
        "_drivers/wsl/configure.py",
        "guard(vm.id, name) if raw is None else guard_of_files(raw)",
        "guard(vm.id, name)",
        _of(_WSL, "test_disk_that_is_moved_before_the_call_is_not_deleted"),
    ),
    Mutation(
        "disk-of-version-1-is-not-listed",
        "_drivers/wsl/distro.py",
        '(File(disk_of(raw), "disk", ours=True, bound=True),)',
        '(File(disk_of(raw), "disk", ours=True, bound=True),) if is_vm(raw) else ()',
        _of(_WSL, "test_distribution_of_others_is_deleted_only_with_all_disks"),
    ),
    Mutation(
        "lost-disk-of-wsl-is-not-foreseen",
        "_drivers/wsl/checks.py",
        "_check_disk(driver, plan)",
        "pass",
        _of(_WSL, "test_distribution_without_its_disk_is_not_started"),
    ),
    Mutation(
        "unlisted-disk-counts-as-lost",
        "_drivers/wsl/observe.py",
        "self.host.disks.update(zip(map(key_of, paths), result.answers[0].objects))",
        "self.host.disks.update(dict.fromkeys(map(key_of, paths), False))",
        _of(_WSL, "test_hidden_disk_is_not_lost"),
    ),
    # vmd: which VM it is, and what vmd will read.
    Mutation(
        "record-of-another-vm-counts",
        "_drivers/vmm/observe.py",
        "not mark or self.is_ours(name) or name not in self.configuration.blocks",
        "True",
        _of(
            _BIRTHS,
            "test_interrupted_creation_does_not_claim_a_vm_that_was_defined_by_hand_meanwhile",
            "test_records_of_the_version_before_count",
        ),
    ),
    Mutation(
        "birth-without-the-disk",
        "_drivers/vmm/observe.py",
        "about += [str(files.identity(path)), image_of(path)[0]]",
        "pass",
        _of(_BIRTHS, "test_another_vm_under_the_name_of_a_foreign_one_has_no_lease"),
    ),
    Mutation(
        "birth-without-the-block",
        "_drivers/vmm/observe.py",
        "about = [text]",
        "about = []",
        _of(_BIRTHS, "test_another_vm_under_the_name_of_a_foreign_one_has_no_lease"),
    ),
    Mutation(
        "created-vm-has-no-birth",
        "_drivers/vmm/create.py",
        "empty_mark(vm.name, birth=uuid4().hex)",
        "empty_mark(vm.name)",
        _of(_BIRTHS, "test_birth_of_a_created_vm_is_that_of_its_record"),
    ),
    Mutation(
        "own-change-of-a-foreign-block-loses-its-record",
        "_drivers/vmm/edit.py::define",
        "mark = {**mark, BIRTH: self._define_elsewhere(block, definition)}",
        "self._define_elsewhere(block, definition)",
        _of(_BIRTHS, "test_own_change_of_a_foreign_block_keeps_its_record"),
    ),
    Mutation(
        "removed-block-is-transient",
        "_drivers/vmm/observe.py",
        "stored is not None or found.is_removed(name)",
        "stored is not None",
        _of(_UNREAD, "test_vm_without_its_block_is_forgotten_by_absent"),
    ),
    Mutation(
        "vm-without-block-is-started",
        "_drivers/vmm/checks.py",
        "_check_is_defined(driver, found, plan, steps)",
        "pass",
        _of(_UNREAD, "test_vm_without_its_block_is_neither_started_nor_changed"),
    ),
    Mutation(
        "rejected-block-is-not-foreseen",
        "_drivers/vmm/checks.py",
        "_check_registration(found, name, is_deleted)",
        "pass",
        _of(_UNREAD, "test_block_that_a_reload_rejects_is_foreseen"),
    ),
    Mutation(
        "own-vm-without-disk-is-not-foreseen",
        "_drivers/vmm/checks.py",
        "_check_own_devices(plan)",
        "pass",
        _of(_UNREAD, "test_vm_that_vmd_would_reject_is_not_created"),
    ),
    Mutation(
        "waiting-vm-is-waited-for",
        "_drivers/vmm/observe.py::_busy",
        "name in found.unread",
        "False",
        _of(_UNREAD, "test_vm_that_waits_after_a_failed_reload_is_not_waited_for"),
    ),
    Mutation(
        "instance-before-template-is-accepted",
        "_tools/vm_conf_registration.py",
        "parent is None",
        "False",
        _REGISTRATION,
    ),
    Mutation(
        "memory-is-no-device",
        "_tools/vm_conf_registration.py",
        'frozenset({"memory", *_})',
        "frozenset()",
        _REGISTRATION,
    ),
    Mutation(
        "locked-disk-is-deleted-by-the-step",
        "_drivers/vmm/delete.py",
        "check_deletable(*_)",
        "pass",
        _of(_LOCKED, "test_disk_that_is_locked_after_the_check_is_not_deleted"),
    ),
    Mutation(
        "lock-is-not-asked",
        "_drivers/vmm/needed.py",
        "files.identity(path) not in map(files.identity, disks) and is_locked_as_whole(path)",
        "False",
        _of(_LOCKED, "test_locked_disk_is_not_attached"),
    ),
    Mutation(
        "own-running-disk-counts-as-locked",
        "_drivers/vmm/needed.py",
        "files.identity(path) not in map(files.identity, disks) and is_locked_as_whole(path)",
        "is_locked_as_whole(path)",
        _of(_LOCKED, "test_disks_of_a_running_vm_are_locked_by_itself"),
    ),
    # What is asked again directly before the act, and what a failed step leaves.
    Mutation(
        "vm-starts-while-its-disk-is-replaced",
        "_ports/locks.py",
        "fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "None",
        _of(_LOCKED, "test_vm_cannot_start_while_its_disk_is_replaced_by_a_larger_one"),
    ),
    Mutation(
        "file-that-appears-is-replaced",
        "_drivers/vmm/settings/disks.py",
        "files.exists(path) and path not in driver.edit.leftovers(name)",
        "False",
        _of(_LOCKED, "test_file_that_appears_during_the_task_is_not_replaced"),
    ),
    Mutation(
        "notes-of-others-are-overwritten",
        "_drivers/hyperv/mark.py",
        "[the_vm(vm.id), same, *calls]",
        "[the_vm(vm.id), the_vm(vm.id), *calls]",
        _TWO,
    ),
    Mutation(
        "guest-stays-saved-after-a-failed-restore",
        "_drivers/hyperv/snapshots.py",
        "is_on and len(error.result.answers) == last",
        "False",
        _of(_FAILED, "test_guest_goes_on_if_its_restore_fails"),
    ),
    Mutation(
        "disk-that-was-not-created-stays-recorded",
        "_drivers/hyperv/configure.py",
        "yield from _undo_new_files(*_)",
        "pass",
        _of(_FAILED, "test_disk_that_was_not_created_is_not_recorded"),
    ),
    Mutation(
        "attached-disk-is-forgotten-after-a-failure",
        "_drivers/hyperv/configure.py",
        "notes_call(*_final_notes(raw, changes, attached))",
        "notes_call(*_final_notes(raw, changes, {}))",
        _of(_FAILED, "test_disk_that_was_attached_before_the_failure_is_recorded"),
    ),
    Mutation(
        "disk-of-a-new-user-is-deleted",
        "_drivers/hyperv/delete.py",
        "all_disks(result.answers).other_user(files, vm.id)",
        "None",
        _of(_FAILED, "test_disk_that_another_vm_needs_by_now_is_not_deleted"),
    ),
)
