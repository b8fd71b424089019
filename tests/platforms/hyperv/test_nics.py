# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs and guards of the switch ports of NICs."""

from __future__ import annotations

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Switch
from platforms.hyperv.tasks import done, run

NIC = {"type": "network", "source": "lan"}
NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}]}
GUARDS = {"dhcp_guard": True, "router_guard": True, "mac_spoofing": True}


@pytest.fixture(name="host")
def _host():
    host = HyperV()
    host.switches.append(Switch("lan", "Private"))
    return host


def _nic(host, place=0):
    return host.vm("web").hardware.nics[place]


def _vlan(host):
    vlan = _nic(host).vlan
    return vlan["OperationMode"], vlan["AccessVlanId"] or vlan["NativeVlanId"], vlan["AllowedVlanIdListString"]


def _applied(host, *nics, **options):
    """Run a task in check mode, for real and again: the first two report the same, the last one no change."""
    task = {**options, "name": ["web"], "networks": list(nics)}
    foreseen = run(host, check=True, **task)
    result = done(host, **task)
    assert (foreseen["changed"], foreseen["diff"]) == (True, result["diff"])
    assert foreseen["vms"][0]["networks"][0].items() <= result["vms"][0]["networks"][0].items()
    assert not done(host, **task)["changed"]
    return result


@pytest.mark.parametrize("state", ["stopped", "started"])
def test_vlans_of_a_nic(host, state):
    _applied(host, {**NIC, "vlan": 9, "trunk": ["30-40", "12", "41", "11", "12"]}, **NEW, state=state)
    assert _vlan(host) == ("Trunk", 9, "11-12,30-41")
    _applied(host, {"vlan": 0})
    assert _vlan(host) == ("Trunk", 0, "11-12,30-41")
    _applied(host, {"trunk": ["5"]})
    assert _vlan(host) == ("Trunk", 0, "5")
    _applied(host, {"vlan": 7})
    assert _vlan(host) == ("Trunk", 7, "5")
    _applied(host, {"trunk": []})
    assert _vlan(host) == ("Access", 7, "")
    _applied(host, {"trunk": ["1-4094"]})
    assert _vlan(host) == ("Trunk", 7, "1-4094")
    _applied(host, {"trunk": [], "vlan": 0})
    assert _vlan(host) == ("Untagged", 0, "")


def test_trunk_with_the_untagged_vlan_0_in_its_list_has_all_vlans(host):
    done(host, **NEW, networks=[NIC])
    _nic(host).vlan.update(OperationMode="Trunk", AllowedVlanIdListString="0-4094")
    assert not done(host, name=["web"], networks=[{"trunk": ["1-4094"]}])["changed"]


@pytest.mark.parametrize("state", ["stopped", "started"])
def test_guards_of_a_nic(host, state):
    _applied(host, {**NIC, **GUARDS}, **NEW, state=state)
    shown = {"DhcpGuard": "On", "RouterGuard": "On", "MacAddressSpoofing": "On"}
    assert shown.items() <= _nic(host).shown.items()
    _applied(host, {"dhcp_guard": False, "mac_spoofing": False})
    assert {"DhcpGuard": "Off", "RouterGuard": "On", "MacAddressSpoofing": "Off"}.items() <= _nic(host).shown.items()
    _applied(host, {}, {**NIC, "router_guard": True})
    assert {"DhcpGuard": "Off", "RouterGuard": "On"}.items() <= _nic(host, 1).shown.items()


def test_nested_virtualization_shows_that_it_enables_mac_spoofing(host):
    done(host, **NEW, networks=[NIC, NIC])
    result = _applied(host, {}, {"mac_spoofing": False}, nested_virtualization=True)
    assert "networks.0.mac_spoofing" in str(result["vms"][0]["steps"])
    assert [nic.shown["MacAddressSpoofing"] for nic in host.vm("web").hardware.nics] == ["On", "Off"]
    assert _applied(host, {}, {}, NIC)["vms"][0]["networks"][2]["mac_spoofing"]
    _applied(host, {"mac_spoofing": False})
    assert not done(host, name=["web"], nested_virtualization=True)["changed"]


@pytest.mark.parametrize("vlans", [["0"], ["4095"], ["9-3"], ["a"], ["1,"], ["-5"]])
def test_what_is_no_vlan_is_rejected(host, vlans):
    done(host, **NEW, networks=[NIC])
    result = run(host, name=["web"], networks=[{"trunk": vlans}])
    assert (result["failed"], "networks[0].trunk" in result["msg"], "20-30" in result["msg"]) == (True, True, True)
    assert _vlan(host) == ("Untagged", 0, "")
