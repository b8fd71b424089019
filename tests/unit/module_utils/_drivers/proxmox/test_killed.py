# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed task has left: whether the next task completes it."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.disturbed import Disturbed, Killed
from unit.module_utils._drivers.proxmox.simulated import do, rejected


def killed_before_finish(world, **requested):
    """A task is killed after the request that creates the VM, before the one that completes it."""
    with pytest.raises(Killed):
        do(world, api=Disturbed(world, 1, "kill before"), **requested)


@pytest.mark.parametrize(
    ("begun", "requested"),
    [
        ({"clone": {"source": "tmpl"}}, {"clone": {"source": "web2"}}),
        ({"clone": {"source": "tmpl"}}, {"clone": {"source": "tmpl", "linked": True}}),
        ({"clone": {"source": "tmpl"}}, {"disks": [{"size": "32G"}]}),
        ({"disks": [{"size": "32G"}]}, {"clone": {"source": "tmpl"}}),
        ({"disks": [{"size": "32G"}]}, {"image": {"source": "local:import/x.qcow2"}}),
    ],
)
def test_unfinished_vm_from_another_source_is_not_completed(world, begun, requested):
    """A task was killed, and its options were changed before it ran again."""
    killed_before_finish(world, name="web3", **begun)
    rejected(world, "web3", "102", "from another source", "state: absent", name="web3", **requested)
    assert do(world, name="web3", state="absent").changed
    assert not do(world, name="web3", **requested).failed


def test_unfinished_vm_that_is_running_is_not_completed(world):
    requested = {"name": "web3", "clone": {"source": "tmpl"}, "state": "started"}
    killed_before_finish(world, **requested)
    behind.power(world, 102, on=True)
    rejected(world, "web3", "102", "it is running", "state: stopped", **requested)
    assert do(world, name=None, id="102", state="stopped", stop_mode="force").changed
    assert not do(world, **requested).failed
    assert world.cluster.machines[102].running
