# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of consoles: VirtualBox writes the output of a serial port to a file."""

from __future__ import annotations

import os

from ..._kit.console import console_log
from ..._ports import files


def consoles(observer, vms):
    """[ConsoleLog] of the VMs, by their settings files, which were read already."""
    listing = observer.listing()
    files_by_id = {one.uuid: listing.vbox_vm(one).file for one in listing.machines}
    return [_log(files_by_id.get(vm.id)) for vm in vms]


def _log(file):
    return console_log([path for path in (file.serial_files.values() if file else ()) if os.path.isabs(path)], files)
