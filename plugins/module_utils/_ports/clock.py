# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the time, and waiting. All other code gets the time from here."""

from __future__ import annotations

import time
from datetime import date


class Clock:
    """A monotonic clock in seconds."""

    def now(self):
        return time.monotonic()

    def sleep(self, seconds):
        time.sleep(seconds)

    def wait(self, futures, seconds):
        """Wait until one of ``futures`` ends, at most ``seconds`` (None: no limit); return those that have ended."""
        if not futures:
            self.sleep(seconds)
            return ()
        # Imported here because most tasks need no threads, and the import takes time.
        from concurrent.futures import FIRST_COMPLETED, wait

        return wait(futures, seconds, FIRST_COMPLETED).done


def epoch():
    """Return the wall clock time in seconds since 1970, with fractions, which give the order of snapshots."""
    return time.time()


def today():
    """Return the current date of the host."""
    return date.today()
