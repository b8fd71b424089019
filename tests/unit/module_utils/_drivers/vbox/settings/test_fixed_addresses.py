# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``networks[].address``: reserved in the DHCP server of a network, and removed with the NIC and with the VM."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox.in_process import SMALL, rejected, several, task, twice

FIRST, SECOND = "10.1.0.50", "10.1.0.51"


def _add_server(vbox, network, begin):
    words = ["--netmask", "255.255.255.0", "--lower-ip", f"{begin}.10", "--upper-ip", f"{begin}.20", "--enable"]
    vbox.run("dhcpserver", "add", "--network", network, "--server-ip", f"{begin}.1", *words)


@pytest.fixture(name="lan")
def _lan(vbox):
    """A VirtualBox with internal networks and a host-only network that have DHCP servers."""
    vbox.has_networks(hostonlyifs=["vboxnet0"], natnets=["nn1"])
    for network, begin in (("lan", "10.1.0"), ("other", "10.2.0"), ("HostInterfaceNetworking-vboxnet0", "192.168.56")):
        _add_server(vbox, network, begin)
    return vbox


def _reserved(vbox):
    """[(network, address)] as VirtualBox shows them."""
    found, network = [], None
    for line in vbox.run("list", "dhcpservers").splitlines():
        key, _colon, value = line.strip().partition(":")
        network = value.strip() if key == "NetworkName" else network
        found += [(network, value.strip())] if key == "Fixed Address" else []
    return sorted(found)


def _nic(address, source="lan", **more):
    return {"type": "internal", "source": source, "address": address, **more}


def _vm(address=FIRST, **more):
    return {**SMALL, "networks": {"0": _nic(address, **more)}}


def test_reservation_lives_as_long_as_its_vm(vbox):
    _add_server(vbox, "lan", "10.1.0")
    check = task(vbox, "web", config=_vm(), check=True).succeeded()
    assert _reserved(vbox) == []
    created = twice(vbox, config=_vm())
    assert check.outcome.diff == created.outcome.diff
    assert _reserved(vbox) == [("lan", FIRST)]
    assert created.vm["networks"][0]["address"] == FIRST
    assert task(vbox, "web", config={"memory": 64 << 20}).succeeded().vm["networks"][0]["address"] == FIRST
    task(vbox, "web", config={"networks": {"0": {"address": SECOND}}}).succeeded()
    assert _reserved(vbox) == [("lan", SECOND)]
    task(vbox, "web", state="absent").succeeded()
    assert _reserved(vbox) == []


def test_nic_that_is_moved_or_removed_loses_its_address(lan):
    nics = {"0": _nic(FIRST), "1": {"type": "hostonly", "source": "vboxnet0", "address": "192.168.56.50"}}
    task(lan, "web", config={**SMALL, "networks": nics}).succeeded()
    assert _reserved(lan) == [("HostInterfaceNetworking-vboxnet0", "192.168.56.50"), ("lan", FIRST)]
    moved = task(lan, "web", config={"networks": {"0": {"source": "other"}}}).succeeded()
    assert _reserved(lan) == [("HostInterfaceNetworking-vboxnet0", "192.168.56.50")]
    assert moved.vm["networks"][0].get("address") is None
    task(lan, "web", config={"networks": {"0": _nic("10.2.0.7", "other")}}).succeeded()
    task(lan, "web", config={"networks": {"0": _nic(FIRST)}}).succeeded()
    assert ("lan", FIRST) in _reserved(lan)
    assert ("other", "10.2.0.7") not in _reserved(lan)
    task(lan, "web", config={"networks": {"1": None}}).succeeded()
    assert _reserved(lan) == [("lan", FIRST)]


def test_clone_does_not_get_the_address_of_its_source(lan):
    task(lan, "web", config=_vm()).succeeded()
    clone = task(lan, "two", config={}, clone={"source": "web", "snapshot": None, "linked": False}).succeeded()
    assert (clone.vm["networks"][0].get("address"), _reserved(lan)) == (None, [("lan", FIRST)])


@pytest.mark.parametrize("holder", [["--mac-address", "08:00:27:aa:bb:cd"], ["--vm", "0" * 36, "--nic", "2"]])
def test_reservation_of_somebody_else_is_rejected_with_the_command_that_removes_it(lan, holder):
    lan.run("dhcpserver", "modify", "--network", "lan", *holder, "--fixed-address", FIRST)
    words = f"web: networks.0.address: the network 'lan' reserves {FIRST} for"
    text = task(lan, "web", config=_vm()).refused(words).outcome.msg
    command = text.partition("remove that reservation: VBoxManage ")[2].split()
    lan.run(*command)
    task(lan, "web", config=_vm()).succeeded()


@pytest.mark.parametrize(
    ("nic", "words"),
    [
        (_nic("10.9.0.5"), ("10.9.0.5 is not in the subnet of the network 'lan'", "10.1.0.0/24")),
        (_nic("10.1.0.1"), ("the address of the host",)),
        (_nic("10.1.0.255"), ("not an address for a guest",)),
        (_nic("10.1.0.300"), ("not an IP address",)),
        (_nic("fd00::5"), ("only an IPv4 address can be reserved",)),
        (_nic(FIRST, "unknown"), ("the network 'unknown' has no DHCP server", "dhcpserver add --network unknown")),
        (_nic(FIRST, "nn1", type="network"), ("has no DHCP server", "natnetwork start --netname nn1")),
        ({"type": "nat", "address": FIRST}, ("for a NIC of type nat", "10.0.2.15", "port_forwards")),
        ({"type": "bridged", "source": "eth0", "address": FIRST}, ("of type bridged", "cloud_init.ip_config")),
    ],
)
def test_address_that_cannot_be_promised_is_rejected(lan, nic, words):
    before = lan.run("list", "--long", "vms")
    rejected(lan, "web: networks", *words, config={**SMALL, "networks": {"0": nic}})
    assert (lan.run("list", "--long", "vms"), _reserved(lan)) == (before, [])


def test_disabled_server_is_rejected_with_the_command_that_enables_it(lan):
    lan.run("dhcpserver", "modify", "--network", "lan", "--disable")
    enable = "is disabled. Enable it: VBoxManage dhcpserver modify --network lan --enable"
    task(lan, "web", config=_vm()).refused(enable)


def test_released_address_goes_to_another_vm_of_the_task(lan):
    task(lan, "web", config=_vm()).succeeded()
    several(lan, ("web", "absent", {}), ("two", "present", {"config": _vm()})).succeeded()
    assert _reserved(lan) == [("lan", FIRST)]


def test_second_user_of_an_address_is_rejected(lan):
    task(lan, "web", config=_vm()).succeeded()
    task(lan, "two", config=_vm()).refused(FIRST, "web")
