# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses from recorded output of VBoxManage, and from the host's ARP table."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.observe import with_addresses
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._tools.vbox_recordings import recorded

FIRST, SECOND = "08:00:27:aa:bb:cc", "08:00:27:aa:bb:cd"
ARP = f"""\
IP address       HW type     Flags       HW address            Mask     Device
192.168.56.20    0x1         0x2         {SECOND.upper()}     *        vboxnet0
192.168.56.21    0x1         0x0         {SECOND}     *        vboxnet0
192.168.56.22    0x1         0x2         08:00:27:99:99:99     *        vboxnet0
"""


class Tool:
    """Answers with recordings; ``leases`` is {MAC: lease}."""

    def __init__(self, properties="guestproperty-enumerate", leases=()):
        self.properties, self.leases = properties, dict(leases)

    def read(self, *words):
        if words[0] == "guestproperty":
            return recorded(self.properties)
        mac = words[-1].partition("=")[2]
        if mac not in self.leases:
            message = f"VBoxManage: error: Could not find a lease for {mac}\n"
            raise CommandFailed(("VBoxManage", *words), 1, message, message=message)
        return recorded(self.leases[mac])


@pytest.fixture(autouse=True)
def _arp_table_of_the_host(monkeypatch):
    monkeypatch.setattr(files, "read", lambda path: ARP.encode())


def addresses_and_ssh(tool, *nics, thoroughly=True):
    networks = {str(place): {"source": "vboxnet0", **nic} for place, nic in enumerate(nics)}
    (vm,) = with_addresses(tool, [Vm("web", "u", RUNNING, config={"networks": networks})], thoroughly)
    return [(one.address, one.source, one.mac) for one in vm.addresses], vm.ssh


def test_address_reported_by_the_guest_in_this_boot():
    addresses, ssh = addresses_and_ssh(Tool(), {"type": "nat", "mac": FIRST})
    assert addresses == [("10.0.2.15", "agent", FIRST)]
    assert ssh is None  # The address behind NAT cannot be reached from the host.


@pytest.mark.parametrize("recording", ["guestproperty-enumerate-stale", "guestproperty-enumerate-stale-old"])
def test_address_of_an_earlier_boot_is_ignored(recording):
    """Saved, resumed, powered off and started cold: VirtualBox reports the old address again, in either format."""
    assert "192.168.56.7" in recorded(recording)
    assert addresses_and_ssh(Tool(recording), {"type": "hostonly", "mac": FIRST}) == ([], None)


def test_expired_lease_is_ignored():
    leases = {FIRST: "dhcpserver-findlease-expired", SECOND: "dhcpserver-findlease"}
    tool = Tool("guestproperty-enumerate-stale", leases)
    addresses, ssh = addresses_and_ssh(tool, {"type": "hostonly", "mac": FIRST}, {"type": "hostonly", "mac": SECOND})
    assert addresses[0] == ("192.168.56.101", "lease", SECOND)
    assert (ssh["host"], ssh["scope"]) == ("192.168.56.101", "host")


def test_address_of_a_complete_entry_of_the_arp_table():
    addresses, ssh = addresses_and_ssh(Tool("guestproperty-enumerate-stale"), {"type": "bridged", "mac": SECOND})
    assert addresses == [("192.168.56.20", "arp", SECOND)]
    assert (ssh["host"], ssh["scope"]) == ("192.168.56.20", "network")
