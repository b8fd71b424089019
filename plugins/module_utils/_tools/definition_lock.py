# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of this collection change the definitions of networks and pools one after the other.

libvirt stores a network as a whole, whatever another client has added to it since it was read. Between the two, no
other task on the host of libvirt may change it.
"""

from __future__ import annotations

from functools import partial

from .._ports import files
from .._ports.exclusive import waiting_for

_RUN_FOLDER = "/run/libvirt"


def alone(clock=None):
    """Hold the lock during the block. Without a directory of libvirt on this host, there is none."""
    message = "Another task is changing networks or storage pools of libvirt."
    return waiting_for(partial(files.held, _RUN_FOLDER), message, clock)
