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
        "guest-stays-frozen-after-a-failed-thaw",
        "_tools/virsh_backup.py",
        "is_frozen and answers['domfsthaw'].error and thaw(virsh, uuid, xml)",
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
)
