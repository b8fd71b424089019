# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloning a VM, or one of its snapshots; and what a clone needs from its source, checked before the first step."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from ..._lifecycle.errors import Refused
from ..._ports import files
from ..._tools.seed_network import macs_by_place
from .create import make_mark, make_seed, undone_on_failure
from .definition import Definition, file_of, target_of
from .settings.disks import add_seeds, set_disk_file
from .settings.firmware import nvram_of, place_nvram, read_firmware, read_secure_boot
from .settings.networks import is_bridge, new_mac, set_nic_element
from .settings.port_forwards import forget_names
from .snapshots import EXTERNAL, SnapshotXml, lost_in_image
from .storage import bases_of, check_readable, check_space, written_files


@dataclass(frozen=True)
class Original:
    """What is cloned: a definition and the image of each disk. ``within`` names an internal snapshot in the images."""

    definition: Definition
    images: Mapping
    within: Optional[str] = None

    @classmethod
    def read(cls, driver, source, snapshot):
        if not snapshot:
            definition = driver.definition(source.id)
            return cls(definition, {target_of(disk): file_of(disk) for disk in own_disks(definition)})
        text = driver.virsh.run("snapshot-dumpxml", source.id, "--snapshotname", snapshot, "--security-info")
        taken = SnapshotXml.parse(text)
        return cls(taken.definition, taken.frozen, None if taken.kind == EXTERNAL else snapshot)

    def image(self, disk, linked):
        """The arguments for creating a new disk from the disk's image."""
        source = self.images[target_of(disk)]
        return {"source": source, "format": source_format(disk), "linked": linked, "snapshot": self.within}


def own_disks(definition):
    """The disks to be copied for a clone; read-only and shareable disks are attached to the clone as well."""
    disks = definition.drives("disk", "lun")
    return [disk for disk in disks if disk.find("readonly") is None and disk.find("shareable") is None]


def clone(driver, vm, step):
    """Create a stopped VM from its source; if that fails, what was created is removed again."""
    vm_id, is_defined = driver.new_id(vm.name)
    if not is_defined:
        _define_clone(driver, vm.name, vm_id, step.arguments)


def _define_clone(driver, name, vm_id, arguments):
    config, creation, source = (arguments[key] for key in ("config", "creation", "source"))
    asked = creation["clone"]
    original = Original.read(driver, source, asked.get("snapshot"))
    definition = original.definition
    with undone_on_failure(driver, name, creation) as made:
        disks = _make_disks(driver, name, original, asked["linked"], made)
        nvram = _copy_nvram(driver, name, definition, made)
        _remove_identity(definition)
        seeds = make_seed(driver, name, vm_id, creation, _give_macs(definition, arguments["networks"]))
        definition.set("name", name)
        definition.set("uuid", vm_id)
        _remove_drives(definition, (source.mark or {}).get("files", ()))
        add_seeds(definition, seeds)
        inputs = {"clone": source.id, "bases": bases_of(driver.storage, disks)}
        mark = make_mark(vm_id, config, disks, seeds, inputs)
        definition.set_mark({**mark, "nvram": nvram} if nvram else mark)
        driver.define(definition)
        if asked["linked"] and not asked.get("snapshot"):
            _check_still_off(driver, name, vm_id, source)


def _check_still_off(driver, name, vm_id, source):
    """Another task may have started the source before the clone existed, which would have prevented the start."""
    if driver.virsh.run("domstate", source.id).strip() != "shut off":
        driver.virsh.run("undefine", vm_id, "--nvram")
        raise Refused(
            f"{name}: '{source.name}' was started while it was being cloned, and writes to the backing files of the"
            " clone.",
            "Stop it and run the task again.",
        )


def _make_disks(driver, name, original, linked, made):
    paths = []
    for disk in own_disks(original.definition):
        slot = target_of(disk)
        entry = {"format": disk_format(disk, linked)}
        path = driver.storage.disk_path(name, slot, entry["format"])
        if driver.storage.make_disk(path, entry, original.image(disk, linked)):
            made.append(path)
        set_disk_file(disk, path, entry["format"])
        paths.append(path)
    return paths


def source_format(disk):
    """The disk's format as libvirt uses it: raw unless stated. It is not probed, because a guest could fake it."""
    driver = disk.find("driver")
    return "raw" if driver is None else driver.get("type", "raw")


def disk_format(disk, linked):
    """A copy has its source's format; a linked disk is always qcow2."""
    return "qcow2" if linked else source_format(disk)


def _copy_nvram(driver, name, definition, made):
    """Copy the NVRAM, which contains boot entries; a VM that was never started has none yet."""
    image, new = nvram_image(definition), place_nvram(definition, driver.storage, name)
    if new is None:
        return []
    if image is not None and driver.storage.make_disk(new, {"format": image["format"]}, image):
        made.append(new)
    return [new]


def nvram_image(definition):
    """The source's NVRAM file to copy, or None."""
    path = nvram_of(definition)
    if not path or not files.exists(path):
        return None
    # The source may be running if its snapshot is cloned; the file is small and written in one operation.
    return {"source": path, "format": definition.native("os/nvram@format") or "raw", "in_use": True}


# Identity -------------------------------------------------------------------------------------------------------------

_IDENTITIES = ("sysinfo/system/entry[@name='uuid']", "sysinfo/system/entry[@name='serial']")
#: Connections of a serial port that two VMs cannot share.
_TAKEN = ("file", "unix", "tcp")


def _remove_identity(definition):
    """Remove everything that must be unique per VM; libvirt generates it again."""
    for nic in definition.interfaces():
        _drop(nic, "mac", "target", "portForward")
    forget_names(definition)
    for path in _IDENTITIES:
        definition.remove(path)
    for generation in definition.root.findall("genid"):
        generation.text = None  # An empty element makes libvirt generate a new value.
    for channel in definition.root.findall("devices/channel[@type='unix']"):
        _drop(channel, "source")
    for port in ("serial", "console", "parallel"):
        for element in definition.root.findall(f"devices/{port}"):
            _free_port(element)
    for screen in definition.root.findall("devices/graphics"):
        _free_screen(screen)


def _give_macs(definition, wanted):
    """Give each NIC a new MAC, which the seed contains. Returns the final MACs in the order of the NICs."""
    found = {str(place): {"mac": new_mac()} for place, _nic in enumerate(definition.interfaces())}
    for place, entry in found.items():
        set_nic_element(definition.interfaces()[int(place)], entry, is_bridge)
    return macs_by_place(found, wanted)


def _free_port(element):
    """Two VMs cannot write to the same file or listen on the same address, but both can connect to the same peer."""
    _drop(element, "log")
    source = element.find("source")
    if element.get("type") in _TAKEN and source is not None and source.get("mode") != "connect":
        element.set("type", "pty")
        _drop(element, "source", "protocol")


def _free_screen(element):
    for place in ("port", "tlsPort", "websocket", "socket"):
        element.attrib.pop(place, None)
    for listener in element.findall("listen"):
        listener.attrib.pop("socket", None)
    if element.get("autoport") == "no":
        element.set("autoport", "yes")


def _remove_drives(definition, own_files):
    """Remove the source's cloud-init seed ISO, which contains the identity of the source."""
    for drive in definition.drives("cdrom"):
        if file_of(drive) in own_files:
            definition.devices.remove(drive)


def _drop(element: ET.Element, *tags):
    for child in [child for child in element if child.tag in tags]:
        element.remove(child)


def check_clone(driver, name, creation, source, to_delete=()):
    """Raise NotFound or Refused for what would end a clone half-way, or tie it to disks that are written to.

    ``to_delete`` are the files that a VM to be rebuilt takes along.
    """
    asked = creation["clone"]
    original = Original.read(driver, source, asked.get("snapshot"))
    if original.definition is None:
        raise Refused(
            f"{name}: libvirt reports no VM definition for snapshot '{asked['snapshot']}' of '{source.name}'.",
            "Clone the VM without clone.snapshot.",
        )
    if original.within and asked["linked"]:
        raise Refused(
            f"{name}: clone.linked: '{original.within}' is an internal snapshot of '{source.name}'; it can be"
            " copied, but it cannot be a backing file.",
            "Omit linked, or create an external snapshot (kind: external).",
        )
    driver.storage.check_folder()
    written_by = written_files(driver.all_definitions())
    for disk in own_disks(original.definition):
        _check_source(name, source, original, disk)
        _check_image(driver, name, source, original, disk, written_by)
        entry = {"format": disk_format(disk, asked["linked"])}
        own = driver.storage.disk_path(name, target_of(disk), entry["format"])
        driver.storage.check_free(name, own, written_by)
        if os.path.realpath(own) not in to_delete:
            driver.storage.check_leftover(own, entry, original.image(disk, asked["linked"]))
    images = [original.image(disk, asked["linked"]) for disk in own_disks(original.definition)]
    check_space(driver, name, images, to_delete)
    _check_nvram(driver, name, original.definition, to_delete)


def _check_source(name, source, original, disk):
    slot = target_of(disk)
    if not file_of(disk):
        raise Refused(
            f"{name}: disk {slot} of '{source.name}' is not a file, and only files can be cloned.",
            "Convert the disk to a file first.",
        )
    if slot not in original.images:
        raise Refused(
            f"{name}: the snapshot of '{source.name}' does not include disk {slot}.",
            "Clone another snapshot, or omit clone.snapshot.",
        )


def _check_image(driver, name, source, original, disk, written_by):
    """The image is there, is what libvirt takes it for, holds the snapshot, and nobody else writes to it."""
    path, option = original.images[target_of(disk)], f"disk {target_of(disk)} of '{source.name}'"
    info = driver.storage.check_readable_image(name, option, path, source_format(disk))
    if original.within and original.within not in info.snapshots:
        raise lost_in_image(name, source.name, path, original.within)
    others = [user for user in written_by.get(os.path.realpath(path), ()) if user != source.name]
    if others:
        raise Refused(
            f"{name}: {path} is also a disk of {', '.join(others)}, which may write to it.", "Detach it from that VM."
        )


def _check_nvram(driver, name, definition, to_delete):
    if read_firmware(definition) == "bios":
        return
    image, secure_boot = nvram_image(definition), read_secure_boot(definition)
    path = driver.storage.nvram_path(name, secure_boot)
    if image is None:
        driver.storage.check_no_nvram(name, secure_boot, to_delete)
    elif os.path.realpath(path) not in to_delete:
        check_readable(name, "firmware variables", image["source"])
        driver.storage.check_leftover(path, {}, image)
