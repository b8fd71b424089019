# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what carries plans out: apply, wait, confirm, report."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils"
_UNIT = "tests/unit/module_utils"
_MODULES = "tests/unit/modules/test_virsh_modules.py"

MUTATIONS = (
    Mutation(
        "confirm-forgets-restart",
        f"{_CODE}/_apply.py",
        "left = plan(work.vm, _without_restart(work.request.target()), self.traits, observation.known)",
        "left = plan(work.vm, work.request.target(), self.traits, observation.known)",
        {"unit": ("tests/unit/module_utils/test_runner_confirm.py",)},
    ),
    Mutation(
        "check-mode-writes",
        f"{_CODE}/_runner.py",
        "if not any(work.plan.refusal for work in task.works) and not check:",
        "if not any(work.plan.refusal for work in task.works):",
        {"unit": [f"{_UNIT}/test_runner.py"]},
    ),
    Mutation(
        "refusal-does-not-stop-the-others",
        f"{_CODE}/_runner.py",
        "if not any(work.plan.refusal for work in task.works) and not check:",
        "if not check:",
        {"unit": [f"{_UNIT}/test_runner.py"]},
    ),
    Mutation(
        "busy-vm-is-not-waited-for",
        f"{_CODE}/_runner.py",
        "if waiting and self.clock.now() >= self.deadline:",
        "if waiting:",
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "copying-that-goes-on-counts-as-waiting",
        f"{_CODE}/_runner.py",
        "return self._waits_until + self._seconds_at_work()",
        "return self._waits_until",
        {"unit": ("tests/unit/module_utils/test_runner_confirm.py",)},
    ),
    Mutation(
        "copying-counts-as-waiting",
        f"{_CODE}/_runner.py",
        "self._waits_until += self.clock.now() - self._at_work_since",
        "pass",
        {"unit": [f"{_UNIT}/test_runner_troubles.py"]},
    ),
    Mutation(
        "vm-with-reused-name-is-taken-over",
        f"{_CODE}/_runner.py",
        "return Target(name=self.request.name, id=self.vm.id if found else self.request.id)",
        "return Target(name=self.request.name, id=self.request.id)",
        {"unit": [f"{_UNIT}/test_runner.py"]},
    ),
    Mutation(
        "started-vm-is-rolled-back",
        f"{_CODE}/_apply.py",
        'if verbs[0] not in _MAKING or not work.made_here or started or work.request.policy.on_failure == "keep":',
        'if verbs[0] not in _MAKING or not work.made_here or work.request.policy.on_failure == "keep":',
        {"unit": [f"{_UNIT}/test_runner.py"]},
    ),
    Mutation(
        "on-failure-keep-is-ignored",
        f"{_CODE}/_apply.py",
        'if verbs[0] not in _MAKING or not work.made_here or started or work.request.policy.on_failure == "keep":',
        "if verbs[0] not in _MAKING or not work.made_here or started:",
        {"unit": [f"{_UNIT}/test_runner.py"]},
    ),
    Mutation(
        "rollback-deletes-foreign-vm",
        f"{_CODE}/_apply.py",
        "if work.vm.power == STOPPED and (work.vm.owned or work.vm.id is None):",
        "if work.vm.power == STOPPED:",
        {"unit": [f"{_UNIT}/test_runner.py"]},
    ),
    Mutation(
        "guest-is-asked-to-stop-only-once",
        f"{_CODE}/_apply.py",
        "if now - wait.asked >= ASK_AGAIN and not (wait.cut and wait.trouble is None):",
        "if wait.cut and now - wait.asked >= ASK_AGAIN and wait.trouble is not None:",
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "graceful-stop-ends-in-a-cut",
        f"{_CODE}/_apply.py",
        'if work.request.policy.stop_mode != "graceful_then_force":',
        'if work.request.policy.stop_mode == "force":',
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "stop-timeout-is-ignored",
        f"{_CODE}/_apply.py",
        "limit = work.request.policy.stop_timeout or self.traits.stop_timeout",
        "limit = self.traits.stop_timeout",
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "busy-platform-is-not-asked-again",
        f"{_CODE}/_apply.py",
        "return error is not None and self.traits.transient(error)",
        "return False",
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "lost-settings-pass-for-stored",
        f"{_CODE}/_apply.py",
        "return is_power and _arrived(work, expected)",
        "return _arrived(work, expected)",
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "old-lease-passes-for-a-guest",
        f"{_CODE}/_waits.py",
        'return work.request.policy.wait_for == "address" and source == "agent"',
        'return work.request.policy.wait_for == "address"',
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "open-forward-passes-for-a-guest",
        f"{_CODE}/_waits.py",
        'return run.probe(host, port, "ssh" if source == "forward" else work.request.policy.wait_for)',
        "return run.probe(host, port, work.request.policy.wait_for)",
        {"unit": ("tests/unit/module_utils/test_runner_waits.py",)},
    ),
    Mutation(
        "stopped-guest-is-waited-for",
        f"{_CODE}/_waits.py",
        "if work.vm.power != RUNNING:",
        'if work.vm.power == "failed":',
        {"unit": [f"{_UNIT}/test_runner_waits.py"]},
    ),
    Mutation(
        "user-data-in-invocation",
        f"{_CODE}/_front.py",
        '"cloud_init": {name: MASK if name in _DOCUMENTS and value else value for name, value in seed.items()},',
        '"cloud_init": dict(seed),',
        {"unit": [f"{_MODULES}::test_documents_of_a_seed_are_masked_and_blot_nothing_else_out"]},
    ),
    Mutation(
        "environment-in-invocation",
        f"{_CODE}/_front.py",
        '"environment": _masked(variables[0]),',
        '"environment": variables[0],',
        {"unit": [f"{_MODULES}::test_a_run_that_fails_shows_no_secret_either"]},
    ),
    Mutation(
        "changed-text-is-shown-unasked",
        f"{_CODE}/_info.py",
        'return {key: value for key, value in change.items() if key != "text"}',
        "return dict(change)",
        {"unit": [f"{_UNIT}/test_info.py"]},
    ),
    Mutation(
        "first-of-two-vms-is-compared",
        f"{_CODE}/_info.py",
        "if len(observation.vms) > 1:",
        "if len(observation.vms) > 2:",
        {"unit": [f"{_UNIT}/test_info.py"]},
    ),
)
