# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs from its host, looked at before the first step; each fault names machine, option and remedy."""

from __future__ import annotations

import os

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import Vm
from ..._lifecycle.units import human_size
from ..._ports import files
from ..._tools import seed
from .definition import target_of
from .firmware import FIRMWARE_FIELDS
from .forwarding import check_program
from .host_checks import check_host_of
from .machinery import check_machinery
from .maxima import check_processors
from .networks import check_macs, check_networks
from .new import check_host
from .serial_log import check_serial_log
from .sharing import check_shares
from .slots import bus_of, slot_name
from .space import check_space
from .storage import bases, check_iso, written_files


def check_plan(driver, plan):
    """Raise NotFound or Refused for what would fail after something was done already."""
    doomed = {os.path.realpath(path) for path in _doomed(plan)}
    vm = plan.before
    for step in plan.steps:
        if step.verb == "create":
            _check_creation(driver, plan.after.name, step.arguments, doomed)
        elif step.verb == "clone":
            _check_clone(driver, plan.after.name, step.arguments, doomed)
            # Until it is there, the clone's devices are those of its source.
            vm = Vm(name=plan.after.name, id=step.arguments["source"].id, config=step.arguments["config"])
        elif step.verb == "configure":
            _check_changes(driver, vm, step.changes)
        elif step.verb in ("snapshot", "drop_snapshot", "restore"):
            _check_snapshot(driver, plan.before, step)
    check_machinery(driver, plan)
    check_networks(driver, plan)
    check_macs(driver, plan)
    check_host_of(driver, plan)
    check_shares(driver, plan)
    check_program(driver, plan)
    _check_deletion(driver, plan)
    _check_bases(driver, plan)


#: Steps after which a machine may write to its disks, or only needs to be started to do so.
_WRITING = frozenset({"create", "start", "restore"})


def _check_bases(driver, plan):
    """Refuse a plan by which a machine writes to an image that the disks of others stand on."""
    vm = plan.before
    sources = {slot: disk.get("source") for slot, disk in (plan.after.config.get("disks") or {}).items()}
    if not any(sources.values()) or not _may_write(plan):
        return
    for slot, path in sorted(sources.items()):
        users = _standing_on(driver, vm, os.path.realpath(path or ""))
        if users:
            raise Refused(
                f"{vm.name}: its disk {slot} ({path}) must not be written to, for the disks of"
                f" {', '.join(sorted(users))} stand on it.",
                "Remove those machines first. A clone of an external snapshot would leave this machine free.",
            )


def _standing_on(driver, vm, path):
    """Names of the VMs whose disks stand on an image: as their marks say, or as their disks' own headers do."""
    marked = bases(driver.all_definitions()).get(path, set()) - {vm.name}
    found = driver.file_users().standing_on(vm).get(path, set()) if driver.is_local else set()
    return marked | found


def _may_write(plan):
    touches_disks = any(change.field == "disks" for step in plan.steps for change in step.changes)
    return touches_disks or bool(_WRITING & {step.verb for step in plan.steps})


def _doomed(plan):
    """The files that go; of a machine that is rebuilt, their names are free again."""
    return [path for step in plan.steps if step.verb == "delete" for path in step.arguments.get("files", ())]


def _check_clone(driver, name, arguments, doomed):
    from .clone_checks import check_clone

    check_clone(driver, name, arguments["creation"], arguments["source"], doomed)
    _check_seed(driver, name, arguments)


def _check_snapshot(driver, vm, step):
    from .snapshot_checks import check_snapshot  # Only a task about snapshots pays for it.

    check_snapshot(driver, vm, step)


def _check_creation(driver, name, arguments, doomed):
    config, creation = arguments["config"], arguments["creation"]
    check_host(name, driver.hypervisor)
    written_by = written_files(driver.all_definitions())
    image = creation.get("image")
    disks = config.get("disks") or {}
    if disks or creation.get("cloud_init"):
        driver.storage.check_folder()
    if config.get("firmware") == "uefi":
        _check_nvram(driver, name, config["secure_boot"], written_by)
        driver.storage.check_no_nvram(name, config["secure_boot"], doomed)
    if config.get("serial_log"):
        check_serial_log(name, None, config["serial_log"], driver.all_definitions(), driver.is_local)
    for slot, entry in disks.items():
        base = image if slot == slot_name(0) else None
        if base:
            driver.storage.check_image(name, base, entry, written_by)
        _check_disk(driver, name, slot, entry, written_by, base, doomed)
        if base and not entry.get("source"):
            check_space(driver, name, [base], doomed)
    if config.get("iso"):
        check_iso(name, config["iso"])
    _check_seed(driver, name, arguments)


def _check_seed(driver, name, arguments):
    if arguments["creation"].get("cloud_init") is not None:
        seed.find_tool(driver.commands)
        seed.check_documents(arguments, name)
        written_by = written_files(driver.all_definitions())
        driver.storage.check_free(name, driver.storage.seed_path(name), written_by)


def _check_nvram(driver, name, secure_boot, written_by):
    driver.storage.check_folder(written=False)
    driver.storage.check_free(name, driver.storage.nvram_path(name, secure_boot), written_by)


def _check_disk(driver, name, slot, entry, written_by, image=None, expected=()):
    """``expected`` are paths at which something of this machine is; what else has the disk's name is looked into."""
    if entry.get("source"):
        driver.storage.check_disk_source(name, slot, entry, written_by)
    else:
        path = driver.storage.disk_path(name, slot, entry.get("format", "qcow2"))
        driver.storage.check_free(name, path, written_by)
        if os.path.realpath(path) not in expected:
            driver.storage.check_leftover(path, entry, image)


def _check_changes(driver, vm, changes):
    added = [change for change in changes if change.kind == "disks.add"]
    if added:
        driver.storage.check_folder()
        written_by = written_files(driver.all_definitions())
        for change in added:
            _check_addition(driver, vm, change, written_by)
    if any(change.field in FIRMWARE_FIELDS for change in changes):
        _check_new_firmware(driver, vm, changes)
    for change in changes:
        if change.kind == "iso" and change.new:
            check_iso(vm.name, change.new)
        if change.kind == "serial_log" and change.new:
            check_serial_log(vm.name, vm.id, change.new, driver.all_definitions(), driver.is_local)
        if change.kind == "disks.size":
            _check_growing(vm, change)
        if change.field in ("cpus", "max_cpus"):
            for definition in _definitions_of(driver, vm):
                check_processors(definition, change)


def _check_growing(vm, change):
    source = (vm.config.get("disks") or {}).get(change.key, {}).get("source") or ""
    if files.is_block_device(source):
        raise Refused(
            f"{vm.name}: disks.{change.key}.size: {source} is a block device of {human_size(change.old)}, and only"
            " files are grown.",
            "Grow the device on the hypervisor (lvextend), or leave size out.",
        )


def _check_new_firmware(driver, vm, changes):
    after = {**vm.config, **{change.field: change.new for change in changes}}
    if after["firmware"] == "uefi":
        _check_nvram(driver, vm.name, bool(after["secure_boot"]), written_files(driver.all_definitions()))


def _check_addition(driver, vm, change, written_by):
    drives = {target_of(drive) for one in _definitions_of(driver, vm) for drive in one.drives("cdrom", "floppy")}
    if change.key in drives:
        raise Refused(
            f"{vm.name}: disks: {change.key} is the slot of an optical drive.",
            f"Name another slot, such as {_another_slot(driver, vm, change)}.",
        )
    # A run that was cut off may have attached the file already: it is the machine's own then.
    _check_disk(driver, vm.name, change.key, change.new, written_by, expected=written_by)


def _another_slot(driver, vm, change):
    if bus_of(change.key, change.new) != "sata":
        return "vdb"
    kinds = ("disk", "lun", "cdrom", "floppy")
    taken = {target_of(drive) for one in _definitions_of(driver, vm) for drive in one.drives(*kinds)}
    return next(f"sata{unit}" for unit in range(len(taken) + 1) if slot_name(unit, "sd") not in taken)


def _definitions_of(driver, vm):
    return [one for one in driver.all_definitions() if one.uuid == vm.id]


def _check_deletion(driver, plan):
    """A file goes from its folder: one that cannot be removed is found while the machine still runs."""
    for path in _doomed(plan):
        folder = os.path.dirname(path)
        if files.exists(folder) and not files.is_writable(folder) and os.path.lexists(path):
            raise Refused(
                f"{plan.before.name}: {path} cannot be removed, for its folder cannot be written.",
                "Run the task with become, or keep the disks (delete_disks: none).",
            )
