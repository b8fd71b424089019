# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of limits of disks: limits that are lost, wait, or that QEMU does not start."""

from __future__ import annotations

from .mutation import Mutation

_SHARED, _VIRSH, _PROXMOX = "_kit/disk_limits.py", "_drivers/virsh/settings/disk_limits.py", "_drivers/proxmox"
_DRIVERS = "tests/unit/module_utils/_drivers"
_KIT, _LIBVIRT = ["tests/unit/module_utils/_kit/test_disk_limits.py"], f"{_DRIVERS}/virsh/settings/test_disk_limits.py"
_JUDGE = [f"{_DRIVERS}/virsh/test_judge.py::test_limits_that_qemu_does_not_start_are_rejected"]
_COSTS = ["tests/unit/tables/test_costs.py"]
_OWN = f"{_DRIVERS}/proxmox/test_own_options.py"
_CLUSTER, _REMEDY = (
    [f"{_OWN}::test_limits_of_disks"],
    [f"{_OWN}::test_limit_that_qemu_does_not_start_is_rejected_with_its_remedy"],
)

MUTATIONS = (
    Mutation("limit-beside-one-of-reads", _SHARED, 'dict.fromkeys(limit.excluded, "with both")', "{}", _KIT),
    Mutation("burst-below-its-limit", _SHARED, "found.get(limit.burst, value) < value", "False", _KIT),
    Mutation(
        "burst-of-zero-is-below-its-limit", _SHARED, "if found.get(name):\n    ...", "if name in found:\n    ...", _KIT
    ),
    Mutation("burst-without-its-limit", _SHARED, "(limit.burst, *(() if has_others else limit.needing))", "()", _KIT),
    Mutation("limit-of-reads-is-none", _SHARED, "() if has_others else limit.needing", "limit.needing", _KIT),
    Mutation("limit-of-zero-is-stored", _SHARED, "limit or None", "limit", _KIT),
    Mutation("new-disk-has-a-limit-to-remove", _SHARED, "limit or is_present", "True", _KIT),
    Mutation("limit-is-too-large", _SHARED, "limit > _MOST", "False", _KIT),
    Mutation("limit-of-zero-is-no-size", "_core/units.py", "(size == 0 and not zero)", "size == 0", _KIT),
    Mutation("limit-is-not-shown-as-size", "_core/units.py", 'name == "bandwidth_limit"', "False", _KIT),
    Mutation("limit-is-not-set-in-the-running-vm", _VIRSH, "if running is not None:\n    ...", "pass", [_LIBVIRT]),
    Mutation("limit-is-never-removed", _VIRSH, "str(change.new or 0)", "str(change.new)", [_LIBVIRT]),
    Mutation("limit-of-a-disk-that-waits", _VIRSH, "LIVE if is_attached else NEXT_BOOT", "LIVE", _COSTS),
    Mutation("any-limit-is-examined", _VIRSH, "is_native or target_of(disk) in slots", "True", [_LIBVIRT]),
    Mutation(
        "limits-of-native-are-not-examined", _VIRSH, 'any("iotune" in path for path in native)', "False", [_LIBVIRT]
    ),
    Mutation(
        "running-vm-keeps-its-limit", _VIRSH, "{**_tuned(disk), limit.name: change.new}", "_tuned(disk)", [_LIBVIRT]
    ),
    Mutation(
        "new-disk-has-no-limit",
        "_drivers/virsh/settings/disks.py",
        "if entry.get(option):\n    ...",
        "pass",
        [_LIBVIRT],
    ),
    Mutation("limits-are-not-judged", "_drivers/virsh", "if definition is not None:\n    ...", "pass", _JUDGE),
    Mutation(
        "limit-of-another-file",
        "_drivers/virsh/settings/disks.py",
        "change.kind not in _OF_FILE",
        "change.kind not in _OF_FILE[:2]",
        [f"{_DRIVERS}/virsh/test_configure.py::test_disk_that_the_running_vm_does_not_have_is_not_changed"],
    ),
    Mutation(
        "limits-of-the-running-vm-are-not-read",
        "_drivers/virsh/checks.py",
        "_check_running_limits(driver, one.vm, one.changes)",
        "pass",
        [f"{_DRIVERS}/virsh/test_checks.py::test_limit_that_the_running_vm_does_not_take_is_rejected"],
    ),
    Mutation("bandwidth-is-in-bytes", _PROXMOX, 'f"{Decimal(value) / MIB:f}"', 'f"{Decimal(value):f}"', _CLUSTER),
    Mutation("bandwidth-is-read-in-mib", _PROXMOX, 'numbers["bandwidth_limit"] *= MIB', "pass", _CLUSTER),
    Mutation(
        "other-disk-limits-are-removed",
        _PROXMOX,
        "{**parts, **_limit_parts({change.attribute: change.new})}",
        "parts",
        _CLUSTER,
    ),
    Mutation(
        "new-disk-of-proxmox-has-no-limit",
        _PROXMOX,
        "{**serial_part(disk), **_limit_parts(disk)}",
        "serial_part(disk)",
        _CLUSTER,
    ),
    Mutation(
        "limits-of-proxmox-are-not-examined",
        _PROXMOX,
        "[change.key for change in changes if change.attribute in LIMITS]",
        "[]",
        _REMEDY,
    ),
    Mutation("limits-of-native-of-proxmox", _PROXMOX, "filter(values.bus_of, keys)", "()", _REMEDY),
)
