# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: cloning a VM or one of its snapshots, and the checks of the source before the first step."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Optional

from ..._core.errors import Refused
from ..._core.frozen import Frozen
from ..._ports import files, permits
from ..._tools.domain_xml import Definition, file_of, target_of
from ..._tools.seed_network import macs_by_place
from .create import define_once, make_seed, mark_of_new_vm, store_new
from .host_access import exclusive_devices, make_unique
from .mark import by_libvirt
from .settings.cdroms import add_seeds, remove_seed_drives
from .settings.disks import is_encrypted, set_disk_file
from .settings.firmware import nvram_of
from .settings.networks import is_bridge, new_mac, set_nic_element
from .settings.nvram import place_nvram
from .settings.port_forwards import remove_forward_names
from .snapshots import EXTERNAL, SnapshotXml


class Original(Frozen):
    """What is cloned: the definition and disk images of a VM, or those at the time of a snapshot.

    ``images`` is {target of the disk: path}. ``internal_snapshot`` is the name of the snapshot to copy out of these
    images; None: the images themselves are copied.
    """

    definition: Definition
    images: Mapping
    internal_snapshot: Optional[str] = None

    @classmethod
    def read(cls, driver, source, snapshot):
        if not snapshot:
            definition = driver.definition(source.id)
            return cls(definition, {target_of(disk): file_of(disk) for disk in disks_to_copy(definition)})
        text = driver.virsh.run("snapshot-dumpxml", source.id, "--snapshotname", snapshot, "--security-info")
        snapshot_xml = SnapshotXml.parse(text)
        internal_snapshot = None if snapshot_xml.kind == EXTERNAL else snapshot
        return cls(snapshot_xml.definition, snapshot_xml.disk_files, internal_snapshot)

    def image(self, disk, linked):
        """The ``image`` argument of Storage.create_disk for a copy of this disk, or an overlay on it."""
        source = self.images[target_of(disk)]
        return {"source": source, "format": source_format(disk), "linked": linked, "snapshot": self.internal_snapshot}


def disks_to_copy(definition):
    """The disks that a clone gets copies of; read-only and shareable disks are attached to both VMs."""
    disks = definition.drives("disk", "lun")
    return [disk for disk in disks if disk.find("readonly") is None and disk.find("shareable") is None]


def clone(driver, vm, step):
    """Create a stopped VM from its source; if that fails, the created files are removed again."""
    define_once(driver, vm.name, step.arguments, _define_clone)


def _define_clone(driver, name, vm_id, arguments, created):
    source, creation = arguments["source"], arguments["creation"]
    requested = creation["clone"]
    original = Original.read(driver, source, requested.get("snapshot"))
    check_unique(name, source, original)  # A source that the same task has created was not there to be checked.
    definition = original.definition
    disks = _copy_disks(driver, name, original, requested["linked"], created)
    nvram = _copy_nvram(driver, name, vm_id, definition, created)
    remove_identity(definition)
    seeds = make_seed(driver, name, vm_id, creation, assign_new_macs(definition, arguments["networks"]))
    created += seeds
    definition.set("name", name)
    definition.set("uuid", vm_id)
    remove_seed_drives(definition, (source.mark or {}).get("files", ()))
    add_seeds(definition, seeds, creation, arguments["drives"])
    mark = mark_of_new_vm(driver, vm_id, arguments, arguments["config"], disks, seeds)
    definition.set_mark({**mark, "nvram": nvram} if nvram else mark)
    store_new(driver, name, definition)
    if requested["linked"] and not requested.get("snapshot"):
        _check_source_still_stopped(driver, name, vm_id, source)


def rehearsed(driver, name, definition, linked):
    """The definition that a step would create from that of its source, without any effect on the host."""
    for disk in disks_to_copy(definition):
        image_format = disk_format(disk, linked)
        set_disk_file(disk, driver.storage.disk_path(name, target_of(disk), {"format": image_format}), image_format)
    place_nvram(definition, driver.storage, name)
    remove_identity(definition)
    definition.set("name", name)
    return definition


def _check_source_still_stopped(driver, name, vm_id, source):
    """Remove the clone and fail if another task started the source in the meantime.

    Once a linked clone exists, the source cannot be started, because it would write to the clone's backing files.
    """
    if driver.virsh.run("domstate", source.id).strip() != "shut off":
        with permits.also(things=[("vm", vm_id)]):  # This step has created it.
            driver.virsh.run("undefine", vm_id, "--nvram")
        raise Refused(
            f"{name}: '{source.name}' was started while it was being cloned, and writes to the backing files of the"
            " clone.",
            "Stop it and run the task again.",
        )


def _copy_disks(driver, name, original, linked, created):
    """Create the disks of the clone and set them in the definition. Returns their paths."""
    paths = []
    for disk in disks_to_copy(original.definition):
        slot = target_of(disk)
        entry = {"format": disk_format(disk, linked)}
        path = driver.storage.disk_path(name, slot, entry)
        if driver.storage.create_disk(path, entry, original.image(disk, linked)):
            created.append(path)
        set_disk_file(disk, path, entry["format"])
        paths.append(path)
    return paths


def source_format(disk):
    """The disk's format in the definition, by default raw. It is not probed, because a guest could fake it."""
    driver = disk.find("driver")
    return "raw" if driver is None else driver.get("type", "raw")


def disk_format(disk, linked):
    """The format of the clone's disk: that of the source disk for a copy, qcow2 for a linked disk."""
    return "qcow2" if linked else source_format(disk)


def _copy_nvram(driver, name, vm_id, definition, created):
    """Copy the NVRAM, which contains boot entries. Returns its path in a list, which is empty for a VM with BIOS.

    The file does not exist yet if the source was never started.
    """
    image, new = nvram_image(definition), place_nvram(definition, driver.storage, name)
    if new is None:
        return []
    if image is None:
        by_libvirt(driver, vm_id, new)
    elif driver.storage.create_disk(new, {"format": image["format"]}, image):
        created.append(new)
    return [new]


def nvram_image(definition):
    """The source's NVRAM file as an ``image`` argument of Storage.create_disk, or None if it does not exist."""
    path = nvram_of(definition)
    if not path or not files.exists(path):
        return None
    # When a snapshot is cloned, the source may be running. The file is small, and QEMU writes it in one operation.
    return {"source": path, "format": definition.native("os/nvram@format") or "raw", "in_use": True}


# Identity -------------------------------------------------------------------------------------------------------------

#: Also devices of the host that are passed through: only one running VM can have each of them.
_IDENTITIES = (
    "sysinfo/system/entry[@name='uuid']",
    "sysinfo/system/entry[@name='serial']",
    "devices/hostdev",
)
#: Types of character devices with a file, socket or address that two VMs cannot share, and that can be replaced.
_EXCLUSIVE_TYPES = ("file", "pipe", "unix", "tcp", "udp")


def remove_identity(definition):
    """Remove or reset everything that must be unique per VM; libvirt generates new values."""
    for nic in definition.interfaces():
        _remove_children(nic, "mac", "target", "portForward")
    remove_forward_names(definition)
    for path in _IDENTITIES:
        definition.remove(path)
    for generation in definition.root.findall("genid"):
        generation.text = None  # An empty element makes libvirt generate a new value.
    for channel in definition.root.findall("devices/channel[@type='unix']"):
        _remove_children(channel, "source")
    for port in ("serial", "console", "parallel", "channel"):
        for element in definition.root.findall(f"devices/{port}"):
            _reset_serial_port(element)
    for graphics in definition.root.findall("devices/graphics"):
        _reset_graphics(graphics)
    make_unique(definition)


def assign_new_macs(definition, requested_networks):
    """Set a new MAC for each NIC. Returns the final MACs in the order of the NICs.

    Those are the MACs in ``requested_networks``, else the new ones. The cloud-init seed identifies NICs by MAC, so they
    must be known before it is created.
    """
    new_macs = {str(position): {"mac": new_mac()} for position, _nic in enumerate(definition.interfaces())}
    for position, entry in new_macs.items():
        set_nic_element(definition.interfaces()[int(position)], entry, is_bridge)
    return macs_by_place(new_macs, requested_networks)


def _reset_serial_port(element):
    """Connect the port to a pty if it writes to a file or listens on an address, which two VMs cannot do.

    A port that connects to a peer is kept: both VMs can do that.
    """
    _remove_children(element, "log")
    is_exclusive = any(source.get("mode") != "connect" for source in element.findall("source"))
    if element.get("type") in _EXCLUSIVE_TYPES and is_exclusive:
        element.set("type", "pty")
        _remove_children(element, "source", "protocol")


def _reset_graphics(element):
    for attribute in ("port", "tlsPort", "websocket", "socket"):
        element.attrib.pop(attribute, None)
    for listener in element.findall("listen"):
        listener.attrib.pop("socket", None)
    if element.get("autoport") == "no":
        element.set("autoport", "yes")


def _remove_children(element: ET.Element, *tags):
    for child in [child for child in element if child.tag in tags]:
        element.remove(child)


# Checks before anything is changed ------------------------------------------------------------------------------------


def check_unique(name, source, original):
    """Raise Refused if the clone would share with its source what only one running VM can have."""
    definition = Definition(original.definition.text())
    remove_identity(definition)
    found = exclusive_devices(definition)
    if found:
        raise Refused(
            f"{name}: clone.source: '{source.name}' has {found[0]}, which only one VM can have.",
            f"Remove it from '{source.name}' first (virsh edit), or create the VM from a copy of its disk (image).",
        )


def check_original(name, source, original, requested):
    """Raise Refused if a VM or snapshot cannot be cloned at all."""
    if original.definition is None:
        raise Refused(
            f"{name}: libvirt reports no VM definition for snapshot '{requested['snapshot']}' of '{source.name}'.",
            "Clone the VM without clone.snapshot.",
        )
    if original.internal_snapshot and requested["linked"]:
        raise Refused(
            f"{name}: clone.linked: '{original.internal_snapshot}' is an internal snapshot of '{source.name}'; it can"
            " be copied, but it cannot be a backing file.",
            "Omit linked, or create an external snapshot (kind: external).",
        )
    check_unique(name, source, original)
    for disk in disks_to_copy(original.definition):
        slot = target_of(disk)
        if is_encrypted(disk):
            raise Refused(
                f"{name}: clone.source: disk {slot} of '{source.name}' is encrypted, and the clone would not have its"
                " passphrase.",
                "Copy the disk with qemu-img, and define the VM with virsh.",
            )
        if not file_of(disk):
            raise Refused(
                f"{name}: disk {slot} of '{source.name}' is not a file, and only files can be cloned.",
                "Copy the disk to a file with qemu-img convert, and attach the file in its place first.",
            )
        if slot not in original.images:
            raise Refused(
                f"{name}: the snapshot of '{source.name}' does not include disk {slot}.",
                "Clone another snapshot, or omit clone.snapshot.",
            )
