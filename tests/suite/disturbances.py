# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to one call of a task: it fails, its answer is lost or late, or the task is killed there."""

from __future__ import annotations

import os

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter as counted
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

#: It fails and changes nothing, or it succeeds and its answer is lost or late.
FAILS, LOST, LATE = "fails", "lost", "late"
#: The task is killed just before the call or just after it.
KILLED = KILLED_BEFORE, KILLED_AFTER = "killed before", "killed after"
#: How a task is rejected for a VM that a killed one has created and not recorded: it may be the user's.
NO_RECORD = "no record of creation by this collection"
_LOST = "VBoxManage: error: Code NS_ERROR_CALL_FAILED (0x800706be) - Call to remote object failed"


class Killed(BaseException):
    """Ends the task like SIGKILL: the product does not catch it."""


class Disturbance:
    """The ``number``-th call that writes is disturbed by ``kind``; None: no call is disturbed.

    ``then_fails``: all calls that write after it fail.
    """

    def __init__(self, kind=None, number=0, then_fails=False):
        self._kind, self._number, self._then_fails, self.calls = kind, number, then_fails, 0

    def at_this_call(self, is_write):
        """The kind of disturbance of this call, or None."""
        self.calls += is_write
        if not is_write or self.calls < self._number:
            return None
        return self._kind if self.calls == self._number else FAILS if self._then_fails else None

    def unless_killed(self, is_write, act):
        """The kind of disturbance of this call, or None; raises Killed before or after ``act()`` if it is killed."""
        kind = self.at_this_call(is_write)
        if kind == KILLED_AFTER:
            act()
        if kind in KILLED:
            raise Killed
        return kind


UNDISTURBED = Disturbance()


def disturbed(disturbance, argv, writes, run):
    """What the port for commands returns; ``run(writes)`` does the call."""
    kind = disturbance.unless_killed(writes, lambda: run(writes))
    if kind is None:
        return run(writes)
    if kind == FAILS:
        return Completed(tuple(argv), 1, "", f"{os.path.basename(argv[0])}: error: It went wrong.\n")
    run(False)
    if kind == LATE:
        counted.note(doubtful=True)
        raise Timeout(f"{argv[0]} had not ended.", waited=3600)
    if os.path.basename(argv[0]) == "VBoxManage":
        return Completed(tuple(argv), 1, "", f"{_LOST}\n")
    # It has no connection that could break: it is killed.
    counted.note(doubtful=True)
    return Completed(tuple(argv), -9, "", "")
