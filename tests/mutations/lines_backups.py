# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of backups: weak, old or damaged ones that count, too much deleted, guests that stay frozen."""

from __future__ import annotations

from .mutation import Mutation

_CORE, _UNIT = "_core/backup", "tests/unit/module_utils"
_PLAN, _VIRSH = [f"{_UNIT}/_core/planner/test_plan_backup.py"], [f"{_UNIT}/_drivers/virsh/test_backups.py"]
_RESTORE, _UNIT_RESTORE = "_drivers/virsh/restore.py", [f"{_UNIT}/_drivers/virsh/test_restore.py"]
_JOBS, _WAITS = "_engine/task.py", [f"{_UNIT}/_engine/test_jobs.py"]
_DRIVER, _UNIT_JOBS = "_drivers/virsh/driver.py", [f"{_UNIT}/_drivers/virsh/test_jobs.py"]
_CHECKS, _TOOL = "_drivers/virsh/backup_checks.py", "_tools/virsh_backup.py"
_RULES, _FILES = [f"{_UNIT}/_core/backup/test_retention.py"], [f"{_UNIT}/_core/backup/test_manifest.py"]

MUTATIONS = (
    Mutation("damaged-backup-counts", _CORE, "not (self.unfinished or self.damaged)", "not self.unfinished", _PLAN),
    Mutation("backup-of-the-future-counts", _CORE, "self.is_good and not self.is_ahead(now)", "self.is_good", _PLAN),
    Mutation(
        "backup-without-a-disk-counts",
        _CORE,
        "is_young and is_strong and set(self.excluded) <= set(asked.exclude)",
        "is_young and is_strong",
        _PLAN,
    ),
    Mutation("newest-backup-is-deleted", _CORE, "reversed(newest_first[1:])", "reversed(newest_first)", _RULES),
    Mutation("days-without-backups-are-counted", _CORE, "len(counted) == count", "len(counted) < 0", _RULES),
    Mutation(
        "protected-backup-is-deleted",
        "_core/planner/plan_backup.py",
        "one.counts(now) and not one.protected",
        "one.counts(now)",
        _PLAN,
    ),
    Mutation(
        "backup-that-another-host-writes-is-deleted",
        "_core/planner/plan_backup.py",
        "not (one.is_written or one.is_foreign)",
        "not one.is_written",
        _PLAN,
    ),
    Mutation(
        "backup-of-another-vm-replaces-this-one",
        "_core/planner/plan_backup.py",
        "chosen.birth not in births_of(vm)",
        "False",
        _PLAN,
    ),
    Mutation("manifest-names-files-elsewhere", _CORE, "not is_plain(name) or name == NAME", "name == NAME", _FILES),
    Mutation(
        "backup-that-is-dated-ahead-has-no-settings",
        "_core/backup/backup.py",
        "self.id == asked.backup or (asked.backup == NEWEST and self.counts(now))",
        "asked.backup in (NEWEST, self.id) and self.counts(now)",
        ("tests/unit/module_utils/_drivers/virsh/test_restore.py",),
    ),
    Mutation(
        "guest-stays-frozen-after-a-failed-thaw",
        "_tools/virsh_backup.py",
        "is_frozen and answers['domfsthaw'].error and thaw(virsh, uuid)",
        "False",
        _VIRSH,
    ),
    Mutation(
        "guest-of-a-killed-task-stays-frozen",
        "_drivers/virsh",
        'not manifest.get("may_be_frozen") or vm.power not in (RUNNING, PAUSED)',
        "True",
        _VIRSH,
    ),
    Mutation(
        "failed-job-is-a-backup", "_tools/virsh_backup.py", 'found.get("Job type") != "Completed"', "False", _VIRSH
    ),
    Mutation(
        "restored-copy-is-not-compared",
        _RESTORE,
        "not (is_whole and image.same_content(source, path, stored_as, one['format']))",
        "False",
        _UNIT_RESTORE,
    ),
    Mutation(
        "vm-that-a-killed-restore-stopped-stays-off",
        _RESTORE,
        "interrupted_restore(vm.mark if vm.owned and vm.power == STOPPED else None).get('power', vm.power)",
        "vm.power",
        _UNIT_RESTORE,
    ),
    Mutation(
        "edited-record-deletes-files-of-others",
        _RESTORE,
        "{*own.get('disks', ()), *own.get('nvram', ())} & set(own[REPLACING].get('files', ()))",
        "set(own[REPLACING].get('files', ()))",
        _UNIT_RESTORE,
    ),
    Mutation(
        "files-of-a-rejected-restore-remain",
        _RESTORE,
        "driver.definition(vm.id).content == content",
        "False",
        _UNIT_RESTORE,
    ),
    Mutation(
        "leftovers-of-a-restore-remain",
        _RESTORE,
        "[path for path in making_of(mark) if files.exists(path)]",
        "[]",
        _UNIT_RESTORE,
    ),
    Mutation(
        "interrupted-restore-stops-the-vm-again",
        "_core/planner/plan_backup.py",
        "begun.get('id') == chosen.id",
        "False",
        _PLAN,
    ),
    Mutation("running-job-is-disturbed", _JOBS, "work.found.on and disturbs_jobs(work.plan)", "False", _WAITS),
    Mutation("each-task-waits-for-jobs", _JOBS, "work.found.on and disturbs_jobs(work.plan)", "work.found.on", _WAITS),
    Mutation(
        "unknown-job-is-no-job",
        "_tools/virsh.py",
        "_says(error, _NO_JOB) or is_unsupported(error) or is_not_found(error)",
        "True",
        [f"{_UNIT}/_tools/test_virsh.py"],
    ),
    Mutation("vm-that-hangs-rejects-its-task", _DRIVER, "may_pass(answer.error)", "False", _UNIT_JOBS),
    Mutation(
        "error-about-one-job-rejects-all-vms",
        _JOBS,
        "isinstance(job, PolyvirtError)",
        "False",
        [f"{_WAITS[0]}::test_unknown_jobs_of_one_vm_reject_only_that_one"],
    ),
    Mutation(
        "vm-that-hangs-cannot-be-killed",
        "_core/planner/plan.py",
        "task.vm.busy == LOCKED and task.vm.on",
        "False",
        [f"{_UNIT}/_core/planner/test_plan.py::test_vm_that_another_command_holds_is_killed_only_with_force"],
    ),
    Mutation(
        "endless-job-is-waited-for",
        _TOOL,
        "not any(one.error or one.stdout.strip() for one in disks) and not has_no_job(job)",
        "False",
        _UNIT_JOBS,
    ),
    Mutation(
        "running-job-is-endless",
        _TOOL,
        "not any(one.error or one.stdout.strip() for one in disks) and not has_no_job(job)",
        "not has_no_job(job)",
        _UNIT_JOBS,
    ),
    Mutation(
        "job-that-ends-while-it-is-read-is-endless",
        _TOOL,
        "not any(one.error or one.stdout.strip() for one in disks) and not has_no_job(job)",
        "not any(one.error or one.stdout.strip() for one in disks)",
        [f"{_VIRSH[0]}::test_job_that_ends_while_it_is_read_is_not_endless"],
    ),
    Mutation(
        "job-that-loses-its-disks-is-waited-for",
        _TOOL,
        "is_over(self._virsh, uuid)",
        "False",
        [f"{_VIRSH[0]}::test_job_that_loses_its_disks_is_not_waited_for"],
    ),
    Mutation(
        "own-endless-job-is-never-completed",
        "_core/planner/planned_steps.py",
        "step.verb in _DISTURBING and not _completes_job(step)",
        "step.verb in _DISTURBING",
        [f"{_PLAN[0]}::test_plans_that_a_running_job_forbids"],
    ),
    Mutation(
        "disk-that-a-backup-lacks-is-an-older-one",
        _RESTORE,
        "set_disk_content(disk, present[slot])",
        "pass",
        [f"{_UNIT_RESTORE[0]}::test_disk_that_the_backup_lacks_remains_as_the_vm_has_it"],
    ),
    Mutation(
        "restored-vm-has-a-disk-that-does-not-exist",
        _CHECKS,
        "slot in present and not (path and not files.exists(path))",
        "True",
        [f"{_UNIT_RESTORE[0]}::test_disk_that_the_backup_and_the_vm_lack_rejects_the_restore"],
    ),
    Mutation(
        "shareable-disk-becomes-a-private-copy",
        _CHECKS,
        "slot in present and present[slot].find('shareable') is not None",
        "False",
        [f"{_UNIT_RESTORE[0]}::test_shareable_disk_is_not_replaced_by_a_copy"],
    ),
    Mutation(
        "renamed-vm-is-restored-as-a-lost-one",
        _CHECKS,
        "one.uuid == manifest['birth'] and one.name != vm.name",
        "False",
        [f"{_UNIT_RESTORE[0]}::test_vm_that_was_renamed_is_not_lost"],
    ),
    Mutation(
        "completed-restore-counts-as-another-one",
        _CHECKS,
        "step.verb == 'finish_restore'",
        "False",
        [f"{_UNIT_RESTORE[0]}::test_edited_record_deletes_no_file_that_the_vm_does_not_own"],
    ),
    Mutation(
        "failed-backup-is-a-change",
        "_drivers/virsh/backups.py",
        "change_counter.set_back(before)",
        "pass",
        [f"{_VIRSH[0]}::test_filesystem_consistency_that_is_not_reached_leaves_nothing"],
    ),
)
