# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All time limits of tests, after which something is considered hung. They grow with the load of the host.

No test measures time. A limit only ends work that would never end.
"""

from __future__ import annotations

import os
import time


def scaled(seconds):
    """A limit in seconds: ``seconds`` on a quiet host, more if processes wait for CPUs."""
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(1.0, waiting)


def wait_until(holds, what, seconds=60, pause=0.05):
    """Wait until ``holds()`` is true. After the limit fail with ``what`` was expected, a text or a function."""
    began, limit = time.monotonic(), 0.0
    while not holds():
        # The load can rise, and fall again, while this waits.
        limit = max(limit, scaled(seconds))
        assert time.monotonic() - began < limit, f"not within {limit:.0f} s: {what() if callable(what) else what}"
        time.sleep(pause)
