# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of where disks are created and moved to, and of volumes that are not attached."""

from __future__ import annotations

from mutations.mutation import Mutation

_KIT = ["tests/unit/module_utils/_kit/test_directories.py"]
_CORE = ["tests/unit/module_utils/_core/sharing/test_file_checks.py"]
_VBOX = ["tests/unit/module_utils/_drivers/vbox/test_killed.py"]
_HYPERV = ["tests/platforms/hyperv/test_checks.py"]
_PROXMOX = "tests/unit/module_utils/_drivers/proxmox"
_UNUSED, _RENAMING = [f"{_PROXMOX}/test_unused_disks.py"], [f"{_PROXMOX}/test_renaming.py"]
_STATES = [f"{_PROXMOX}/test_state_storages.py"]
_DISKS, _MOVING = "_drivers/proxmox/settings/disks.py", "_drivers/proxmox/moving.py"

MUTATIONS = (
    Mutation(
        "directory-of-a-present-disk-is-ignored",
        "_kit/settings.py",
        "present is not None and not (found and identity(folder_of(found)) == identity(directory))",
        "False",
        _KIT,
    ),
    Mutation(
        "unknown-directory-is-equal",
        "_kit/settings.py",
        "not (found and identity(folder_of(found)) == identity(directory))",
        "found and identity(folder_of(found)) != identity(directory)",
        _KIT,
    ),
    Mutation("directory-of-a-clone-is-ignored", "_kit/settings.py", "is_new and present is not None", "False", _KIT),
    Mutation("directory-with-a-source-is-ignored", "_kit/settings.py", 'disk.get("source")', "False", _KIT),
    Mutation(
        "space-of-a-directory-is-that-of-all-files",
        "_core/sharing/file_checks.py",
        '[item for item in parts if item.disk.get("directory")]',
        "[]",
        _CORE,
    ),
    Mutation(
        "foreign-file-in-a-directory-is-a-leftover",
        "_drivers/vbox/needed.py",
        'not item.disk.get("directory") or item.path in (*making_of(mark), *disks)',
        "True",
        _VBOX,
    ),
    Mutation(
        "drive-of-a-directory-is-not-asked",
        "_drivers/hyperv/needed.py",
        "_1 + self._directories",
        "_1",
        _HYPERV,
    ),
    # Proxmox VE.
    Mutation(
        "unused-disk-that-a-user-detached-is-owned",
        _DISKS,
        '"slots" not in mark or volume in mark.get("detached", ())',
        "True",
        _UNUSED,
    ),
    Mutation(
        "unused-disks-of-a-foreign-vm-are-owned",
        _DISKS,
        'vm.mark if vm.owned else {"slots": ()}',
        "vm.mark or {}",
        _UNUSED,
    ),
    Mutation("unused-volume-of-another-vm-is-owned", _DISKS, "values.owner_of(one) != vm.id or _1", "_1", _UNUSED),
    Mutation(
        "unused-disk-in-a-snapshot-is-not-foreseen",
        f"{_MOVING}::check_deleting_unused",
        '_check_not_in_snapshots(driver, before, gone, about, "keep it (unused_disks: keep)")',
        "None",
        _UNUSED,
    ),
    Mutation(
        "unused-base-of-a-linked-clone-is-not-foreseen",
        f"{_MOVING}::_check_no_clones",
        "volume in gone",
        "False",
        _UNUSED,
    ),
    Mutation("detached-disk-is-left-unused", _MOVING, "driver.deletes_unused and removed", "False", _UNUSED),
    Mutation(
        "unused-disk-of-a-protected-vm",
        "_drivers/proxmox/checks.py",
        '("disks.remove", "unused_disks", "cdroms.remove")',
        '("disks.remove", "cdroms.remove")',
        _UNUSED,
    ),
    Mutation(
        "tpm-of-a-running-vm-is-moved",
        "_drivers/proxmox/settings/firmware.py::_cost_of_moving_tpm",
        "LIVE if change.old is None else POWER_OFF",
        "LIVE",
        _STATES,
    ),
    Mutation(
        "efi-disk-on-the-default-storage",
        "_drivers/proxmox/settings/firmware.py",
        "(change.beside or {}).get(option) or update.storage",
        "update.storage",
        _STATES,
    ),
    Mutation("renamed-without-permission", "_core/options/identity.py", "not traits.renames", "False", _RENAMING),
    Mutation(
        "vm-of-another-name-is-deleted",
        "_core/options/identity.py",
        'request.state == "absent"',
        "False",
        _RENAMING,
    ),
)
