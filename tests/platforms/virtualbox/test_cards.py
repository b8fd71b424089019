# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs on the real VirtualBox: each type, the maximum number, and port forwards that move to the NIC of type nat."""

from __future__ import annotations

import re

import pytest

from platforms.virtualbox.registry import ENGINE
from platforms.virtualbox.tasks import SMALL, task

pytestmark = pytest.mark.deep("NICs on the double: unit belt, test_networks.py")


def nic_values(box, name="web"):
    """{key: value} of showvminfo, for NICs and port forwards."""
    text = box.run("showvminfo", name, "--machinereadable")
    keys = r"nic\d+|bridgeadapter\d+|hostonlyadapter\d+|intnet\d+|nat-network\d+|Forwarding\(\d+\)"
    return {key: value for key, value in re.findall(rf'^({keys})="(.*)"$', text, re.M) if value != "none"}


def many(count):
    return {str(place): {"type": "internal"} for place in range(count)}


def test_each_nic_type_on_the_real_virtualbox(box):
    """Host-only interfaces need the kernel driver; all other types work here."""
    box.run("natnetwork", "add", "--netname", "Net 1", "--network", "10.10.0.0/24", "--enable")
    bridge = re.search(r"^Name: +(.*)$", box.run("list", "bridgedifs"), re.M)[1]
    nics = {
        "0": {"type": "nat"},
        "1": {"type": "bridged", "source": bridge},
        "2": {"type": "internal", "source": "lan"},
        "3": {"type": "network", "source": "Net 1"},
    }
    wanted = {**SMALL, "networks": nics}
    task(box, config=wanted).succeeded()
    values = nic_values(box)
    assert (values["bridgeadapter2"], values["intnet3"], values["nat-network4"]) == (bridge, "lan", "Net 1")
    assert not task(box, config=wanted).succeeded().changed
    task(box, config={"networks": {"2": {"type": "hostonly", "source": "vboxnet0"}}}).refused("Available: none")


def test_port_forwards_move_to_the_nic_of_type_nat(box):
    rule = {"ssh": {"protocol": "tcp", "host_port": 2022, "guest_port": 22}}
    task(box, config={**SMALL, "port_forwards": rule}).succeeded()
    moved = {"networks": {"0": {"type": "internal"}, "1": {"type": "nat"}}, "port_forwards": {"web": {
        "protocol": "tcp", "host_port": 8080, "guest_port": 80}}}  # fmt: skip
    assert task(box, config=moved).succeeded().changed
    assert not task(box, config=moved).succeeded().changed
    assert "web,tcp,,8080,,80" in nic_values(box).values()
    without = {"networks": {"1": {"type": "internal"}}, "ssh_forward": True}
    task(box, config=without).refused("the VM has no NIC of type nat")


def test_number_of_nics_is_limited_by_the_chipset(box):
    """VirtualBox itself ignores a NIC above the maximum and ends with 0."""
    task(box, config={**SMALL, "networks": many(8)}).succeeded()
    task(box, config={"networks": {"8": {"type": "nat"}}}).refused("card 9", "piix3", "room for 8", "ich9")
    larger = {"networks": {"8": {"type": "nat"}, "35": {"type": "internal"}}, "native": {"chipset": "ich9"}}
    assert task(box, config=larger).succeeded().changed
    assert (nic_values(box)["nic9"], nic_values(box)["nic36"]) == ("nat", "intnet")
    assert not task(box, config=larger).succeeded().changed
    task(box, config={"networks": {"36": {"type": "nat"}}}).refused("card 37", "ich9", "room for 36")


def test_new_vm_with_more_than_eight_nics(box):
    task(box, config={**SMALL, "networks": many(9)}).refused("room for 8")
    assert box.run("list", "vms") == ""
    task(box, config={**SMALL, "networks": many(9), "native": {**ENGINE, "chipset": "ich9"}}).succeeded()
    assert nic_values(box)["nic9"] == "intnet"
