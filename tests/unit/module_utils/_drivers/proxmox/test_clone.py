# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that a clone cannot have fail before it is created; no volume is attached a second time."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.storage import GIB, Volume
from unit.module_utils._drivers.proxmox.simulated import do, do_snapshot, refused


def _made(world, **asked):
    """Run a task that must succeed; returns the VM's options."""
    outcome = do(world, **asked)
    assert not outcome.failed, outcome.msg
    configs = [one.config.current for one in world.cluster.machines.values()]
    return next(config for config in configs if config.get("name") == asked["name"])


def test_a_disk_of_another_machine_is_not_taken_over_by_a_clone_either(world):
    asked = {"name": "web3", "clone": {"source": "tmpl"}, "state": "started"}
    disks = [{"slot": "scsi1", "source": "local-lvm:vm-100-disk-0"}]
    refused(world, "web3", "belongs to 'web1'", "Reassign Owner", **asked, disks=disks)


def test_a_volume_is_attached_once(world):
    volume = "local-lvm:vm-300-disk-0"  # A volume that remained from a deleted VM.
    for node in ("pve1", "pve2"):
        world.storages.get("local-lvm").volumes[(node, volume.partition(":")[2])] = Volume(GIB, vmid=300)
    twice = [{"slot": slot, "source": volume} for slot in ("virtio1", "virtio2")]
    for asked in ({"name": "web2"}, {"name": "web3"}, {"name": "web3", "clone": {"source": "tmpl"}}):
        refused(world, asked["name"], volume, "virtio1 and of virtio2", **asked, disks=[{"slot": "scsi0"}, *twice])
    _made(world, name="web2", disks=[{"slot": "scsi0"}, twice[0]])
    refused(world, "web2", volume, "attached to it already", name="web2", disks=[{"slot": "scsi0"}, *twice])


@pytest.mark.parametrize(
    ("source", "asked", "words"),
    [
        ({"sockets": "2"}, {"cpus": 3}, ("2 sockets",)),
        ({}, {"iso": "local:iso/nosuch.iso"}, ("local:iso/nosuch.iso",)),
        ({}, {"storage": "nosuch", "disks": [{"slot": "scsi1", "size": "1G"}]}, ("nosuch", "for disks")),
        ({}, {"storage": "nosuch", "tpm": True}, ("nosuch", "for disks")),
        ({}, {"networks": [{"type": "bridged", "source": "vmbr9"}]}, ("vmbr9", "vmbr0, vmbr1")),
    ],
    ids=["sockets", "medium", "storage", "storage of a TPM", "bridge"],
)
def test_what_a_clone_cannot_become_is_refused_before_it_is_made(world, source, asked, words):
    behind.edit(world, 9000, **source)
    refused(world, "web3", *words, name="web3", clone={"source": "tmpl", "linked": True}, **asked)


def test_a_clone_of_what_is_protected_keeps_its_disks(world):
    _made(world, name="web2", protection=True, disks=[{}, {"size": "1G"}])
    asked = {"name": "web3", "clone": {"source": "web2"}, "disks": [{"slot": "scsi1", "state": "absent"}]}
    refused(world, "disks.scsi1", "protection: false", **asked)
    assert "scsi1" not in _made(world, **asked, protection=False)


def test_what_a_clone_of_a_snapshot_can_become_is_told_by_the_snapshot(world):
    assert do_snapshot(world, name="web2", snapshot="s1").changed
    behind.edit(world, 101, sockets="2")
    clone = {"source": "web2", "snapshot": "s1"}
    assert _made(world, name="web3", clone=clone, cpus=3)["cores"] == "3"
    refused(world, "web4", "2 sockets", name="web4", clone={"source": "web2"}, cpus=3)
