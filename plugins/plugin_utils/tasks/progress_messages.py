# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show how far a long task is: a line at each step, each 10 % and each 30 seconds, and the same as events.

Ansible shows whole lines only, and those of other hosts between them. So no line is refreshed, not even on a terminal.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from ansible.utils.display import Display

from ...module_utils._core.texts import visible
from ...module_utils._ports.progress import received_by

#: Seconds between two lines of the same step.
_SECONDS = 30
#: Nothing is shown of a task that takes less than this.
_QUIET = 10
_PERCENT = 10
_MIB = 1 << 20
_GOALS = {
    "address": "an address",
    "ssh": "SSH",
    "winrm": "WinRM",
    "cloud_init": "cloud-init, which the guest agent reports",
}
#: What is called with (task, variables, progress) for each line. A callback plugin adds itself in the main process of
#: Ansible; the process of a task begins as a copy of that one.
LISTENERS = []


@contextmanager
def show_progress(host, text, tell=None, pause=None, now=time.monotonic):
    """Show how far the task of the block is on ``host``. ``text`` is shown while the task reports no step.

    ``tell(progress)`` is called with the same; None: a task with no_log, of which no steps are shown either.
    ``pause(seconds)`` waits, and returns whether the block has ended.
    """
    ended = threading.Event()
    progress = Progress(text, tell, f"{host}: ", now)
    threading.Thread(target=_show, args=(progress, pause or ended.wait), daemon=True).start()
    try:
        with received_by(_ignore if tell is None else progress.report):
            yield
    finally:
        ended.set()


def _show(progress, pause):
    while not pause(_SECONDS):
        progress.show()


def _ignore(_step, _done, _total):
    """The receiver of a task with no_log."""


class Progress:
    """How far a task is. The methods may be called in any thread."""

    def __init__(self, text, tell=None, before="", now=time.monotonic):
        """``before`` precedes each step in a line."""
        self._text, self._tell, self._before, self._now = text, tell, before, now
        self._began, self._lock = now(), threading.Lock()
        self._step, self._done, self._total = None, None, None
        #: (step, percent, seconds) of the last line.
        self._shown = None

    def report(self, step, done=None, total=None):
        """The task does ``step`` now (None: it has ended), and has done ``done`` of ``total`` bytes of it."""
        with self._lock:
            self._step, self._done, self._total = step, done, total
            if is_due(self._shown, self._current()):
                self._display()

    def show(self):
        """Show how far the task is, if nothing was shown for a while."""
        with self._lock:
            if self._shown is None or self._current()[2] - self._shown[2] >= _SECONDS / 2:
                self._display()

    def _current(self):
        percent = 100 * self._done // self._total if self._total and self._done is not None else None
        return self._step, percent, self._now() - self._began

    def _display(self):
        self._shown = step, percent, seconds = self._current()
        mib = None if self._done is None else self._done // _MIB
        progress = {"step": step or self._text, "percent": percent, "mib": mib, "seconds": int(seconds)}
        before = self._before if step else ""
        Display().display(visible(f"{before}{line_of(progress)}"))
        if self._tell is not None:
            self._tell(progress)


def is_due(shown, current):
    """Return whether a line is shown: ``shown`` and ``current`` are (step, percent, seconds), None for no line yet."""
    step, percent, seconds = current
    if seconds < _QUIET or step is None:
        return False
    if shown is None or shown[0] != step or seconds - shown[2] >= _SECONDS:
        return True
    return percent is not None and percent // _PERCENT > (shown[1] or 0) // _PERCENT


def line_of(progress):
    """Return the line for the user."""
    known = [
        f"{progress['percent']} %" if progress["percent"] is not None else "",
        f"{progress['mib']} MiB" if progress["mib"] is not None else "",
        f"{progress['seconds']} s",
    ]
    return f"{progress['step']} ({', '.join(filter(None, known))})"


def tell_listeners(task, task_vars):
    """Return the ``tell`` of a task; None for one with no_log."""
    if task.no_log:
        return None

    def tell(progress):
        for listener in LISTENERS:
            listener(task, task_vars, progress)

    return tell


def describe(host, module, arguments):
    """Return the message for the user: host, module and VMs of the task, and what it waits for."""
    names = arguments.get("name") or []
    named = ", ".join(map(str, names)) if isinstance(names, (list, tuple)) else str(names)
    goal = _goal(arguments.get("wait_for"))
    limit = f" (timeout {arguments['timeout']} s, without the platform's own work)" if arguments.get("timeout") else ""
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
