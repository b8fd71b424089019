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


def test_existing_vm_without_a_channel_is_not_waited_for(world):
    before = world.engine.now
    outcome = do(world, name="web2", state="started", wait_for="cloud_init", native={"agent": "0"})
    assert outcome.msg.startswith("web2: the VM has no channel for a guest agent. Set native: {agent")
    assert world.engine.now - before < 10


def test_missing_privilege_is_not_waited_for(world):
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token("s", separated=False)})
    world.access.allow("/", "ci@pve", "PVEAuditor")
    before = world.engine.now
    outcome = do(world, api=Api(world, User("ci@pve", "t")), name="web1", state="started", wait_for="cloud_init")
    assert outcome.msg.startswith("web1: ci@pve!t lacks the privilege VM.")
    assert world.engine.now - before < 10
