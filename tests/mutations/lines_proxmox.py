# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the Proxmox VE driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils/_drivers/proxmox"
_UNIT = "tests/unit/module_utils/_drivers/proxmox"

MUTATIONS = (
    Mutation(
        "second-vm-of-one-name",
        f"{_CODE}/create.py",
        "if any(not other.is_unfinished or _is_lower(other, vm_options) for other in others):",
        "if any(_is_lower(other, vm_options) for other in others):",
        {"unit": [f"{_UNIT}/test_undoing.py::test_vm_that_gives_way_is_not_kept"]},
    ),
    Mutation(
        "numbers-are-compared-as-text",
        f"{_CODE}/create.py",
        "return int(other.vmid) < int(vm_options.vmid)",
        "return other.vmid < vm_options.vmid",
        {"unit": ("tests/unit/module_utils/_drivers/proxmox/test_races.py",)},
    ),
    Mutation(
        "reused-number-is-deleted",
        f"{_CODE}/delete.py",
        "if name != vm.name:",
        "if not name:",
        {"unit": [f"{_UNIT}/test_cases.py"]},
    ),
    Mutation(
        "change-overwrites-others",
        f"{_CODE}/configure.py",
        'requested = {**update.to_set, "delete": ",".join(update.to_remove) or None, "digest": vm_options.digest}',
        'requested = {**update.to_set, "delete": ",".join(update.to_remove) or None}',
        {"unit": [f"{_UNIT}/test_races.py"]},
    ),
    Mutation(
        "disk-grows-by-wrong-unit",
        f"{_CODE}/configure.py",
        'driver.tool.run("PUT", f"{vm_options.path}/resize", disk=slot, size=f"{size // 1024}K", digest=digest)',
        'driver.tool.run("PUT", f"{vm_options.path}/resize", disk=slot, size=f"{size // 1024}M", digest=digest)',
        {"unit": [f"{_UNIT}/test_cases.py"]},
    ),
    Mutation(
        "volume-of-other-vm-is-attached",
        f"{_CODE}/settings/disks.py",
        "if user and owner != before.vmid:",
        "if user and owner is None:",
        {"unit": [f"{_UNIT}/test_own_options.py"]},
    ),
    Mutation(
        "protected-vm-is-deleted",
        f"{_CODE}/checks.py",
        'elif step.verb == "delete" and vm.config.get("protection"):',
        'elif step.verb == "delete" and vm.config.get("protection") and vm.on:',
        {"unit": [f"{_UNIT}/test_cases.py"]},
    ),
    Mutation(
        "lock-of-others-is-ignored",
        f"{_CODE}/cluster.py",
        "busy = lock if lock and lock != _SUSPENDED_LOCK else None",
        "busy = None",
        {"unit": [f"{_UNIT}/test_cases.py"]},
    ),
    Mutation(
        "certificate-is-not-verified",
        f"{_CODE}/account.py",
        'return given["ca_path"] or True',
        'return given["ca_path"] or False',
        {"unit": [f"{_UNIT}/test_connecting.py"]},
    ),
    Mutation(
        "snapshot-of-running-vm-without-memory",
        f"{_CODE}/snapshots.py",
        'vmstate=step.arguments["power"] == RUNNING or None,',
        "vmstate=None,",
        {"unit": ("tests/unit/module_utils/_drivers/proxmox/test_cases.py",)},
    ),
    Mutation(
        "volume-of-a-deleted-vm-for-two",
        f"{_CODE}/claims.py",
        "others = self._others() if any(map(self._has_no_owner, attached)) else []",
        "others = []",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "requested-id-is-given-away",
        f"{_CODE}/driver.py",
        "self.space.vmids.update((plan.before.id, *ids))",
        "self.space.vmids.add(plan.before.id)",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "volume-of-a-template-is-another-one",
        f"{_CODE}/settings/disks.py",
        '"disks.source": Setting(cost=NEVER, same=values.is_same_volume, instead=_DETACH),',
        '"disks.source": Setting(cost=NEVER, instead=_DETACH),',
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "running-vm-of-the-task-is-not-cloned",
        f"{_CODE}/traits.py",
        "copies_running=True,",
        "copies_running=False,",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "changes-of-a-new-clone-are-not-checked",
        f"{_CODE}/checks.py",
        'return node and VmBefore(_NO_OPTIONS, node, is_protected=False, pool=config.get("pool"), is_known=False)',
        "return None",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "disk-of-a-template-without-clones",
        f"{_CODE}/clone.py",
        "_check_bases(driver, label, source, vm_options)",
        "pass",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "new-disk-of-a-template-without-clones",
        f"{_CODE}/clone.py",
        "if volume and not values.is_base(volume) and _is_never_linked(driver, volume):",
        "if not values.is_base(volume or '') and _is_never_linked(driver, volume or ''):",
        {"unit": [f"{_UNIT}/test_several_vms.py"]},
    ),
    Mutation(
        "vm-that-moved-while-it-is-stopped",
        f"{_CODE}/cluster.py",
        'return missing or "unable to find configuration file" in error.message',
        "return missing",
        {"unit": [f"{_UNIT}/test_states.py"]},
    ),
    Mutation(
        "bases-of-linked-clones-are-not-found",
        f"{_CODE}/file_users.py",
        'base = values.base_of(entry["volid"])',
        'base = entry.get("base")',
        {"unit": [f"{_UNIT}/test_clone.py"]},
    ),
    Mutation(
        "bridge-without-a-privilege-is-hidden",
        f"{_CODE}/settings/networks.py",
        'if nic.get("bridge") and found.get("type") != "vnet" and not _may_use(driver, nic):',
        'if found and found.get("type") != "vnet" and not _may_use(driver, nic):',
        {"unit": [f"{_UNIT}/test_privileges.py"]},
    ),
    Mutation(
        "space-of-linked-clones-is-not-checked",
        f"{_CODE}/clone.py",
        "if (key in disks or key in STATE_VOLUMES) and storage_of(volume):",
        'if (key in disks or key in STATE_VOLUMES) and not requested.get("linked"):',
        {"unit": [f"{_UNIT}/test_privileges.py"]},
    ),
    Mutation(
        "cloud-init-drive-is-a-disk",
        f"{_CODE}/privileges.py",
        'return ("VM.Config.CDROM",) if values.is_cdrom(drive) or values.is_seed(drive) else ("VM.Config.Disk",)',
        'return ("VM.Config.CDROM",) if values.is_cdrom(drive) else ("VM.Config.Disk",)',
        {"unit": [f"{_UNIT}/test_privileges.py"]},
    ),
    Mutation(
        "upload-of-an-iso-image-is-not-checked",
        f"{_CODE}/settings/iso.py",
        "_check_upload_privileges(driver, label, node, storage, iso)",
        "pass",
        {"unit": [f"{_UNIT}/test_privileges.py"]},
    ),
    Mutation(
        "storage-of-a-linked-clone-is-ignored",
        f"{_CODE}/checks.py",
        "if used and driver.storage not in used and not has_use:",
        "if not used:",
        {"unit": [f"{_UNIT}/test_storages.py"]},
    ),
    Mutation(
        "shutdown-is-awaited-to-its-end",
        f"{_CODE}/power.py",
        '_call(driver, vm, "shutdown", at_most=_FIRST_ERRORS, timeout=max(1, min(_ONE_REQUEST, left)))',
        '_call(driver, vm, "shutdown", timeout=max(1, min(_ONE_REQUEST, left)))',
        {"unit": [f"{_UNIT}/test_cases.py"]},
    ),
)
