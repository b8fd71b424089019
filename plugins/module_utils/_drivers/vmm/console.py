# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The consoles of VMs: vmd connects them with terminals of the host, and keeps no log."""

from __future__ import annotations

from ..._core.results.console import ConsoleLog


def consoles(observer, vms):
    """[ConsoleLog] of the VMs: their terminals while they run."""
    rows = observer.found.rows
    return [ConsoleLog(terminal=rows[vm.name].terminal if vm.name in rows else None) for vm in vms]
