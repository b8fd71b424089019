# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EFI disk and the state of the TPM are created on, and moved to, the storages that the task sets."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import applied, do, do_snapshot, rejected, unchanged

NEW = {"name": "web3", "id": "500", "node": "pve1", "disks": [{"size": "1G"}]}
UEFI = {"firmware": "uefi", "secure_boot": True, "tpm": True}
KEYS = {"efi_storage": "efidisk0", "tpm_storage": "tpmstate0"}
BOTH = dict.fromkeys(KEYS, "nfs")


def _storages(options):
    return {key: options[key].partition(":")[0] for key in KEYS.values() if key in options}


def _leftovers(world):
    """Volumes of the VM that none of its options names."""
    text = str(world.cluster.machines[500].config.current)
    return [volume for volume in world.storages.owned_by(500, "pve1") if volume not in text]


@pytest.mark.parametrize("start", [False, True])
def test_new_vm(world, start):
    options = applied(world, **NEW, **UEFI, **BOTH, **({"state": "started"} if start else {}))
    assert _storages(options) == {"efidisk0": "nfs", "tpmstate0": "nfs"}
    assert options["scsi0"].startswith("local-lvm:")


def test_volumes_that_are_added_later(world):
    assert do(world, **NEW).changed
    assert _storages(applied(world, name="web3", **UEFI, **BOTH)) == {"efidisk0": "nfs", "tpmstate0": "nfs"}


def test_missing_efi_disk_of_a_vm_with_uefi(world):
    behind.edit(world, 101, bios="ovmf")
    rejected(world, "efi_storage: the VM has no EFI disk", "secure_boot", name="web2", efi_storage="nfs")
    assert applied(world, name="web2", efi_storage="nfs", secure_boot=True)["efidisk0"].startswith("nfs:")


@pytest.mark.parametrize("option", KEYS)
def test_present_volume_is_moved_and_its_content_stays(world, option):
    assert do(world, **NEW, **UEFI).changed
    before = world.cluster.machines[500].config.current[KEYS[option]].partition(",")[2]
    options = applied(world, name="web3", **{option: "nfs"})
    assert (_storages(options)[KEYS[option]], options[KEYS[option]].partition(",")[2]) == ("nfs", before)
    assert _leftovers(world) == []
    assert not do(world, name="web3", state="absent").failed


def test_running_vm(world):
    """The EFI disk moves at once. The state of the TPM does only while the VM is off."""
    assert do(world, **NEW, **UEFI, state="started").changed
    applied(world, name="web3", efi_storage="nfs")
    rejected(world, "tpm_storage", "allow_restart", name="web3", tpm_storage="nfs")
    options = applied(world, name="web3", tpm_storage="nfs", allow_restart=True, stop_mode="force")
    assert (_storages(options)["tpmstate0"], world.cluster.machines[500].running) == ("nfs", True)


@pytest.mark.parametrize("option", KEYS)
def test_snapshot_holds_the_volume(world, option):
    assert do(world, **NEW, **UEFI).changed
    assert do_snapshot(world, name="web3", snapshot="before").changed
    rejected(world, f"web3: {option}", "snapshot 'before' holds", name="web3", **{option: "nfs"})


@pytest.mark.parametrize("options", [{"tpm": True}, UEFI, {**UEFI, **BOTH}])
def test_storage_of_a_volume_that_waits_is_not_what_waits(world, options):
    """Check mode does not know the storage that the run chooses."""
    assert do(world, **NEW, state="started").changed
    check, real = do(world, check=True, name="web3", **options), do(world, name="web3", **options)
    assert check.vms[0]["restart_required"] == real.vms[0]["restart_required"] == sorted(set(options) - KEYS.keys())
    if "firmware" in options:
        rejected(world, "web3: efi_storage can be changed only while the VM is off", name="web3", efi_storage="zfs")
    removed = do(world, check=True, name="web3", tpm=False), do(world, name="web3", tpm=False)
    assert removed[0].vms[0]["restart_required"] == removed[1].vms[0]["restart_required"]


def test_what_the_vm_does_not_have(world):
    assert do(world, **NEW).changed
    rejected(world, "web3: efi_storage: the VM has no EFI disk", name="web3", efi_storage="nfs")
    rejected(world, "web3: tpm_storage: the VM has no TPM", name="web3", tpm_storage="nfs")
    applied(world, name="web3", tpm=True)
    rejected(world, "web3: tpm_storage: the VM has no TPM", name="web3", tpm=False, tpm_storage="nfs")
    rejected(world, "storage 'none'", name="web3", tpm_storage="none")


def test_clone(world):
    assert do(world, **NEW, **UEFI).changed
    clone = {"name": "copy", "id": "501", "clone": {"source": "web3"}}
    assert _storages(applied(world, **clone, **BOTH)) == {"efidisk0": "nfs", "tpmstate0": "nfs"}


def test_default_storage_is_not_needed_for_volumes_with_a_storage(world):
    assert do(world, **NEW).changed
    unchanged(world, name="web3", tpm=False)
    assert _storages(applied(world, name="web3", tpm=True, tpm_storage="nfs", storage="local-lvm")) == {
        "tpmstate0": "nfs"
    }
