# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where time is read and waited for."""

from __future__ import annotations

import time
from datetime import date


class Clock:
    """Seconds that only go forward, whatever happens to the wall clock."""

    def now(self):
        return time.monotonic()

    def sleep(self, seconds):
        time.sleep(seconds)

    def wait(self, futures, seconds):
        """Those of ``futures`` that have ended, after at most ``seconds`` (None: until one has)."""
        if not futures:
            self.sleep(seconds)
            return ()
        # Here, for most tasks have nothing under way at the same time.
        from concurrent.futures import FIRST_COMPLETED, wait

        return wait(futures, seconds, FIRST_COMPLETED).done


def epoch():
    """Seconds since 1970, by the wall clock; parts of one tell which of two snapshots came first."""
    return time.time()


def today():
    """The day of the host's calendar."""
    return date.today()
