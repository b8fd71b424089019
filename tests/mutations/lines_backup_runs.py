# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of runs of backups, restore drills and reports about backups: VMs that they would delete or hide."""

from __future__ import annotations

from mutations.mutation import Mutation

_DRILL, _RUN = "plugins/plugin_utils/backups/drill.py", "plugins/plugin_utils/backups/run.py"
_DECISIONS = "plugins/plugin_utils/backups/decisions.py"
_TESTS = ("tests/unit/plugin_utils/test_backup_run.py",)
_REPORT = ("tests/unit/plugin_utils/test_report_backups.py",)

MUTATIONS = (
    Mutation(
        "drill-deletes-vms-of-others",
        _DRILL,
        'self._one(vm, _BACKUP, self._restore(vm, backup), True).get("failed")',
        "False",
        _TESTS,
    ),
    Mutation(
        "drill-deletes-copies-of-other-drills", _DRILL, "owners.get((source, backup))", "next(iter(self._vms))", _TESTS
    ),
    Mutation("drill-of-a-copy-that-does-not-start-passes", _DRILL, 'str(result.get("msg"))', '""', _TESTS),
    Mutation("drill-starts-with-a-network", _DECISIONS, '["networks"]', "[]", _TESTS),
    Mutation("copy-that-is-not-deleted-passes", _DRILL, 'deleted.get("failed")', "False", _TESTS),
    Mutation("drill-changes-something-in-check-mode", _DRILL, "if check: ...", "if False: ...", _TESTS),
    Mutation("drill-restores-a-damaged-backup", _DECISIONS, 'one["unfinished"] or one["damaged"]', "False", _TESTS),
    Mutation("drill-restores-a-backup-of-another-vm", _DECISIONS, "own or found", "found", _TESTS),
    Mutation("failed-backup-hides-nothing-and-is-no-failure", _RUN, 'one["outcome"] == FAILED', "False", _TESTS),
    Mutation("misspelt-variable-has-no-effect", _RUN, "nearest(name, known, cutoff=0.8)", "None", _TESTS),
    Mutation(
        "planned-backup-counts-in-a-report",
        "plugins/plugin_utils/report/backups.py",
        "-1 if is_missing else None",
        "None",
        _REPORT,
    ),
    Mutation("unreadable-backups-are-none", "plugins/plugin_utils/report/backups.py", "has_failed", "False", _REPORT),
    Mutation(
        "backup-dated-ahead-is-the-newest",
        _DECISIONS,
        "read_time(one['start']) <= now + CLOCK_TOLERANCE",
        "True",
        (f"{_TESTS[0]}::test_backup_that_is_dated_ahead_is_not_the_newest",),
    ),
    Mutation(
        "backup-dated-ahead-is-the-newest-of-a-report",
        "plugins/plugin_utils/report/backups.py",
        "read_time(one['start']) <= now + CLOCK_TOLERANCE",
        "True",
        _REPORT,
    ),
)
