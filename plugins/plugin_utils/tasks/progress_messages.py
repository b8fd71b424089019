# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show every 30 seconds that a task is still running, and what it waits for."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from ansible.utils.display import Display

_SECONDS = 30
_GOALS = {"address": "an address", "ssh": "SSH"}


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


def describe(host, module, arguments):
    """Return the message for the user: host, module and VMs of the task, and what it waits for."""
    names = arguments.get("name") or []
    named = ", ".join(map(str, names)) if isinstance(names, (list, tuple)) else str(names)
    goal = _GOALS.get(arguments.get("wait_for"))
    limit = f" for at most {arguments['timeout']} s" if goal and arguments.get("timeout") else ""
    about = f" ({named})" if named else ""
    return f"{host}: {module.rpartition('.')[2]}{about} is still running" + (
        f"; it waits for {goal}{limit}" if goal else ""
    )
