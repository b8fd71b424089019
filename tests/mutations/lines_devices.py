# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the option devices."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers"
_VIRSH, _PROXMOX = [f"{_UNIT}/virsh/settings/test_devices.py"], [f"{_UNIT}/proxmox/test_devices.py"]
_OF_LIBVIRT = "_drivers/virsh/host_devices.py"
_OF_PROXMOX = "_drivers/proxmox/settings/devices.py"

MUTATIONS = (
    Mutation("host-without-an-iommu-is-accepted", _OF_LIBVIRT, "device.group is None", "False", _VIRSH),
    Mutation(
        "host-loses-a-device-of-the-group",
        _OF_LIBVIRT,
        "not one.is_bridge and one.driver not in _FOR_GUESTS",
        "False",
        _VIRSH,
    ),
    Mutation("one-of-two-usb-devices-is-guessed", _OF_LIBVIRT, "count > 1", "False", _VIRSH),
    Mutation(
        "optional-device-prevents-a-start",
        _OF_LIBVIRT,
        'elements[key].find("source").get("startupPolicy") != "optional"',
        "True",
        _VIRSH,
    ),
    Mutation(
        "device-is-plugged-twice",
        "_drivers/virsh/settings/devices.py",
        "(present is None) == (change.new is None)",
        "False",
        _VIRSH,
    ),
    Mutation(
        "first-of-several-pci-devices-is-guessed",
        "_drivers/virsh/settings/devices.py",
        "len(addresses) == 1",
        "addresses",
        _VIRSH,
    ),
    Mutation("mapping-of-another-node-will-do", _OF_PROXMOX, "node not in nodes", "not nodes", _PROXMOX),
    Mutation(
        "device-that-is-sent-twice-is-added-twice",
        _OF_PROXMOX,
        "change.new is not None and not present",
        "change.new is not None",
        _PROXMOX,
    ),
    Mutation("device-that-the-node-lacks-is-accepted", _OF_PROXMOX, "not found", "False", _PROXMOX),
    Mutation("node-without-an-iommu-is-accepted", _OF_PROXMOX, 'one.get("iommugroup") == _NO_GROUP', "False", _PROXMOX),
    Mutation(
        "memory-of-a-vm-with-hostpci-is-saved",
        "_drivers/proxmox/power.py",
        'step.verb == "suspend" and vm.id',
        "False",
        _PROXMOX,
    ),
    Mutation(
        "token-may-set-a-device-of-the-node",
        "_drivers/proxmox/privileges.py::_needed_for_option",
        "values.stem(key) in STEMS",
        "False",
        _PROXMOX,
    ),
)
