# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarded ports with the provider libvirt: each is a process of ssh, whose number Vagrant notes beside the machine.

It outlives the guest and keeps its port, so the next start gets none. Vagrant ends it before it stops a machine
(vagrant-libvirt 0.11.2, action/forward_ports.rb); whoever stops one without Vagrant has to do the same.
"""

from __future__ import annotations

import os
import re

from ...._ports import files

_NOTE = re.compile(r"ssh_(\d+)\.pid\Z")


def clear(commands, folder):
    """End the forwards of the machine that Vagrant keeps in ``folder``."""
    pids = os.path.join(folder, "pids")
    for name in files.entries(pids):
        noted = _NOTE.match(name)
        if noted:
            path = os.path.join(pids, name)
            _end(commands, files.read(path).decode("ascii", "replace").strip(), noted[1])
            files.remove(path)


def _end(commands, pid, port):
    if pid.isdigit():
        commands.end(int(pid), lambda argv: "-L" in argv and any(f":{port}:" in word for word in argv))
