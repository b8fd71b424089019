# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a NIC can be connected: its bridge must exist, and have a way for its VLANs."""

from __future__ import annotations

from .errors import ApiError


class NoBridge(ApiError):
    """The bridge does not exist."""


def check(world, machine, nic):
    """Raise the error of the network script for a NIC, given as its sub-keys."""
    bridge, cluster = nic.get("bridge"), world.cluster
    if bridge and bridge not in cluster.bridges.get(machine.node, ()):
        raise NoBridge(f"bridge '{bridge}' does not exist")
    if bridge and bridge not in cluster.vlan_aware:
        if nic.get("trunks"):
            raise ApiError("vlan aware feature need to be enabled to use trunks")
        if nic.get("tag") and bridge in cluster.bridges_without_port:
            raise ApiError(f"no physical interface on bridge '{bridge}'")
