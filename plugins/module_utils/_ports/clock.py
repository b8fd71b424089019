# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the time, waiting, and the longest time that one call to a platform may take."""

from __future__ import annotations

import os
import time
from datetime import date

from .._core import errors


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


_SECONDS, _VARIABLE = 3600, "POLYVIRT_CALL_TIMEOUT"
RAISE_CALL_TIMEOUT = "Check why the platform is slow; if the operation needs more time, increase call_timeout."


def call_timeout(requested):
    """Return the time limit of a call in seconds: ``requested``, else the environment variable, else an hour."""
    text = os.environ.get(_VARIABLE) or ""
    if requested or not text:
        return requested or _SECONDS
    if not text.isdigit() or not int(text):
        raise errors.InvalidInput(f"{_VARIABLE}: '{text}' is not a number of seconds.", "Set 1 or more.")
    return int(text)
