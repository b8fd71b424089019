# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new VM has by default, and what the info modules report of each platform: tables that are written by hand."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import capabilities

from generate import DRIVERS, _traits
from unit.tables.rows import G

_NEW = {"cpus": 2, "memory": 2 * G, "disk_size": 32 * G}
#: {platform: defaults of a new VM}; vmd allows one CPU, and Hyper-V has no default switch on servers.
DEFAULTS = {
    "libvirt": {**_NEW, "networks": {"0": {"type": "network", "source": "default"}}},
    "virtualbox": {**_NEW, "networks": {"0": {"type": "nat"}}},
    "vagrant": {},
    "proxmox": {**_NEW, "networks": {"0": {"type": "bridged", "source": "vmbr0"}}},
    "vmd": {"cpus": 1, "memory": G, "disk_size": 20 * G, "networks": {"0": {"type": "nat"}}},
    "hyperv": _NEW,
    "wsl": {},
}
#: {platform: (states, whether snapshots, clones, live migration, words of the command that moves a VM)}.
CAPABILITIES = {
    "libvirt": ("running stopped paused suspended", True, True, False, "virsh migrate"),
    "virtualbox": ("running stopped paused suspended", True, True, False, "VBoxManage export"),
    "vagrant": ("running stopped paused", True, False, False, "Copy the project"),
    "proxmox": ("running stopped paused suspended", True, True, True, "option node"),
    "vmd": ("running stopped paused", False, True, False, "copy its disks"),
    "hyperv": ("running stopped paused suspended", True, True, False, "Move-VM"),
    "wsl": ("running stopped", False, True, False, "option export"),
}
_TRAITS = {platform: traits[0] for platform, traits in _traits()[1].items()}


def test_every_platform_is_in_both_tables():
    assert set(DEFAULTS) == set(CAPABILITIES) == set(DRIVERS)


@pytest.mark.parametrize("platform", DEFAULTS)
def test_defaults_of_a_new_vm(platform):
    found = {name: value for name, value in _TRAITS[platform].defaults.items() if name in (*_NEW, "networks")}
    assert found == DEFAULTS[platform]


@pytest.mark.parametrize("platform", CAPABILITIES)
def test_capabilities(platform):
    states, has_snapshots, has_clones, moves_live, way = CAPABILITIES[platform]
    found = capabilities(_TRAITS[platform])
    assert set(found["states"]) == set(states.split())
    assert ("snapshot" in found["verbs"], "clone" in found["verbs"]) == (has_snapshots, has_clones)
    assert found["live_migration"] is moves_live
    assert way in found["moving"]
    assert found["console"]
