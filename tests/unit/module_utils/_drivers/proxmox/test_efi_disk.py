# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM with UEFI and without an EFI disk gets one from secure_boot, and the remedy of its error works as it says."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, rejected, unchanged


@pytest.mark.parametrize("secure_boot", [True, False])
def test_a_missing_efi_disk_is_created(world, secure_boot):
    behind.edit(world, 101, bios="ovmf")
    options = applied(world, name="web2", secure_boot=secure_boot)
    assert f"pre-enrolled-keys={int(secure_boot)}" in options["efidisk0"]
    assert options["efidisk0"].startswith("local-lvm:vm-101-disk-")
    unchanged(world, name="web2", firmware="uefi", secure_boot=secure_boot)


def test_a_missing_efi_disk_is_not_created_unless_the_task_sets_secure_boot(world):
    behind.edit(world, 101, bios="ovmf")
    unchanged(world, name="web2", firmware="uefi")
    assert do(world, name="web2").vms[0].get("secure_boot") is None


def test_an_efi_disk_of_a_running_vm_waits_for_its_next_start(world):
    behind.edit(world, 100, bios="ovmf")
    outcome = do(world, name="web1", secure_boot=True)
    assert not outcome.failed, outcome.msg
    assert "secure_boot" in outcome.vms[0]["restart_required"]


def test_the_remedy_for_an_efi_disk_with_other_keys_works(world):
    applied(world, name="web2", firmware="uefi", secure_boot=False)
    task = {"name": "web2", "secure_boot": True}
    rejected(world, "web2: secure_boot", "qm set ID --delete efidisk0", "the task then creates a new one", **task)
    Api(world).call("PUT", "/nodes/pve2/qemu/101/config", {"delete": "efidisk0"})
    assert "pre-enrolled-keys=1" in applied(world, **task)["efidisk0"]


@pytest.mark.parametrize("secure_boot", [True, False, None])
def test_a_new_vm_with_uefi_has_an_efi_disk(world, secure_boot):
    task = {"name": "new", "disks": [{"size": "1G"}], "firmware": "uefi"}
    asked = {} if secure_boot is None else {"secure_boot": secure_boot}
    assert f"pre-enrolled-keys={int(bool(secure_boot))}" in applied(world, **task, **asked)["efidisk0"]
