# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel to the agent of a guest, and the account's privilege to use it."""

from __future__ import annotations

import pytest

from simulators.proxmox.access import Account, Token, User
from unit.module_utils._drivers.proxmox.simulated import Api, do, rejected

NEW = {"name": "new", "state": "started", "image": {"source": "local:import/x.qcow2"}, "wait_for": "cloud_init"}


@pytest.mark.parametrize("native", [None, {"agent": "0"}, {"agent": "enabled=0,type=virtio"}])
def test_vm_without_a_channel_is_rejected_before_it_is_created(world, native):
    rejected(world, "new: wait_for: cloud_init asks the guest agent", 'Set native: {agent: "1"}', **NEW, native=native)


@pytest.mark.parametrize("wait_for", ["address", "ssh", {"port": 5432}])
@pytest.mark.parametrize(
    "cloud_init",
    [
        None,
        {"user": "admin"},
        {"ip_config": ["ip=dhcp"]},
        {"ip_config": ["ip=dhcp,ip6=auto"]},
        {"ip_config": ["ip=10.0.0.6/24"], "user_data": {"packages": ["git"]}},
    ],
)
def test_wait_for_an_address_that_nobody_reports_is_rejected_before_the_vm_is_created(world, wait_for, cloud_init):
    reason = "Proxmox VE knows only those in cloud_init.ip_config"
    rejected(world, reason, "native: {agent: '1'}", **{**NEW, "wait_for": wait_for}, cloud_init=cloud_init)


@pytest.mark.parametrize(
    "options",
    [
        {"cloud_init": {"ip_config": ["ip=10.0.0.6/24"]}},
        {"cloud_init": {"ip_config": ["ip=dhcp", "ip6=2001:db8::6/64"]}},
        {"cloud_init": {"ip_config": ["ip=dhcp"]}, "native": {"agent": "1"}},
        {"cloud_init": {"user_data": {"packages": ["git"]}}, "native": {"agent": "enabled=1,type=virtio"}},
        {"state": "present"},
    ],
    ids=["IPv4", "IPv6 of the second NIC", "agent", "agent and documents", "VM that is not started"],
)
def test_wait_that_can_succeed_is_not_rejected(world, options):
    outcome = do(world, check=True, **{**NEW, "wait_for": "ssh", **options})
    assert (outcome.failed, outcome.msg) == (False, "")


def test_missing_privilege_is_not_waited_for(world):
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token("s", separated=False)})
    world.access.allow("/", "ci@pve", "PVEAuditor")
    before = world.engine.now
    outcome = do(world, api=Api(world, User("ci@pve", "t")), name="web1", state="started", wait_for="cloud_init")
    assert outcome.msg.startswith("web1: ci@pve!t lacks the privilege VM.")
    assert world.engine.now - before < 10


CLONE = {"name": "new", "clone": {"source": "tmpl"}, "cloud_init": {"ip_config": ["ip=10.0.0.6/24"]}}


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({**CLONE, "native": {"agent": "1"}}, "10.0.0.6"),
        ({**CLONE, "native": {"agent": "0"}}, "10.0.0.6"),
        ({"name": "web2", "cloud_init": {"ip_config": ["ip=10.0.0.7/24"]}}, "10.0.0.7"),
    ],
    ids=["clone with an agent", "clone without an agent", "another address"],
)
def test_address_that_the_task_itself_has_set_is_found(world, options, address):
    """What is known of a VM from before a step is not used to find its guest after the step."""
    outcome = do(world, state="started", wait_for="address", **options)
    assert (outcome.failed, outcome.msg) == (False, "")
    assert address in [one["address"] for one in outcome.vms[0]["addresses"]]
