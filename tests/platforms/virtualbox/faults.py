# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of bugs of VirtualBox itself: without VT-x it crashes now and then when it saves or restores memory.

With 7.2.22, 1 of 200 saves ended in an assertion, and 1 of 50 restored VMs died without a message (350 tried). Once in
a dozen runs of all tests a poweroff never ended: the VM was off, and its process and the daemon waited for each other.
Once in some hundred runs the daemon answered no call any more while several processes read a VM that another changed.
"""

from __future__ import annotations

import re

#: An assertion of VirtualBox; the file is one of its source.
_ASSERTED = re.compile(r"Assertion failed: .*? at '.*?/VBox/.*?' \(\d+\)")
#: Seconds after which a call is considered hung. No call takes a tenth of it, even on a busy host.
PATIENCE = 300
#: The message of the tests about a call that did not end.
HUNG = f"has not ended in {PATIENCE} s"
_HUNG = re.compile(rf"VBoxManage [^\n]* {HUNG}")


def proofs(failure, folder, names_on):
    """Messages about bugs of VirtualBox: assertions and hung calls in the text ``failure``, and VMs that died."""
    messages = [found[0] for pattern in (_ASSERTED, _HUNG) for found in pattern.finditer(failure)]
    return messages + [f"{log} ends in the middle" for log in _cut_off(folder, names_on)]


def _cut_off(folder, names_on):
    """Logs of ended VM processes without the last line of a regular end, also if the daemon has crashed."""
    current = {folder / name / "Logs" / "VBox.log" for name in names_on}
    ended = sorted(set(folder.glob("*/Logs/VBox.log*")) - current)
    return [path for path in ended if "VBoxHeadless: exiting" not in path.read_text(errors="replace")[-500:]]


def end_of_log(folder, name):
    """The last lines that the process of a VM has logged: they say why it ended."""
    log = folder / name / "Logs" / "VBox.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:]) if log.exists() else "no log"
