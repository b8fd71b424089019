# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH through a port forward of a running VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import observe

from unit.module_utils._drivers.virsh.answers import UUID, failed, machine_xml, recorded, with_devices
from unit.module_utils._drivers.virsh.test_observe import ADDRESSES, LIGHT, machine, virsh_with

FORWARD = "<portForward proto='{}'{}><range start='2222' to='22'/></portForward>"


def with_forward(protocol="tcp", address=""):
    """The answers about a running VM with a forward to port 22 on a NIC of the type user, which has no address."""
    nic = f"<interface type='user'>{FORWARD.format(protocol, address)}</interface>"
    running = machine_xml(with_devices(nic))
    sources = [("domifaddr", UUID, *words) for words in ((), ("--source", "agent"), ("--source", "arp"))]
    return {("dumpxml", UUID): running, **dict.fromkeys(sources, "")}


@pytest.mark.parametrize(
    ("forward", "host"),
    [
        (with_forward(), "127.0.0.1"),
        (with_forward(address=" address='0.0.0.0'"), "127.0.0.1"),
        (with_forward(address=" address='192.0.2.7'"), "192.0.2.7"),
        (with_forward("udp"), None),
        ({("dumpxml", UUID): failed("gone"), ("domifaddr", UUID): ""}, None),
    ],
)
def test_ssh_leads_through_a_forward_of_the_running_vm(forward, host):
    expected = host and {"host": host, "port": 2222, "user": None, "scope": "host"}
    info = {("dominfo", UUID): recorded("dominfo-running.txt")}
    if host:
        light = observe.observe_power(virsh_with(forward, info), [UUID], LIGHT | {"addresses"}).vms[0]
        assert light.ssh == machine(forward, facets=ADDRESSES).ssh == expected
    assert machine(forward).ssh == expected


def test_forward_that_the_running_vm_does_not_have_is_not_used():
    stored = with_forward()["dumpxml", UUID]
    assert machine({("dumpxml", UUID, "--inactive"): stored}).ssh["port"] == 22
