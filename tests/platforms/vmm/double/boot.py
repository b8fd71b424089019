# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot the host: state that is not in a file is lost."""

from __future__ import annotations

import os
from copy import deepcopy

from . import network, services
from .state import NEW
from .vmd import Vmd


def reboot(world):
    """Stop everything, then read sysctl.conf, the files of interfaces and rc.conf.local, as rc(8) does."""
    with world.state.open() as state:
        daemon = Vmd(state, world.host)
        daemon.halt()
        state["vmd"] = deepcopy(NEW["vmd"])
        physical = {
            name: one for name, one in state["interfaces"].items() if network.kind_of(name) not in network.CLONED
        }
        state["interfaces"] = {**deepcopy(NEW["interfaces"]), **physical}
        state["sysctls"] = deepcopy(NEW["sysctls"])
        for line in world.host.text("/etc/sysctl.conf").splitlines():
            name, has_value, value = line.partition("#")[0].partition("=")
            if has_value and name.strip() in state["sysctls"]:
                state["sysctls"][name.strip()] = value.strip()
        state.update(arp=[], leases={}, services={name: {} for name in state["services"]})
    network.netstart(world, _interfaces(world.host))
    for name in ("dhcpd", "vmd"):
        if services.is_enabled(world, name):
            services.rcctl(world, ["start", name])


def _interfaces(host):
    """The names of configured interfaces, bridges last, because they contain other interfaces."""
    folder = host.place("/etc/")
    names = [name.partition(".")[2] for name in os.listdir(folder) if name.startswith("hostname.")]
    return sorted(names, key=lambda name: (network.kind_of(name) in ("bridge", "veb"), name))
