# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs with the defaults of a platform need from an image: for the lookup plugin, and the table of the guide.

A task uses the needs of its own VM, which the driver of the platform knows.
"""

from __future__ import annotations

from ...module_utils._core.errors import Refused
from ...module_utils._media.choose import BOX, DECOMPRESSORS, QEMU_IMG, WSL, Converter, Needs, resolve

_BOTH = ("amd64", "arm64")
#: VirtualBox reads the other formats with its own command. Images of VMware's streaming form cannot be attached.
_VBOXMANAGE = Converter("VBoxManage", ("qcow2", "vhd", "vmdk"), ("vdi",))
_WITH_QEMU_IMG = {"converters": (QEMU_IMG,), "decompressors": DECOMPRESSORS}
_USE_BOX = "Set box to a box that you have."


def _needs(platform, formats, architectures=_BOTH, **more):
    return {one: (Needs(platform, one, formats, **more),) for one in architectures}


def _of_providers(*providers):
    """A Vagrant project needs a box for its provider."""
    return {
        one: tuple(Needs("vagrant", one, ("box",), BOX, provider=name, alternative=_USE_BOX) for name in providers)
        for one in _BOTH
    }


#: {platform: {architecture of its hosts: the needs of its VMs, one of each provider}}
NEEDS = {
    "libvirt": _needs("libvirt", ("qcow2", "raw"), **_WITH_QEMU_IMG),
    "virtualbox": _needs(
        "virtualbox",
        ("vdi",),
        devices=("e1000",),
        converters=(_VBOXMANAGE, QEMU_IMG),
        decompressors=DECOMPRESSORS,
    ),
    "vagrant": _of_providers("libvirt", "virtualbox"),
    # The node downloads images itself. What it cannot read is uploaded by the host of the task.
    "proxmox": _needs("proxmox", ("qcow2", "raw", "vmdk"), **_WITH_QEMU_IMG),
    # It cannot read the compressed clusters of the vendors' qcow2 images.
    "vmd": _needs("vmd", (), ("amd64",), firmware="bios", target="qcow2", serial_console=True, **_WITH_QEMU_IMG),
    "hyperv": _needs("hyperv", ("vhdx",), **_WITH_QEMU_IMG),
    "wsl": _needs("wsl", ("online", "wsl"), kind=WSL, alternative="Set the path of an archive (.wsl, .tar, .tar.gz)."),
}
#: Platforms on which VMs start from an ISO image, or from a disk with an installer.
_INSTALLED_FROM = {
    "iso": {"hyperv", "libvirt", "proxmox", "virtualbox"},
    "disk": {"hyperv", "libvirt", "proxmox", "virtualbox", "vmd"},
}


def platforms_of(media):
    """Return the platforms that can use at least one of the media, in the order of their names."""
    installed = {
        platform
        for medium in media
        for platform in _INSTALLED_FROM.get(medium["type"], ())
        if medium["architecture"] in NEEDS[platform]
    }
    return sorted(installed | {platform for platform in NEEDS if _has_image(media, platform)})


def _has_image(media, platform):
    return any(fitting(media, needs) for of_one in NEEDS[platform].values() for needs in of_one)


def fitting(media, needs):
    """Return the Choice, or None if no medium fits."""
    try:
        return resolve(media, needs, "")
    except Refused:
        return None
