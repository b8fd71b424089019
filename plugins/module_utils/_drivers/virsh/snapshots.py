# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: read from libvirt's XML, taken, dropped, restored.

An internal one is stored in the disk images. An external one freezes each disk's file and writes to an overlay.
"""

from __future__ import annotations

import os
import shlex
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from ..._lifecycle.errors import CommandFailed, NotFound, PolyvirtError
from ..._lifecycle.mark import with_settings
from ..._lifecycle.model import PAUSED, RUNNING, STOPPED, Snapshot
from ..._ports import files
from ..._tools import virsh as tool
from ..._tools.virsh_output import version_numbers
from .definition import Definition, file_of, keep_prefixes, target_of
from .traits import EXTERNAL, EXTERNAL_RESTORED_SINCE, INTERNAL

#: Merging a disk and writing memory may take long, but no call may hang forever.
_TIMEOUT = 3600
#: A disk-only snapshot of a running VM (disk-snapshot) contains no memory.
_POWERS = {"running": RUNNING, "paused": PAUSED}


@dataclass(frozen=True)
class SnapshotXml:
    """What libvirt stores about one snapshot."""

    root: ET.Element

    @classmethod
    def parse(cls, text):
        keep_prefixes(text)
        return cls(ET.fromstring(text))

    @property
    def kind(self):
        parts = [*self.root.findall("disks/disk"), *self.root.findall("memory")]
        return EXTERNAL if any(part.get("snapshot") == "external" for part in parts) else INTERNAL

    @property
    def definition(self):
        """The stored definition at the time of the snapshot; None in very old ones."""
        for tag in ("inactiveDomain", "domain"):
            element = self.root.find(tag)
            if element is not None and element.find("devices") is not None:
                definition = Definition(ET.tostring(element, encoding="unicode"))
                definition.root.tag = "domain"
                return definition
        return None

    @property
    def frozen(self):
        """{slot: file} with the disk contents of the snapshot."""
        held = {disk.get("name") for disk in self.root.findall("disks/disk") if disk.get("snapshot") != "no"}
        drives = self.definition.drives("disk", "lun") if self.definition else ()
        return {target_of(disk): file_of(disk) for disk in drives if target_of(disk) in held and file_of(disk)}

    @property
    def overlays(self):
        """The overlay files of an external snapshot."""
        sources = self.root.findall("disks/disk[@snapshot='external']/source")
        return [source.get("file") for source in sources if source.get("file")]

    @property
    def memory_file(self):
        """The file with the memory, in the directory of the disks; None if there is none."""
        memory = self.root.find("memory")
        return None if memory is None else memory.get("file")

    def described(self, is_current, config_of):
        """The core's Snapshot; ``config_of`` reads a Definition, or is None if settings are not requested."""
        definition = self.definition if config_of else None
        return Snapshot(
            name=self.root.findtext("name"),
            parent=self.root.findtext("parent/name"),
            power=_POWERS.get(self.root.findtext("state"), STOPPED),
            description=self.root.findtext("description") or "",
            config=config_of(definition) if definition else None,
            kind=self.kind,
            created=int(self.root.findtext("creationTime") or 0) or None,
            current=is_current,
        )


def read_one(virsh, uuid, name):
    """The XML of one snapshot. Raises CommandFailed when there is none."""
    return SnapshotXml.parse(virsh.run("snapshot-dumpxml", uuid, "--snapshotname", name))


def overlay_path(vm, slot, name):
    """The path of a disk's overlay after an external snapshot."""
    folder = os.path.dirname(vm.config["disks"][slot]["source"])
    return os.path.join(folder, f"{vm.name}-{slot}.{name}.qcow2")


def memory_path(vm, name):
    first = min(vm.config["disks"])
    return os.path.join(os.path.dirname(vm.config["disks"][first]["source"]), f"{vm.name}.{name}.memory")


# Acting ---------------------------------------------------------------------------------------------------------------


def snapshot(driver, vm, step):
    arguments = step.arguments
    name, kind = arguments["name"], arguments["kind"]
    root = ET.Element("domainsnapshot")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "description").text = arguments["description"]
    overlays, memory = {}, None
    if kind == EXTERNAL:
        overlays = {slot: overlay_path(vm, slot, name) for slot in vm.config["disks"]}
        memory = memory_path(vm, name) if arguments["include_memory"] and vm.power in (RUNNING, PAUSED) else None
        _describe_files(root, overlays, memory)
    # Recorded before they exist, so that an interrupted run leaves no unknown files.
    own_files = [memory] if memory else []
    _announce(driver, vm, {"disks": overlays.values(), "files": own_files})
    flags = ("--disk-only", "--atomic") if kind == EXTERNAL and memory is None else ()
    try:
        text = ET.tostring(root, encoding="unicode")
        driver.virsh.run("snapshot-create", vm.id, "/dev/stdin", *flags, stdin=text, timeout=_TIMEOUT)
    except PolyvirtError as error:
        if _is_created_meanwhile(driver, vm, name, error):
            return
        _disown(driver, vm, {path for path in (*overlays.values(), *own_files) if not files.exists(path)})
        raise


def _describe_files(root, overlays, memory):
    ET.SubElement(root, "memory", {"snapshot": "external", "file": memory} if memory else {"snapshot": "no"})
    disks = ET.SubElement(root, "disks")
    for slot, path in sorted(overlays.items()):
        disk = ET.SubElement(disks, "disk", {"name": slot, "snapshot": "external"})
        ET.SubElement(disk, "driver", {"type": "qcow2"})
        ET.SubElement(disk, "source", {"file": path})


def _is_created_meanwhile(driver, vm, name, error):
    """Whether another task created the same snapshot at the same time; then it exists as requested."""
    if not isinstance(error, CommandFailed) or "already exists" not in error.stderr:
        return False
    return any(
        answer.error is None for answer in driver.virsh.batch([("snapshot-info", vm.id, "--snapshotname", name)])
    )


def drop_snapshot(driver, vm, step):
    lost = {one.name for one in vm.snapshots if one.unfinished}
    for name in step.arguments["names"]:
        if name in lost:
            remove_leftover(driver, vm, name)
            continue
        try:
            _drop_one(driver, vm, name)
        except CommandFailed as error:
            if not tool.is_not_found(error.stderr, "snapshot"):
                raise


def _drop_one(driver, vm, name):
    """The snapshot's metadata is removed last, so that an interrupted run can be completed by the next one.

    Its memory file is removed after that if the snapshot could still be restored: a failed merge must not lose it.
    """
    taken = read_one(driver.virsh, vm.id, name)
    memory = {taken.memory_file}.intersection(vm.mark.get("files", ()) if vm.owned else ())
    restorable = version_numbers(driver.library) >= EXTERNAL_RESTORED_SINCE
    if not restorable:
        _remove(memory)  # libvirt merges the disks, but keeps the memory file (9.0.0).
    _disown(driver, vm, {*taken.overlays, *(() if restorable else memory)})
    try:
        driver.virsh.run("snapshot-delete", vm.id, "--snapshotname", name, timeout=_TIMEOUT)
    except PolyvirtError:
        ours = set(vm.mark.get("disks", ()) if vm.owned else ())
        _announce(driver, vm, {"disks": [path for path in taken.overlays if path in ours and files.exists(path)]})
        raise
    if restorable:
        _remove(memory)
        _disown(driver, vm, memory)


def _remove(paths):
    for path in paths:
        files.remove(path)


def restore(driver, vm, step):
    """libvirt also reverts the definition with our mark; files created since then must be added to the mark again."""
    kept = {key: list(vm.mark.get(key, ())) for key in _KEPT} if vm.owned else {}
    try:
        driver.virsh.run("snapshot-revert", vm.id, "--snapshotname", step.arguments["name"], timeout=_TIMEOUT)
        if kept:
            kept["disks"] += _new_overlays(driver, kept["disks"], vm)
    finally:
        # A failed revert has usually changed the definition already.
        _announce(driver, vm, kept)


def _new_overlays(driver, ours, vm):
    """libvirt 9.9 and later restore an external snapshot with a new overlay on the frozen files."""
    if not driver.is_local:
        return []
    info = driver.storage.qemu_img.info
    paths = {file_of(disk) for disk in driver.definition(vm.id).drives("disk")}.difference(ours)
    return [path for path in sorted(paths) if files.exists(path) and info(path).backing in ours]


# The mark -------------------------------------------------------------------------------------------------------------

#: Keys of a mark that list our files.
_KEPT = ("disks", "files", "nvram")


def _announce(driver, vm, added):
    """Add files to our mark, {key of the mark: paths}; a VM without a mark is not changed."""
    _edit_mark(driver, vm, lambda key, known: [*known, *added.get(key, ())])


def _disown(driver, vm, paths):
    """Remove files from our mark: another file may later get the same name."""
    _edit_mark(driver, vm, lambda key, known: [path for path in known if path not in paths])


def _edit_mark(driver, vm, edited):
    if not vm.owned or not vm.persistent:
        return  # Storing the definition of a transient VM would make it persistent.
    definition = driver.definition(vm.id)
    found = definition.mark or {}
    # An old snapshot may restore the mark of the VM that this one was copied from.
    mark = found if found.get("id") == vm.id else with_settings(vm.mark, {"tags": found.get("tags", [])})
    lists = {key: list(dict.fromkeys(edited(key, mark.get(key, ())))) for key in _KEPT}
    changed = {**mark, **{key: paths for key, paths in lists.items() if paths or key in mark}}
    if changed != definition.mark:
        definition.set_mark(changed)
        driver.define(definition)


def check_content(driver, vm, name, snapshot):
    """Raise NotFound if disk contents of a snapshot are missing; ``snapshot`` is its SnapshotXml."""
    for slot, path in sorted(snapshot.frozen.items()):
        if not files.exists(path):
            raise NotFound(
                f"{vm.name}: {path} with disk {slot} of snapshot '{name}' no longer exists.",
                "Restore the file, or delete the snapshot.",
            )
        if snapshot.kind == INTERNAL and name not in driver.storage.qemu_img.info(path).snapshots:
            raise lost_in_image(vm.name, vm.name, path, name)


def lost_in_image(about, owner, path, name):
    """The error for the VM ``about`` if a snapshot that libvirt lists is missing in an image of ``owner``."""
    words = shlex.join(["virsh", "snapshot-delete", owner, f"--snapshotname={name}", "--metadata"])
    return NotFound(
        f"{about}: {path} no longer contains the snapshot '{name}' of '{owner}'.", f"Delete its metadata: {words}"
    )


def disks_of(vm):
    return {slot: disk for slot, disk in (vm.config.get("disks") or {}).items() if disk.get("source")}


def leftovers(driver, vm):
    """(file, name) of each."""
    known = {one.name for one in vm.snapshots if one.kind == INTERNAL and not one.unfinished}
    found = []
    for disk in disks_of(vm).values():
        if disk.get("format") == "qcow2" and files.is_readable(disk["source"]):
            found += [(disk["source"], name) for name in driver.storage.qemu_img.info(disk["source"]).snapshots]
    return [(path, name) for path, name in found if name not in known]


def with_leftover_snapshots(driver, vm):
    """The VM with leftover snapshots added, so that they can be deleted like the others."""
    known = {one.name for one in vm.snapshots}
    try:
        names = {name: path for path, name in leftovers(driver, vm) if name not in known}
    except PolyvirtError:
        return vm  # The snapshots of an unreadable image are unknown.
    lost = [
        Snapshot(name, kind=INTERNAL, unfinished=f"it exists only in {path}, and libvirt does not list it")
        for name, path in sorted(names.items())
    ]
    return vm.having(snapshots=(*vm.snapshots, *lost)) if lost else vm


def remove_leftover(driver, vm, name):
    """Remove a snapshot from all images of a VM that is off."""
    for path, left in leftovers(driver, vm):
        if left == name:
            driver.storage.qemu_img.drop_snapshot(path, name)
