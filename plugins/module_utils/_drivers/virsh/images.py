# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what an image must have for a VM."""

from __future__ import annotations

from functools import partial

from ..._core.errors import CommandFailed
from ..._media import disk_header
from ..._media.appliances.defaults import Words
from ..._media.choose import Needs, level_of
from ..._media.images import Images
from ..._ports import files, host
from ..._tools.qemu_devices import NIC_MODELS
from .settings.architecture import AMD64, row_of
from .settings.disks import slot_name, target_meant

#: The level of QEMU's default CPU model, which new VMs without KVM have.
_EMULATED = "x86-64-v1"
#: The most bytes of a layer that contains one cluster.
_LAYER = 1 << 20
_FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "vhd")

#: Each guest that booted elsewhere has a driver for SATA, and few have one for virtio. QEMU's q35 has no IDE.
APPLIANCES = Words(
    slot=lambda bus, number, _firmware: slot_name(number) if bus == "virtio" else f"sata{number}",
    models=NIC_MODELS,
    default_model="e1000",
    # Without one, GRUB's graphical terminal hangs.
    settings={"display": {"type": "vnc"}},
)


class LibvirtImages(Images):
    """The images of a host with libvirt."""

    appliances = APPLIANCES
    medium_format = "qcow2"

    def has_medium(self, wanted):
        """A layer has the ISO image below it, and names no other file."""
        is_stored = super().has_medium(wanted)
        return is_stored and disk_header.names_in_qcow(wanted.path) == [(wanted.name, "raw")]

    def bytes_of_medium(self, _wanted):
        return _LAYER

    def write_medium(self, iso, path, edit):
        qemu_img = self._driver.storage.qemu_img
        qemu_img.overlay(path, iso, "raw")
        qemu_img.write(path, edit.at, edit.new)

    def needs(self, request):
        """Return the Needs of a new VM."""
        row = row_of({"architecture": request.config.get("architecture") or self._driver.host_architecture})
        is_emulated = self._driver.virt_type_for_new_vm(row) == "qemu"
        cpu = _EMULATED if is_emulated else level_of(host.cpu_flags())
        networks = request.config.get("networks") or {}
        return Needs(
            platform="libvirt",
            architecture=row.name,
            formats=_FORMATS,
            firmware=request.config.get("firmware") or row.firmware or "bios",
            devices=tuple(sorted({nic["model"] for nic in networks.values() if nic and nic.get("model")})),
            # The option native can set another CPU model.
            cpu=None if request.config.get("native") or row is not AMD64 else cpu,
        )

    def has_begun(self, request):
        """Return a function from a Stored to whether the first disk of an interrupted task has its content, or None.

        Only its content shows which image the disk is from, because the VM is defined last.
        """
        slot = target_meant(request.creation["image"].get("slot") or slot_name(0))
        disks = (request.config.get("disks") or {}).items()
        entry = next((one for name, one in disks if target_meant(name) == slot), None) or {}
        path = self._driver.storage.disk_path(request.name, slot, entry)
        if not files.is_file(path):
            return None
        return partial(_has_content, self._driver, path, entry, bool(request.creation["image"].get("linked")))


def _has_content(driver, path, entry, linked, stored):
    image = {"source": stored.path, "format": stored.format, "linked": linked}
    try:
        return driver.storage.has_content_of(path, entry, image)
    except CommandFailed:
        return False
