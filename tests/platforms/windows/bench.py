# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of benches on a Windows host."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from unittest import mock

from platforms.windows.failures import Failed, Killed
from suite.bench import NOW, Bench
from suite.disturbances import FAILS, LATE, LOST

_ERROR = Failed("OperationFailed,Microsoft.HyperV", "NotSpecified", "Es ging schief.")


class WindowsBench(Bench):
    """``host`` is the double of a host."""

    #: How the names of commands that change nothing begin.
    reads = ("Get-", "Test-")
    #: The info module, as ``run_module`` gets it.
    about_info = "vm_info"

    def run_module(self, about, check, **options):
        """Run one task; returns its result. ``about`` is "vm", or "snapshot"."""
        raise NotImplementedError

    def run(self, entries, check=False):
        return self._result("vm", check, machines=entries, controller_time=NOW)

    def described(self):
        return self._result(self.about_info, False, describe=True).vms

    def run_snapshot(self, options, check):
        return self._result("snapshot", check, **{"name": ["web"], **options})

    def is_writing(self, _arguments, _stdin, _environment):
        """Whether this call of a program may change something."""
        return True

    def _result(self, about, check, **options):
        windows = self.host.windows
        with (
            mock.patch.object(windows, "invoke", partial(self._invoke, windows.invoke)),
            mock.patch.object(windows, "run", partial(self._run, windows.run)),
        ):
            result = self.run_module(about, check, **options)
        assert "exception" not in result, result["exception"]
        return SimpleNamespace(**{"failed": False, "changed": False, "msg": "", "vms": [], "diff": [], **result})

    def _invoke(self, invoke, context, command, bound):
        is_write = not command.name.startswith(self.reads)
        return self._disturbed(is_write, lambda: list(invoke(context, command, bound)))

    def _run(self, run, file, arguments, *more):
        is_write = self.is_writing(arguments, *more[:2])
        return self._disturbed(is_write, lambda: run(file, arguments, *more))

    def _disturbed(self, is_write, act):
        kind = self.disturbance.unless_killed(is_write, act)
        if kind == FAILS:
            raise _ERROR
        if kind == LOST:
            self.host.windows.faults.is_lost = True
        done = act()
        if kind == LATE:  # The process of PowerShell ends meanwhile.
            raise Killed
        return done
