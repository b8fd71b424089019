# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores for which the settings of the VM, or of its backup, no longer fit the cluster."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import ApiError
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings import iso

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.disturbed import before_write
from unit.module_utils._drivers.proxmox.simulated import do, do_backup, driver_of, machine_of
from unit.module_utils._drivers.proxmox.tasks import account, done, failed
from unit.module_utils._drivers.proxmox.test_backups import taken
from unit.module_utils._drivers.proxmox.test_restored_backups import (
    BESIDE,
    REPLACE,
    back_up,
    byte_of,
    options,
    restored,
)

ISO = "local:iso/debian.iso"
LOST = {"name": "web3", "state": "restored", "backup": "newest"}


def lose_iso(world):
    """Back up web3, which runs with an ISO image that is then ejected and deleted."""
    do(world, name="web3", state="started", disks=[{"size": "1G"}], node="pve1", iso=ISO)
    back_up(world, "web3")
    assert do(world, name="web3", iso="").changed
    behind.remove_volume(world, ISO)


@pytest.mark.parametrize("asked", [{**REPLACE, "name": "web3"}, {**BESIDE, "name": "web3"}, LOST])
def test_restored_vm_starts_without_an_iso_image_that_is_lost(world, asked):
    lose_iso(world)
    if asked is LOST:
        assert do(world, name="web3", state="absent", stop_mode="force").changed
    result, name = restored(world, **asked), asked.get("new_name", "web3")
    assert (options(world, name)["ide2"], byte_of(world, name)) == ("none,media=cdrom", 7)
    assert machine_of(world, name).running is ("replace" in asked)
    assert f"{name}: ide2 is empty after the restore: its ISO image '{ISO}' does not exist." in str(result.warnings)
    done(world, name=name, state="started")


#: What a restore requires without a lost image.
HELD = [
    *("VM.Audit", "VM.Backup", "VM.Allocate", "VM.PowerMgmt", "VM.Config.Options", "VM.Config.Network"),
    *("VM.Config.Disk", "Datastore.Audit", "Datastore.AllocateSpace", "Sys.Audit", "SDN.Use"),
]


@pytest.mark.parametrize(
    ("asked", "where"), [({**REPLACE, "name": "web3"}, "/"), ({**REPLACE, "name": "web3"}, None), (LOST, "/")]
)
def test_lost_iso_image_needs_the_privilege_for_optical_drives(world, asked, where):
    """``where`` None: it is there for all VMs but the one that is replaced. Check mode finds that it is missing."""
    lose_iso(world)
    vmid = machine_of(world, "web3").vmid
    if asked is LOST:
        assert do(world, name="web3", state="absent", stop_mode="force").changed
    everything = [*HELD, "VM.Config.CDROM"]
    api = account(world, ("/", HELD if where else everything), (f"/vms/{vmid}", HELD))
    for check in (True, False):
        outcome = do_backup(world, api=api, check=check, **asked)
        assert (outcome.failed, "VM.Config.CDROM" in outcome.msg) == (True, True), outcome.msg
    account(world, ("/", everything), (f"/vms/{vmid}", everything))
    done(world, run=do_backup, api=api, **asked)


def test_iso_image_that_exists_remains(world):
    do(world, name="web3", state="started", disks=[{"size": "1G"}], node="pve1", iso=ISO)
    back_up(world, "web3")
    result = restored(world, **{**REPLACE, "name": "web3"})
    assert options(world, "web3")["ide2"].startswith(ISO)
    assert not any("ISO" in one for one in result.warnings)


@pytest.mark.parametrize(("message", "is_empty"), [("storage 'local' does not exist", True), ("not online", False)])
def test_storage_that_cannot_be_listed_proves_nothing_unless_it_does_not_exist(world, monkeypatch, message, is_empty):
    do(world, name="web3", state="stopped", disks=[{"size": "1G"}], node="pve1", iso=ISO)

    def fail(driver, node, storage):
        raise ApiError(message, 500)

    monkeypatch.setattr(iso, "_iso_volumes_on", fail)
    lost = iso.lost_media(driver_of(world), "pve1", options(world, "web3"))
    assert lost == ({"ide2": ISO} if is_empty else {})


def test_changes_that_waited_for_the_next_start_are_no_change_of_another_program(world):
    """The server applies them when the VM stops, which the restore does itself."""
    back_up(world)
    vm = machine_of(world, "web1")
    assert do(world, name="web1", memory="5G", state="started").changed
    assert vm.config.pending
    restored(world, **REPLACE)
    assert (byte_of(world, "web1"), vm.running) == (7, True)


def test_another_change_while_the_vm_is_stopped_is_noticed(world):
    back_up(world)
    api = before_write(world, lambda: behind.edit(world, 100, memory="5120"), "/status/stop")
    failed(world, "it was changed meanwhile", run=do_backup, api=api, **REPLACE)
    assert (byte_of(world, "web1"), options(world, "web1")["memory"]) == (8, "5120")


def test_disk_that_waited_to_be_detached_is_kept(world):
    """The server detaches it when the VM stops. A disk on SATA cannot be detached while the VM runs."""
    disks = [{"size": "1G"}, {"slot": "sata1", "size": "2G"}]
    do(world, name="web3", state="started", disks=disks, node="pve1")
    back_up(world, "web3")
    volume = options(world, "web3")["sata1"].split(",")[0]
    machine = machine_of(world, "web3")
    config = machine.config
    config.delete_pending("sata1", forced=False)
    machine.write(config)
    restored(world, **{**REPLACE, "name": "web3"})
    after = options(world, "web3")
    assert (byte_of(world, "web3"), machine.running, after["unused0"]) == (7, True, volume)
    assert after["sata1"].split(",")[0] != volume


def test_result_lists_no_backup_of_another_vm_with_the_name(world):
    """A report would show it as the newest one of a VM that was never backed up."""
    first = back_up(world)
    behind.edit(world, 100, smbios1="uuid=3f078c8c-3f1b-4bb0-8b0a-3c1b5ae0a0f1")
    (vm,) = do_backup(world, check=True, name="web1").vms
    assert [one["birth"].rpartition(":")[2] for one in vm["backups"]] == ["3f078c8c-3f1b-4bb0-8b0a-3c1b5ae0a0f1"]
    # To restore one, its ID is needed.
    outcome = do_backup(world, check=True, **BESIDE)
    assert first in [one["id"] for one in outcome.vms[0]["backups"]]


def test_restored_vm_does_not_share_the_seed_iso_of_its_source(world):
    """The seed has the identity of that VM, and is deleted with it: then the other one would not start."""
    seeded = {"name": "new", "node": "pve1", "disks": [{"size": "1G"}], "cloud_init": {"user_data": {"a": "b"}}}
    done(world, **seeded)
    taken(world, name="new")
    asked = {"name": "new", "state": "restored", "backup": "newest"}
    (slot,) = [key for key, text in options(world, "new").items() if "polyvirt-seed" in text and "cdrom" in text]
    (warning,) = restored(world, **asked, new_name="beside").warnings
    assert f"{slot} is not restored: its cloud-init seed ISO" in warning
    assert slot not in options(world, "beside")
    # The VM itself keeps its own.
    restored(world, **asked, replace=True)
    assert "polyvirt-seed" in options(world, "new")[slot]
    done(world, name="new", state="absent")
    done(world, name="beside", state="started")
    # In the place of the lost VM, it was deleted with it.
    restored(world, **asked)
    assert "none" in options(world, "new")[slot]
