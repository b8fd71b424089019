# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the settings of a Windows host: send steps, wait for the host, restart it."""

from __future__ import annotations

from .._core.errors import PolyvirtError, Timeout, Unavailable
from .windows import ConnectionLost
from .windows_request import Chain, call, properties, run

#: Seconds between two attempts to reach the host, and how long it may be unreachable without a restart.
_PAUSE, _OUTAGE = 5, 180
_SYSTEM = properties("ProductType", "LastBootUpTime")
_SHUTDOWN = "%SystemRoot%\\System32\\shutdown.exe"
#: ERROR_SHUTDOWN_IN_PROGRESS, ERROR_SHUTDOWN_IS_SCHEDULED: the host is already restarting.
_RESTARTS_ALREADY = (1115, 1190)
#: Seconds until the restart, so that the answer to the request can still be sent.
_DELAY = 5


class WindowsHost:
    """Subclasses add ``read`` and ``plan``, and call ``system()`` in ``read``."""

    transient = ConnectionLost

    def __init__(self, windows, restart_timeout):
        self.windows, self._restart_timeout = windows, restart_timeout
        self._restarted = False

    @property
    def restarted(self):
        return self._restarted

    def system(self):
        """Return product type and boot time: {"ProductType": 1 (client), 2 or 3 (server), "LastBootUpTime": text}.

        Raises Unavailable if the user is not an administrator.
        """
        calls = (call("CimCmdlets\\Get-CimInstance", {"ClassName": "Win32_OperatingSystem"}, show=_SYSTEM),)
        (result,) = self.windows.call([Chain("system", calls)], about=True)
        if result.error:
            raise Unavailable(f"The Windows host cannot be read ({result.error}).", "not_responding")
        if (self.windows.about or {}).get("elevated") is False:
            raise Unavailable(
                f"The user {self.windows.about.get('user')} is no administrator of this host.",
                "not_responding",
                "Connect as a member of the group Administrators.",
            )
        return result.answers[0].objects[0]

    def apply(self, steps):
        """Carry out the steps in order. Raises the error of the first step that fails."""
        for step in steps:
            if step.restarts:
                self._restart()
            else:
                self._carry_out(step)

    def _carry_out(self, step):
        (result,) = self.windows.call([Chain(step.key, step.calls)], modules=step.modules)
        self.check(step, result.answers)
        if result.error:
            raise PolyvirtError(f"{step.key}: {result.error} ({result.error.id})")

    def check(self, step, answers):
        """Raise if calls of a step failed that report no error, such as programs; ``answers`` may end with an error."""

    def reconnect(self):
        """Wait until the host answers again after its network was changed."""
        self._wait(_OUTAGE, lambda: True)

    def is_ready(self):
        """Return whether the restart is complete; called when the host answers again."""
        return True

    def _restart(self):
        before = self.system()["LastBootUpTime"]
        restart = run(_SHUTDOWN, ["/r", "/t", str(_DELAY), "/d", "p:2:4"], 30)
        try:
            (result,) = self.windows.call([Chain("restart", (restart,))])
        except ConnectionLost:
            result = None
        if result is not None:
            self._check_restart(result)
        self._wait(self._restart_timeout, lambda: self.system()["LastBootUpTime"] != before and self.is_ready())
        self._restarted = True

    @staticmethod
    def _check_restart(result):
        answer = result.answers[0]
        code = answer.details.get("exit_code")
        if answer.error or code not in (0, *_RESTARTS_ALREADY):
            raise PolyvirtError(
                f"restart: the host cannot be restarted ({answer.error or f'shutdown.exe: exit code {code}'}).",
                "Restart it by hand, and run the task again.",
            )

    def _wait(self, seconds, is_done):
        """Wait until the host answers and ``is_done()``; connection errors are expected meanwhile."""
        clock = self.windows.clock
        end, why = clock.now() + seconds, None
        while clock.now() < end:
            clock.sleep(_PAUSE)
            try:
                self.system()
                if is_done():
                    return
                why = None
            except PolyvirtError as error:
                why = error
        found = str(why) if why else "It answers, but its restart is not complete."
        raise Timeout(
            f"The host was not ready again after {seconds} seconds. {found}",
            seconds,
            "Check the host, and run the task again.",
        )
