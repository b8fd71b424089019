# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and errors that only VirtualBox has, and which calls of VBoxManage change something."""

from __future__ import annotations

import subprocess

from suite.scenarios.refusals import Refused

#: Commands of VBoxManage that only read: always, or with these second or third words.
_READS = {"--version", "list", "showvminfo", "showmediuminfo", "getextradata"}
_READS_BY_SECOND = {"guestproperty": {"get", "enumerate"}, "unattended": {"detect"}}
_READS_BY_THIRD = {"snapshot": {"list", "showvminfo"}}
#: Settings that only this platform has, or with values of its own, as in ``scenarios.options``.
_SETTINGS = {
    "os_type": (("Debian_64", "Debian (64-bit)"), ("openbsd", "OpenBSD (64-bit)")),
    "display": (({"video_memory": "16M"}, 16 << 20), ({"video_memory": "32M"}, 32 << 20)),
    "nested_virtualization": ((False, False), (True, True)),
    "port_forwards": (
        ([{"name": "web", "guest_port": 80}], {"web": ("tcp", 80)}),
        ([{"name": "web", "guest_port": 8080, "protocol": "udp"}], {"web": ("udp", 8080)}),
    ),
    "ssh_forward": ((True, True), (False, False)),
    "groups": ((["/a"], ["/a"]), (["/b", "/a"], ["/b", "/a"])),
    "graphics_controller": (("vboxvga", "vboxvga"), ("vmsvga", "vmsvga")),
    "boot_order": ((["cdrom", "disk"], ["dvd", "disk"]), (["network", "disk"], ["net", "disk"])),
}


def settings():
    return _SETTINGS


def refusals(platform, known, new):
    """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
    change, made = {"name": [known]}, {**platform.creation, "name": [new]}
    qcow2 = platform.storage / "image.qcow2"
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "compression_type=zstd", qcow2, platform.disk_size]
    subprocess.run(words, check=True)
    nothing, linked = {"name": "src", "host_path": "/nonexistent"}, {"source": platform.base_image(), "linked": True}
    return [
        Refused("shrink", {**change, "disks": [{"size": "8M"}]}, (known, "16M", "8M", "at least 16M")),
        Refused("qcow2", {**made, "image": {"source": str(qcow2)}}, (new, "image.qcow2", "qemu-img convert")),
        Refused("shared nothing", {**change, "shared_folders": [nothing]}, (known, "/nonexistent")),
        Refused("processors", {**change, "cpus": 65}, (known, "cpus", "65", "64")),
        Refused("os type", {**change, "os_type": "Debain_64"}, (known, "Debain_64", "list ostypes")),
        Refused("linked image", {**made, "image": linked}, ("image.linked", "clone")),
        Refused("group", {**change, "groups": ["web"]}, (known, "groups", "web", "/web")),
        Refused("native", {**change, "native": {"no-such": "on"}}, (known, "native", "no-such", "modifyvm")),
        Refused("native of an option", {**change, "native": {"cpus": "2"}}, (known, "option cpus")),
        Refused("boot twice", {**change, "boot_order": ["disk", "disk"]}, ("boot_order", "disk", "twice", "once")),
        Refused("vlan", {**change, "networks": [{"type": "nat", "vlan": 3}]}, ("vlan", "VLAN interface")),
    ]


def writes(words):
    """Whether a call of VBoxManage with these words may have changed anything."""
    first, second, third = (*words, "", "", "")[:3]
    reads = second in _READS_BY_SECOND.get(first, ()) or third in _READS_BY_THIRD.get(first, ())
    return not reads and first not in _READS
