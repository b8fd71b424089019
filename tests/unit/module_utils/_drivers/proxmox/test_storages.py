# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages of new and existing disks, and how the cluster stores tags."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from unit.module_utils._drivers.proxmox.simulated import applied, do, do_snapshot, rejected


@pytest.mark.parametrize(
    ("style", "stored"),
    [
        ({}, "prod;web"),
        ({"case-sensitive": 1}, "Web;prod"),
        ({"case-sensitive": 1, "ordering": "config"}, "Web;prod"),
        ({"ordering": "config"}, "prod;web"),
    ],
)
def test_tags_follow_the_style_of_the_cluster(style, stored):
    world = worlds.with_cases()
    world.cluster.tag_style = style
    requested = {"name": "web2", "tags": ["Web", "prod"]}
    assert do(world, **requested).changed
    assert world.cluster.machines[101].config.current["tags"] == stored
    assert not do(world, **requested).changed
    assert not do(world, name="web2", tags=["prod", "Web"]).changed


def test_new_disks_are_on_the_storages_that_are_named(world):
    requested = {
        "name": "web3",
        "node": "pve1",
        "storage": "zfs",
        "disks": [{"size": "1G"}, {"size": "2G", "storage": "local-lvm"}, {"size": "3G", "storage": "nfs"}],
    }
    options = applied(world, **requested)
    assert [options[f"scsi{number}"].partition(":")[0] for number in range(3)] == ["zfs", "local-lvm", "nfs"]
    assert do(world, name="web3", disks=[{"slot": "scsi3", "size": "1G", "storage": "nfs"}]).changed
    assert world.cluster.machines[102].config.current["scsi3"].startswith("nfs:")
    assert not do(world, name="web3", disks=[{"slot": "scsi3", "storage": "nfs"}]).changed


@pytest.mark.parametrize("name", ["web1", "web2"], ids=["running", "stopped"])
def test_disk_is_moved_to_another_storage(world, name):
    requested = {"name": name, "disks": [{"slot": "scsi0", "storage": "nfs", "size": "40G"}]}
    options = applied(world, **requested)
    assert options["scsi0"].startswith("nfs:") and "size=40G" in options["scsi0"]
    assert not [key for key in options if key.startswith("unused")]


def test_storage_for_all_disks_is_rejected_if_a_disk_is_on_another(world):
    words = ("web2", "scsi0", "'local-lvm'", "'nfs'", "disks: [{slot: scsi0, storage: nfs}]")
    rejected(world, *words, name="web2", storage="nfs", disks=[{"slot": "scsi0", "size": "32G"}])
    assert not do(world, name="web2", storage="nfs").failed
    assert not do(world, name="web2", storage="local-lvm", disks=[{"slot": "scsi0", "size": "32G"}]).changed


def test_linked_clone_is_not_created_on_another_storage(world):
    clone = {"name": "web3", "clone": {"source": "tmpl", "linked": True}}
    words = ("web3: storage:", "source (local-lvm), not on 'nfs'", "linked: false")
    rejected(world, *words, **clone, storage="nfs")
    rejected(world, *words, **clone, storage="nfs", disks=[{}, {"slot": "scsi1", "size": "1G", "storage": "zfs"}])
    assert do(world, **clone, storage="local-lvm").changed
    assert do(world, **{**clone, "name": "web4"}, storage="nfs", disks=[{}, {"slot": "scsi1", "size": "1G"}]).changed


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        ({"slot": "scsi1", "size": "1G", "storage": "isos"}, ("'isos'", "for disks")),
        ({"slot": "scsi0", "storage": "n2x"}, ("'n2x'", "for disks")),
        ({"slot": "scsi1", "source": "local-lvm:vm-300-disk-0", "storage": "nfs"}, ("scsi1", "'nfs'", "its source")),
    ],
)
def test_invalid_storage_of_a_disk_is_rejected(world, disk, words):
    rejected(world, *words, name="web2", disks=[disk])


def test_disk_with_snapshots_is_not_moved(world):
    assert do_snapshot(world, name="web1", snapshot="s1").changed
    rejected(world, "'s1'", name="web1", disks=[{"slot": "scsi0", "storage": "nfs"}])
