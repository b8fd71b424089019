# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated clock that advances only when somebody waits, and then runs the events that are due."""

from __future__ import annotations

import heapq
import itertools


class EventClock:
    """A clock with the interface of the product's clock port."""

    def __init__(self):
        self._seconds = 0.0
        self._due, self._order = [], itertools.count()

    def now(self):
        return self._seconds

    def at(self, seconds, event):
        """Call ``event`` in so many seconds from now."""
        heapq.heappush(self._due, (self._seconds + seconds, next(self._order), event))

    def sleep(self, seconds):
        end = self._seconds + seconds
        while self._due and self._due[0][0] <= end:
            self._seconds, _order, event = heapq.heappop(self._due)
            event()
        self._seconds = end

    def wait(self, futures, seconds):
        """Return the ended futures. Only sleeping takes time, so every future ends as soon as it has run."""
        if not futures:
            self.sleep(seconds)
            return ()
        return {future for future in futures if future.exception() or future.done()}
