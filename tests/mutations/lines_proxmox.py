# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the Proxmox VE driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/proxmox"

MUTATIONS = (
    Mutation(
        "second-vm-of-one-name",
        "_drivers/proxmox",
        "not other.is_unfinished or _is_lower(other, vm_options)",
        "_is_lower(other, vm_options)",
        [f"{_UNIT}/test_undoing.py::test_vm_that_gives_way_is_not_kept"],
    ),
    Mutation(
        "numbers-are-compared-as-text",
        "_drivers/proxmox",
        "int(other.vmid) < int(vm_options.vmid)",
        "other.vmid < vm_options.vmid",
        ("tests/unit/module_utils/_drivers/proxmox/test_races.py",),
    ),
    Mutation("reused-number-is-deleted", "_drivers/proxmox", "name != vm.name", "not name", [f"{_UNIT}/test_cases.py"]),
    Mutation(
        "change-overwrites-others",
        "_drivers/proxmox",
        '{**update.to_set, "delete": ",".join(update.to_remove) or None, "digest": vm_options.digest}',
        '{**update.to_set, "delete": ",".join(update.to_remove) or None}',
        [f"{_UNIT}/test_races.py"],
    ),
    Mutation(
        "disk-grows-by-wrong-unit",
        "_drivers/proxmox",
        'f"{size // 1024}K"',
        'f"{size // 1024}M"',
        [f"{_UNIT}/test_cases.py"],
    ),
    Mutation(
        "volume-of-other-vm-is-attached",
        "_drivers/proxmox",
        "user and owner != before.vmid",
        "user and owner is None",
        [f"{_UNIT}/test_own_options.py"],
    ),
    Mutation(
        "protected-vm-is-deleted",
        "_drivers/proxmox",
        'step.verb == "delete" and vm.config.get("protection")',
        'step.verb == "delete" and vm.config.get("protection") and vm.on',
        [f"{_UNIT}/test_cases.py"],
    ),
    Mutation(
        "lock-of-others-is-ignored",
        "_drivers/proxmox",
        "lock if lock and lock != _SUSPENDED_LOCK else None",
        "None",
        [f"{_UNIT}/test_cases.py"],
    ),
    Mutation(
        "certificate-is-not-verified",
        "_drivers/proxmox",
        'given["ca_path"] or True',
        'given["ca_path"] or False',
        [f"{_UNIT}/test_connecting.py"],
    ),
    Mutation(
        "snapshot-of-running-vm-without-memory",
        "_drivers/proxmox",
        'step.arguments["power"] == RUNNING or None',
        "None",
        ("tests/unit/module_utils/_drivers/proxmox/test_cases.py",),
    ),
    Mutation(
        "volume-of-a-deleted-vm-for-two",
        "_drivers/proxmox",
        "self._others() if any(map(self._has_no_owner, attached)) else []",
        "[]",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "requested-id-is-given-away",
        "_drivers/proxmox",
        "self.space.vmids.update((plan.before.id, *ids))",
        "self.space.vmids.add(plan.before.id)",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "volume-of-a-template-is-another-one",
        "_drivers/proxmox",
        "Setting(same=values.is_same_volume, **_)",
        "Setting(**_)",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "running-vm-of-the-task-is-not-cloned",
        "_drivers/proxmox",
        "Traits(copies_running=True, **_)",
        "Traits(copies_running=False, **_)",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "changes-of-a-new-clone-are-not-checked",
        "_drivers/proxmox",
        'node and VmBefore(_NO_OPTIONS, node, is_protected=False, pool=config.get("pool"), is_known=False)',
        "None",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "disk-of-a-template-without-clones",
        "_drivers/proxmox",
        "_check_bases(driver, label, source, vm_options)",
        "pass",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "new-disk-of-a-template-without-clones",
        "_drivers/proxmox",
        "volume and not values.is_base(volume) and _is_never_linked(driver, volume)",
        "not values.is_base(volume or '') and _is_never_linked(driver, volume or '')",
        [f"{_UNIT}/test_several_vms.py"],
    ),
    Mutation(
        "vm-that-moved-while-it-is-stopped",
        "_drivers/proxmox",
        'missing or "unable to find configuration file" in error.message',
        "missing",
        [f"{_UNIT}/test_states.py"],
    ),
    Mutation(
        "bases-of-linked-clones-are-not-found",
        "_drivers/proxmox",
        'values.base_of(entry["volid"])',
        'entry.get("base")',
        [f"{_UNIT}/test_clone.py"],
    ),
    Mutation(
        "bridge-without-a-privilege-is-hidden",
        "_drivers/proxmox",
        'nic.get("bridge") and found.get("type") != "vnet" and not _may_use(driver, nic)',
        'found and found.get("type") != "vnet" and not _may_use(driver, nic)',
        [f"{_UNIT}/test_privileges.py"],
    ),
    Mutation(
        "space-of-linked-clones-is-not-checked",
        "_drivers/proxmox",
        "(key in disks or key in STATE_VOLUMES) and storage_of(volume)",
        '(key in disks or key in STATE_VOLUMES) and not requested.get("linked")',
        [f"{_UNIT}/test_privileges.py"],
    ),
    Mutation(
        "cloud-init-drive-is-a-disk",
        "_drivers/proxmox",
        "values.is_cdrom(drive) or values.is_seed(drive)",
        "values.is_cdrom(drive)",
        [f"{_UNIT}/test_privileges.py"],
    ),
    Mutation(
        "upload-of-an-iso-image-is-not-checked",
        "_drivers/proxmox",
        "_check_upload_privileges(driver, label, node, storage, iso)",
        "pass",
        [f"{_UNIT}/test_privileges.py"],
    ),
    Mutation(
        "storage-of-a-linked-clone-is-ignored",
        "_drivers/proxmox",
        "used and driver.storage not in used and not has_use",
        "not used",
        [f"{_UNIT}/test_storages.py"],
    ),
    Mutation(
        "shutdown-is-awaited-to-its-end",
        "_drivers/proxmox",
        "_call(*_, at_most=_FIRST_ERRORS, **_)",
        "_call(*_, **_)",
        [f"{_UNIT}/test_cases.py"],
    ),
)
