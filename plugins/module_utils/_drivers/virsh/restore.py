# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: restoring backups: the new disks are complete before a VM is stopped, and its former ones are deleted last.

The new files are recorded before they exist. Storing the new definition is one operation, before which the VM is as it
was, and after which it is the restored one.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from functools import partial

from ..._core.backup import manifest as manifests
from ..._core.backup.backup import BIRTHS, REPLACING, RESTORED_FROM, interrupted_restore
from ..._core.errors import PolyvirtError, Refused
from ..._core.frozen import replace
from ..._core.model import STOPPED
from ..._core.record.leases import CREATED
from ..._core.record.mark import empty_mark, finished_mark, marked_settings, of_lost_vm, proven_of
from ..._kit.creation import undone_on_failure
from ..._media.backup_folder import place_fault
from ..._ports import change_counter, files, folders, locks, partial_files
from ..._tools.domain_xml import Definition, file_of, target_of
from ..._tools.virsh import ConnectionLost
from ..._tools.virsh_output import names as names_in
from .clone import assign_new_macs, remove_identity
from .create import define_once, store_new
from .host_access import check_host_access, eject_others, is_of_packages, remove_host_access, use_own_emulator
from .mark import mark_to_add_to, put_back, recorded_first
from .own_files import log_files
from .rehearsal import old_nvram
from .settings.architecture import read_architecture
from .settings.cdroms import remove_seed_drives, seed_files
from .settings.disks import set_disk_content, set_disk_file
from .settings.table import config_of
from .storage import remove_unused, used_files


def settings_after(driver, vm, asked, backup, manifest):
    """The backup with the settings that a VM would have after its restore; without them if it is not good."""
    if not backup.is_good or manifest is None:
        return backup
    try:
        definition = _definition_in(driver, manifest)
    except PolyvirtError as error:
        return replace(backup, damaged=error.message.rstrip("."))
    paths = _new_paths(driver, driver.unfinished.get(vm.name, vm), manifest, definition)
    stored = next(iter(driver.definitions_of(vm)), None)
    _adapt(driver, definition, manifest, paths, asked.networks, stored)
    if asked.is_beside:
        remove_host_access(definition, _image_folders(driver))
    driver.adapted[vm.name, backup.id] = definition
    sizes = {slot: one["virtual_size"] for slot, one in manifests.disks_of(manifest).items()}
    mark = definition.mark or {}
    config = {
        **config_of(definition, sizes, seed_files(mark), ()),
        "description": definition.get("description") or "",
        **marked_settings(mark if vm.id else {**mark, "expires": ""}, definition.uuid),
        "autostart": bool(vm.id and vm.config.get("autostart")),
    }
    if asked.is_beside:
        nics = config.get("networks") or {}
        config["networks"] = {
            key: {name: one for name, one in nic.items() if name != "mac"} for key, nic in nics.items()
        }
    return replace(backup, config=config)


def _definition_in(driver, manifest):
    """Return the definition in a backup. Raises Refused if libvirt has not written it so."""
    name = manifests.file_of(manifest, manifests.DEFINITION)["name"]
    try:
        definition = Definition(driver.backup_folder.read(manifest, name).decode())
        problem = manifests.definition_problem(manifest, definition.root)
    except (ET.ParseError, UnicodeDecodeError) as error:
        problem = error
    if problem:
        raise Refused(f"its definition is not valid: {problem}.", "Choose another backup.")
    definition.stored = ""
    return definition


def _new_paths(driver, vm, manifest, definition):
    """{slot: path of the new disk}, and {None: path of the new NVRAM}; no file of such a name exists.

    libvirt creates the NVRAM at the start of a VM that had not been started before its backup.
    """
    own, found = _removable(driver, vm.mark if vm.owned else None), {}
    for slot, one in manifests.disks_of(manifest).items():
        folder = driver.options.get("disk_directory")
        named = os.path.dirname(one.get("source") or "")
        if not folder:
            folder = named if may_have_disks(named) and _image_folders(driver)(named) else driver.storage.folder
        found[slot] = _free(folder, f"{vm.name}-{slot}", one["format"], own)
    if manifests.file_of(manifest, manifests.NVRAM) or definition.root.find("os/nvram") is not None:
        found[None] = _free(driver.storage.folder, vm.name, "nvram", own)
    return found


def _free(folder, stem, suffix, own):
    """A path that no file has, except one of an interrupted restore of this VM, which is removed first."""
    path, number = os.path.join(folder, f"{stem}.{suffix}"), 1
    while files.exists(path) and path not in own:
        number += 1
        path = os.path.join(folder, f"{stem}-{number}.{suffix}")
    return path


def may_have_disks(folder):
    """Whether a directory that only a backup names can have new disks; else they are in that of all new disks."""
    return files.is_folder(folder) and not place_fault(folder) and not folders.is_in_memory(folder)


def is_folder_of_others(driver, folder):
    """Whether a directory has no disks of VMs, and the task does not set it: who wrote the backup has chosen it."""
    return not driver.options.get("disk_directory") and not _image_folders(driver)(folder)


def _image_folders(driver):
    """A function that returns whether a directory has disks of VMs, or is that of libvirt's images, or below it."""
    own = {os.path.realpath(driver.storage.folder), *folders_of_disks(driver)}
    ours = os.path.join(os.path.realpath(driver.default_folder), "")
    return lambda folder: os.path.realpath(folder) in own or f"{os.path.realpath(folder)}/".startswith(ours)


def folders_of_disks(driver):
    """{real path of a directory: one of the disks of VMs in it}."""
    disks = [file_of(disk) for one in driver.all_definitions() for disk in one.drives("disk", "lun")]
    return {os.path.realpath(os.path.dirname(path)): path for path in disks if path}


def _adapt(driver, definition, manifest, paths, networks, stored=None):
    """Set the new files and networks. A disk that the backup lacks remains as the replaced VM has it (``stored``)."""
    use_own_emulator(definition)
    eject_others(definition, stored, _image_folders(driver))
    present = {target_of(disk): disk for disk in stored.drives("disk", "lun")} if stored else {}
    for disk in definition.drives("disk", "lun"):
        slot = target_of(disk)
        if slot in paths:
            set_disk_file(disk, paths[slot], manifests.disks_of(manifest)[slot]["format"])
        elif slot in present:
            set_disk_content(disk, present[slot])
        else:
            definition.devices.remove(disk)
    for drive in definition.drives("cdrom", "floppy"):
        if file_of(drive) and not files.exists(file_of(drive)):
            drive.remove(drive.find("source"))
    if None in paths:
        nvram = definition.set("os/nvram", paths[None])
        nvram.attrib.pop("type", None)
        template = nvram.get("template")
        if not (stored and stored.native("os/nvram@template") == template) and not is_of_packages(template):
            nvram.attrib.pop("template")  # libvirt would copy any file of the host.
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
    """Create the new files from those of the backup, add them to ``created``, and compare them with the backup."""
    parts = [(slot, one, "qcow2") for slot, one in manifests.disks_of(manifest).items()]
    nvram = manifests.file_of(manifest, manifests.NVRAM)
    parts += [(None, nvram, nvram["format"])] if nvram else []
    for key, one, stored_as in parts:
        source = driver.backup_folder.path(manifest["birth"], manifest["id"], one["name"])
        path, image = paths[key], driver.storage.qemu_img
        if driver.storage.create_disk(path, {"format": one["format"]}, {"source": source, "format": stored_as}):
            created.append(path)
        is_whole = image.info(path, one["format"]).virtual_size >= one.get("virtual_size", 0)
        if not (is_whole and image.same_content(source, path, stored_as, one["format"])):
            raise PolyvirtError(f"{path} differs from the backup after it was copied.", "Check that device.")
        partial_files.sync(path)


def _remove_leftovers(driver, mark):
    """Remove what an interrupted task of this VM has begun to create, and no VM uses."""
    left = _removable(driver, mark)
    files.take_over(left)
    for path in left:
        files.remove(path)


def _removable(driver, mark):
    """The files that an interrupted task of this VM has created, and nobody needs; none if that is not known."""
    left = proven_of(mark, files.identity)
    try:
        definitions = driver.read_definitions() if left else ()
        used = {path for one in definitions for path in used_files(one)}
        used.update(below for path in list(used) for below in driver.claims.chain(path))
    except PolyvirtError:
        return []
    identities = set(map(files.identity, used))
    return [path for path in left if files.identity(path) not in identities and not locks.is_open_elsewhere(path)]


def _manifest_of(driver, step):
    backup = step.arguments["backup"]
    manifest = driver.backup_folder.manifest(backup.birth, backup.id)
    if manifest is None or manifest["unfinished"]:
        raise Refused(f"backup '{backup.id}' does not exist any more.", "Choose another one.")
    damaged = driver.backup_folder.read_whole(backup, manifest).damaged
    if damaged:
        raise Refused(f"backup '{backup.id}' is damaged: {damaged}.", "Choose another one.")
    return manifest


def _mark_of_restored(mark, step, paths, births=()):
    disks = [path for slot, path in paths.items() if slot is not None]
    nvram = [paths[None]] if None in paths else []
    lists = {"disks": [*mark.get("disks", ()), *disks], "nvram": [*mark.get("nvram", ()), *nvram]}
    # Its backups continue to be those of the VM.
    births = sorted({*mark.get(BIRTHS, ()), *births} - {mark["id"]})
    return finished_mark(
        {**mark, **lists, RESTORED_FROM: dict(step.arguments["origin"]), **({BIRTHS: births} if births else {})}
    )


def host_access_of(driver, vm, manifest):
    """Return what a restored copy does not get of the host; raise Refused if another VM would get more than it has."""
    definition, present = _definition_in(driver, manifest), driver.definition(vm.id) if vm.id else None
    has_images = _image_folders(driver)
    lost = eject_others(definition, present, has_images)
    if vm.name != manifest["vm"] and not vm.id:
        return list(filter(None, [remove_host_access(definition, has_images), *lost]))
    if not driver.options.get("allow_host_access"):
        check_host_access(f"{vm.name}: backup '{manifest['id']}'", definition, present, has_images)
    return lost


# Steps ----------------------------------------------------------------------------------------------------------------


def create_from_backup(driver, vm, step):
    """Create a VM that does not exist. It keeps its UUID, unless it is another VM than that of the backup."""
    manifest = _manifest_of(driver, step)
    is_beside = vm.name != manifest["vm"]
    begun = driver.unfinished.get(vm.name)
    if not is_beside and begun is None and driver.creations.id_of(vm.name) is None:
        driver.creations.record(vm.name, _definition_in(driver, manifest).uuid)
    if begun is not None:
        _remove_leftovers(driver, begun.mark)
    paths = _new_paths(driver, begun or vm, manifest, _definition_in(driver, manifest))
    # What is recorded before the files exist.
    config = {"architecture": read_architecture(_definition_in(driver, manifest))}
    arguments = {"creation": {}, "config": config, "paths": tuple(paths.values())}

    def define(driver, name, vm_id, _arguments, created):
        definition = _definition_in(driver, manifest)
        mark = definition.mark or {}
        _adapt(driver, definition, manifest, paths, step.arguments["networks"])
        if is_beside:
            remove_host_access(definition, _image_folders(driver))
        driver.storage.create_default_folder()
        _fill(driver, manifest, paths, created)
        remove_seed_drives(definition, mark.get("files", ()))
        if is_beside:
            remove_identity(definition)
            assign_new_macs(definition, {})
        kept = {"tags": mark.get("tags", [])} if is_beside else of_lost_vm(mark)
        logs = [*dict.fromkeys(log_files(definition))]  # They do not exist yet.
        new = {**empty_mark(vm_id), **kept, CREATED: mark.get(CREATED, ""), "files": logs}
        definition.set("name", name)
        definition.set("uuid", vm_id)
        births = () if is_beside else (manifest["birth"], *mark.get(BIRTHS, ()))
        definition.set_mark(_mark_of_restored(new, step, paths, births))
        store_new(driver, name, definition)

    define_once(driver, vm.name, arguments, define)


def prepare_restore(driver, vm, step):
    """Create the disks that will replace those of an existing VM; until then it is not stopped."""
    if vm.id in driver.prepared:
        return  # The step was sent before.
    manifest, stored = _manifest_of(driver, step), driver.definition(vm.id)
    driver.check_as_planned(vm, stored)
    own, before = mark_to_add_to(vm, stored.mark), stored.mark and finished_mark(stored.mark, REPLACING)
    _remove_leftovers(driver, own)
    created, definition = [], _definition_in(driver, manifest)
    paths = _new_paths(driver, vm, manifest, definition)
    _adapt(driver, definition, manifest, paths, step.arguments["networks"], stored)
    definition.set("name", vm.name)
    definition.set("uuid", vm.id)
    power = interrupted_restore(vm.mark if vm.owned and vm.power == STOPPED else None).get("power", vm.power)
    # The old files are recorded until they are deleted, so that the next task finds them.
    old = [*step.arguments["files"], *old_nvram(stored, own)]
    begun = {"power": power, "id": step.arguments["id"], "files": old}
    definition.set_mark({**_mark_of_restored(own, step, paths, [manifest["birth"]]), REPLACING: begun})
    undo = undone_on_failure(lambda error: _remove(created), ConnectionLost)
    with recorded_first(driver, vm, stored, list(paths.values())), undo:
        _fill(driver, manifest, paths, created)
        driver.check_still(vm, stored.content)
    stored.set_mark({**mark_to_add_to(vm, stored.mark), REPLACING: {"power": power}})
    driver.define(stored)
    driver.prepared[vm.id] = definition, created, stored.content, before


def _remove(paths):
    for path in paths:
        files.remove(path)


def restore_backup(driver, vm, step):
    """Store the definition of the backup for an existing VM that is off; its new disks are complete."""
    definition, _created, content, _mark = driver.prepared[vm.id]
    if driver.definition(vm.id).mark == definition.mark:
        return  # The step was sent before.
    undo = partial(_undo_preparation, driver, vm, change_counter.count())
    with undone_on_failure(undo, ConnectionLost):
        driver.check_still(vm, content)
        if driver.virsh.run("domstate", vm.id).strip() != "shut off":
            raise Refused(f"{vm.name}: the VM was started while its backup was restored.", "Run the task again.")
        driver.define(definition)


def _undo_preparation(driver, vm, before, _error):
    """Remove the new files, unless the definition was changed: the VM is as it was before."""
    _definition, created, content, mark = driver.prepared[vm.id]
    if driver.definition(vm.id).content == content:
        _remove(created)
        put_back(driver, vm, mark)
        change_counter.set_back(before)


def finish_restore(driver, vm, step):
    """Delete what is left of the VM that was replaced: metadata of its snapshots, and its former files."""
    definition, _running = driver.definitions_to_change(vm)
    own = mark_to_add_to(vm, definition.mark)
    if REPLACING not in own:
        return  # The step was sent before.
    # Not earlier: if the definition of the backup is rejected, the VM keeps its snapshots.
    _forget_snapshots(driver, vm)
    recorded = {*own.get("disks", ()), *own.get("nvram", ())} & set(own[REPLACING].get("files", ()))
    former = recorded & {*step.arguments["files"], *own.get("nvram", ())}
    remove_unused(driver, former - set(step.arguments.get("kept", ())), None)
    lists = {
        key: [path for path in own.get(key, ()) if path not in recorded or files.exists(path)]
        for key in ("disks", "nvram")
    }
    definition.set_mark(finished_mark({**own, **lists}, REPLACING))
    driver.define(definition)


def _forget_snapshots(driver, vm):
    """Delete the metadata of snapshots and checkpoints: they are those of the replaced disks."""
    for kind in ("snapshot", "checkpoint"):
        answer = driver.virsh.batch([(f"{kind}-list", vm.id, "--name")])[0]
        option = f"--{kind}name"
        for name in reversed(names_in(answer.stdout)) if answer.error is None else ():
            driver.virsh.run(f"{kind}-delete", vm.id, option, name, "--metadata")
