# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of backups on Proxmox VE, and of their restore."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/proxmox"
_TAKEN, _RESTORED = f"{_UNIT}/test_backups.py", f"{_UNIT}/test_restored_backups.py"
_BACKUPS, _CHECKS = "_drivers/proxmox/backups.py", "_drivers/proxmox/backup_checks.py"
_RESTORE = "_drivers/proxmox/restore.py"

MUTATIONS = (
    Mutation(
        "answer-without-a-task-is-a-backup",
        _BACKUPS,
        'not str(upid).startswith("UPID:")',
        "False",
        [f"{_TAKEN}::test_answer_without_a_task_is_no_success"],
    ),
    Mutation(
        "backup-is-claimed-frozen",
        _BACKUPS,
        "(CRASH, problem) if problem else (FILESYSTEM, '')",
        "(FILESYSTEM, '')",
        [f"{_TAKEN}::test_freeze_that_fails_is_an_error_if_it_was_requested"],
    ),
    Mutation(
        "failed-freeze-is-no-error",
        _BACKUPS,
        "strength(reached) < strength(made.consistency)",
        "False",
        [f"{_TAKEN}::test_freeze_that_fails_is_an_error_if_it_was_requested"],
    ),
    Mutation(
        "frozen-backup-is-recorded-as-crash",
        _BACKUPS,
        "strength(reached) > strength(one.backup.consistency)",
        "False",
        [f"{_TAKEN}::test_backup_is_created_once_in_its_age"],
    ),
    Mutation(
        "second-backup-after-a-lost-answer",
        _BACKUPS,
        "str(task.get('id')) == vm.id",
        "False",
        [f"{_TAKEN}::test_lost_answer_creates_no_second_backup"],
    ),
    Mutation(
        "notes-decide-alone",
        _BACKUPS,
        "mark.birth_of(_, options) != one.backup.birth",
        "False",
        [f"{_TAKEN}::test_copied_notes_do_not_make_a_backup"],
    ),
    Mutation(
        "notes-of-another-number",
        _BACKUPS,
        "record['birth'].partition(':')[0] != str(entry.get('vmid'))",
        "False",
        [f"{_TAKEN}::test_notes_of_another_number_do_not_count"],
    ),
    Mutation(
        "failed-verification-counts",
        _BACKUPS,
        "_.get('state') == 'failed'",
        "False",
        [f"{_TAKEN}::test_damaged_backup_does_not_count"],
    ),
    Mutation(
        "server-prunes-by-itself",
        _BACKUPS,
        "driver.tool.post(_1, remove=0, **_)",
        "driver.tool.post(_1)",
        [f"{_TAKEN}::test_backup_is_created_once_in_its_age"],
    ),
    Mutation(
        "excluded-disk-in-silence",
        _CHECKS,
        "if excluded - asked:\n    ...",
        "if False:\n    ...",
        [f"{_TAKEN}::test_excluded_disks_are_named_by_the_task"],
    ),
    Mutation(
        "silent-agent-is-no-obstacle",
        _CHECKS,
        "error.message.rstrip('.')",
        "''",
        [f"{_TAKEN}::test_filesystem_needs_an_agent_that_answers"],
    ),
    Mutation(
        "space-for-one-restore-only",
        _CHECKS,
        "2 * size",
        "size",
        [f"{_RESTORED}::test_space_for_copy_and_former_disks"],
    ),
    Mutation(
        "rest-of-a-failed-restore-stays",
        _RESTORE,
        "set(vm_options.stored) <= _REST or vm_options.is_unfinished",
        "False",
        [f"{_RESTORED}::test_failed_restore_as_another_vm_leaves_nothing"],
    ),
    Mutation(
        "copy-with-the-macs-of-its-vm",
        _RESTORE,
        "is_copy or None",
        "None",
        [f"{_RESTORED}::test_restore_as_another_vm"],
    ),
    Mutation(
        "any-copy-of-the-backup-is-ours",
        _RESTORE,
        "own.get(_COPY_FOR) in births_of(vm)",
        "True",
        [f"{_RESTORED}::test_vm_that_a_user_has_restored_under_the_name_of_the_copy_remains"],
    ),
    Mutation(
        "copy-starts-with-its-node",
        _RESTORE,
        "{'onboot': 0} if is_copy else {}",
        "{}",
        [f"{_RESTORED}::test_restore_as_another_vm"],
    ),
    Mutation(
        "server-frees-the-former-disks",
        _RESTORE,
        "not slots",
        "True",
        [f"{_RESTORED}::test_replace_a_vm_of_somebody_else"],
    ),
    Mutation(
        "disks-of-others-are-deleted",
        _RESTORE,
        "UNUSED.fullmatch(key) and volume in files",
        "UNUSED.fullmatch(key)",
        [f"{_RESTORED}::test_replace_a_vm_of_somebody_else"],
    ),
    Mutation(
        "own-former-disks-stay",
        _RESTORE,
        "UNUSED.fullmatch(key) and volume in files",
        "False",
        [f"{_RESTORED}::test_replace_an_own_vm_deletes_its_former_disks"],
    ),
    Mutation(
        "name-of-the-copy-is-not-checked",
        _CHECKS,
        "listed.name == name and own_copy(*_) is None",
        "False",
        [f"{_RESTORED}::test_what_is_not_overwritten"],
    ),
    Mutation(
        "lost-vm-starts-without-its-backups",
        _RESTORE,
        "{} if is_beside(driver) else {_: _}",
        "{}",
        [f"{_RESTORED}::test_number_of_a_lost_vm_that_is_taken"],
    ),
    Mutation(
        "restored-vm-is-not-compared",
        _RESTORE,
        "if different:\n    ...",
        "if False:\n    ...",
        [f"{_RESTORED}::test_restored_vm_that_lacks_a_disk_is_removed"],
    ),
)
