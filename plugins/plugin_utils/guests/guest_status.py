# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``guest_status``: runs a script over the task's connection; leaves no file in the guest."""

from __future__ import annotations

from functools import partial

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._core.options.option_errors import error_messages
from ..tasks.child_processes import answers
from ..tasks.routing import OfModule
from .guest_output import Incomplete, status
from .guest_script import SERVICE, script

_LONGEST_ERROR = 500
_HANGS = "The guest or the way to it hangs, or timeout is too short."


class GuestStatus(OfModule):
    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        super().run(None, task_vars)
        checked = ArgumentSpecValidator(self.module.argument_spec).validate(self._task.args)
        if checked.error_messages:
            return _failed(error_messages(checked)[0])
        services = checked.validated_parameters["services"] or []
        for name in services:
            if not SERVICE.fullmatch(name):
                return _failed(f"services: {name!r} is not the name of a service. Set a name such as sshd.")
        result = self._result(script(services), checked.validated_parameters["timeout"])
        if "stdout" in result:
            return _status(result)
        # The inventory may be older than the last start, so it only explains why a guest does not answer.
        state = self._templar.template((task_vars or {}).get("polyvirt_state") or "running")
        if state != "running":
            return {"changed": False, "running": False, "state": str(state), "guest": None}
        if "unreachable" in result:
            raise AnsibleConnectionFailure(result["unreachable"])
        return _failed(result["failed"])

    def _result(self, text, seconds):
        # A connection that hangs cannot be ended, but a process that uses it can.
        (answer,) = answers([partial(_read, self._low_level_execute_command, text)], [seconds])
        return answer.value or {"failed": f"{answer.problem} {_HANGS}" if answer.is_late else answer.problem}


def _read(execute, text):
    """Run the script: {stdout, stderr, rc}, or {unreachable: message}; exceptions do not leave the process."""
    try:
        done = execute(text)
    except AnsibleConnectionFailure as error:
        return {"unreachable": str(error)}
    return {name: done.get(name) for name in ("stdout", "stderr", "rc")}


def _status(result):
    try:
        return {"changed": False, "running": True, "guest": status(result["stdout"])}
    except Incomplete as error:
        output = (result["stderr"] or result["stdout"]).strip()[-_LONGEST_ERROR:]
        return _failed(f"{error} It needs a POSIX shell. Exit code {result['rc']}: {output or 'no output'}")


def _failed(message):
    return {"failed": True, "msg": message}
