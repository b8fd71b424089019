# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the changes that the ports made in this thread; each VM of a task is processed in one thread."""

from __future__ import annotations

import threading

_thread = threading.local()


def count():
    """Return (certain, doubtful) changes so far. Doubtful: the answer was lost, so the result is not known."""
    return getattr(_thread, "count", (0, 0))


def note(doubtful=False):
    """Called by a port for each change."""
    certain, unknown = count()
    _thread.count = (certain, unknown + 1) if doubtful else (certain + 1, unknown)


def take_back(doubtful):
    """Uncount the last change: it was not made, or (``doubtful``) possibly not made."""
    certain, unknown = count()
    _thread.count = (max(certain - 1, 0), unknown + 1 if doubtful else unknown)


def set_back(before):
    """Uncount all changes since ``before`` (an earlier ``count()``), because they were undone."""
    _thread.count = before
