# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugins of modules that never run on a host: their answer is given in Ansible's own process."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ...module_utils._core.frozen import replace
from ...module_utils._core.options.option_errors import not_text
from ...module_utils._core.results.approval import OPTION, explicit
from .approvals import approval_of


class ControllerAction(ActionBase):
    """Subclasses set ``module``, a Declaration, and have ``_answer``, which is called as the declaration's."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    module = None

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        super().run(None, task_vars)
        self._task_vars = task_vars or {}
        if OPTION in self.module.options:
            approval = approval_of(self._task, self._task_vars, self._templar)
            self._task.args = {**explicit(self._task.args), OPTION: approval}
        problem = not_text(self._task.args, self.module.options)
        if problem:
            raise AnsibleActionFail(str(problem))
        _valid, options = self.validate_argument_spec(self.module.argument_spec)
        return replace(self.module, answer=self._answer).result(options, self._task)


class OverSources(ControllerAction):
    """One task for all hosts of the play. Subclasses set ``own``, the options of the module vm_info."""

    BYPASS_HOST_LOOP = True
    own = frozenset()
