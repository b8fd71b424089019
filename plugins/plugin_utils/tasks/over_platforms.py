# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``vm``, ``vm_info`` and ``vm_snapshot``: runs the modules of the platforms."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase

from ...module_utils._core.errors import PolyvirtError
from .platforms import check_pruning, joined, parts_of


class PlatformAction(ActionBase):
    """Runs modules of platforms. Subclasses set ``about`` (vm, vm_info, vm_snapshot) and ``module`` (a Declaration)."""

    TRANSFERS_FILES = False
    _supports_async = True
    about = ""
    module = None

    def _default_platform(self, task_vars):
        """Return the platform of a task that names none. As everywhere in Ansible, a variable beats the environment."""
        return self._templar.template(task_vars.get("vm_platform")) or os.environ.get("POLYVIRT_PLATFORM")

    def _result(self, part, task_vars, in_check_mode=False):
        name = f"polyvirt.core.{part.module}"
        task = self._task.copy()
        task.action = name
        task.args = {**self._defaults(part.platform, name), **part.arguments}
        if in_check_mode:
            task.check_mode = True
        action = self._shared_loader_obj.action_loader.get(
            name,
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        return action.run(task_vars=task_vars)

    def _defaults(self, platform, name):
        """Return the module_defaults for the platform's module, so that one task can be used on all platforms."""
        merged = {}
        for defaults in self._task.module_defaults or ():
            for key in (f"group/polyvirt.core.{platform}", name):
                merged.update(self._templar.template(defaults.get(key) or {}))
        return merged


class OverPlatforms(PlatformAction):
    """One task for VMs of any platforms."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        super().run(None, task_vars)
        try:
            known = [name for name in self.module.options if name not in ("platform", "options")]
            parts, order = parts_of(self.about, self._task.args, known, self._default_platform(task_vars or {}))
        except PolyvirtError as error:
            return {"failed": True, "msg": str(error)}
        if len(parts) == 1:
            return self._result(parts[0], task_vars)
        return self._together(parts, order, task_vars)

    def _together(self, parts, order, task_vars):
        """Run all modules in check mode first; only if none fails, run them to make the changes."""
        planned = {part.platform: self._result(part, task_vars, in_check_mode=True) for part in parts}
        if any(result.get("failed") for result in planned.values()):
            return joined(planned, order, is_refused=True)
        try:
            check_pruning(planned, order, self._task.args)
        except PolyvirtError as error:
            return {**joined(planned, order, is_refused=True), "failed": True, "msg": str(error)}
        return joined({part.platform: self._result(part, task_vars) for part in parts}, order, is_refused=False)
