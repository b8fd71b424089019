# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: limits of disks: the elements of ``iotune``, and the limits of a running VM."""

from __future__ import annotations

from shlex import quote

from ...._core.model import LIVE, NEXT_BOOT
from ...._kit.disk_limits import Limit, check_limit
from ...._tools.domain_xml import find_or_add_child, target_of


def _limit(unit):
    one_way = [f"{way}_{unit}" for way in ("read", "write")]
    needing = ("size_iops_sec",) if unit == "iops_sec" else ()
    return Limit(f"total_{unit}", (*one_way, *(f"{name}_max" for name in one_way)), f"total_{unit}_max", needing)


#: {option: elements of ``iotune``}
LIMITS = {option: _limit(unit) for option, unit in (("iops_limit", "iops_sec"), ("bandwidth_limit", "bytes_sec"))}


def cost_if_attached(vm, change):
    """The running VM does not have a disk that is attached at the next start."""
    is_attached = vm.active is None or change.key in (vm.active.get("disks") or ())
    return LIVE if is_attached else NEXT_BOOT


def read_limits(disk):
    found = _tuned(disk)
    return {option: found[limit.name] for option, limit in LIMITS.items() if found.get(limit.name)}


def _tuned(disk):
    """{element of ``iotune``: number}"""
    return {one.tag: int(one.text) for one in disk.findall("iotune/*") if (one.text or "").strip().isdecimal()}


def write_limit(disk, option, value):
    find_or_add_child(find_or_add_child(disk, "iotune"), LIMITS[option].name).text = str(value or 0)


def _argument(name):
    return name.replace("_", "-")


def set_limit(driver, vm, definition, running, change, created):
    """Set a limit of a disk, also in the running VM."""
    if running is not None:
        name = _argument(LIMITS[change.attribute].name)
        driver.virsh.run("blkdeviotune", vm.id, change.key, f"--{name}", str(change.new or 0), "--live")
    write_limit(disk_at(definition, change.key), change.attribute, change.new)


def check_limits(definition, changes, native):
    """Raise Refused if QEMU would not start the VM with the limits of its disks that ``changes`` or ``native`` set."""
    slots = {change.key for change in changes if change.field == "disks" and change.attribute in LIMITS}
    is_native = any("iotune" in path for path in native)
    places = {target_of(disk): place for place, disk in enumerate(definition.root.findall("devices/disk"), 1)}
    for disk in definition.drives("disk", "lun"):
        if is_native or target_of(disk) in slots:
            path = f"devices/disk[{places[target_of(disk)]}]/iotune"
            _check_limits(definition.name, disk, lambda name, path=path: f"Set native: {{{path}/{name}: null}}.")


def _check_limits(name, disk, remedy):
    for option, limit in LIMITS.items():
        check_limit(f"{name}: disks.{target_of(disk)}.{option}", limit, _tuned(disk), remedy)


def check_running_limits(driver, plan, one):
    """Raise Refused if the running VM would not take a limit, because of other values of the disk."""
    vm, changes = one.vm, [change for change in one.changes if change.attribute in LIMITS and change.cost == LIVE]
    _stored, running = driver.definitions_to_change(vm) if changes and vm.active is not None else (None, None)
    for change in changes:
        disk = disk_at(running, change.key) if running is not None else None
        if disk is not None:
            limit = LIMITS[change.attribute]
            found = {**_tuned(disk), limit.name: change.new}
            about = f"{vm.name}: {change.path} of the running VM"
            call = f"virsh blkdeviotune {quote(vm.name)} {quote(change.key)} --live"
            check_limit(about, limit, found, lambda name, call=call: f"Remove it: {call} --{_argument(name)} 0")


def disk_at(definition, slot):
    """The disk at a slot, or None."""
    return next((disk for disk in definition.drives("disk", "lun") if target_of(disk) == slot), None)
