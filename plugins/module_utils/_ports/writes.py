# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many changes the ports made to the world in this thread: each VM of a task is worked on in one thread."""

from __future__ import annotations

import threading

_thread = threading.local()


def count():
    """(changes, doubtful ones) so far. Of the doubtful ones nobody knows: their answers were lost."""
    return getattr(_thread, "count", (0, 0))


def note(doubtful=False):
    """Called by a port for each change."""
    certain, unknown = count()
    _thread.count = (certain, unknown + 1) if doubtful else (certain + 1, unknown)


def take_back(doubtful):
    """The last change was not made after all, or (``doubtful``) perhaps not."""
    certain, unknown = count()
    _thread.count = (max(certain - 1, 0), unknown + 1 if doubtful else unknown)


def set_back(before):
    """All changes since ``before`` (an earlier ``count()``) were undone."""
    _thread.count = before
