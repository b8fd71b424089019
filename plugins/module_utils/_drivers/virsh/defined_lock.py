# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of this collection change the definitions of networks and pools one after the other.

libvirt stores a network as a whole, whatever another client has added to it since it was read. Between the two, no
other task on the host of libvirt may change it.
"""

from __future__ import annotations

from contextlib import contextmanager

from ..._ports import files
from ..._ports.clock import Clock
from ..._tools.libvirt_daemons import RUN_FOLDER

#: Seconds after which a task does not wait any longer, and between two attempts.
_LONGEST, _PAUSE = 30, 0.05


@contextmanager
def alone(clock=None):
    """Hold the lock during the block. Without a directory of libvirt on this host, there is none."""
    clock = clock or Clock()
    end = clock.now() + _LONGEST
    while True:
        with files.held(RUN_FOLDER) as is_free:
            if is_free or clock.now() > end:
                yield
                return
        clock.sleep(_PAUSE)
