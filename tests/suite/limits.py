# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long tests wait before they call something hung: the one place for limits, and they grow with the load.

No test passes or fails by a time that it took. A limit only ends what would never end.
"""

from __future__ import annotations

import os
import time


def scaled(seconds):
    """A limit that suits the load: ``seconds`` on a quiet host, more where processes queue for its cores."""
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(1.0, waiting)


def wait_until(holds, what, seconds=60, pause=0.05):
    """Wait until ``holds()``, and fail with ``what`` was expected (a text, or what makes it) where it never does."""
    deadline = time.monotonic() + scaled(seconds)
    while not holds():
        assert time.monotonic() < deadline, f"not within {scaled(seconds):.0f} s: {what() if callable(what) else what}"
        time.sleep(pause)
