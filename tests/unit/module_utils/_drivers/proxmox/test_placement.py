# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration to another node: an ISO image that is missing there is ejected before; other obstacles fail first."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.storage import GIB, MIB, Volume
from unit.module_utils._drivers.proxmox.simulated import applied, do, do_snapshot, rejected
from unit.module_utils._drivers.proxmox.tasks import account, done

LOCAL, SHARED = "local:iso/debian.iso", "nfs:iso/other.iso"


@pytest.fixture(name="world")
def _world(world):
    """With an ISO image that only the shared storage has."""
    nfs = world.storages.get("nfs")
    nfs.volumes[nfs.key("pve1", "iso/other.iso")] = Volume(600 * MIB, "raw", "iso")
    return world


@pytest.mark.parametrize(
    ("found", "requested"),
    [(LOCAL, ""), (LOCAL, SHARED), (SHARED, LOCAL), (SHARED, ""), (SHARED, None)],
    ids=["ejected", "a shared one instead", "a local one instead", "a shared one ejected", "a shared one"],
)
@pytest.mark.parametrize(("name", "vmid", "node"), [("web1", 100, "pve2"), ("web2", 101, "pve1")])
def test_iso_image_is_changed_during_a_migration(world, name, vmid, node, found, requested):
    behind.edit(world, vmid, ide2=f"{found},media=cdrom")
    task = {"name": name, "node": node, **({} if requested is None else {"iso": requested})}
    applied(world, **task)
    machine = world.cluster.machines[vmid]
    medium = machine.config.current["ide2"].partition(",")[0]
    assert (machine.node, medium) == (node, (found if requested is None else requested) or "none")


def test_local_iso_image_that_is_kept_prevents_the_migration(world):
    behind.edit(world, 100, ide2=f"{LOCAL},media=cdrom", ide3=f"{LOCAL},media=cdrom")
    rejected(world, "web1", "pve2", LOCAL, "ide2", 'iso: ""', name="web1", node="pve2")
    rejected(world, "web1", "pve2", LOCAL, "ide3", "first", name="web1", node="pve2", iso="")


def test_local_disk_moves_only_to_a_node_with_its_storage(world):
    world.storages.get("n2").volumes["pve2", "101/vm-101-disk-1.raw"] = Volume(GIB, vmid=101)
    behind.edit(world, 101, scsi1="n2:101/vm-101-disk-1.raw,size=1G")
    rejected(world, "web2", "pve3", "'n2'", "scsi1", name="web2", node="pve3")


def test_account_that_sees_no_storage_can_migrate(world):
    done(world, api=account(world, ("/", {"VM.Audit", "VM.Migrate", "Sys.Audit"})), name="web2", node="pve3")
    assert world.cluster.machines[101].node == "pve3"


def _with_disk(world, vmid, volume):
    """A VM with this disk only."""
    machine = world.cluster.machines[vmid]
    storage, kind = world.storages.get(volume.partition(":")[0]), "qcow2" if volume.endswith("qcow2") else "raw"
    for one in world.storages.by_id.values():
        for key in [key for key, owned in one.volumes.items() if owned.vmid == vmid]:
            del one.volumes[key]
    storage.volumes[storage.key(machine.node, volume.partition(":")[2])] = Volume(GIB, kind, vmid=vmid)
    behind.edit(world, vmid, scsi0=f"{volume},size=1G")


ON_ZFS, ON_THIN, IN_FILE = "zfs:vm-{}-disk-0", "local-lvm:vm-{}-disk-0", "local:{0}/vm-{0}-disk-0.qcow2"


@pytest.mark.parametrize(
    ("name", "vmid", "node", "disk", "words"),
    [
        ("web1", 100, "pve2", ON_THIN, ("while the VM runs", "scsi0", "'local-lvm'", "'before'", "Delete the snap")),
        ("web1", 100, "pve2", ON_ZFS, ("while the VM runs", "'zfs'", "or stop the VM")),
        ("web2", 101, "pve1", ON_THIN, ("pve1': scsi0", "'local-lvm'", "Delete the snapshots first.")),
        ("web2", 101, "pve1", ON_ZFS, None),
        ("web2", 101, "pve1", IN_FILE, None),
    ],
    ids=["running, thin", "running, zfs", "stopped, thin", "stopped, zfs", "stopped, qcow2"],
)
def test_local_disk_with_snapshots_moves_only_if_they_are_copied(world, name, vmid, node, disk, words):
    _with_disk(world, vmid, disk.format(vmid))
    done(world, run=do_snapshot, name=name, snapshot="before", include_memory=False)
    if words:
        rejected(world, name, *words, name=name, node=node)
        # The server itself fails for the same reason.
        with pytest.raises(AssertionError, match=r"can't migrate|aborted"):
            _migrated(world, vmid, node)
        return
    done(world, name=name, node=node)
    assert world.cluster.machines[vmid].node == node


def _migrated(world, vmid, target):
    gateway, machine = Gateway(world), world.cluster.machines[vmid]
    more = {"online": "1", "with-local-disks": "1"} if machine.running else {}
    upid = gateway.call("POST", f"/nodes/{machine.node}/qemu/{vmid}/migrate", {"target": target, **more}).data
    task = gateway.finished(upid)
    assert task.exitstatus == "OK", task.exitstatus


def test_linked_clone_on_local_storage_and_its_template_cannot_migrate(world):
    zfs = world.storages.get("zfs")
    _with_disk(world, 101, "zfs:base-300-disk-0/vm-101-disk-0")
    rejected(world, "web2", "scsi0 is a linked clone of zfs:base-300-disk-0", "shared", name="web2", node="pve1")
    with pytest.raises(AssertionError, match="aborted"):
        _migrated(world, 101, "pve1")
    zfs.volumes[zfs.key("pve1", "base-9000-disk-0")] = Volume(GIB, vmid=9000)
    zfs.volumes[zfs.key("pve1", "base-9000-disk-0/vm-100-disk-7")] = Volume(GIB, vmid=100, base="base-9000-disk-0")
    behind.edit(world, 9000, scsi0="zfs:base-9000-disk-0,size=1G")
    rejected(world, "tmpl", "zfs:base-9000-disk-0", "linked clones", ": web1.", name="tmpl", node="pve2")
    with pytest.raises(AssertionError, match="aborted"):
        _migrated(world, 9000, "pve2")


def test_disk_of_a_pending_change_is_migrated_too(world):
    """A running VM gets its EFI disk at its next start, which may be on another node."""
    requested = {"name": "new1", "storage": "local-lvm", "cpus": 1}
    for more in ({"node": "pve2", "disks": [{"size": "1G"}]}, {"state": "started"}, {"firmware": "uefi"}):
        assert do(world, **requested, **more).changed
    assert done(world, name="new1", node="pve3").changed
    done(world, name="new1", state="stopped", stop_mode="force")
    done(world, run=do_snapshot, name="new1", snapshot="one")
