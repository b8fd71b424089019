# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's QEMU driver with guests of arm64, which this host emulates."""

from __future__ import annotations

from typing import ClassVar

from platforms.libvirt import qemu
from platforms.libvirt.base import IMAGES

_GUEST = IMAGES / "polyvirt-tests" / "arm64"
_WORDS = "console=ttyAMA0 net.ifnames=0 quiet random.trust_cpu=on mitigations=off"


class Platform(qemu.Platform):
    """All its VMs are of arm64. They boot by UEFI, which with the kernel of the guest needs more than 128M."""

    name = "libvirt_arm64"
    creation: ClassVar = {**qemu.Platform.creation, "architecture": "arm64", "memory": "256M"}

    @property
    def guest(self):
        image = {"source": str(_GUEST / "fast-base.qcow2"), "linked": True}
        return {**super().guest, "architecture": "arm64", "memory": "256M", "image": image}

    def kernel(self, *words):
        return {
            "os/kernel": str(_GUEST / "vmlinuz"),
            "os/initrd": str(_GUEST / "initrd.img"),
            "os/cmdline": " ".join((_WORDS, *words)),
        }
