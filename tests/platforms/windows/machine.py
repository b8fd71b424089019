# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The computer of a simulated Windows host: it can restart, and does not answer during a restart."""

from __future__ import annotations

from platforms.windows.programs import Finished, split

_SHUTDOWN = "c:\\windows\\system32\\shutdown.exe"
_ALREADY, _USAGE = 1190, 1


class Machine:
    """Answers requests like its WindowsHost while it is up. ``host`` has ``windows``, ``clock`` and ``restart()``.

    ``down``: the seconds of one start; ``request``: the seconds that each request takes; ``starts``: the number of
    starts in one restart (enabling Hyper-V needs two).
    """

    def __init__(self, host, down=60.0, request=1.0, starts=1):
        self.host, self.clock, self.windows = host, host.clock, self
        self.down, self.request, self.starts = down, request, starts
        self.is_up, self.restarts, self._is_scheduled = True, 0, False
        self._other_programs, host.windows.run = host.windows.run, self._run

    def answer(self, text):
        self.clock.sleep(self.request)
        if not self.is_up:
            raise ConnectionError("the host does not answer")
        return self.host.windows.answer(text)

    def put(self, path, content):
        """Receive a file, which the connection sends."""
        if not self.is_up:
            raise ConnectionError("the host does not answer")
        self.host.windows.put(path, content)

    @property
    def faults(self):
        return self.host.windows.faults

    def _run(self, file, arguments, *more):
        if file.lower() == _SHUTDOWN:
            return self._shutdown(arguments)
        return self._other_programs(file, arguments, *more)

    def _shutdown(self, arguments):
        words = [one.lower() for one in split(arguments)]
        if "/r" not in words or words.index("/t") + 1 >= len(words):
            return Finished(_USAGE)
        if self._is_scheduled:
            return Finished(_ALREADY)
        self._is_scheduled = True
        self.clock.at(float(words[words.index("/t") + 1]), lambda: self._go_down(self.starts))
        return Finished(0)

    def _go_down(self, starts):
        self.is_up = False
        self.clock.at(self.down, lambda: self._come_up(starts))

    def _come_up(self, starts):
        if starts > 1:
            self._go_down(starts - 1)
            return
        self.host.restart()
        self.is_up, self._is_scheduled = True, False
        self.restarts += 1
