# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the tests of this folder: the table of what was shown."""

from __future__ import annotations

from peers import misbehaviours


def pytest_terminal_summary(terminalreporter):
    found = misbehaviours.outcomes(terminalreporter.stats)
    if found:
        terminalreporter.section("peers: theirs and ours")
        for line in misbehaviours.table(found):
            terminalreporter.write_line(line)
