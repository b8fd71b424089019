# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show every 30 seconds that a task is still running, and what it waits for."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from ansible.utils.display import Display

_SECONDS = 30
#: Seconds between two messages about how far a task is.
_BETWEEN = 10
_GOALS = {
    "address": "an address",
    "ssh": "SSH",
    "winrm": "WinRM",
    "cloud_init": "cloud-init, which the guest agent reports",
}


@contextmanager
def show_progress(text, pause=None):
    """Show ``text`` and the elapsed seconds until the block ends. ``pause(seconds)`` waits, and returns whether the
    block has ended."""
    ended = threading.Event()
    threading.Thread(target=_show, args=(text, pause or ended.wait), daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _show(text, pause):
    waited = 0
    while not pause(_SECONDS):
        waited += _SECONDS
        Display().display(f"{text} ({waited} s)")


class Progress:
    """Shows how far a task on ``host`` is, but not too often."""

    def __init__(self, host, now=time.monotonic):
        self._host, self._now, self._next = host, now, 0

    def show(self, text):
        if self._now() >= self._next:
            self._next = self._now() + _BETWEEN
            Display().display(f"{self._host}: {text}")


def describe(host, module, arguments):
    """Return the message for the user: host, module and VMs of the task, and what it waits for."""
    names = arguments.get("name") or []
    named = ", ".join(map(str, names)) if isinstance(names, (list, tuple)) else str(names)
    goal = _goal(arguments.get("wait_for"))
    limit = f" for at most {arguments['timeout']} s" if goal and arguments.get("timeout") else ""
    about = f" ({named})" if named else ""
    return f"{host}: {module.rpartition('.')[2]}{about} is still running" + (
        f"; it waits for {goal}{limit}" if goal else ""
    )


def _goal(wait_for):
    """Return what the task waits for, None for nothing; ``wait_for`` is as the task has it, perhaps invalid."""
    if not isinstance(wait_for, dict):
        return _GOALS.get(str(wait_for))
    named = ((name, wait_for[name]) for name in ("port", "http") if wait_for.get(name))
    name, value = next(named, ("", ""))
    return f"{name} {value}" if name else _GOALS.get(str(wait_for.get("condition")))
