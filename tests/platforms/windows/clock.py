# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that passes only when somebody waits; what is due in between happens then."""

from __future__ import annotations

import heapq
import itertools


class EventClock:
    """Fulfils the protocol of the clock port."""

    def __init__(self):
        self._seconds = 0.0
        self._due, self._order = [], itertools.count()

    def now(self):
        return self._seconds

    def at(self, seconds, event):
        """Call ``event`` when this many seconds from now have passed."""
        heapq.heappush(self._due, (self._seconds + seconds, next(self._order), event))

    def sleep(self, seconds):
        end = self._seconds + seconds
        while self._due and self._due[0][0] <= end:
            self._seconds, _order, event = heapq.heappop(self._due)
            event()
        self._seconds = end

    def wait(self, futures, seconds):
        """Calls of the double take time only by sleeping, so a future ends when it has run."""
        if not futures:
            self.sleep(seconds)
            return ()
        return {future for future in futures if future.exception() or future.done()}
