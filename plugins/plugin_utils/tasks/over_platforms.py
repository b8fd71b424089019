# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``vm``, ``vm_info`` and ``vm_snapshot``: runs the modules of the platforms."""

from __future__ import annotations

import os

from ...module_utils._core.errors import PolyvirtError
from ...module_utils._core.results.approval import EXPECTED, TEXTS, Approval, explicit
from .approvals import approval_of, check_pruned_once, limit_to_check_mode, without_approvals
from .platforms import check_pruning, joined, parts_of
from .routing import OfModule, action_plugin, declaration
from .routing import parts_of as parts_of_action


class PlatformAction(OfModule):
    """Runs modules of platforms."""

    _supports_async = True

    def _default_platform(self, task_vars):
        """Return the platform of a task that names none, or None.

        As everywhere in Ansible, a variable beats the environment, and an empty one is not set.
        """
        return self._templar.template(task_vars.get("vm_platform")) or os.environ.get("POLYVIRT_PLATFORM") or None

    def _result(self, part, task_vars, in_check_mode=False):
        name = f"polyvirt.core.{part.module}"
        task = self._task.copy()
        task.action = name
        task.args = {**self._defaults(part.platform, name), **part.arguments}
        if in_check_mode:
            task.check_mode = True
        action = self._shared_loader_obj.action_loader.get(action_plugin(name), task=task, **parts_of_action(self))
        return action.run(task_vars=task_vars)

    def _defaults(self, platform, name):
        """Return the module_defaults for the platform's module, so that one task can be used on all platforms."""
        return defaults_of(self._task, self._templar, f"group/polyvirt.core.{platform}", name)


def defaults_of(task, templar, *keys):
    """Return the module_defaults of a task for modules and groups; the last key takes precedence."""
    merged = {}
    for defaults in task.module_defaults or ():
        for key in keys:
            merged.update(templar.template(defaults.get(key) or {}))
    return merged


class OverPlatforms(PlatformAction):
    """One task for VMs of any platforms; ``about`` is vm, vm_info, vm_snapshot or vm_backup."""

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        limit_to_check_mode(self, task_vars or {})
        check_pruned_once(self, task_vars or {})
        super().run(None, task_vars)
        try:
            given, default = explicit(self._task.args), self._default_platform(task_vars or {})
            parts, order = parts_of(self.about, given, self.module.options, default, self._options_of)
        except PolyvirtError as error:
            return {"failed": True, "msg": str(error)}
        if len(parts) == 1:
            return self._result(parts[0], task_vars)
        # The plan of the whole task is expected, also if only the options of one platform say so.
        expected = [explicit(part.arguments)[EXPECTED] for part in parts if EXPECTED in part.arguments]
        for part in parts:
            part.arguments.pop(EXPECTED, None)
        return self._together(parts, order, task_vars or {}, expected[0] if expected else None)

    def _options_of(self, module):
        return declaration(module).options

    def _together(self, parts, order, task_vars, expected):
        """Run all modules in check mode first; only if none fails, run them to make the changes."""
        free = without_approvals(task_vars)
        planned = {part.platform: self._result(part, free, in_check_mode=True) for part in parts}
        if any(result.get("failed") for result in planned.values()):
            return {**joined(planned, order, is_refused=True), "plan": None}
        plans = {name: plan_of(result) for name, result in planned.items()}
        try:
            check_pruning(planned, order, self._task.args)
            given = approval_of(self._task, task_vars, self._templar, self._connection)
            approval = Approval(given, expected)
            approval.permit_parts(plans, shown_plans(planned))
        except PolyvirtError as error:
            return {**joined(planned, order, is_refused=True), "failed": True, "msg": str(error), "plan": None}
        if approval.is_limited:
            # Between check mode and the run, an approved part must not become another one.
            for part in parts:
                part.arguments[EXPECTED] = plans[part.platform]
        results = {part.platform: self._result(part, free) for part in parts}
        return with_approval(joined(results, order, is_refused=False), results.values(), approval)


def plan_of(result):
    """Return the digest of a part; None if it has no text: nobody can approve what is too long to be shown."""
    plan = result.get("plan")
    return None if plan and not texts_of(result) else plan


def shown_plans(planned):
    """Return [(VM, lines)] of results of check mode."""
    return [(one["vm"], one["lines"]) for result in planned.values() for one in texts_of(result)]


def texts_of(result):
    """Return the texts of the plans in a result of check mode."""
    return _artifacts(result).get(TEXTS, ())


def _artifacts(result):
    return result.get("ansible_stats", {}).get("data", {})


def with_approval(whole, results, approval):
    """Return the result of the whole task, with the digest of its plan; in check mode, AWX passes that on."""
    is_predicted = any(_artifacts(result) for result in results) and not whole.get("failed")
    stats = {"ansible_stats": approval.artifacts()} if is_predicted else {}
    return {**whole, "plan": approval.plan, **stats, "warnings": [*whole["warnings"], *approval.warnings]}
