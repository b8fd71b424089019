# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs that VirtualBox broke by itself: without VT-x it does now and then, saving memory or loading it.

Of 7.2.22, 1 in 200 savings ended in an assertion, and 1 in 50 restored machines died without a word (350 tried). Once
in a dozen runs of all tests a poweroff never ended: the machine was off, and its process and the daemon waited for each
other.
"""

from __future__ import annotations

import re

#: VirtualBox about itself; the file is one of its own source.
_ASSERTED = re.compile(r"Assertion failed: .*? at '.*?/VBox/.*?' \(\d+\)")
#: Seconds. No call of the tests' own takes a tenth of it, however busy the host.
PATIENCE = 300
#: What the tests say of one that did not end.
HUNG = f"has not ended in {PATIENCE} s"
_HUNG = re.compile(rf"VBoxManage [^\n]* {HUNG}")
#: In the log of a VM that was stopped because the daemon had crashed.
_DAEMON_LOST = "VBoxSVC became unavailable"


def proofs(failure, folder, names_on):
    """What VirtualBox showed of faults of its own: assertions of its source, dead processes, and calls that hung."""
    told = [found[0] for pattern in (_ASSERTED, _HUNG) for found in pattern.finditer(failure)]
    for log in _logs_of_ended(folder, names_on):
        end = log.read_text(errors="replace")[-500:]
        if "VBoxHeadless: exiting" not in end:
            told.append(f"{log} ends in the middle")
        elif _DAEMON_LOST in end:
            told.append(f"{log}: {_DAEMON_LOST}")
    return told


def _logs_of_ended(folder, names_on):
    """The log of each process of a VM, below a directory of VMs, that has ended."""
    current = {folder / name / "Logs" / "VBox.log" for name in names_on}
    return sorted(set(folder.glob("*/Logs/VBox.log*")) - current)


def end_of_log(folder, name):
    """The last lines that the process of a VM has logged: they say why it ended."""
    log = folder / name / "Logs" / "VBox.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:]) if log.exists() else "no log"
