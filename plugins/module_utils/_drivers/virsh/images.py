# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image must have for a VM of libvirt."""

from __future__ import annotations

from ..._media.resolve import Needs, level_of
from ..._ports import host

#: The level of QEMU's default CPU model, which new VMs without KVM have.
_EMULATED = "x86-64-v1"
_FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "vhd")


def image_needs(driver, request):
    """Return the Needs of a new VM."""
    is_emulated = driver.virt_type_for_new_vm() == "qemu"
    cpu = _EMULATED if is_emulated else level_of(host.cpu_flags())
    networks = request.config.get("networks") or {}
    return Needs(
        platform="libvirt",
        architecture=host.architecture(),
        formats=_FORMATS,
        firmware=request.config.get("firmware") or "bios",
        devices=tuple(sorted({nic["model"] for nic in networks.values() if nic and nic.get("model")})),
        # The option native can set another CPU model.
        cpu=None if request.config.get("native") else cpu,
    )
