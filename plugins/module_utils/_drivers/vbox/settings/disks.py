# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: controllers and disks.

The path of an image is recorded in the mark before the image is created. So an image of an interrupted run is known
and created again; any other file at that path belongs to somebody else.
"""

from __future__ import annotations

import os
from functools import partial

from ...._core.errors import Refused
from ...._core.record.mark import own_mark
from ...._core.units import MIB, human_size
from ...._kit.creation import undone_on_failure
from ...._ports import files
from ...._tools import vboxmanage_output as output
from ...._tools.vboxmanage import Busy
from ..mark import KEY, write_mark
from ..vbox_vm import FORMATS, bus_for, file_name, parse_slot, slot_name
from .disk_checks import check_accessible
from .images import create_image, delete_image, images_to_release, release_images, resize

#: The least number of ports of a new controller.
_MIN_PORTS = 8
_SEED_SUFFIX = ".polyvirt-seed.iso"
#: In VirtualBox's error if the file of a new image exists.
_EXISTS = "VERR_ALREADY_EXISTS"


def disk_path(folder, name, slot, entry):
    """The path of a new disk; ``folder`` is the directory of its VM, and ``entry`` its entry of ``disks``."""
    file = f"{name}-{slot.replace(' ', '-').replace(':', '-')}.{entry.get('format') or 'vdi'}"
    return os.path.join(entry.get("directory") or folder, file)


def base_name(vbox_vm):
    """The VM's name as it is in the names of its files."""
    return os.path.splitext(os.path.basename(vbox_vm.values["CfgFile"]))[0]


def seed_path(vbox_vm):
    return seed_path_in(vbox_vm.folder, base_name(vbox_vm))


def folder_of_new(driver, listing, name, config):
    """The directory of a new VM: VirtualBox adds the first of its groups."""
    base = driver.storage_path or listing.properties.get("Default machine folder", "")
    return os.path.join(base, *[part.strip("/") for part in config.get("groups", ())[:1]], file_name(name))


def seed_path_in(folder, name):
    return os.path.join(folder, f"{name}{_SEED_SUFFIX}")


# Controllers ------------------------------------------------------------------------------------------------------


def ensure_slot(driver, vbox_vm, slot):
    """Add the controller for ``slot`` if it is missing; returns (controller, port, device)."""
    controller, port, device = parse_slot(slot)
    present = next((one for one in vbox_vm.machine.controllers if one.name == controller), None)
    if present is None:
        bus, ports = bus_for(controller)
        count = ["--portcount", str(min(ports, max(port + 1, _MIN_PORTS)))] if bus in ("sata", "sas") else []
        driver.run(vbox_vm.uuid, "storagectl", vbox_vm.uuid, "--name", controller, "--add", bus, *count)
    elif port >= int(present.values["portcount"]) and port < int(present.values["maxportcount"]):
        driver.run(vbox_vm.uuid, "storagectl", vbox_vm.uuid, "--name", controller, "--portcount", str(port + 1))
    return controller, port, device


def attach(driver, uuid, place, kind, medium):
    """Attach a medium (path, UUID, none or emptydrive) at (controller, port, device); ``kind`` is hdd or dvddrive."""
    controller, port, device = place
    slot = ["--storagectl", controller, "--port", str(port), "--device", str(device)]
    driver.run(uuid, "storageattach", uuid, *slot, "--type", kind, "--medium", medium)


# Disks ------------------------------------------------------------------------------------------------------------


def add_disk(driver, vm, vbox_vm, slot, entry, image=None):
    """Attach a disk; a new one is created first, from ``image`` if given. Returns the mark that contains the disk."""
    mark = own_mark(vm)
    place = ensure_slot(driver, vbox_vm, slot)
    if entry.get("source"):
        attach(driver, vm.id, place, "hdd", _detached_image_or_path(vbox_vm, entry["source"]))
        return mark
    path = disk_path(vbox_vm.folder, base_name(vbox_vm), slot, entry)
    if kept_image(vbox_vm, slot, path, entry):
        attach(driver, vm.id, place, "hdd", _detached_image_or_path(vbox_vm, path))
        return mark
    recorded = list(mark.get("making", ()))
    if files.exists(path):
        _remove_leftover(driver, vbox_vm, path, recorded)
    mark["making"] = recorded if path in recorded else [*recorded, path]
    borrowed = mark.get("borrowed") or images_to_release(driver, image)
    mark = {**mark, "borrowed": borrowed} if borrowed else mark
    if mark != vm.mark:
        write_mark(driver, vm.id, mark)
    with undone_on_failure(partial(_remove_new_image, driver, vm, path), Busy):
        create_image(driver, path, FORMATS[entry.get("format") or "vdi"], entry.get("size"), image)
        release_images(driver, borrowed)
        # VirtualBox creates an image that it cannot open without an error, such as of a size that the format lacks.
        (medium,) = output.media(driver.tool.read("showmediuminfo", "disk", path))
        check_accessible(f"{vbox_vm.values['name']}: disks.{slot}", medium)
    attach(driver, vm.id, place, "hdd", path)
    kept = {key: value for key, value in mark.items() if key not in ("making", "borrowed")}
    others = [one for one in mark["making"] if one != path]
    return {**kept, "disks": [*mark["disks"], medium.uuid], **({"making": others} if others else {})}


def _remove_new_image(driver, vm, path, error):
    """A new image could not be created. A file that somebody else has created there meanwhile remains."""
    if _EXISTS not in getattr(error, "stderr", ""):
        _remove_image(driver, driver.vbox_vm(vm.id), path)
    if vm.mark:
        write_mark(driver, vm.id, vm.mark)
    else:
        driver.run(vm.id, "setextradata", vm.id, KEY)


def _detached_image_or_path(vbox_vm, path):
    """``path``, or the UUID of its differencing image if the disk was detached from this VM after a snapshot."""
    bases = {one.uuid: files.identity(vbox_vm.chain(one.parent)[-1].location) for one in vbox_vm.detached_images()}
    detached = [uuid for uuid, identity in bases.items() if identity == files.identity(path)]
    return detached[0] if len(detached) == 1 else path


def kept_image(vbox_vm, slot, path, entry):
    """Whether the file of a new disk is one of this VM that is not attached: a restored snapshot is older than it.

    Raises Refused if it does not have the size of the new disk.
    """
    bases = [base.uuid for _attached, base in map(vbox_vm.image_in, vbox_vm.disks) if base]
    own = set(vbox_vm.mark["disks"]).difference(bases) if vbox_vm.has_own_mark else ()
    found = next((one for one in vbox_vm.media.values() if one.location == path and one.uuid in own), None)
    if found is None or found.is_replaced or not {*found.users} <= {vbox_vm.uuid}:
        return False
    found = vbox_vm.media.get(_detached_image_or_path(vbox_vm, path), found)
    if found.capacity * MIB != entry["size"]:
        raise Refused(
            f"{vbox_vm.values['name']}: disks.{slot}.size: {path} is a disk of this VM that is not attached, and has"
            f" {human_size(found.capacity * MIB)}.",
            "Set that size to attach it, or attach it with disks[].source.",
        )
    return True


def _remove_leftover(driver, vbox_vm, path, recorded):
    """Remove the image of an interrupted run; raises Refused if the file belongs to somebody else."""
    if path not in recorded:
        raise file_exists_error(path)
    _remove_image(driver, vbox_vm, path)


def _remove_image(driver, vbox_vm, path):
    """Remove an image that no VM uses, and that the mark has as one of this task, or of an interrupted one.

    VirtualBox leaves the file of one that it cannot open, without an error.
    """
    identity = files.identity(path)
    known = next((medium for medium in vbox_vm.media.values() if files.identity(medium.location) == identity), None)
    if known and known.users:
        raise file_exists_error(path)
    files.take_over([path])
    if known:
        delete_image(driver, vbox_vm.uuid, known)
    files.remove(path)


def file_exists_error(path):
    return Refused(f"{path} already exists.", "Move it to another directory, or attach it with disks[].source.")


def remove_disk(driver, vbox_vm, slot):
    attach(driver, vbox_vm.uuid, parse_slot(slot), "hdd", "none")


def grow_disk(driver, vbox_vm, slot, size):
    """Resize the attached image. Resizing its base would have no effect."""
    found = next(one for one in vbox_vm.disks if slot_name(one.controller, one.port, one.device) == slot)
    resize(driver, vbox_vm.uuid, found.values["ImageUUID"], size)
    # VirtualBox detects the new size only when queried; if the VM is started before, it reports the old size.
    driver.tool.read("showmediuminfo", "disk", found.values["ImageUUID"])
