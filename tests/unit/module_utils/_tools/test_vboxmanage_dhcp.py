# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of DHCP servers, on recorded output of VBoxManage 7.2.22."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_dhcp as dhcp

from unit.module_utils._tools.vbox_recordings import recorded

_WEB = "0f1a7c52-0000-4000-8000-000000000001"


def test_servers_and_their_reservations_are_read():
    found = dhcp.servers(recorded("list-dhcpservers"))
    assert list(found) == ["HostInterfaceNetworking-vboxnet0", "nn1", "lan", "empty"]
    assert {name: one.is_enabled for name, one in found.items() if not one.is_enabled} == {"empty": False}
    assert {name: str(one.subnet) for name, one in found.items()} == {
        "HostInterfaceNetworking-vboxnet0": "192.168.56.0/24",
        "nn1": "10.10.0.0/24",
        "lan": "10.1.0.0/24",
        "empty": "10.2.0.0/24",
    }
    assert found["lan"].fixed == {(_WEB, 1): "10.1.0.50", "08:00:27:aa:bb:cd": "10.1.0.60"}
    assert (found["nn1"].fixed, found["empty"].fixed) == ({(_WEB, 2): "10.10.0.51"}, {})


def test_addresses_of_server_and_router_are_not_for_guests():
    found = dhcp.servers(recorded("list-dhcpservers"))
    assert (found["nn1"].own, found["lan"].own) == (["10.10.0.2", "10.10.0.1"], ["10.1.0.1"])


def test_other_lists_are_ignored():
    assert dhcp.servers("API version: 7_2\nEnabled: Yes\n    Fixed Address: 10.0.0.1\n") == {}


def test_number_of_a_nic_is_written_from_1():
    assert dhcp.reserving("lan", (_WEB, 3), "10.1.0.9")[-5:] == [_WEB, "--nic", "3", "--fixed-address", "10.1.0.9"]
    assert dhcp.removing("lan", (_WEB, 3))[-4:] == [_WEB, "--nic", "3", "--remove-config"]
    assert dhcp.removing("lan", "08:00:27:aa:bb:cd")[-3:] == ["--mac-address", "08:00:27:aa:bb:cd", "--remove-config"]
