# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: creates VMs. Each action first checks what exists, so that the same task completes an interrupted run."""

from __future__ import annotations

import os
import re
from functools import partial
from shlex import quote

from ..._core.errors import CommandFailed, CreatedMeanwhile, NotFound, Refused
from ..._core.frozen import replace
from ..._core.model import COLLECTIONS, STOPPED, Vm
from ..._core.planner.contents import contents_of
from ..._core.planner.differences import differences
from ..._core.record.answer_media import recorded_media
from ..._core.record.mark import IN_MARK, finished_mark, inputs_of, inputs_of_disk, making_of, parsed, with_settings
from ..._kit.creation import undone_on_failure
from ..._ports import files, permits
from ..._tools import seed
from ..._tools.seed_network import macs_by_place
from ..._tools.vboxmanage import Busy
from ..._tools.vboxmanage_file import settings_in
from .configure import apply_changes
from .delete import delete_vm
from .mark import KEY, is_unfinished, new_id, resolved_mark, write_mark
from .observe import Listing
from .own_files import taken_with_vm
from .settings.architecture import INPUT, first_disk, is_arm
from .settings.cdroms import attach_seed
from .settings.disks import add_disk, file_exists_error, remove_disk, seed_path
from .settings.images import delete_image
from .settings.networks import networks_of
from .settings.table import config_of
from .vbox_vm import slot_name

_EXISTING_FILE = re.compile("Machine settings file '(.*?)' already exists")
#: Settings without an option that suit every current guest.
_BASE = ("--ioapic", "on", "--audio", "none", "--mouse", "usbtablet")


def create(driver, vm, step):
    """Create a stopped VM."""
    name, config = vm.name, step.arguments["config"]
    words = [f"--name={name}", "--ostype", config["os_type"]]
    words += ["--platform-architecture=arm"] if is_arm() else []
    words += ["--groups", ",".join(config["groups"])] if config.get("groups") else []
    complete = partial(_complete, driver, step.arguments)
    create_once(driver, name, ("createvm", *words), _register_leftover, complete)


def _complete(driver, arguments, vbox_vm):
    config, creation = arguments["config"], arguments["creation"]
    vm = Vm(name=vbox_vm.values["name"], id=vbox_vm.uuid, power=STOPPED, config=config_of(vbox_vm), mark=vbox_vm.mark)
    disks, contents = dict(config.get("disks") or {}), contents_of(creation, first_disk())
    vm = _without_other_disks(driver, vm, contents)
    for slot, image in contents.items():
        vbox_vm = driver.vbox_vm(vm.id)  # A disk may have added the controller of the next one.
        vm = _add_disk_of_image(driver, vm, vbox_vm, slot, disks.pop(slot, {}), image)
    _configure_as(driver, vm, {**config, "disks": disks, "ssh_forward": _wants_ssh(config)})
    add_seed(driver, vm.id, vm.name, creation)
    finish(driver, vm.id, arguments)


def create_once(driver, name, words, resume, complete, source=None):
    """Call ``complete(VBoxVm)`` for an unfinished VM, or a new one; not if this task has created the VM already.

    Before that, the VM gets an unfinished mark of its own.

    ``words`` create the VM. If they fail because of a file that an interrupted run has left, ``resume(driver, path,
    SettingsFile, words)`` uses or removes it. If something fails, the VM is deleted with its files; not if VirtualBox
    is only Busy, because then the step is sent again.
    """
    vbox_vms = driver.vbox_vms() if driver.creations.id_of(name) else {}
    begun = vbox_vms.get(driver.creations.id_of(name))
    if driver.creations.is_complete(name, lambda _uuid: begun and begun.is_complete):
        return
    vbox_vm = begun or unfinished_vm(driver, name) or _begin(driver, name, words, resume, source)
    uuid = driver.creations.record(name, vbox_vm.uuid)
    with driver.vm_lock(name, vbox_vm.folder), undone_on_failure(partial(undo, driver, uuid), Busy):
        complete(_with_own_mark(driver, vbox_vm))


def undo(driver, uuid, _error=None):
    """Delete the VM that this task creates, with the files that were created for it; whatever else it has is kept."""
    vbox_vm = driver.vbox_vms().get(uuid)
    if vbox_vm is None:
        return
    mark = vbox_vm.unfinished_mark
    vm = Vm(name=vbox_vm.values["name"], id=uuid, power=STOPPED, mark=mark)
    disks = {medium.location for medium in vbox_vm.media.values() if medium.uuid in mark["disks"]}
    created = {*disks, *making_of(mark), *replace(vbox_vm, mark=mark).seed_files()}
    with permits.also([*created, *taken_with_vm(vbox_vm)], [("vm", uuid)]):
        delete_vm(driver, vm, created)


def unfinished_vm(driver, name):
    """The VM with this name if its creation is incomplete, else None."""
    return unfinished_vm_in(Listing.read(driver.tool), name)


def unfinished_vm_in(listing, name):
    for one in listing.machines:
        if one.name == name and not listing.is_finished(one):
            return listing.vbox_vm(one)
    return None


def _begin(driver, name, words, resume, source):
    uuid = driver.creations.id_of(name) or driver.creations.record(name, new_id())
    words = [*words, "--uuid", uuid, "--register"]
    words += ["--basefolder", driver.storage_path] if driver.storage_path else []
    # If the call fails, VirtualBox may have created the VM nevertheless.
    with undone_on_failure(partial(undo, driver, uuid), Busy):
        try:
            driver.run(source, *words)
        except CommandFailed as error:
            if uuid not in driver.vbox_vms() and unfinished_vm(driver, name) is None:
                resume(driver, *_leftover(driver, name, error), words)
        # Identified by UUID if it was just created: logs in its directory may be of an earlier VM.
        vbox_vm = driver.vbox_vms().get(uuid) or unfinished_vm(driver, name)
    if vbox_vm is None:
        raise NotFound(f"{name}: the new VM was deleted in the meantime.", "Run the task again.")
    return vbox_vm


def _leftover(driver, name, error):
    """(path, SettingsFile) of a run that was interrupted before VirtualBox registered its VM; else raises an error."""
    found = _EXISTING_FILE.search(error.stderr)
    file = settings_in(found[1]) if found else None
    owner = file and driver.vbox_vms().get(file.uuid)
    if owner and owner.values["name"] == name:
        raise CreatedMeanwhile(name)
    # If VirtualBox's daemon ends during a clone, the file remains. No other task knows the UUID of this task.
    if file is None or (file.uuid != driver.creations.id_of(name) and not _is_unfinished_file(found[1], file)):
        raise error
    if owner:
        raise name_taken(name, found[1], owner.values["name"])
    return found[1], file


def _register_leftover(driver, path, _file, _words):
    driver.run(None, "registervm", path)


def name_taken(name, path, owner):
    return Refused(
        f"{name}: {path} belongs to the VM '{owner}', because VirtualBox replaces some characters of VM names with _"
        " in file names.",
        "Use another name.",
    )


def _with_own_mark(driver, vbox_vm):
    """The VM that this task creates, after an unfinished mark is written if it has none of its own yet."""
    mark = vbox_vm.unfinished_mark
    if not vbox_vm.has_own_mark:
        write_mark(driver, vbox_vm.uuid, mark)
    return replace(vbox_vm, mark=mark)


def _without_other_disks(driver, vm, contents):
    """Remove the disks that an interrupted task has filled in slots which have no content in this task."""
    for slot in sorted(set(vm.mark["inputs"]).difference(contents).intersection(vm.config["disks"])):
        vbox_vm = driver.vbox_vm(vm.id)
        check_disk_of_image(vbox_vm, slot)
        vm = _without_disk(driver, vm, vbox_vm, slot)
    return vm


def _add_disk_of_image(driver, vm, vbox_vm, slot, entry, image):
    """Add the disk with the content of the image, unless an interrupted task has: then one of another image goes.

    Until the VM is finished, its mark has the inputs of each disk by its slot.
    """
    inputs = inputs_of_disk(image)
    if slot in vm.config["disks"]:
        check_disk_of_image(vbox_vm, slot)
        if vm.mark["inputs"].get(slot) == inputs:
            return vm
        vm = _without_disk(driver, vm, vbox_vm, slot)
        vbox_vm = driver.vbox_vm(vm.id)
    mark = {**vm.mark, "inputs": {**vm.mark["inputs"], slot: inputs}}
    if vm.mark.get("making"):  # Else add_disk writes the mark, before it creates the file.
        write_mark(driver, vm.id, mark)
    mark = add_disk(driver, vm.having(mark=mark), vbox_vm, slot, entry, image)
    write_mark(driver, vm.id, mark)
    return vm.having(mark=mark)


def _disk_at(vbox_vm, slot):
    return next((one for one in vbox_vm.disks if slot_name(one.controller, one.port, one.device) == slot), None)


def check_disk_of_image(vbox_vm, slot):
    """Raise Refused if an unfinished VM has a disk in the slot of its image that is not recorded as created for it."""
    found = _disk_at(vbox_vm, slot)
    base = vbox_vm.image_in(found)[1] if found else None
    recorded = resolved_mark(vbox_vm.unfinished_mark, vbox_vm.media.values())["disks"]
    if found and (base is None or base.uuid not in recorded):
        raise Refused(
            f"{vbox_vm.values['name']}: a VM with this name is unfinished, and its disk {found.medium} at {slot} was"
            " not created for it.",
            "Detach that disk, so that the task can create its own: VBoxManage storageattach"
            f" {vbox_vm.uuid} --storagectl {quote(found.controller)} --port {quote(str(found.port))}"
            f" --device {quote(str(found.device))} --type hdd --medium none",
        )


def _without_disk(driver, vm, vbox_vm, slot):
    """Remove a disk of an unfinished VM, with its file. The mark first: else the next task could attach it again."""
    found = _disk_at(vbox_vm, slot)
    uuid = found.values["ImageUUID"]
    mark = {
        **vm.mark,
        "disks": [one for one in vm.mark["disks"] if one != uuid],
        "inputs": _without(slot, vm.mark["inputs"]),
        "making": list(dict.fromkeys([*making_of(vm.mark), found.medium])),
    }
    write_mark(driver, vm.id, mark)
    remove_disk(driver, vbox_vm, slot)
    files.take_over([found.medium])
    delete_image(driver, vm.id, vbox_vm.media[uuid])
    return vm.having(mark=mark, config={**vm.config, "disks": _without(slot, vm.config["disks"])})


def _without(key, mapping):
    return {one: value for one, value in mapping.items() if one != key}


def _wants_ssh(config):
    """A VM behind NAT gets an SSH forward at creation, unless the task disables it."""
    has_nat = any(nic.get("type") == "nat" for nic in (config.get("networks") or {}).values())
    return config.get("ssh_forward", has_nat)


def _configure_as(driver, vm, config):
    """Apply all differences from ``config``; the disk from the image is never removed."""
    vbox_vms = driver.vbox_vms()
    vbox_vm = vbox_vms[vm.id]
    native_keys = tuple(config.get("native") or ())
    found = vm.having(config=config_of(vbox_vm, native_keys), mark=vbox_vm.mark)
    wanted = {name: value for name, value in config.items() if value is not None and name not in IN_MARK}
    purge = frozenset(COLLECTIONS) - {"disks"}
    changes, _not_compared = differences(found, wanted, purge & set(wanted), driver.traits())
    apply_changes(driver, found, changes, vbox_vms, (*_BASE, *(INPUT if is_arm() else ())))


def add_seed(driver, uuid, name, creation, networks=None):
    """Create the seed ISO and attach it to a drive of its own. Its name is recorded in the mark first.

    ``networks`` are requested NICs that are not configured yet.
    """
    if creation.get("cloud_init") is None:
        return
    vbox_vm = driver.vbox_vm(uuid)
    path = seed_path(vbox_vm)
    if os.path.basename(path) not in vbox_vm.mark.get("files", ()):
        if files.exists(path):
            raise file_exists_error(path)
        name_of_seed = os.path.basename(path)
        named = {"files": [*vbox_vm.mark["files"], name_of_seed], **recorded_media(creation, [name_of_seed])}
        write_mark(driver, uuid, {**vbox_vm.mark, **named})
    files.take_over([path])  # An interrupted run may have left it.
    macs = macs_by_place(networks_of(vbox_vm), networks)
    documents = seed.nocloud_documents(creation["cloud_init"], name, uuid, macs)
    seed.make_seed(driver.commands, files, path, documents, creation["cloud_init"].get("answer_drivers"))
    attach_seed(driver, replace(vbox_vm, mark={**vbox_vm.mark, "files": [os.path.basename(path)]}), path)


def finish(driver, uuid, arguments):
    """Write the final mark, after which the VM is finished."""
    vbox_vm = driver.vbox_vm(uuid)
    mark = resolved_mark(vbox_vm.mark, vbox_vm.media.values())
    mark = {**finished_mark(mark, "borrowed"), "inputs": inputs_of(arguments)}
    write_mark(driver, uuid, with_settings(mark, arguments["config"]))


def foreign_settings_file(folder, name):
    """The path of a new VM's settings file, if that file exists and is not of an interrupted creation; else None."""
    path = os.path.join(folder, f"{name}.vbox")
    if not files.exists(path):
        return None
    file = settings_in(path)
    return None if file is not None and _is_unfinished_file(path, file) else path


def _is_unfinished_file(path, file):
    logs = os.path.join(os.path.dirname(path), "Logs")
    return is_unfinished(file.uuid, parsed(file.extra_data.get(KEY)), file.has_disks, logs)
