# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms that the suite runs on, by name: each is a class, and README.md lists its interface."""

from __future__ import annotations

from platforms.hyperv import platform as hyperv
from platforms.libvirt import arm64, qemu, testdriver
from platforms.proxmox import platform as proxmox
from platforms.vagrant import platform as vagrant
from platforms.virtualbox import platform as virtualbox
from platforms.vmm import platform as vmm
from platforms.wsl import platform as wsl

PLATFORMS = {
    one.name: one
    for one in (
        testdriver.Platform,
        qemu.Platform,
        virtualbox.Platform,
        virtualbox.Double,
        vagrant.Platform,
        proxmox.Platform,
        vmm.Platform,
        hyperv.Platform,
        wsl.Platform,
    )
}
#: {architecture: platform with real guests of it}. Scenarios run on that of PLATFORMS only.
WITH_GUESTS = {"amd64": qemu.Platform, "arm64": arm64.Platform}
#: Those that have snapshots.
WITH_SNAPSHOTS = [name for name, one in PLATFORMS.items() if one.has_snapshots]
