# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of cloud-init are stored, and then written to its drive: a run that failed is never unchanged afterwards."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.storage import MIB, Volume
from unit.module_utils._drivers.proxmox.disturbed import before_write
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, rejected
from unit.module_utils._drivers.proxmox.tasks import done, failed

DOCUMENT = "local:snippets/x.yml"
REQUESTED = {"native": {"cicustom": f"vendor={DOCUMENT}"}}
DRIVE = {"ide0": "local-lvm:vm-{vmid}-cloudinit,media=cdrom,size=4M"}
ANOTHER = {**DRIVE, "cicustom": "vendor=local:snippets/y.yml"}


@pytest.mark.parametrize("name", ["web1", "web2", "web3"])
@pytest.mark.parametrize("volume", ["local:snippets/none.yml", "n3:snippets/x.yml"])
def test_document_that_the_node_lacks_is_rejected(world, name, volume):
    source = {"disks": [{"size": "1G"}], "node": "pve1"} if name == "web3" else {}
    rejected(world, name, "cicustom", volume, name=name, native={"cicustom": f"vendor={volume}"}, **source)


def _with_seed(world, vmid, options):
    """Give a VM a cloud-init drive and documents."""
    node = world.cluster.machines[vmid].node
    local, lvm = world.storages.get("local"), world.storages.get("local-lvm")
    local.volumes[local.key(node, "snippets/y.yml")] = Volume(512, "snippet", "snippets")
    if "ide0" in options:
        lvm.volumes[lvm.key(node, f"vm-{vmid}-cloudinit")] = Volume(4 * MIB, vmid=vmid)
    behind.edit(world, vmid, **{key: text.format(vmid=vmid) for key, text in options.items()})


def _vanishing(world):
    """The API, while the document vanishes after the checks."""
    return before_write(world, lambda: behind.remove_volume(world, DOCUMENT))


@pytest.mark.parametrize(
    ("vmid", "name", "options"),
    [(100, "web1", DRIVE), (100, "web1", ANOTHER), (101, "web2", {})],
    ids=["running", "running, with another document", "stopped, without a drive"],
)
def test_settings_of_a_failed_drive_are_put_back(world, vmid, name, options):
    _with_seed(world, vmid, options)
    machine = world.cluster.machines[vmid]
    before = dict(machine.config.current)
    assert not failed(world, DOCUMENT, api=_vanishing(world), name=name, **REQUESTED).changed
    assert machine.config.next_start() == before
    assert not failed(world, name=name, **REQUESTED).changed


def test_other_settings_of_the_same_call_remain(world):
    _with_seed(world, 100, ANOTHER)
    assert failed(world, api=_vanishing(world), name="web1", description="new", **REQUESTED).changed
    current = world.cluster.machines[100].config.current
    assert (current["description"], current["cicustom"]) == ("new", "vendor=local:snippets/y.yml")


def test_account_that_may_not_list_documents_may_name_them(world):
    class Blind(Api):
        def call(self, method, path, parameters=None):
            answer = super().call(method, path, parameters)
            return answer if "snippets" not in path else type(answer)(403, "Permission check failed", None, None)

    assert done(world, api=Blind(world), name="web2", **REQUESTED).changed


@pytest.mark.parametrize("allow_restart", [True, False])
def test_memory_with_hotplug_is_changed_live(world, allow_restart):
    behind.edit(world, 100, hotplug="disk,network,usb,memory", numa="1")
    starts = world.cluster.machines[100].starts
    found = applied(world, name="web1", memory="4G", allow_restart=allow_restart)
    machine = world.cluster.machines[100]
    assert (found["memory"], machine.starts, machine.config.pending) == ("4096", starts, {})


@pytest.mark.parametrize(
    ("hotplug", "requested", "is_live"),
    [
        ("disk", {"memory": "4G"}, False),
        ("disk", {"cpus": 2}, False),
        ("cpu", {"cpus": 2}, False),
        ("cpu", {"native": {"vcpus": 1}}, True),
        ("disk", {"native": {"tablet": False}}, False),
        ("usb", {"native": {"tablet": False}}, True),
        ("disk", {"disks": [{"slot": "scsi0"}, {"slot": "scsi1", "size": "1G"}]}, True),
        ("usb", {"disks": [{"slot": "scsi0"}, {"slot": "scsi1", "size": "1G"}]}, False),
        ("network", {"networks": [{"model": "e1000"}]}, True),
        ("disk", {"networks": [{"model": "e1000"}]}, False),
    ],
)
def test_vm_restarts_only_for_what_hotplug_lacks(world, hotplug, requested, is_live):
    behind.edit(world, 100, hotplug=hotplug)
    starts = world.cluster.machines[100].starts
    applied(world, name="web1", allow_restart=True, **requested)
    machine = world.cluster.machines[100]
    assert (machine.starts == starts, machine.config.pending) == (is_live, {})


def test_feature_that_waits_for_the_next_start_does_not_count(world):
    behind.edit(world, 100, hotplug="disk", numa="1")
    outcome = do(world, name="web1", native={"hotplug": "disk,memory"})
    assert outcome.vms[0]["restart_required"] == ["native.hotplug"]
    check, real = (do(world, check=check, name="web1", memory="4G") for check in (True, False))
    assert (check.diff, real.failed) == (real.diff, False)
    assert "memory" in real.vms[0]["restart_required"]


def test_memory_hotplug_without_numa_is_rejected(world):
    rejected(world, "web2", "hotplug", "numa: 1", name="web2", native={"hotplug": "memory"})
    applied(world, name="web2", native={"hotplug": "memory", "numa": 1})
