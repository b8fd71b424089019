# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what is judged before a run: disks without slots, user data, what the server of Proxmox VE rejects."""

from __future__ import annotations

from mutations.mutation import Mutation

_CORE = "tests/unit/module_utils/_core"
_SLOTS = (f"{_CORE}/planner/test_disks_without_slots.py",)
_DATA = (f"{_CORE}/options/test_user_data.py",)
_WAITS = ("tests/unit/module_utils/_engine/test_waits.py",)
_UNIT = "tests/unit/module_utils/_drivers/proxmox"
_JUDGED, _CHOSEN = (f"{_UNIT}/test_judged_before.py",), (f"{_UNIT}/test_chosen.py",)
_DIFFERENCES, _CREATE = "_core/planner/differences.py", "_core/planner/plan_create.py"

MUTATIONS = (
    Mutation(
        "own-disk-elsewhere-is-not-found",
        _DIFFERENCES,
        "key.startswith(PLACE) and slots[key] not in own and entry is not None",
        "False",
        _SLOTS,
    ),
    Mutation("disk-of-two-entries", _DIFFERENCES, "[slot for slot in left if slot != slots[key]]", "left", _SLOTS),
    Mutation(
        "named-disk-is-also-unnamed",
        _DIFFERENCES,
        "[slot for slot in in_order(own) if slot not in taken]",
        "in_order(own)",
        _SLOTS,
    ),
    Mutation(
        "source-without-a-slot-is-any-disk",
        _DIFFERENCES,
        'not entry.get("source") or traits.fields["disks.source"].same(*_)',
        "True",
        _SLOTS,
    ),
    Mutation("slots-in-order-of-text", _DIFFERENCES, "int(part) if part.isdecimal() else part", "part", _SLOTS),
    Mutation("second-disk-in-silence", _CREATE, "traits.leads_bus(slot)", "False", _SLOTS),
    Mutation("second-disk-is-always-rejected", _CREATE, "any(slot in asked for slot in own)", "False", _SLOTS),
    Mutation(
        "purge-takes-the-disk-elsewhere",
        _DIFFERENCES,
        "first if first in disks else next(iter(in_order(disks)), None)",
        "first",
        _SLOTS,
    ),
    Mutation("user-data-is-a-path", "_core/options/user_data.py", "_PATH.fullmatch(text.strip())", "False", _DATA),
    Mutation(
        "user-data-without-a-header",
        "_core/options/user_data.py",
        "not text.lower().startswith(_HEADERS)",
        "False",
        _DATA,
    ),
    Mutation(
        "user-data-that-is-no-dictionary",
        "_core/options/user_data.py",
        "config is not None and not isinstance(config, dict)",
        "False",
        _DATA,
    ),
    Mutation(
        "key-that-is-cut-off",
        "_core/options/public_keys.py",
        "_CERTIFICATE in key_type or _is_whole(data)",
        "True",
        (f"{_CORE}/options/test_public_keys.py",),
    ),
    Mutation("present-waits-for-a-vm-that-is-off", "_core/model.py", "vm.power != RUNNING", "False", _WAITS),
    Mutation(
        "present-does-not-wait",
        "_core/options/request.py",
        'given["state"] not in ("present", "started", "restarted")',
        'given["state"] not in ("started", "restarted")',
        (f"{_CORE}/options/test_request.py",),
    ),
    Mutation("iso-image-as-a-disk", "_drivers/proxmox/settings/disks.py", "_KIND.match(volume)", "None", _JUDGED),
    Mutation(
        "iommu-of-intel-without-q35",
        "_drivers/proxmox/settings/native.py",
        'machine.get("viommu") == "intel"',
        "False",
        _JUDGED,
    ),
    Mutation(
        "clone-to-local-storage-of-another-node",
        "_drivers/proxmox/clone.py",
        "storage and not driver.resources.is_shared(storage)",
        "False",
        _JUDGED,
    ),
    Mutation(
        "node-is-not-in-the-plan",
        "_drivers/proxmox/driver.py",
        "plan if node is None else with_settings_of_new(*_)",
        "plan",
        _CHOSEN,
    ),
    Mutation("ids-in-the-order-of-threads", "_drivers/proxmox/create.py", "name in space.new_names", "False", _CHOSEN),
    Mutation(
        "template-of-any-node",
        "_engine/observe.py",
        "near and set(near) <= set(_plain(vm.config).items())",
        "True",
        _CHOSEN,
    ),
    Mutation(
        "efi-disk-is-not-added",
        "_drivers/proxmox/settings/firmware.py",
        'update.value("bios") == _BOARD["uefi"] and not update.value("efidisk0")',
        "False",
        (f"{_UNIT}/test_efi_disk.py",),
    ),
    Mutation(
        "environment-of-the-task-is-not-named",
        "_drivers/vagrant/checks.py",
        "project.exists() and _READS_ENVIRONMENT.search(_)",
        "False",
        ("tests/unit/module_utils/_drivers/vagrant/test_checks.py",),
    ),
    Mutation(
        "hidden-vm-counts-as-deleted",
        "_drivers/proxmox/not_found.py",
        "names and not observer.permissions.sees_all_vms",
        "False",
        ["tests/unit/module_utils/_drivers/proxmox/test_states.py::test_vm_of_a_pool_is_seen_by_the_role_on_the_pool"],
    ),
    Mutation(
        "each-name-counts-as-one-to-delete",
        "_drivers/proxmox/not_found.py",
        "{*names} & _names_to_delete(observer.options)",
        "names",
        ["tests/unit/module_utils/_drivers/proxmox/test_states.py::test_vm_of_a_pool_is_seen_by_the_role_on_the_pool"],
    ),
    Mutation(
        "storage-of-a-volume-that-waits-waits-too",
        "_drivers/proxmox/settings/table.py",
        '{"unused_disks", *STATE_STORAGES}',
        '{"unused_disks"}',
        ["tests/unit/module_utils/_drivers/proxmox/test_state_storages.py"],
    ),
    Mutation(
        "efi-disk-that-the-running-vm-lacks-is-moved-live",
        "_drivers/proxmox/settings/firmware.py",
        "LIVE if has_disk else POWER_OFF",
        "LIVE",
        ["tests/unit/module_utils/_drivers/proxmox/test_state_storages.py"],
    ),
)
