# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``guest_status``: a script by the connection of the task; nothing stays in the guest."""

from __future__ import annotations

from functools import partial

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from .guest_output import Incomplete, status
from .guest_script import SCRIPT
from .in_children import answers

_LONGEST_ERROR = 500
_HANGS = "The guest or the way to it hangs, or timeout is too short."


class OfGuest(ActionBase):
    """Subclasses name the ``module``, which is a Declaration."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    module = None

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        super().run(None, task_vars)
        checked = ArgumentSpecValidator(self.module.argument_spec).validate(self._task.args)
        if checked.error_messages:
            return _failed(checked.error_messages[0])
        seconds = checked.validated_parameters["timeout"]
        # The connection of a guest that hangs cannot be ended from here, but its process can.
        (answer,) = answers([partial(_read, self._low_level_execute_command)], [seconds])
        told = answer.value or {"failed": f"{answer.problem} {_HANGS}" if answer.is_late else answer.problem}
        if "unreachable" in told:
            raise AnsibleConnectionFailure(told["unreachable"])
        return _failed(told["failed"]) if "failed" in told else _status(told)


def _read(execute):
    """{stdout, stderr, rc} of the script; ``unreachable`` as a text, because an exception stays in its process."""
    try:
        done = execute(SCRIPT)
    except AnsibleConnectionFailure as error:
        return {"unreachable": str(error)}
    return {name: done.get(name) for name in ("stdout", "stderr", "rc")}


def _status(told):
    try:
        return {"changed": False, "guest": status(told["stdout"])}
    except Incomplete as error:
        said = (told["stderr"] or told["stdout"]).strip()[-_LONGEST_ERROR:]
        return _failed(f"{error} It needs a POSIX shell. Exit code {told['rc']}: {said or 'no output'}")


def _failed(message):
    return {"failed": True, "msg": message}
