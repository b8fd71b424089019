# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of guarded runs, and of the way back to the previous power state: each would lose data or an outage."""

from __future__ import annotations

from mutations.mutation import Mutation

_DECISIONS, _CHILD = "plugins/plugin_utils/guarded/decisions.py", "plugins/plugin_utils/guarded/child.py"
_DECISIONS_TESTS = ["tests/unit/plugin_utils/test_guarded_decisions.py"]
_BACK, _ENGINE = "_engine/progress/power_back.py", "tests/unit/module_utils/_engine"
_RESUMED = [f"{_ENGINE}/test_resumed_to_stop.py"]
_ENDS = [f"{_ENGINE}/test_ends_asked_for.py"]
_SNAPSHOTS = ["tests/unit/module_utils/_core/planner/test_plan_snapshot.py"]

MUTATIONS = (
    Mutation("guarded-host-that-ansible-stopped-is-kept", _DECISIONS, '{*stopped, *written["stopped"]}',
             '{*written["stopped"]}', _DECISIONS_TESTS),
    Mutation("guarded-host-of-a-batch-that-never-started-is-kept", _DECISIONS, '{*stopped, *written["stopped"]}',
             "{*stopped}", _DECISIONS_TESTS),
    Mutation("play-that-never-started-does-not-count", f"{_DECISIONS}::missing",
             "[str(outcome.unstarted)] if outcome.unstarted else []", "[]", _DECISIONS_TESTS),
    Mutation("failed-localhost-deletes-the-snapshots", f"{_DECISIONS}::missing",
             "_without(outcome.failed, vms)", "[]", _DECISIONS_TESTS),
    Mutation("prompted-password-is-lost", "plugins/plugin_utils/guarded/run.py", 'context.CLIARGS.get("ask_pass")',
             "None", ["tests/unit/plugin_utils/test_guarded_finish.py"]),
    Mutation("missing-file-for-a-retry-is-no-host", _DECISIONS, "code in _FAILED_CODES and bool(stopped)",
             "code in _FAILED_CODES", _DECISIONS_TESTS),
    Mutation("error-of-ansible-itself-is-complete", _DECISIONS, "code in _FAILED_CODES and bool(stopped)",
             "bool(stopped)", _DECISIONS_TESTS),
    Mutation("exit-in-the-middle-is-a-success", _DECISIONS,
             "self.code != 0 or (self.has_started and not self.is_reported)", "self.code != 0", _DECISIONS_TESTS),
    Mutation("deleted-snapshot-is-said-to-exist", f"{_DECISIONS}::not_restored", "name in _", "True", _DECISIONS_TESTS),
    Mutation("callback-of-guarded-is-not-found", _CHILD, "[*constants.COLLECTIONS_PATHS, _ROOT]",
             "[*constants.COLLECTIONS_PATHS]", ["tests/unit/plugin_utils/test_guarded_child.py"]),
    Mutation("resumed-vm-keeps-running-after-a-failed-stop", _BACK,
             "before in AGAIN and _was_resumed_to_be_stopped(*_)", "False", _RESUMED),
    Mutation("vm-that-was-started-on-request-is-saved-again", _BACK, "verbs[: min(stop, attempted)]",
             "verbs[:attempted]", _RESUMED),
    Mutation("vm-that-somebody-started-after-the-stop-is-saved", _BACK, "attempted <= stop + 1", "True", _RESUMED),
    Mutation("stop-that-was-not-observed-does-not-count", "_engine/progress/ending.py",
             "progress.phase == STOPPING", "False", _RESUMED),
    Mutation("saved-memory-is-said-to-be-lost", _BACK,
             "planned.before.power == SUSPENDED and progress.vm.power == STOPPED", "planned.before.power == SUSPENDED",
             _RESUMED),
    Mutation("end-that-nobody-asked-for-is-waited-for", "_engine/progress/state.py",
             "step.verb in _LEAD_TO_POWER", "True", _ENDS),
    Mutation("deleted-vm-is-configured", "_engine/progress/state.py", "progress.vm.power in (ABSENT, UNKNOWN)",
             "False", _ENDS),
    Mutation("guest-of-a-snapshot-is-asked-to-stop", "_core/planner/plan_snapshot.py",
             "end == STOPPED and taken.power != STOPPED != left_in", "False", _SNAPSHOTS),
    Mutation("remedy-names-options-of-another-module", "_engine/progress/failures.py",
             "progress.request.snapshot is not None", "False", _RESUMED),
)  # fmt: skip
