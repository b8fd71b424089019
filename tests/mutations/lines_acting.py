# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what carries plans out: apply, wait, confirm, report."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils"
_ENGINE = f"{_CODE}/_engine"
_TESTS = "tests/unit/module_utils/_engine"
_MODULES = "tests/unit/modules/test_virsh_modules.py"
_SECRETS = "tests/unit/modules/test_secrets.py"

MUTATIONS = (
    Mutation(
        "confirm-forgets-restart",
        f"{_ENGINE}/ending.py",
        "policy = replace(target.policy, allow_restart=False)",
        "policy = target.policy",
        {"unit": [f"{_TESTS}/test_confirm.py"]},
    ),
    Mutation(
        "check-mode-writes",
        f"{_ENGINE}/task.py",
        "if not check and not task.is_refused:",
        "if not task.is_refused:",
        {"unit": [f"{_TESTS}/test_task.py"]},
    ),
    Mutation(
        "refusal-does-not-stop-the-others",
        f"{_ENGINE}/task.py",
        "if not check and not task.is_refused:",
        "if not check:",
        {"unit": [f"{_TESTS}/test_task.py"]},
    ),
    Mutation(
        "busy-vm-is-not-waited-for",
        f"{_ENGINE}/task.py",
        "if waiting and patience <= 0:",
        "if waiting:",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "copying-counts-as-waiting",
        f"{_ENGINE}/progress.py",
        "waited = now - progress.at if progress.phase in PATIENT else 0",
        "waited = now - progress.at",
        {"unit": [f"{_TESTS}/test_errors.py"]},
    ),
    Mutation(
        "waiting-does-not-count",
        f"{_ENGINE}/progress.py",
        "waited = now - progress.at if progress.phase in PATIENT else 0",
        "waited = 0",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "vm-with-reused-name-is-taken-over",
        f"{_ENGINE}/task.py",
        "return Target(name=self.name, id=self.vm.id)",
        "return Target(name=self.name)",
        {"unit": [f"{_TESTS}/test_task.py"]},
    ),
    Mutation(
        "started-vm-is-rolled-back",
        f"{_ENGINE}/ending.py",
        'return "start" not in verbs[: progress.done] and progress.phase not in (UNDOING, GUEST)',
        "return progress.phase not in (UNDOING, GUEST)",
        {"unit": [f"{_TESTS}/test_creations.py"]},
    ),
    Mutation(
        "on-failure-keep-is-ignored",
        f"{_ENGINE}/ending.py",
        'if not verbs or verbs[0] not in CREATING or not progress.created or progress.policy.on_failure == "keep":',
        "if not verbs or verbs[0] not in CREATING or not progress.created:",
        {"unit": [f"{_TESTS}/test_creations.py"]},
    ),
    Mutation(
        "rollback-deletes-foreign-vm",
        f"{_ENGINE}/ending.py",
        "if vm.power != STOPPED or not (vm.owned or vm.id is None):",
        "if vm.power != STOPPED:",
        {"unit": [f"{_TESTS}/test_creations.py"]},
    ),
    Mutation(
        "guest-is-asked-to-stop-only-once",
        f"{_ENGINE}/waiting.py",
        "if progress.at - progress.requested_at >= REQUEST_AGAIN:",
        "if progress.at - progress.requested_at >= 10 * REQUEST_AGAIN:",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "graceful-stop-ends-in-a-cut",
        f"{_ENGINE}/waiting.py",
        'if progress.policy.stop_mode != "graceful_then_force":',
        'if progress.policy.stop_mode == "force":',
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "stop-timeout-is-ignored",
        f"{_ENGINE}/waiting.py",
        "return progress.policy.stop_timeout or progress.traits.stop_timeout",
        "return progress.traits.stop_timeout",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "busy-platform-is-not-asked-again",
        f"{_ENGINE}/sending.py",
        "if progress.traits.transient(event.error) and progress.patience > 0:",
        "if False:",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "lost-settings-pass-for-stored",
        f"{_ENGINE}/sending.py",
        "if is_power_only and has_arrived(progress):",
        "if has_arrived(progress):",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "complete-steps-are-sent-again",
        f"{_ENGINE}/sending.py",
        "steps = progress.plan.steps[progress.done : progress.segment[1]]",
        "steps = progress.plan.steps[progress.segment[0] : progress.segment[1]]",
        {"unit": [f"{_TESTS}/test_chaos.py"]},
    ),
    Mutation(
        "existing-vm-is-created-again",
        f"{_ENGINE}/sending.py",
        "return _resend(_after_creation(progress) if _is_created(progress) else progress)",
        "return _resend(progress)",
        {"unit": [f"{_TESTS}/test_creations.py"]},
    ),
    Mutation(
        "failed-observation-ends-the-wait",
        f"{_ENGINE}/progress.py",
        "if _is_temporary(progress, error):",
        "if False:",
        {"unit": [f"{_TESTS}/test_errors.py"]},
    ),
    Mutation(
        "busy-vm-passes-for-confirmed",
        f"{_ENGINE}/ending.py",
        "if left.busy or left.refusal or left.changed:",
        "if left.refusal or left.changed:",
        {"unit": [f"{_TESTS}/test_confirm.py"]},
    ),
    Mutation(
        "half-a-step-is-no-change",
        f"{_ENGINE}/task.py",
        "return self.progress.wrote or self.difference is not None or is_mark_other",
        "return self.progress.done > 0",
        {"unit": [f"{_TESTS}/test_chaos.py"]},
    ),
    Mutation(
        "somebody-elses-change-is-ours",
        f"{_ENGINE}/task.py",
        "if self.progress is None or self.progress.wrote is False or self.progress.undone:",
        "if self.progress is None or self.progress.undone:",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "fault-of-ours-costs-the-other-results",
        f"{_ENGINE}/execute.py",
        "events = [Sent(error=unexpected(error)) for _work in works]",
        "raise",
        {"unit": [f"{_TESTS}/test_lanes.py"]},
    ),
    Mutation(
        "deaf-guest-keeps-its-neighbour",
        f"{_ENGINE}/execute.py",
        "if all(one.progress.phase in (CONFIRMING, OVER) for one in work.after):",
        'if all(one.progress.phase != "stopping" for one in self.works if one is not work):',
        {"unit": [f"{_TESTS}/test_lanes.py"]},
    ),
    Mutation(
        "base-is-deleted-before-its-clone",
        f"{_ENGINE}/order.py",
        "work.after += [deleted[name] for name in sorted(users)]",
        "pass",
        {"unit": [f"{_TESTS}/test_order.py"]},
    ),
    Mutation(
        "clone-does-not-wait-for-its-source",
        f"{_ENGINE}/order.py",
        "work.after = [source]",
        "pass",
        {"unit": [f"{_TESTS}/test_order.py"]},
    ),
    Mutation(
        "old-lease-passes-for-a-guest",
        f"{_ENGINE}/guests.py",
        'return wanted == "address" and endpoint.source == "agent"',
        'return wanted == "address"',
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "open-forward-passes-for-a-guest",
        f"{_ENGINE}/guests.py",
        'return "ssh" if endpoint.source == "forward" else wanted',
        "return wanted",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "stopped-guest-is-waited-for",
        f"{_ENGINE}/guests.py",
        "if progress.vm.power != RUNNING:",
        "if progress.vm.power == FAILED:",
        {"unit": [f"{_TESTS}/test_waits.py"]},
    ),
    Mutation(
        "user-data-in-invocation",
        f"{_CODE}/_front/masking.py",
        'if option.get("no_log") and value:',
        "if False:",
        {"unit": [_MODULES]},
    ),
    Mutation(
        "environment-in-invocation",
        f"{_CODE}/_front/masking.py",
        'entries = [masked(option["options"], entry) for entry in _entries(option, value)]',
        "entries = _entries(option, value)",
        {"unit": [_MODULES]},
    ),
    Mutation(
        "password-that-is-also-in-a-document-is-shown",
        f"{_CODE}/_front/declaration.py",
        "module.no_log_values.difference_update(words - secrets)",
        "module.no_log_values.difference_update(words)",
        {"unit": [_SECRETS]},
    ),
    Mutation(
        "changed-text-is-shown-unasked",
        f"{_ENGINE}/inspect.py",
        'return {key: value for key, value in change.items() if key != "text"}',
        "return dict(change)",
        {"unit": [f"{_TESTS}/test_inspect.py"]},
    ),
    Mutation(
        "first-of-two-vms-is-compared",
        f"{_ENGINE}/inspect.py",
        "if len(observation.vms) > 1:",
        "if len(observation.vms) > 2:",
        {"unit": [f"{_TESTS}/test_inspect.py"]},
    ),
)
