# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a task is, for the process that runs it. A shipped module cannot send anything before its end: it has no
receiver, and a report does nothing there.
"""

from __future__ import annotations

from contextlib import contextmanager

#: The receivers; those of a task within another task come last. Calls run in threads, so it is not a variable of one.
_receivers = []


@contextmanager
def received_by(receiver):
    """During the block, ``receiver(step, done, total)`` gets the reports, from any thread."""
    _receivers.append(receiver)
    try:
        yield
    finally:
        _receivers.remove(receiver)


def report(step, done=None, total=None):
    """Report what is done now; ``done`` and ``total`` are bytes, None if they are not known. Costs no call."""
    for receiver in _receivers[-1:]:
        receiver(step, done, total)
