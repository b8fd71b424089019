# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the logs of consoles: the output of a serial port is copied to a file, or written to a file only."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..._core.results.console import ConsoleLog, console_log
from ..._ports import files
from ..._tools.virsh_output import log_paths


def consoles(observer, vms):
    """[ConsoleLog] of the VMs; one process reads the definitions."""
    answers = observer.virsh.batch([("dumpxml", vm.id) for vm in vms]) if vms else []
    elsewhere = "" if observer.is_local else observer.virsh.uri
    return [
        ConsoleLog(how=one.error) if one.error else console_log(log_paths(ET.fromstring(one.stdout)), files, elsewhere)
        for one in answers
    ]
