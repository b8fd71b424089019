# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``install_wait``: reads the VM's state and console until the installer has ended."""

from __future__ import annotations

import shlex
import time
import uuid

from ...module_utils._core.errors import PolyvirtError
from ...module_utils._core.model import is_written
from ..tasks.over_platforms import PlatformAction
from ..tasks.platforms import parts_of
from ..tasks.progress_messages import Progress, tell_listeners
from .install_progress import CRASHED, FINISHED, WAITING, last_lines, progress_of

_CONSOLE_BYTES = 65536
_PAUSE = 10
_ENDED = ("stopped", "absent")
#: The task fails after so many failed reads in a row; fewer happen if the host is busy or a connection is lost.
_FAILED_READS = 3
#: The last line that the script in Windows has stored for the host: Hyper-V keeps no log of a serial port. Hyper-V
#: reports it only while the VM runs. The ID of the VM is the only value.
_REPORT_ON_HYPERV = """
$vm = Get-CimInstance -Namespace root\\virtualization\\v2 -ClassName Msvm_ComputerSystem -Filter "Name='%s'"
$exchange = Get-CimAssociatedInstance -InputObject $vm -ResultClassName Msvm_KvpExchangeComponent
foreach ($item in $exchange.GuestExchangeItems) {
  $of = @{}
  foreach ($property in ([xml]$item).INSTANCE.PROPERTY) { $of[$property.NAME] = $property.VALUE }
  if ($of.Name -eq 'polyvirt') { $of.Data }
}
"""


class InstallWait(PlatformAction):
    #: Ansible skips the task in check mode: there is nothing to wait for.
    _supports_check_mode = False
    _supports_async = False
    clock, sleep = staticmethod(time.monotonic), staticmethod(time.sleep)

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        super().run(None, task_vars)
        _valid, options = self.validate_argument_spec(self.module.argument_spec)
        try:
            part = self._part(options, task_vars or {})
        except PolyvirtError as error:
            return {"failed": True, "msg": str(error)}
        began = self.clock()
        result = self._wait(part, options, task_vars, began)
        return {"changed": False, "seconds": int(self.clock() - began), **result}

    def _part(self, options, task_vars):
        which = {"name": [options["name"]], "options": options["options"]}
        arguments = {
            **which,
            "facets": ["power", *(["counters"] if options.get("start_timeout") else [])],
            "platform": options["platform"],
        }
        (part,), _order = parts_of("vm_info", arguments, ["name", "facets"], self._default_platform(task_vars))
        return part

    def _wait(self, part, options, task_vars, began):
        """Read until the installation ends; prompts and early ends count only if two reads are the same."""
        before, failed, first, is_started = None, 0, None, not options.get("start_timeout")
        lines = Progress("", tell_listeners(self._task, task_vars), now=self.clock)
        while True:
            state, used, problem, vm_id = self._state(part, task_vars)
            first = used if first is None else first
            is_started = is_started or is_written(first, used)
            failed = failed + 1 if problem else 0
            if failed == _FAILED_READS:
                return {"failed": True, "outcome": "unknown", "msg": f"{options['name']}: {problem}"}
            console = self._console(options, part, vm_id if state == "running" else None)
            progress = progress_of(options["installer"], console)
            is_unchanged = (state, console) == before
            result = None if problem else outcome(options, state, progress, console, is_unchanged)
            if result is not None:
                return result
            if first is not None and not is_started and self.clock() - began >= options["start_timeout"]:
                return _not_started(options)
            if self.clock() - began >= options["timeout"] and state not in _ENDED:
                return _timed_out(options, progress, console)
            lines.report(_step(options, progress))
            before = (state, console)
            self.sleep(_PAUSE)

    def _state(self, part, task_vars):
        """Return (power state, used bytes of its disks if that is known, error, ID). The state or the error is None."""
        result = self._result(part, task_vars)
        if result.get("failed"):
            return None, None, result.get("msg", ""), None
        host = result.get("host") or {}
        if not host.get("configured", True):
            return None, None, host.get("message") or "the platform cannot be used.", None
        vm = next(iter(result["vms"]), {"state": "absent"})
        return vm["state"], (vm.get("counters") or {}).get("disk_used"), None, vm.get("id")

    def _console(self, options, part, running_id):
        """Return the end of the console log; empty if it does not exist (yet)."""
        path = options["console_log"]
        if path:
            command = f"tail -c {_CONSOLE_BYTES} {shlex.quote(path)} 2>/dev/null"
        elif part.platform == "hyperv" and options["installer"] == "windows" and running_id:
            command = _REPORT_ON_HYPERV % uuid.UUID(running_id)
        else:
            return ""
        return self._low_level_execute_command(command).get("stdout", "")


def outcome(options, state, progress, console, is_unchanged):
    """Return the result of the task if the installation has ended, else None."""
    name = options["name"]
    if state in _ENDED:
        # The power state alone shows nothing: a VM that was never started is stopped, too.
        if state == "stopped" and (progress.state == FINISHED or options["installer"] == "manual"):
            return {"outcome": "finished"}
        if options["console_log"] and not is_unchanged:
            # Another process may write the log, a moment later.
            return None
        problem = f"the VM is {state}, but the installation was not completed."
    elif progress.state == CRASHED:
        problem = progress.text
    elif progress.state == WAITING and is_unchanged:
        problem = progress.text or "the installer waits for an answer."
    elif progress.state == FINISHED and options["ends"] == "restart":
        return {"outcome": "finished"}
    else:
        return None
    return {"failed": True, "outcome": "failed", "title": problem, "msg": _failure(name, problem, options, console)}


def _failure(name, problem, options, console):
    where = f"\nThe console is in {options['console_log']}." if options["console_log"] else ""
    quoted = f"\nThe last lines of its console:\n{last_lines(console)}" if console else ""
    return f"{name}: the installation failed: {problem}{quoted}{where}"


def _not_started(options):
    message = (
        f"{options['name']}: the installer has not started: it has written nothing to a disk for"
        f" {options['start_timeout']} s. The VM is still running. If its console shows Press any key to boot from CD or"
        " DVD, stop it (stop_mode: force), and start it again with boot_key_seconds. Then run the task again."
    )
    return {"failed": True, "outcome": "not_started", "msg": message}


def _timed_out(options, progress, console):
    step = f" The last step was: {progress.text}." if progress.text else ""
    problem = f"it has not ended within {options['timeout']} s.{step} Run it again to wait longer."
    return {"failed": True, "outcome": "timeout", "msg": _failure(options["name"], problem, options, console)}


def _step(options, progress):
    if options["installer"] == "manual":
        action = "waiting until the VM is shut down; install it at its console"
    elif progress.state == FINISHED:
        action = "all steps are done; waiting until the VM stops"
    else:
        action = f"installing: {progress.text or 'no output yet'}"
    return f"{options['name']}: {action}"
