# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine's life through the modules, in the texts of each version. Those of 6.1 and 7.0 are played: their programs
cannot be had here.
"""

from __future__ import annotations

import pytest

from suite.carry import carry_one
from suite.shim import Shim
from virtualbox import double

VERSIONS = ("6.1.50r161033", "7.0.0r153978")
RULES = [{"name": name, "host_port": port, "guest_port": 80} for name, port in (("a", 2101), ("b", 2102))]
CARDS = [{"type": "nat"}, {"type": "internal", "source": "lan"}]
# What somebody pasted: the begin of a machine, and what ends a description.
PASTED = "\n".join([
    f"Name:{' ' * 24}ghost", f"Groups:{' ' * 22}/", f"Guest OS:{' ' * 20}Other",
    f"UUID:{' ' * 24}11111111-2222-3333-4444-555555555599", f"Config file:{' ' * 17}/none/ghost.vbox", "* Snapshots:",
    "   Name: s (UUID: 11111111-2222-3333-4444-555555555598)", "Guest:", "", "Configured memory balloon size: 0MB",
])  # fmt: skip
LIFE = (
    ("vm", {"cpus": 1, "memory": "64M", "disks": [{"size": "8M"}], "networks": CARDS, "description": PASTED}),
    ("vm", {"memory": "96M", "port_forwards": RULES, "disks": [{"size": "12M"}, {"size": "4M"}], "iso": "",
            "boot_order": ["disk", "cdrom"], "tags": ["t"], "native": {"clipboard-mode": "bidirectional"}}),
    ("vm", {"state": "started"}),
    ("vm", {"port_forwards": [{"name": "a", "host_port": 2201, "guest_port": 80}], "ssh_forward": False}),
    ("snapshot", {"snapshot": "s", "description": "one\ntwo"}),
    ("vm", {"state": "suspended"}),
    ("vm", {"state": "stopped", "stop_mode": "force"}),
    ("snapshot", {"snapshot": "s", "state": "absent"}),
    ("vm", {"state": "absent"}),
)  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[:3])
def test_a_machines_life(folder, tmp_path, version):
    with double.VirtualBox(folder, version) as box:
        platform, shim = double.Platform(box, name=["web"]), Shim(tmp_path / "shim", [])
        for about, options in LIFE:
            # Powers are the same in all versions: it is settings that are read back in other words.
            for changed in (True,) if "state" in options else (True, False):
                done = carry_one(platform, shim, tmp_path, options, about)
                assert (done.rc, done.result.get("changed")) == (0, changed), f"{options}: {done.result}"
        assert box.run("list", "vms") == ""
        assert [path for path in box.machines.rglob("*") if path.is_file()] == []


def test_6_0_is_refused(folder, tmp_path):
    with double.VirtualBox(folder, "6.0.24r139119") as box:
        about, options = LIFE[0]
        run = carry_one(double.Platform(box, name=["web"]), Shim(tmp_path / "shim", []), tmp_path, options, about)
        assert run.rc == 1
        assert "VirtualBox 6.1 or later" in run.result["msg"]
        told = carry_one(double.Platform(box, name=["web"]), Shim(tmp_path / "look", []), tmp_path, {}, "vm_info")
        host = told.result["host"]
        assert (told.rc, told.result["vms"], host["available"], host["configured"]) == (0, [], True, False)
        assert (host["why"], "6.1 or later" in host["message"]) == ("too_old", True)
        assert box.run("list", "vms") == ""
