# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM, from creation to deletion, with the output of each version. 6.1 and 7.0 are only available as doubles."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox.in_process import MIB, driver_of, info, snapshot, task, twice, virtualbox

VERSIONS = ("6.1.50r161033", "7.0.0r153978", "7.2.22_Debianr175245")
RULES = {name: {"host_port": port, "guest_port": 80} for name, port in (("a", 2101), ("b", 2102))}
NICS = {"0": {"type": "nat"}, "1": {"type": "internal", "source": "lan"}}
# A pasted description: the beginning of a VM in a list, and the text that ends a description.
PASTED = "\n".join([
    f"Name:{' ' * 24}ghost", f"Groups:{' ' * 22}/", f"Guest OS:{' ' * 20}Other",
    f"UUID:{' ' * 24}11111111-2222-3333-4444-555555555599", f"Config file:{' ' * 17}/none/ghost.vbox", "* Snapshots:",
    "   Name: s (UUID: 11111111-2222-3333-4444-555555555598)", "Guest:", "", "Configured memory balloon size: 0MB",
])  # fmt: skip
CHANGED = {
    "memory": 96 * MIB, "port_forwards": RULES, "disks": {"SATA 0": {"size": 12 * MIB}, "SATA 1": {"size": 4 * MIB}},
    "iso": "", "boot_order": ("disk", "cdrom"), "tags": ("t",), "native": {"clipboard-mode": "bidirectional"},
}  # fmt: skip
LIFE = (
    {"config": {"cpus": 1, "memory": 64 * MIB, "disks": {"SATA 0": {"size": 8 * MIB}}, "networks": NICS,
                "description": PASTED}},
    {"config": CHANGED},
    {"state": "started", "config": {}},
    {"config": {"port_forwards": {"a": {"host_port": 2201}}, "ssh_forward": False}},
    {"snapshot": {"name": "s", "description": "one\ntwo"}},
    {"state": "suspended", "config": {}},
    {"state": "stopped", "config": {}},
    {"snapshot": {"name": "s", "state": "absent"}},
    {"state": "absent"},
)  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[:3])
def test_life_of_a_vm(version):
    with virtualbox(version=version) as vbox:
        for step in LIFE:
            assert twice(vbox, **step).changed, step
        assert (vbox.run("list", "vms"), vbox.files()) == ("", [])


def test_6_0_is_too_old():
    with virtualbox(version="6.0.24r139119") as vbox:
        found = info(vbox)
        host = found["host"]
        assert (found["vms"], host["available"], host["configured"], host["why"]) == ([], True, False, "too_old")
        assert "is VirtualBox 6.0.24. VirtualBox 6.1 or later is required." in host["message"]


def test_pasted_description_is_not_parsed_as_another_vm(vbox):
    web = task(vbox).succeeded().vm
    pasted = {"description": vbox.run("showvminfo", web["id"]) + "* Snapshots:\n   Name: s"}
    assert twice(vbox, config=pasted).changed
    snapshot(vbox, "s", description=pasted["description"]).succeeded()
    done = task(vbox, config=pasted).succeeded()
    assert (done.changed, [one["description"] for one in done.vm["snapshots"]]) == (False, [pasted["description"]])
    task(vbox, state="absent").succeeded()
    assert driver_of(vbox).vbox_vms() == {}
