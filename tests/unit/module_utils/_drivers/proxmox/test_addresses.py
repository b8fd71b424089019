# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of guests: from their agents, and from the options of cloud-init."""

from __future__ import annotations

from simulators.proxmox.access import Account, Token, User
from unit.module_utils._drivers.proxmox.simulated import Api, do, driver_of


def _observed(world, api=None):
    """{name of a VM: the VM}."""
    vms = driver_of(world, api).observe(None, frozenset({"power", "config", "addresses"})).vms
    return {vm.name: vm for vm in vms}


def test_addresses_are_from_the_agent_or_from_cloud_init(world):
    do(world, name="web2", state="started", cloud_init={"ip_config": ["ip=192.0.2.9/24"]}, native={"agent": "0"})
    found = {name: vm.addresses for name, vm in _observed(world).items()}
    assert [(one.address, one.source) for one in found["web1"]] == [("198.51.100.101", "agent")]
    assert [(one.address, one.source) for one in found["web2"]] == [("192.0.2.9", "ipconfig")]
    assert found["tmpl"] == ()


class WithBridgeInGuest(Api):
    """The guest of web1 has its own bridge, and the address of this bridge comes first."""

    def call(self, method, path, parameters=None):
        answer = super().call(method, path, parameters)
        if path.endswith("/agent/network-get-interfaces"):
            own = {"name": "docker0", "hardware-address": "02:42:00:00:00:01"}
            address = {"ip-address": "172.17.0.1", "ip-address-type": "ipv4", "prefix": 16}
            answer.data["result"].insert(0, {**own, "ip-addresses": [address]})
        return answer


def test_address_of_a_bridge_in_the_guest_is_ignored(world):
    """An address that exists on every host may lead to another host, so it is ignored."""
    found = _observed(world, WithBridgeInGuest(world))["web1"]
    assert ([one.address for one in found.addresses], found.ssh["host"]) == (["198.51.100.101"], "198.51.100.101")


def test_missing_privilege_for_the_agent_is_not_an_error(world):
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token("s", separated=False)})
    world.access.allow("/", "ci@pve", "PVEAuditor")
    assert _observed(world, Api(world, User("ci@pve", "t")))["web1"].addresses == ()


def test_agent_that_does_not_answer_delays_the_observation_once(world):
    world.cluster.machines[100].guest.agent_after = 1e9
    before = world.engine.now
    assert _observed(world)["web1"].addresses == ()
    assert world.engine.now - before < 4
    world.cluster.machines[100].guest.agent_after = 0
    world.cluster.machines[100].guest.agent_error = "the command is disabled"
    assert _observed(world)["web1"].addresses == ()
