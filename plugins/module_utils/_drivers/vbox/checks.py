# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a plan before the first step: does the host have what it needs? Errors name VM, option and remedy."""

from __future__ import annotations

import shlex

from ..._core.claims import FILE
from ..._core.errors import NotFound, Refused
from ..._core.model import STOPPED
from ..._core.plan_create import find_snapshot
from ..._core.planned import planned_changes
from ..._core.simulate import simulate
from ..._core.units import MIB
from ..._ports import files
from ..._tools import seed
from ..._tools import vboxmanage_output as output
from .create import foreign_settings_file, unfinished_vm_in
from .delete import check_kept_disks
from .settings.disk_checks import check_media
from .settings.disks import base_name, disk_path, file_exists_error, folder_of_new, kept_image, seed_path_in
from .settings.hardware import DEFAULT_OS_TYPE
from .settings.images import check_free_space, check_image, check_iso, check_size, check_uuid
from .settings.networks import check_networks
from .settings.port_forwards import check_ports
from .settings.shared_folders import check_folders
from .snapshots import check_snapshots
from .vbox_vm import bus_for, file_name, parse_slot, place_fault, slot_name

_SIMILAR = 5
_DEFAULT_CHIPSET = "piix3"


def check_plan(driver, plan, released=frozenset()):
    """Raise NotFound or Refused for steps that would fail after others were executed.

    ``released`` are the claims that earlier plans of the task let go of.
    """
    listing = driver.listing()
    free = {identity[1] for kind, identity in released if kind == FILE}
    for step in plan.steps:
        if step.verb in ("create", "clone"):
            _check_creation(driver, listing, plan, step, free)
        elif step.verb == "configure":
            _check_changes(listing, plan.before, step.changes, free)
        elif step.verb == "delete":
            _check_deletion(listing, plan.before, step.arguments.get("files", ()))
    check_snapshots(listing, plan)
    check_media(listing, plan)
    _check_os_type(driver, plan)
    _check_autostart(listing, plan)
    check_networks(driver, plan, _chipset(listing, plan))
    check_folders(plan)
    check_ports(driver, plan, released)
    _check_teleporter(listing, plan)


def _chipset(listing, plan):
    """The chipset of the VM, or of its clone source; a new VM has the default."""
    steps = {step.verb: step for step in plan.steps}
    uuid = steps["clone"].arguments["source"].id if "clone" in steps else plan.before.id
    found = next((one.machine for one in listing.machines if one.uuid == uuid and one.machine), None)
    return found.values.get("chipset", _DEFAULT_CHIPSET) if found else _DEFAULT_CHIPSET


# Making and disks -------------------------------------------------------------------------------------------------


def _check_creation(driver, listing, plan, step, free):
    """``free`` are the identities of files that are deleted before."""
    name, config, creation = plan.after.name, step.arguments["config"], step.arguments["creation"]
    base = driver.storage_path or listing.properties.get("Default machine folder", "")
    if driver.storage_path and not files.is_folder(driver.storage_path):
        raise NotFound(
            f"{name}: storage_path: {driver.storage_path} is not a directory.",
            "Create it, or set another storage_path.",
        )
    if not files.is_writable(base) and files.is_folder(base):
        raise Refused(
            f"{name}: the directory {base} is not writable.",
            "Run the task as a user with write permission, or set storage_path to another directory.",
        )
    folder = folder_of_new(driver, listing, name, config)
    unfinished = unfinished_vm_in(listing, name)
    _check_unfinished(name, unfinished, step.verb)
    settings_file = None if unfinished else foreign_settings_file(folder, file_name(name))
    settings_file = None if settings_file and files.identity(settings_file) in free else settings_file
    if settings_file and plan.before.id is None:
        raise Refused(
            f"{name}: {settings_file} already exists, but this VM is not registered with VirtualBox.",
            f"Register it (VBoxManage registervm {settings_file}), or move {folder} with all its files away.",
        )
    if creation.get("cloud_init") is not None:
        seed_path = seed_path_in(folder, file_name(name))
        if unfinished is None and files.exists(seed_path) and files.identity(seed_path) not in free:
            raise file_exists_error(seed_path)
        seed.find_tool(driver.commands)
        seed.check_documents(step.arguments, name)
    if step.verb == "clone":
        _check_copying(driver, name, step.arguments["source"], creation["clone"], base)
    else:
        if config.get("iso"):
            check_iso(name, config["iso"])
        _check_disks(driver, name, config.get("disks") or {}, creation.get("image"), unfinished, base, folder, free)


def _check_unfinished(name, unfinished, verb):
    """Reject to complete a VM with disks but without a mark of its own: an interrupted creation leaves no such VM.

    A clone has disks before it has a mark of its own.
    """
    if verb != "clone" and unfinished and unfinished.disks and not unfinished.has_own_mark:
        raise Refused(
            f"{name}: a VM with this name exists. It has disks, but its ownership record was removed,"
            " and it was never started.",
            f"To use it, start it once: VBoxManage startvm {unfinished.uuid} --type headless. Otherwise use another"
            " name, or delete it.",
        )


def _check_copying(driver, name, source, requested, base):
    """Check the free space, and reject disks that were enlarged after a snapshot: VirtualBox 7.2 cannot copy them."""
    listing = driver.listing()
    listed = next((one for one in listing.machines if one.uuid == source.id and one.machine), None)
    if listed is not None and not requested["linked"]:
        vbox_vm = listing.vbox_vm(listed)
        images = [medium.location for slot in vbox_vm.disks for medium in vbox_vm.chain(slot.values.get("ImageUUID"))]
        check_free_space(driver, name, base, "clone", images)
    snapshot = find_snapshot(source, requested.get("snapshot"))
    config = source.config if snapshot is None or snapshot.config is None else snapshot.config
    sizes = {medium.location: medium.capacity for medium in listing.media.values()}
    for slot, disk in sorted((config.get("disks") or {}).items()):
        # A source that the same task creates has no files yet, and the size of a disk that it attaches is not known.
        size, base_size = disk.get("size"), sizes.get(disk.get("source"))
        if not requested["linked"] and base_size and size and size != base_size * MIB:
            raise Refused(
                f"{name}: disk {slot} of '{source.name}' was enlarged after a snapshot was taken, and VirtualBox"
                " cannot copy such a disk.",
                "Delete the snapshots taken before that, or create a linked clone of a later snapshot.",
            )


def _check_disks(driver, name, disks, image, unfinished, base, folder, free):
    listing, first = driver.listing(), slot_name("SATA", 0)
    for slot, entry in disks.items():
        if image and slot == first:
            _found, size = check_image(name, "image.source", image["source"], raw_too=True)
            check_size(name, image["source"], entry, size)
            check_uuid(name, "image.source", image["source"], listing.media)
            if unfinished is None:
                check_free_space(driver, name, base, "image.source", [image["source"]])
        if entry.get("source"):
            _check_source(listing, name, slot, entry)
        elif unfinished is None:
            path = disk_path(folder, file_name(name), slot, entry.get("format"))
            if files.exists(path) and files.identity(path) not in free:
                raise file_exists_error(path)


def _check_source(listing, name, slot, entry):
    path = entry["source"]
    found, _size = check_image(name, f"disks.{slot}.source", path)
    check_uuid(name, f"disks.{slot}.source", path, listing.media)
    if entry.get("format") and entry["format"] != found:
        raise Refused(
            f"{name}: disks.{slot}.format: {entry['format']} is set, but {path} is {found}.", "Omit the option format."
        )


def _check_changes(listing, vm, changes, free):
    added = {change.key: change.new for change in changes if change.kind == "disks.add"}
    vbox_vm = next((listing.vbox_vm(one) for one in listing.machines if one.uuid == vm.id and one.machine), None)
    for slot, entry in added.items():
        if vbox_vm is not None:
            _check_slot(vbox_vm, vm, slot)
        if entry.get("source"):
            _check_source(listing, vm.name, slot, entry)
        elif vbox_vm is not None:
            path = disk_path(vbox_vm.folder, base_name(vbox_vm), slot, entry.get("format"))
            known = path in (vbox_vm.mark or {}).get("making", ()) or files.identity(path) in free
            if files.exists(path) and not known and not kept_image(vbox_vm, slot, path, entry):
                raise file_exists_error(path)
    for change in changes:
        if change.kind == "iso" and change.new:
            check_iso(vm.name, change.new)


def _check_slot(vbox_vm, vm, slot):
    """Reject a new disk at a slot that the VM does not have, or that an optical drive uses."""
    controller, port, device = parse_slot(slot)
    present = next((one for one in vbox_vm.machine.controllers if one.name == controller), None)
    if present is None:
        bus, ports = bus_for(controller)
        same = [name for name, one in vbox_vm.controllers.items() if one == bus]
        if same:
            raise Refused(
                f"{vm.name}: disks.{slot}: the VM has no controller '{controller}'; its controller of that type is"
                f" named '{same[0]}'.",
                f"Use slot {slot_name(same[0], port, device)}.",
            )
    else:
        bus, ports = vbox_vm.controllers[controller], int(present.values["maxportcount"])
    fault = "has only floppy drives" if bus == "floppy" else place_fault(bus, ports, port, device)
    if fault:
        raise Refused(f"{vm.name}: disks.{slot}: controller '{controller}' {fault}.", "Use another slot.")
    taken = [(one.controller, one.port, one.device) for one in vbox_vm.machine.slots if one.medium != "none"]
    if (controller, port, device) in taken:
        raise Refused(f"{vm.name}: disks.{slot}: the slot is used by an optical drive.", "Use another slot.")


def _check_deletion(listing, vm, to_delete):
    listed = next((one for one in listing.machines if one.uuid == vm.id and one.machine), None)
    if listed is not None and not vm.lost:
        check_kept_disks(listing.vbox_vm(listed), to_delete)


# The host ---------------------------------------------------------------------------------------------------------


def _planned(plan, path):
    """The value that the plan sets, or None."""
    return next((change.new for _vm, change in planned_changes(plan) if change.path == path), None)


def _check_os_type(driver, plan):
    """modifyvm accepts any value, so it is checked here."""
    os_type = _planned(plan, "os_type")
    if not os_type or os_type == DEFAULT_OS_TYPE:
        return
    known = [one.id for one in output.ostypes(driver.tool.read("list", "ostypes"))]
    if os_type.lower() not in {one.lower() for one in known}:
        stem = os_type.lower().split("_")[0].rstrip("0123456789 ")[:4]
        similar = [one for one in known if stem and one.lower().startswith(stem)][:_SIMILAR]
        raise NotFound(
            f"{plan.after.name}: os_type: '{os_type}' is not known to this version of VirtualBox.",
            f"{f'Similar: {chr(44).join(similar)}. ' if similar else ''}VBoxManage list ostypes lists all.",
        )


def _check_autostart(listing, plan):
    if listing.properties.get("Autostart database path"):
        return
    autostop = _planned(plan, "native.autostop-type")
    values = {"autostart": _planned(plan, "autostart"), "native: autostop-type": autostop}
    for option, value in values.items():
        if value and value != "disabled":
            raise Refused(
                f"{plan.after.name}: {option}: VirtualBox has no autostart database.",
                "Set a directory for it that the users of VirtualBox can write to: VBoxManage setproperty"
                " autostartdbpath /etc/vbox",
            )


def _is_booted(plan):
    """Return whether a step of the plan starts the VM without saved memory."""
    vm = plan.before
    for step in plan.steps:
        if step.verb == "start" and vm.power == STOPPED:
            return True
        vm = simulate(vm, [step])
    return False


def _check_teleporter(listing, plan):
    """Reject the start of a VM that is set up to receive the state of a running VM from another host.

    VBoxManage would not return until a host has sent it. Saved memory is restored nevertheless.
    """
    if not _is_booted(plan):
        return
    # A clone gets this setting from its source.
    sources = [step.arguments["source"] for step in plan.steps if step.verb == "clone"]
    uuid = (sources or [plan.before])[0].id
    found = next((one for one in listing.machines if one.uuid == uuid and one.machine), None)
    if found is not None and found.machine.values.get("teleporterenabled") == "on":
        raise Refused(
            f"{plan.after.name}: its teleporter is enabled, so a start would wait until another host sends it the state"
            " of a running VM.",
            f"Turn the teleporter off: VBoxManage modifyvm {shlex.quote(found.name)} --teleporter off.",
        )
