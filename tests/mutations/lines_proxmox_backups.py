# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of backups on Proxmox VE, and of their restore."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/proxmox"
_TAKEN, _RESTORED = f"{_UNIT}/test_backups.py", f"{_UNIT}/test_restored_backups.py"
_LEFT = f"{_UNIT}/test_left_by_restores.py"
_UNSEEN, _LOG = f"{_UNIT}/test_unseen_backups.py", "tests/unit/module_utils/_tools/test_proxmox_backups.py"
_BACKUPS, _CHECKS = "_drivers/proxmox/backups.py", "_drivers/proxmox/backup_checks.py"
_RESTORE, _TEXTS = "_drivers/proxmox/restore.py", "_tools/proxmox_backups.py"

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
        "offline-node-has-no-backups",
        _BACKUPS,
        "driver.resources.nodes_with(storage) - set(nodes)",
        "set()",
        [f"{_UNSEEN}::test_restore_is_rejected"],
    ),
    Mutation(
        "silent-node-has-no-backups",
        _BACKUPS,
        "silent.add(node)",
        "pass",
        [f"{_UNSEEN}::test_restore_is_rejected"],
    ),
    Mutation(
        "hidden-backup-counts-as-deleted",
        _BACKUPS,
        "asked.backup != NEWEST or not any(_)",
        "False",
        [f"{_UNSEEN}::test_account_that_may_not_see_all_backups"],
    ),
    Mutation(
        "deleted-backup-is-unknown-afterwards",
        _BACKUPS,
        "if driver.is_acting:\n    return",
        "if False:\n    return",
        [f"{_UNSEEN}::test_restore_and_deletion_of_a_backup_that_is_seen"],
    ),
    Mutation(
        "unknown-text-is-a-freeze",
        _TEXTS,
        "not line.startswith(_GOOD)",
        "'fsfreeze' in line",
        [f"{_LOG}::test_frozen_only_if_the_log_shows_it"],
    ),
    Mutation(
        "freeze-without-a-thaw",
        _TEXTS,
        "not (begin and end)",
        "not begin",
        [f"{_LOG}::test_frozen_only_if_the_log_shows_it"],
    ),
    Mutation(
        "silent-node-proves-damage",
        _BACKUPS,
        "error.status in NODE_ERRORS or isinstance(error, (Busy, ConnectionLost))",
        "False",
        [f"{_TAKEN}::test_backup_on_a_node_that_does_not_answer_is_not_deleted"],
    ),
    Mutation(
        "retention-deletes-damaged-backups",
        _BACKUPS,
        "driver.options['state'] != 'absent'",
        "False",
        [f"{_TAKEN}::test_retention_leaves_a_backup_that_cannot_be_read"],
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
        "larger-disk-is-another-one",
        _RESTORE,
        "0 <= (found or 0) - wanted < _EXTENT",
        "found == wanted",
        [f"{_RESTORED}::test_disk_that_a_storage_has_rounded_up_is_whole"],
    ),
    Mutation(
        "smaller-disk-is-whole",
        _RESTORE,
        "0 <= (found or 0) - wanted < _EXTENT",
        "(found or 0) - wanted < _EXTENT",
        [f"{_RESTORED}::test_disk_that_a_storage_has_rounded_up_is_whole"],
    ),
    Mutation(
        "lost-vm-expires-at-once",
        "_core/record/mark.py",
        "('tags', 'fleet', 'owner', CREATED)",
        "('tags', 'fleet', 'owner', 'expires', CREATED)",
        [f"{_RESTORED}::test_restored_vm_has_no_expiry_but_keeps_its_fleet"],
    ),
    Mutation(
        "rest-of-a-vm-gets-another-number",
        _RESTORE,
        "found is not None and set(found.stored) <= _REST",
        "False",
        [f"{_RESTORED}::test_failure_while_the_vm_is_overwritten_leaves_the_copy_and_the_former_disks"],
    ),
    Mutation(
        "leftover-of-another-backup-stays",
        _RESTORE,
        "is_other and not driver.is_running(left)",
        "False",
        [f"{_LEFT}::test_killed_restore_of_another_backup_leaves_nothing"],
    ),
    Mutation(
        "leftover-of-another-source-is-deleted",
        _RESTORE,
        "left is not None and set(left.inputs) == set(inputs) and left.inputs != inputs",
        "left is not None and left.inputs != inputs",
        [f"{_LEFT}::test_unfinished_vm_of_another_source_is_no_leftover_of_a_restore"],
    ),
    Mutation(
        "power-before-a-restore-is-forgotten",
        _RESTORE,
        "if vm.on:\n    ...",
        "if False:\n    ...",
        [f"{_RESTORED}::test_failure_while_the_vm_is_overwritten_leaves_the_copy_and_the_former_disks"],
    ),
    Mutation(
        "lost-snapshots-are-not-in-the-digest",
        "_core/results/plan_content.py",
        "step.verb in _ENDING",
        "step.verb == _DELETE",
        [f"{_RESTORED}::test_snapshots_of_one_name_are_different_plans"],
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
        "found is None or found.own_mark[_COPY_FOR] not in births_of(vm)",
        "found is None",
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
        "{**_, BIRTHS: [backup.birth]}",
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
