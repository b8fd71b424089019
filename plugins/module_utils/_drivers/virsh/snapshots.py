# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: snapshots: reading their XML, creating, deleting and restoring them.

An internal snapshot is stored in the disk images. An external snapshot freezes the file of each disk: it becomes the
backing file of a new overlay, to which the VM writes from then on.
"""

from __future__ import annotations

import os
import shlex
import xml.etree.ElementTree as ET

from ..._core.errors import CommandFailed, NotFound, PolyvirtError, Refused
from ..._core.frozen import Frozen
from ..._core.model import PAUSED, RUNNING, STOPPED, Snapshot
from ..._core.record.leases import described, in_text
from ..._core.record.mark import IDENTITIES, own_disks, own_mark, with_lease, with_settings
from ..._core.sharing.claims import WRITE, claims_of_config
from ..._kit.addresses import RESERVATIONS
from ..._ports import change_counter, files
from ..._tools import virsh as tool
from ..._tools.domain_xml import Definition, file_of, register_prefixes, target_of
from ..._tools.virsh_output import version_numbers
from .mark import put_back
from .settings.addresses import with_reservations
from .settings.firmware import nvram_of
from .traits import EXTERNAL, EXTERNAL_RESTORED_SINCE, INTERNAL

#: Seconds: merging disks and writing memory may take long, but no call may hang forever.
_TIMEOUT = 3600
#: Power states by libvirt's state of a snapshot. All others are STOPPED, also disk-snapshot: an external snapshot of a
#: running VM without its memory.
_POWERS = {"running": RUNNING, "paused": PAUSED}


class SnapshotXml(Frozen):
    """The XML that libvirt stores about one snapshot."""

    root: ET.Element

    @classmethod
    def parse(cls, text):
        register_prefixes(text)
        return cls(ET.fromstring(text))

    @property
    def kind(self):
        parts = [*self.root.findall("disks/disk"), *self.root.findall("memory")]
        return EXTERNAL if any(part.get("snapshot") == "external" for part in parts) else INTERNAL

    @property
    def power(self):
        return _POWERS.get(self.root.findtext("state"), STOPPED)

    @property
    def definition(self):
        """The VM's stored definition when the snapshot was created; None if libvirt has none (very old snapshots)."""
        return next(self.definitions(), None)

    def definitions(self):
        """Yield the stored definition, then that of the running VM, as far as libvirt has them."""
        for tag in ("inactiveDomain", "domain"):
            element = self.root.find(tag)
            if element is not None and element.find("devices") is not None:
                definition = Definition(ET.tostring(element, encoding="unicode"))
                definition.root.tag = "domain"
                yield definition

    @property
    def disk_files(self):
        """{slot: file with the content of this disk}: for an internal snapshot the image, else the frozen file."""
        included = {disk.get("name") for disk in self.root.findall("disks/disk") if disk.get("snapshot") != "no"}
        drives = self.definition.drives("disk", "lun") if self.definition else ()
        return {target_of(disk): file_of(disk) for disk in drives if target_of(disk) in included and file_of(disk)}

    @property
    def nvram_file(self):
        """The qcow2 NVRAM file with the state of an internal snapshot, or None."""
        definition = self.definition
        is_included = self.kind == INTERNAL and definition and definition.native("os/nvram@format") == "qcow2"
        return nvram_of(definition) if is_included else None

    @property
    def overlays(self):
        """The overlay files of an external snapshot."""
        sources = self.root.findall("disks/disk[@snapshot='external']/source")
        return [source.get("file") for source in sources if source.get("file")]

    @property
    def memory_file(self):
        """The file of an external snapshot with the VM's memory, or None."""
        memory = self.root.find("memory")
        return None if memory is None else memory.get("file")

    def to_snapshot(self, uuid, is_current, config_of, own_files=()):
        """This as a Snapshot of the VM with this UUID.

        ``config_of`` returns the settings in a Definition; None if they are not requested. ``own_files`` are those in
        the mark: libvirt keeps the file with the memory, and another one is not deleted here either.
        """
        definition, memory = self.definition if config_of else None, self.memory_file
        return Snapshot(
            name=self.root.findtext("name"),
            parent=self.root.findtext("parent/name"),
            power=self.power,
            **in_text(self.root.findtext("description"), uuid),
            config=config_of(definition) if definition else None,
            kind=self.kind,
            created=int(self.root.findtext("creationTime") or 0) or None,
            current=is_current,
            remaining=(memory,) if memory and memory not in own_files else (),
        )


def read_snapshot(virsh, uuid, name):
    """The SnapshotXml of one snapshot. Raises CommandFailed if it does not exist."""
    return SnapshotXml.parse(virsh.run("snapshot-dumpxml", uuid, "--snapshotname", name))


def own_memory(vm, snapshot):
    """The memory file of an external snapshot, in a set, if it was created by this collection."""
    return {snapshot.memory_file}.intersection(vm.mark.get("files", ()) if vm.owned else ())


def overlay_path(vm, slot, name):
    """The path of the overlay that an external snapshot creates for a disk."""
    folder = os.path.dirname(vm.config["disks"][slot]["source"])
    return os.path.join(folder, f"{vm.name}-{slot}.{name}.qcow2")


def memory_path(vm, name):
    """The path of the memory file of an external snapshot, in the directory of the first disk."""
    first = min(vm.config["disks"])
    return os.path.join(os.path.dirname(vm.config["disks"][first]["source"]), f"{vm.name}.{name}.memory")


# Steps ----------------------------------------------------------------------------------------------------------------


def snapshot(driver, vm, step):
    arguments = step.arguments
    name, kind = arguments["name"], arguments["kind"]
    root = ET.Element("domainsnapshot")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "description").text = described(arguments["description"], arguments["expires"], vm.id)
    overlays, memory = {}, None
    if kind == EXTERNAL:
        overlays = {slot: overlay_path(vm, slot, name) for slot in vm.config["disks"]}
        memory = memory_path(vm, name) if arguments["power"] != STOPPED else None
        _describe_files(root, overlays, memory)
    # Recorded before they exist, so that the mark lists all files even if this run is interrupted.
    memory_files = [memory] if memory else []
    before = change_counter.count()
    # Of a VM of others, the overlay has what its guest writes from now on: it is theirs, as the file below it.
    ours = [
        path for slot, path in overlays.items() if vm.created or vm.config["disks"][slot]["source"] in own_disks(vm)
    ]
    _add_to_mark(driver, vm, {"disks": ours, "files": memory_files})
    flags = ("--disk-only", "--atomic") if kind == EXTERNAL and memory is None else ()
    try:
        text = ET.tostring(root, encoding="unicode")
        driver.virsh.run("snapshot-create", vm.id, "/dev/stdin", *flags, stdin=text, timeout=_TIMEOUT)
    except PolyvirtError as error:
        if _is_created_meanwhile(driver, vm, name, error):
            return
        added = {*overlays.values(), *memory_files}
        missing = {path for path in added if not files.exists(path)}
        if not vm.owned and missing == added:
            put_back(driver, vm, vm.mark)
        _remove_from_mark(driver, vm, missing)
        if missing == added:
            _uncount_mark(before)
        raise


def edit_snapshot(driver, vm, step):
    """Store another expiry in the description. libvirt keeps everything else that the XML contains."""
    words = ("--snapshotname", step.arguments["name"], "--security-info")
    text = driver.virsh.run("snapshot-dumpxml", vm.id, *words)
    register_prefixes(text)
    root = ET.fromstring(text)
    description = root.find("description")
    if description is None:
        description = ET.SubElement(root, "description")
    found = in_text(description.text, vm.id)
    description.text = described(found["description"], step.arguments["expires"], vm.id)
    text = ET.tostring(root, encoding="unicode")
    driver.virsh.run("snapshot-create", vm.id, "/dev/stdin", "--redefine", stdin=text)


def _describe_files(root, overlays, memory):
    """Add the files of an external snapshot to its XML; ``overlays`` is {slot: path}."""
    ET.SubElement(root, "memory", {"snapshot": "external", "file": memory} if memory else {"snapshot": "no"})
    disks = ET.SubElement(root, "disks")
    for slot, path in sorted(overlays.items()):
        disk = ET.SubElement(disks, "disk", {"name": slot, "snapshot": "external"})
        ET.SubElement(disk, "driver", {"type": "qcow2"})
        ET.SubElement(disk, "source", {"file": path})


def _is_created_meanwhile(driver, vm, name, error):
    """Whether creation failed because another task created a snapshot with this name at the same time."""
    if not isinstance(error, CommandFailed) or "already exists" not in error.stderr:
        return False
    return any(
        answer.error is None for answer in driver.virsh.batch([("snapshot-info", vm.id, "--snapshotname", name)])
    )


def drop_snapshot(driver, vm, step):
    unlisted = {one.name for one in vm.snapshots if one.unfinished}
    for name in step.arguments["names"]:
        if name in unlisted:
            remove_leftover(driver, vm, name)
            continue
        try:
            _delete_listed(driver, vm, name)
        except CommandFailed as error:
            if not tool.is_not_found(error.stderr, "snapshot"):
                raise


def _delete_listed(driver, vm, name):
    """Delete a snapshot that libvirt lists.

    Its metadata is deleted last, so that the next run can complete an interrupted one. If this libvirt can restore the
    snapshot, its memory file is removed only after that, because it is still needed if merging the disks fails.
    """
    snapshot_xml = read_snapshot(driver.virsh, vm.id, name)
    memory = own_memory(vm, snapshot_xml)
    for path in snapshot_xml.disk_files.values() if driver.is_local and snapshot_xml.kind == EXTERNAL else ():
        driver.check_written(path, "merge changes into")
    can_be_restored = version_numbers(driver.library) >= EXTERNAL_RESTORED_SINCE
    if not can_be_restored:
        _remove(memory)  # libvirt merges the disks, but keeps the memory file (9.0.0).
    before = change_counter.count()
    _remove_from_mark(driver, vm, {*snapshot_xml.overlays, *(() if can_be_restored else memory)})
    try:
        driver.virsh.run("snapshot-delete", vm.id, "--snapshotname", name, timeout=_TIMEOUT)
    except PolyvirtError:
        recorded = set(vm.mark.get("disks", ()) if vm.owned else ())
        overlays = recorded.intersection(snapshot_xml.overlays)
        remaining = [path for path in snapshot_xml.overlays if path in overlays and files.exists(path)]
        _add_to_mark(driver, vm, {"disks": remaining})
        if len(remaining) == len(overlays):
            _uncount_mark(before)
        raise
    if can_be_restored:
        _remove(memory)
        _remove_from_mark(driver, vm, memory)


def _remove(paths):
    for path in paths:
        files.remove(path)


def restore(driver, vm, step):
    """Restore a snapshot. libvirt also reverts the mark, so files created since then are added to the mark again."""
    recorded = {key: list(vm.mark.get(key, ())) for key in _FILE_LISTS} if vm.owned else {}
    _check_disks(driver, vm)
    try:
        driver.virsh.run("snapshot-revert", vm.id, "--snapshotname", step.arguments["name"], timeout=_TIMEOUT)
        if recorded:
            recorded["disks"] += _new_overlays(driver, recorded["disks"], vm)
            # A task that adds such a disk again uses its file (``Storage.is_left_by_restore``).
            recorded["left"] += set(step.arguments.get("kept", ())).intersection(recorded["disks"])
    finally:
        # Even if it fails, libvirt has usually reverted the definition already.
        _add_to_mark(driver, vm, recorded, replaced=("left",))


def _check_disks(driver, vm):
    """Raise Refused unless the plan lists the disks that are written; what is below them is not."""
    disks = {slot: {**disk, "format": "raw"} for slot, disk in (vm.config.get("disks") or {}).items()}
    for claim in claims_of_config({"disks": disks}, driver.claims) if driver.is_local else ():
        if claim.mode == WRITE:
            driver.check_written(claim.text, "restore")


def _new_overlays(driver, recorded, vm):
    """The overlays that libvirt (9.9 and later) created on the frozen files to restore an external snapshot.

    ``recorded`` are the disks in the mark; an overlay on one of them also belongs to this VM.
    """
    if not driver.is_local:
        return []
    info = driver.storage.qemu_img.info
    paths = {file_of(disk) for disk in driver.definition(vm.id).drives("disk")}.difference(recorded)
    return [path for path in sorted(paths) if files.exists(path) and info(path).backing in recorded]


# The mark -------------------------------------------------------------------------------------------------------------

#: Keys of a mark with lists of files.
_FILE_LISTS = ("disks", "files", "nvram", "making", "left")


def _add_to_mark(driver, vm, added, replaced=()):
    """Add files, {key of the mark: paths}, to the VM's mark; a VM without its own mark gets one if there are any.

    Of the keys ``replaced``, what the mark has is wrong: it is that of the time of a snapshot.
    """
    if vm.owned or any(added.values()):
        _edit_mark(driver, vm, lambda key, known: [*(() if key in replaced else known), *added.get(key, ())])


def _remove_from_mark(driver, vm, paths):
    """Remove files from the VM's mark, because other files may get the same names later."""
    if vm.owned:
        _edit_mark(driver, vm, lambda key, known: [path for path in known if path not in paths])


def _uncount_mark(before):
    """Uncount the writes since ``before``: the mark lists the same files again. libvirt may have changed the VM."""
    change_counter.set_back(before)
    change_counter.note(doubtful=True)


def _edit_mark(driver, vm, edit):
    """Change the lists of files in the mark: ``edit(key, paths)`` returns the new list of a key."""
    if not vm.persistent:
        return  # Storing the definition of a transient VM would make it persistent.
    definition = driver.definition(vm.id)
    own, found = vm.mark if vm.owned else own_mark(vm), definition.mark or {}
    # A restored definition may contain the mark of another VM, from which this one was copied.
    mark = found if found.get("id") == vm.id else with_settings(own, {"tags": found.get("tags", [])})
    lists = {key: list(dict.fromkeys(edit(key, mark.get(key, ())))) for key in _FILE_LISTS}
    changed = {**mark, **{key: paths for key, paths in lists.items() if paths or key in mark}}
    if lists["making"] and IDENTITIES in own:
        changed[IDENTITIES] = own[IDENTITIES]
    changed = with_lease(changed, own)
    # Unlike the definition, the networks are as before.
    changed = with_reservations(changed, own.get(RESERVATIONS))
    if changed != definition.mark:
        definition.set_mark(changed)
        driver.define(definition)


def check_content(driver, vm, name, snapshot, for_restore=False):
    """Raise NotFound if the content of a disk in a snapshot no longer exists; ``snapshot`` is its SnapshotXml.

    ``for_restore``: raise Refused if a bitmap is in its image, with which QEMU loads no snapshot.
    """
    parts = {f"disk {slot}": path for slot, path in snapshot.disk_files.items()}
    parts.update({"the NVRAM": snapshot.nvram_file} if snapshot.nvram_file else {})
    for part, path in sorted(parts.items()):
        if not files.exists(path):
            raise NotFound(
                f"{vm.name}: {path} with {part} of snapshot '{name}' no longer exists.",
                "Restore the file, or delete the snapshot.",
            )
        if snapshot.kind == INTERNAL:
            image = driver.storage.qemu_img.info(path)
            if name not in image.snapshots:
                raise missing_in_image(vm.name, vm.name, path, name)
            if image.bitmaps and for_restore:
                raise _has_bitmaps(vm, path, name, image.bitmaps)


def _has_bitmaps(vm, path, name, bitmaps):
    commands = "; ".join(shlex.join(["qemu-img", "bitmap", "--remove", path, one]) for one in bitmaps)
    return Refused(
        f"{vm.name}: snapshot '{name}' cannot be restored while {path} has bitmaps of a backup program:"
        f" {', '.join(bitmaps)}.",
        f"Stop the VM, and remove them: {commands}. The next backup of that program must be a full one.",
    )


def missing_in_image(about, owner, path, name):
    """The error if the image ``path`` of the VM ``owner`` lacks a snapshot that libvirt lists.

    ``about`` is the VM that the task is about: ``owner``, or its clone.
    """
    command = shlex.join(["virsh", "snapshot-delete", owner, f"--snapshotname={name}", "--metadata"])
    return NotFound(
        f"{about}: {path} no longer contains the snapshot '{name}' of '{owner}'.", f"Delete its metadata: {command}"
    )


def disks_of(vm):
    """{slot: disk} of the disks that have a source."""
    return {slot: disk for slot, disk in (vm.config.get("disks") or {}).items() if disk.get("source")}


def leftovers(driver, vm):
    """[(path, name)] of internal snapshots in the VM's images that libvirt does not list."""
    listed = {one.name for one in vm.snapshots if one.kind == INTERNAL and not one.unfinished}
    found = []
    for disk in disks_of(vm).values():
        if disk.get("format") == "qcow2" and files.is_readable(disk["source"]):
            found += [(disk["source"], name) for name in driver.storage.qemu_img.info(disk["source"]).snapshots]
    return [(path, name) for path, name in found if name not in listed]


def with_leftover_snapshots(driver, vm):
    """The VM with its leftover snapshots as unfinished ones, so that they can be deleted like the others."""
    listed = {one.name for one in vm.snapshots}
    try:
        names = {name: path for path, name in leftovers(driver, vm) if name not in listed}
    except PolyvirtError:
        return vm  # The snapshots of an unreadable image are unknown.
    unlisted = [
        Snapshot(name, kind=INTERNAL, unfinished=f"it exists only in {path}, and libvirt does not list it")
        for name, path in sorted(names.items())
    ]
    return vm.having(snapshots=(*vm.snapshots, *unlisted)) if unlisted else vm


def remove_leftover(driver, vm, name):
    """Delete a leftover snapshot from all images of a stopped VM."""
    for path, found in leftovers(driver, vm):
        if found == name:
            driver.storage.qemu_img.drop_snapshot(path, name)
