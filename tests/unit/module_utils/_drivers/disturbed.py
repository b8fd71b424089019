# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of a program in this process that fails, or is done and its answer is lost or late."""

from __future__ import annotations

import os

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._ports import writes as counted
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

from suite.pairs import FAILS, LATE

_LOST = "VBoxManage: error: Code NS_ERROR_CALL_FAILED (0x800706be) - Call to remote object failed"


def disturbed(disturbance, argv, writes, run):
    """What the port returns; ``run(writes)`` does the call."""
    kind = disturbance.at_this_call(writes)
    if kind is None:
        return run(writes)
    if kind == FAILS:
        return Completed(tuple(argv), 1, "", f"{os.path.basename(argv[0])}: error: It went wrong.\n")
    run(False)
    if kind == LATE:
        counted.note(doubtful=True)
        raise Timeout(f"{argv[0]} had not ended.", waited=3600)
    if os.path.basename(argv[0]) == "VBoxManage":
        return Completed(tuple(argv), 1, "", f"{_LOST}\n")
    # It has no connection that could break: it is killed.
    counted.note(doubtful=True)
    return Completed(tuple(argv), -9, "", "")
