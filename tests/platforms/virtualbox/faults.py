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


def proofs(failure, folder, names_on):
    """What VirtualBox showed of faults of its own: assertions of its source, dead processes, and calls that hung."""
    told = [found[0] for pattern in (_ASSERTED, _HUNG) for found in pattern.finditer(failure)]
    return told + [f"{log} ends in the middle" for log in _cut_off(folder, names_on)]


def _cut_off(folder, names_on):
    """Logs of VMs that have ended, but not as those of a VM that was stopped: also if the daemon has crashed."""
    current = {folder / name / "Logs" / "VBox.log" for name in names_on}
    over = sorted(set(folder.glob("*/Logs/VBox.log*")) - current)
    return [path for path in over if "VBoxHeadless: exiting" not in path.read_text(errors="replace")[-500:]]


def end_of_log(folder, name):
    """The last lines that the process of a VM has logged: they say why it ended."""
    log = folder / name / "Logs" / "VBox.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:]) if log.exists() else "no log"
