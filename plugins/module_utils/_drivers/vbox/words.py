# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary's words in VirtualBox's, and back."""

from __future__ import annotations

import re

#: networks.type -> (VirtualBox's type, what names its other end).
NETWORKS = {
    "nat": ("nat", None),
    "bridged": ("bridged", "bridgeadapter"),
    "hostonly": ("hostonly", "hostonlyadapter"),
    "internal": ("intnet", "intnet"),
    "network": ("natnetwork", "nat-network"),
}
NETWORK_WORDS = {vbox: word for word, (vbox, _key) in NETWORKS.items()}
CARDS = (
    "82540EM", "82543GC", "82545EM", "Am79C960", "Am79C970A", "Am79C973", "virtio", "usbnet",
    "NE1000", "NE2000", "WD8003", "WD8013", "3C503", "ELNK1",
)  # fmt: skip
CARD_SYNONYMS = {"e1000": "82540EM", "virtio-net": "virtio", "pcnet": "Am79C973"}

BOOT = {"disk": "disk", "cdrom": "dvd", "network": "net", "floppy": "floppy"}
BOOT_WORDS = {vbox: word for word, vbox in BOOT.items()}

#: Formats of images that it writes to: the vocabulary's word -> its own.
FORMATS = {"vdi": "VDI", "vmdk": "VMDK", "vhd": "VHD"}
#: Of this one it writes the new size into one half of the file, leaves the old one in the other, and reports no error.
NOT_GROWN = "vmdk"

#: Short names of usual systems -> the id of the type.
OS_TYPES = {
    "linux": "Linux26_64", "debian": "Debian_64", "ubuntu": "Ubuntu_64", "fedora": "Fedora_64", "rhel": "RedHat_64",
    "redhat": "RedHat_64", "centos": "RedHat_64", "alma": "RedHat_64", "rocky": "RedHat_64", "arch": "ArchLinux_64",
    "archlinux": "ArchLinux_64", "opensuse": "OpenSUSE_64", "gentoo": "Gentoo_64", "oracle": "Oracle_64",
    "openbsd": "OpenBSD_64", "freebsd": "FreeBSD_64", "netbsd": "NetBSD_64", "windows10": "Windows10_64",
    "windows11": "Windows11_64", "windows2016": "Windows2016_64", "windows2019": "Windows2019_64",
    "windows2022": "Windows2022_64", "solaris": "Solaris11_64", "other": "Other_64",
}  # fmt: skip

_SLOT = re.compile(r"(?P<controller>.+) (?P<port>\d+)(?::(?P<device>[01]))?", re.DOTALL)
#: By how a controller's name begins, where it has to be made: its bus, and its number of ports.
BUSES = {
    "SATA": ("sata", 30), "AHCI": ("sata", 30), "IDE": ("ide", 2), "SCSI": ("scsi", 16), "SAS": ("sas", 8),
    "NVMe": ("pcie", 30), "VirtIO": ("virtio-scsi", 30), "USB": ("usb", 8),
}  # fmt: skip
#: storagecontrollertype, small -> bus.
BUS_OF_TYPE = {
    "intelahci": "sata", "piix3": "ide", "piix4": "ide", "ich6": "ide", "lsilogic": "scsi", "buslogic": "scsi",
    "lsilogicsas": "sas", "nvme": "pcie", "virtioscsi": "virtio-scsi", "usb": "usb", "i82078": "floppy",
}  # fmt: skip


#: What VirtualBox writes as _ in names of files (names-locale of 7.2.22).
_NOT_IN_FILE_NAMES = re.compile(r'[/\\";:*?<>|$&\'~\n]|^[-. ]|[. ]$')


def file_name(name):
    """A VM's name as its folder and files have it."""
    return _NOT_IN_FILE_NAMES.sub("_", name)


def slot_name(controller, port, device=0):
    return f"{controller} {port}:{device}" if device else f"{controller} {port}"


def place_of(slot):
    """(controller, port, device) of a slot's name, or None where it is none."""
    match = _SLOT.fullmatch(slot)
    return (match["controller"], int(match["port"]), int(match["device"] or 0)) if match else None


def bus_for(controller):
    """(bus, ports) of a controller by its name, or None."""
    return next((bus for begin, bus in BUSES.items() if controller.lower().startswith(begin.lower())), None)


def colon_mac(mac):
    return ":".join(mac[place : place + 2] for place in range(0, 12, 2)).lower()


def plain_mac(mac):
    return mac.replace(":", "").upper()
