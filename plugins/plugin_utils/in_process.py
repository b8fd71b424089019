# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of every module: runs it in the controller's process where nothing would differ, else as a module.

A task on the controller itself needs no archive, no second Python and no compilation; most of what a task costs are
these three. The module remains: it runs wherever the platform is on another host, and in all cases named below.
"""

from __future__ import annotations

import json
import os
import sys

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.action import ActionBase

from .signs_of_life import describe, signs_of_life

#: Values of ansible_python_interpreter that leave the choice to Ansible.
_DISCOVERED = ("auto", "auto_silent", "auto_legacy", "auto_legacy_silent")


class InProcess(ActionBase):
    """Subclasses name the ``module``, which is a Declaration, and the Python ``libraries`` that it needs."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True
    module = None
    libraries = ()

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        super().run(None, task_vars)
        self._task_vars = task_vars
        host = (task_vars or {}).get("inventory_hostname", "localhost")
        with signs_of_life(describe(host, self._task.action, self._task.args)):
            return self._result()

    def _result(self):
        if self._runs_here(self._task_vars or {}):
            params = self._validated()
            if params is not None:
                return self._answered(params)
        return self._shipped(self._task_vars)

    def _runs_here(self, task_vars):
        """Whether the module would run as this user, with this environment, by a Python that has its libraries."""
        return (
            self._connection.transport == "local"
            and not self._connection.become
            and not self._task.async_val
            and not self._compute_environment_string()
            and _is_own_python(self._variables(task_vars).get("ansible_python_interpreter"))
            and all(map(_is_importable, self.libraries))
        )

    def _variables(self, task_vars):
        """Those of the host on which the module would run."""
        host = self._task.delegate_to
        return task_vars.get("ansible_delegated_vars", {}).get(host, task_vars) if host else task_vars

    def _validated(self):
        """The parameters with the types of the options, as the module would get them; None where they are wrong.

        Then the module itself says so: in the same words, wherever it runs.
        """
        validated = self._validation()
        return None if validated.error_messages else validated.validated_parameters

    def _validation(self):
        arguments = json.loads(json.dumps(self._task.args, cls=AnsibleJSONEncoder, vault_to_text=True))
        return ArgumentSpecValidator(self.module.argument_spec).validate(arguments)

    def _answered(self, params):
        result = remove_values(self.module.result(params, self._task), self.module.secrets(params))
        # Through JSON, as from a module: tuples become lists, and keys strings.
        return json.loads(json.dumps(result))

    def _shipped(self, task_vars):
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        result = self._execute_module(task_vars=task_vars, wrap_async=wrap_async)
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result


def _is_own_python(interpreter):
    """Whether the Python that the user chose, if any, is the one that runs Ansible."""
    return (
        interpreter is None
        or interpreter in _DISCOVERED
        or os.path.abspath(interpreter) == os.path.abspath(sys.executable)
    )


def _is_importable(library):
    try:
        __import__(library)
    except ImportError:
        return False
    return True
