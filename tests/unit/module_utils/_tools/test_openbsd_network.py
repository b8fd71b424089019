# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output of ifconfig, netstat and pfctl, and the choice of a subnet."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import openbsd_network as net

IFCONFIG = """\
vether0: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
\tlladdr fe:e1:ba:d0:5c:01
\tindex 7 priority 0 llprio 3
\tgroups: vether
\tmedia: Ethernet autoselect
\tstatus: active
\tinet 10.50.0.1 netmask 0xffffff00 broadcast 10.50.0.255
\tinet 10.60.0.1 netmask 0xffff0000 broadcast 10.60.255.255
bridge0: flags=41<UP,RUNNING> mtu 1500
\tdescription: switch1-local
\tindex 8 llprio 3
\tgroups: bridge
\tpriority 32768 hellotime 2 fwddelay 15 maxage 20 holdcnt 6 proto rstp
\tvether0 flags=3<LEARNING,DISCOVER>
\t\tport 7 ifpriority 0 ifcost 0
\ttap0 flags=3<LEARNING,DISCOVER>
\t\tport 9 ifpriority 0 ifcost 0
gif0: flags=8010<POINTOPOINT,MULTICAST> mtu 1280
\tindex 9 priority 0 llprio 6
\tgroups: gif
\tinet 10.9.0.1 --> 10.9.0.2 netmask 0xffffffff
"""
NETSTAT = """\
Routing tables

Internet:
Destination        Gateway            Flags   Refs      Use   Mtu  Prio Iface
default            192.168.1.1        UGS        5     1234     -     8 em0
127/8              127.0.0.1          UGRS       0        0 32768     8 lo0
10.50/16           192.168.1.7        UGS        0        0     -     8 em0
192.168.1/24       192.168.1.10       UCn        1       10     -     4 em0
192.168.1.10       52:54:00:12:34:56  UHLl       0       42     -     1 em0
"""


def test_interfaces():
    found = net.interfaces(IFCONFIG)
    assert found["vether0"].addresses == ("10.50.0.1/24", "10.60.0.1/16")
    assert found["bridge0"].members == ("vether0", "tap0")
    assert found["bridge0"].description == "switch1-local"
    assert found["gif0"].addresses == ("10.9.0.1/32",)
    assert [one.is_up for one in found.values()] == [True, True, False]
    assert found["gif0"].groups == ("gif",)


def test_routes_are_expanded():
    assert [(str(network), name) for network, name in net.routes(NETSTAT)] == [
        ("127.0.0.0/8", "lo0"),
        ("10.50.0.0/16", "em0"),
        ("192.168.1.0/24", "em0"),
        ("192.168.1.10/32", "em0"),
    ]


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ([], "10.50.0.0/24"),
        (["10.50.0.128/25"], "10.51.0.0/24"),
        (["10.50.0.0/15"], "10.52.0.0/24"),
        (["10.0.0.0/8"], "192.168.100.0/24"),
        (["10.0.0.0/8", "192.168.0.0/16"], "172.16.50.0/24"),
        (["0.0.0.0/1", "128.0.0.0/1"], None),
    ],
)
def test_free_subnet(used, expected):
    found = net.free_subnet([(ip_network(one), "em0") for one in used])
    assert found == (expected and ip_network(expected))


@pytest.mark.parametrize(
    ("subnet", "gateway", "netmask", "leased"),
    [
        ("10.50.0.0/24", "10.50.0.1", "255.255.255.0", ("10.50.0.100", "10.50.0.199")),
        ("10.0.0.0/8", "10.0.0.1", "255.0.0.0", ("10.0.0.100", "10.0.0.199")),
        ("10.50.0.8/29", "10.50.0.9", "255.255.255.248", ("10.50.0.12", "10.50.0.14")),
    ],
)
def test_addresses_of_a_subnet(subnet, gateway, netmask, leased):
    subnet_values = net.values_of(ip_network(subnet))
    assert (subnet_values["gateway"], subnet_values["netmask"]) == (gateway, netmask)
    assert (subnet_values["dhcp_first"], subnet_values["dhcp_last"]) == leased


def test_state_of_pf():
    assert net.is_enabled("Status: Enabled for 0 days 00:21:48              Debug: err\n") is True
    assert net.is_enabled("Status: Disabled for 0 days 00:00:01             Debug: err\n") is False
    assert net.is_enabled("") is None
    assert net.calls_anchor('block drop all\nanchor "polyvirt_vmm" all\n', "polyvirt_vmm")
    assert not net.calls_anchor('anchor "polyvirt_vmm2" all\n', "polyvirt_vmm")
