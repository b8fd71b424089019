# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors and settings that only Vagrant has."""

from __future__ import annotations

from suite.scenarios.refusals import Refused


def refusals(platform, known, new):
    """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
    made, change = {**platform.creation, "name": [new]}, {"name": [known]}
    return [
        Refused("name", {**made, "name": ["pvc-two words"]}, ("pvc-two words", "letters, digits", "another name")),
        Refused("provider", {**made, "provider": "wsl"}, (new, "provider", "wsl", "wsl_distro")),
        Refused("relative project", {**change, "project_dir": "x"}, ("project_dir", "x", "absolute path")),
        Refused("path of file", {**change, "vagrantfile": "/x/y"}, ("vagrantfile", "/x/y", "without a path")),
        Refused("second disk", {**change, "disks": [{"slot": "disk 1", "size": "1G"}]}, (known, "disk 1", "native")),
        Refused("forward", {**change, "port_forwards": [{"name": "a", "guest_port": 1}]}, (known, "a", "host_port")),
        Refused("card", {**change, "networks": [{"type": "hostonly"}]}, (known, "NIC 0", "hostonly", "nat")),
        Refused("native", {**change, "native": {"No such": 1}}, (known, "native", "No such")),
        Refused("system", {"name": [new], "os_type": "debain-12"}, (new, "os_type", "debain-12", "debian-12")),
    ]


def settings():
    """Settings that only this platform has, or with values of its own, as in ``scenarios.options``."""
    once = [{"inline": "true"}]
    return {
        # With less memory the guest does not answer by SSH, and Vagrant waits for that.
        "memory": (("128M", 128 << 20), ("160M", 160 << 20)),
        "box_url": (("file:///a.box", "file:///a.box"), ("file:///b.box", "file:///b.box")),
        "box_checksum": (("md5:0a", "md5:0a"), ("md5:0b", "md5:0b")),
        "provisioners": ((once, once), ([{"inline": "false"}], [{"inline": "false"}])),
        "os_type": (("debian-12", "debian-12"), ("debian-13", "debian-13")),
    }
