# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugins of modules that never run on a host: their answer is given in Ansible's own process."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail

from ...module_utils._core.frozen import replace
from ...module_utils._core.results.approval import EXPECTED, OPTION, explicit
from .approvals import approval_of, limit_to_check_mode
from .over_platforms import plan_of, shown_plans
from .routing import OfModule, declaration


class ControllerAction(OfModule):
    """Subclasses have ``_answer``, which is called as that of the Declaration."""

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        limit_to_check_mode(self, task_vars or {})
        super().run(None, task_vars)
        self._task_vars = task_vars or {}
        if OPTION in self.module.options:
            approval = approval_of(self._task, self._task_vars, self._templar)
            self._task.args = {**explicit(self._task.args), OPTION: approval}
        problem = self.module.platform.rejected(self._task.args, self.module.options)
        if problem:
            raise AnsibleActionFail(str(problem))
        _valid, options = self.validate_argument_spec(self.module.argument_spec)
        return replace(self.module, answer=self._answer).result(options, self._task)


class OverSources(ControllerAction):
    """One task for all hosts of the play."""

    BYPASS_HOST_LOOP = True

    @property
    def own(self):
        """The options of the module vm_info."""
        return frozenset(declaration("vm_info").options)

    def _planned_first(self, tasks, seconds, check, approval):
        """Plan all ``tasks`` {name of the part: (source, module, arguments)} in check mode, then carry out those that
        change something. Approved plans must not have become other ones since then. Returns the results in order.
        """
        planned = self._run_each(tasks.values(), seconds, check=True)
        plans = {part: plan_of(result) for part, result in zip(tasks, planned) if not result.get("failed")}
        approval.permit_parts(plans, shown_plans(dict(enumerate(planned))))
        if check:
            return planned
        is_chosen = [bool(result.get("changed")) and not result.get("failed") for result in planned]
        chosen = [
            (source, module, {**arguments, **({EXPECTED: plans[part]} if approval.is_limited else {})})
            for (part, (source, module, arguments)), is_one in zip(tasks.items(), is_chosen)
            if is_one
        ]
        done = iter(self._run_each(chosen, seconds, check=False))
        return [next(done) if is_one else result for is_one, result in zip(is_chosen, planned)]

    def _run_each(self, tasks, seconds, check):
        """Run [(source, module, arguments)]. A failure does not keep the other VMs of the source from being treated."""
        how = {"check_mode": check, "ignore_errors": True}
        listed = [(source, {module: arguments, **how}) for source, module, arguments in tasks]
        return self._sources.run_each(listed, seconds) if listed else []
