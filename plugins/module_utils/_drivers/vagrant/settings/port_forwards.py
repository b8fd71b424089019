# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: port forwards. With libvirt, each one is an ssh process, whose PID is stored in the VM's folder.

The process does not end with the VM and keeps its port, so the next start could not forward it. Vagrant ends it before
it stops a VM (vagrant-libvirt 0.11.2, action/forward_ports.rb); who stops a VM without Vagrant must do the same.
"""

from __future__ import annotations

import os
import re

from ...._core.errors import Refused
from ...._core.model import RUNNING
from ...._ports import files, net, permits

_PID_FILE = re.compile(r"ssh_(\d+)\.pid\Z")


def clear(commands, folder):
    """End the forwards of the VM that Vagrant keeps in ``folder``."""
    pids = os.path.join(folder, "pids")
    for name in files.entries(pids):
        found = _PID_FILE.match(name)
        if found:
            path = os.path.join(pids, name)
            _end(commands, files.read(path).decode("ascii", "replace").strip(), found[1])
            with permits.also([path]):
                files.remove(path)


def _end(commands, pid, port):
    if pid.isdigit():
        commands.end(int(pid), lambda argv: "-L" in argv and any(f":{port}:" in word for word in argv))


def host_end(forward, provider):
    """What of a forward must be unique on the host: port, address and protocol; with libvirt, only the port."""
    port, address = forward.get("host_port"), forward.get("host_address")
    if provider == "libvirt":
        return str(port)
    return f"{address + ':' if address else ''}{port}/{forward.get('protocol') or 'tcp'}"


def check_ports_are_free(driver, plan, created, released):
    """Reject ports of the host that other programs use: Vagrant would forward none, and not start the VM."""
    config = plan.after.config
    if plan.before.power == RUNNING or (created is not None and config.get("provider") == "libvirt"):
        return  # The VM itself uses them; with libvirt its ssh processes, which may keep them until its next start.
    for name, rule in sorted((config.get("port_forwards") or {}).items()):
        port, claim = rule["host_port"], driver.claims.forward(rule, name)[0]
        if (claim.kind, claim.identity) in released:
            continue
        if not net.is_free(rule.get("host_address") or "", port, rule.get("protocol") or "tcp"):
            raise Refused(
                f"{plan.after.name}: port_forwards: host port {port} of {name} is used by another program.",
                "Choose another host_port.",
            )
