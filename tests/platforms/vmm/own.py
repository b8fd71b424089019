# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and errors that only vmd has."""

from __future__ import annotations

from suite.scenarios.refusals import Refused


def settings():
    """Settings that only this platform has, or with values of its own, as in ``scenarios.options``."""
    return {
        "cpus": ((1, 1), (2, 2)),
        # Any file, because no guest boots from it.
        "boot": ((__file__, __file__), ("", "")),
        "boot_device": (("cdrom", "cdrom"), ("default", "default")),
        "vmd_owner": (("daemon", [1, -1]), (":operator", [0, 5])),
    }


def refusals(platform, known, new):
    """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
    change, made = {"name": [known]}, {**platform.creation, "name": [new]}
    foreign = {**change, "allow_foreign_edit": False}
    third = [{}, {"slot": "disk2", "size": "8M"}]
    return [
        Refused("cpus", {**change, "cpus": 2}, (known, "cpus", "exactly one CPU")),
        Refused("shrink", {**change, "disks": [{"size": "8M"}]}, (known, "16M", "8M", "at least 16M")),
        Refused("suspended", {**change, "state": "suspended"}, ("suspended", "paused")),
        Refused("foreign", {**foreign, "memory": "256M"}, (known, "vm.conf", "allow_foreign_edit")),
        Refused("foreign removal", {**foreign, "state": "absent"}, (known, "vm.conf", "allow_foreign_edit")),
        Refused("name of digits", {**made, "name": ["123"]}, ("123", "number", "another name")),
        Refused("name with a blank", {**made, "name": ["pvc-two words"]}, ("pvc-two words", "letters", "another name")),
        Refused("long name", {**made, "name": ["pvc-" + "x" * 60]}, ("63 bytes", "another name")),
        Refused("gap", {**change, "disks": third}, (known, "disk2", "gaps")),
        Refused("switch", {**change, "networks": [{"type": "network"}]}, (known, "source", "switch")),
        Refused(
            "no switch", {**change, "networks": [{"type": "network", "source": "no"}]}, (known, "'no'", "vmm_network")
        ),
        Refused("vmd_owner", {**change, "vmd_owner": "nobody-there"}, (known, "vmd_owner", "nobody-there")),
        Refused("native", {**change, "native": {"color": 1}}, (known, "native", "color", "sev")),
        Refused("template", {**made, "instance_of": "pvc-none"}, (new, "instance_of", "pvc-none")),
        Refused("quote", {**change, "boot": '/a"b'}, (known, "boot", "characters other than quotes")),
    ]
