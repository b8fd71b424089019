# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring backups: the new disks are complete before the definition names them, and old ones are deleted last."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

from ..._core.backup import manifest as manifests
from ..._core.backup.backup import RESTORED_FROM
from ..._core.errors import PolyvirtError, Refused
from ..._core.frozen import replace
from ..._core.record.leases import CREATED
from ..._core.record.mark import IN_MARK, empty_mark, finished_mark, marked_settings, own_mark
from ..._ports import files, locks
from ..._tools.domain_xml import Definition, file_of, target_of
from ..._tools.virsh_output import names as names_in
from .clone import assign_new_macs, remove_identity, remove_seed_drives
from .create import define_once, store_new
from .mark import recorded_first
from .settings.architecture import read_architecture
from .settings.cdroms import seed_files
from .settings.disks import set_disk_file
from .settings.firmware import nvram_of
from .settings.table import config_of
from .storage import used_files


def settings_after(driver, vm, asked, backup, manifest):
    """The backup with the settings that a VM would have after its restore; without them if it is not good."""
    if not backup.is_good or manifest is None:
        return backup
    try:
        definition = _definition_in(driver, manifest)
    except (PolyvirtError, ET.ParseError, UnicodeDecodeError) as error:
        return replace(backup, damaged=f"its definition is not valid: {error}".rstrip("."))
    slots = {target_of(disk) for disk in definition.drives("disk", "lun")}
    if slots != set(manifests.disks_of(manifest)) | set(manifest["excluded"]):
        return replace(backup, damaged="its disks are not those of its definition")
    paths = _new_paths(driver, vm, manifest)
    _adapt(definition, manifest, paths, asked.networks, vm)
    sizes = {slot: one["virtual_size"] for slot, one in manifests.disks_of(manifest).items()}
    mark = definition.mark or {}
    config = {
        **config_of(definition, sizes, seed_files(mark), ()),
        "description": definition.get("description") or "",
        **marked_settings(mark, definition.uuid),
        "autostart": bool(vm.id and vm.config.get("autostart")),
    }
    if asked.is_beside:
        nics = config.get("networks") or {}
        config["networks"] = {
            key: {name: one for name, one in nic.items() if name != "mac"} for key, nic in nics.items()
        }
    return replace(backup, config=config)


def _definition_in(driver, manifest):
    name = manifests.file_of(manifest, manifests.DEFINITION)["name"]
    return Definition(driver.backup_folder.read(manifest, name).decode())


def _new_paths(driver, vm, manifest):
    """{slot: path of the new disk}, and {None: path of the new NVRAM}; no file of such a name exists."""
    own, found = set(vm.mark.get("making", ()) if vm.owned else ()), {}
    for slot, one in manifests.disks_of(manifest).items():
        folder = driver.options.get("disk_directory") or os.path.dirname(one.get("source") or "")
        if not files.is_folder(folder):
            folder = driver.storage.folder
        found[slot] = _free(folder, f"{vm.name}-{slot}", one["format"], own)
    if manifests.file_of(manifest, manifests.NVRAM):
        found[None] = _free(driver.storage.folder, vm.name, "nvram", own)
    return found


def _free(folder, stem, suffix, own):
    """A path that no file has, except one that an interrupted restore of this VM has named."""
    path, number = os.path.join(folder, f"{stem}.{suffix}"), 1
    while files.exists(path) and path not in own:
        number += 1
        path = os.path.join(folder, f"{stem}-{number}.{suffix}")
    return path


def _adapt(definition, manifest, paths, networks, vm):
    """Set the new files and networks. A disk that the backup lacks remains only in a VM that is replaced."""
    for disk in definition.drives("disk", "lun"):
        slot = target_of(disk)
        if slot in paths:
            set_disk_file(disk, paths[slot], manifests.disks_of(manifest)[slot]["format"])
        elif vm.id is None:
            definition.devices.remove(disk)
    for drive in definition.drives("cdrom", "floppy"):
        if file_of(drive) and not files.exists(file_of(drive)):
            drive.remove(drive.find("source"))
    if None in paths:
        nvram = definition.set("os/nvram", paths[None])
        nvram.attrib.pop("type", None)
        for child in list(nvram):
            nvram.remove(child)
    _connect(definition, networks or {})


def _connect(definition, networks):
    """Connect the NICs to the networks and bridges of this host."""
    for source in definition.root.iterfind("devices/interface/source"):
        for attribute in ("network", "bridge"):
            if source.get(attribute) in networks:
                source.set(attribute, str(networks[source.get(attribute)]))


def _fill(driver, manifest, paths, created):
    """Create the new files from those of the backup, and add them to ``created``."""
    for slot, one in manifests.disks_of(manifest).items():
        source = {
            "source": driver.backup_folder.path(manifest["birth"], manifest["id"], one["name"]),
            "format": "qcow2",
        }
        if driver.storage.create_disk(paths[slot], {"format": one["format"]}, source):
            created.append(paths[slot])
    nvram = manifests.file_of(manifest, manifests.NVRAM)
    if nvram:
        source = driver.backup_folder.path(manifest["birth"], manifest["id"], nvram["name"])
        image = {"source": source, "format": nvram["format"]}
        if driver.storage.create_disk(paths[None], {"format": nvram["format"]}, image):
            created.append(paths[None])


def _manifest_of(driver, step):
    backup = step.arguments["backup"]
    manifest = driver.backup_folder.manifest(backup.birth, backup.id)
    if manifest is None or manifest["unfinished"]:
        raise Refused(f"backup '{backup.id}' does not exist any more.", "Choose another one.")
    damaged = driver.backup_folder.read_whole(backup, manifest).damaged
    if damaged:
        raise Refused(f"backup '{backup.id}' is damaged: {damaged}.", "Choose another one.")
    return manifest


def _mark_of_restored(mark, step, paths):
    disks = [path for slot, path in paths.items() if slot is not None]
    nvram = [paths[None]] if None in paths else []
    lists = {"disks": [*mark.get("disks", ()), *disks], "nvram": [*mark.get("nvram", ()), *nvram]}
    return finished_mark({**mark, **lists, RESTORED_FROM: dict(step.arguments["origin"])})


# Steps ----------------------------------------------------------------------------------------------------------------


def create_from_backup(driver, vm, step):
    """Create a VM that does not exist. It keeps its UUID, unless it is another VM than that of the backup."""
    manifest = _manifest_of(driver, step)
    is_beside = vm.name != manifest["vm"]
    begun = driver.unfinished.get(vm.name)
    if not is_beside and begun is None and driver.creations.id_of(vm.name) is None:
        driver.creations.record(vm.name, _definition_in(driver, manifest).uuid)
    paths = _new_paths(driver, begun or vm, manifest)
    # What is recorded before the files exist.
    config = {"architecture": read_architecture(_definition_in(driver, manifest))}
    arguments = {"creation": {}, "config": config, "paths": tuple(paths.values())}

    def define(driver, name, vm_id, _arguments, created):
        definition = _definition_in(driver, manifest)
        mark = definition.mark or {}
        _adapt(definition, manifest, paths, step.arguments["networks"], vm)
        driver.storage.create_default_folder()
        _fill(driver, manifest, paths, created)
        remove_seed_drives(definition, mark.get("files", ()))
        if is_beside:
            remove_identity(definition)
            assign_new_macs(definition, {})
        kept = {"tags": mark.get("tags", [])} if is_beside else {key: mark[key] for key in IN_MARK if key in mark}
        new = {**empty_mark(vm_id), **kept, CREATED: mark.get(CREATED, "")}
        definition.set("name", name)
        definition.set("uuid", vm_id)
        definition.set_mark(_mark_of_restored(new, step, paths))
        store_new(driver, name, definition)

    define_once(driver, vm.name, arguments, define)


def restore_backup(driver, vm, step):
    """Replace the disks and the definition of a VM that is off."""
    if (vm.id, step.arguments["id"]) in driver.restored:
        return
    manifest, stored = _manifest_of(driver, step), driver.definition(vm.id)
    driver.check_as_planned(vm, stored)
    paths, before = _new_paths(driver, vm, manifest), driver.definition(vm.id)
    with recorded_first(driver, vm, stored, list(paths.values())):
        created = []
        try:
            _fill(driver, manifest, paths, created)
            if driver.virsh.run("domstate", vm.id).strip() != "shut off":
                raise Refused(f"{vm.name}: the VM was started while its backup was restored.", "Run the task again.")
        except Exception:
            for path in created:
                files.remove(path)
            raise
        definition = _definition_in(driver, manifest)
        _adapt(definition, manifest, paths, step.arguments["networks"], vm)
        own = own_mark(vm)
        definition.set("name", vm.name)
        definition.set("uuid", vm.id)
        # The old files are recorded until they are deleted, so that the next task finds them.
        definition.set_mark(_mark_of_restored(own, step, paths))
        driver.define(definition)
        driver.restored.add((vm.id, step.arguments["id"]))
        # Last: if the definition is rejected, the VM keeps its snapshots.
        _forget_snapshots(driver, vm)
    _delete_old(driver, definition, [*step.arguments["files"], *_old_nvram(before, own)])


def _delete_old(driver, definition, paths):
    """Delete the files of the replaced VM that its new definition does not name, then forget them."""
    used = {os.path.realpath(path) for path in used_files(definition)}
    for path in paths:
        is_used = os.path.realpath(path) in used
        if not is_used and not locks.is_locked_by_qemu(path):
            files.remove(path)
    mark = dict(definition.mark)
    for key in ("disks", "nvram"):
        mark[key] = [path for path in mark.get(key, ()) if path not in paths or files.exists(path)]
    definition.set_mark(mark)
    driver.define(definition)


def _old_nvram(definition, mark):
    path = nvram_of(definition)
    return [path] if path in mark.get("nvram", ()) else []


def _forget_snapshots(driver, vm):
    """Delete the metadata of snapshots and checkpoints: they are those of the replaced disks."""
    for kind in ("snapshot", "checkpoint"):
        answer = driver.virsh.batch([(f"{kind}-list", vm.id, "--name")])[0]
        option = f"--{kind}name"
        for name in reversed(names_in(answer.stdout)) if answer.error is None else ():
            driver.virsh.run(f"{kind}-delete", vm.id, option, name, "--metadata")
