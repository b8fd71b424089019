# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making and removing machines. Files come first, the definition last; going, the files go first, so that a run killed
anywhere leaves what the same task completes."""

from __future__ import annotations

import os
from contextlib import contextmanager

from ..._lifecycle.differences import additions
from ..._lifecycle.errors import CommandFailed, PolyvirtError
from ..._lifecycle.model import Change
from ..._ports import files
from ..._tools import seed
from ..._tools import virsh as tool
from ..._tools.seed_network import macs_by_place
from . import devices
from .cards import new_mac
from .definition import empty_mark
from .firmware import place_nvram
from .networks import is_bridge
from .new import machine_type, new_definition
from .settings import SETTINGS, write_setting
from .slots import bus_of, slot_name
from .storage import bases_of, known_format, used_files
from .tpm import read_tpm, write_tpm


def create(driver, name, config, creation):
    """Make a machine that is off; what was made is removed again when it cannot be finished."""
    machine_id, is_defined = driver.new_id(name)
    if not is_defined:
        _define_new(driver, name, machine_id, config, creation)
    if config.get("autostart"):
        driver.virsh.run("autostart", machine_id)


def _define_new(driver, name, machine_id, config, creation):
    with undone_on_failure(driver, name, creation) as made:
        definition = new_definition(
            name, machine_id, driver.hypervisor, driver.virt_type_of_new(), machine_type(config)
        )
        disks = _make_disks(driver, name, config.get("disks") or {}, creation.get("image"), made)
        config = _with_macs(config, creation)
        seeds = make_seed(driver, name, machine_id, creation, macs_by_place(config.get("networks") or {}))
        _describe(driver, definition, config, disks, seeds)
        own_disks = [path for _slot, path, _format, ours in disks if ours]
        mark = make_mark(machine_id, config, own_disks, seeds, _inputs(driver, creation, own_disks))
        if config.get("firmware") == "uefi":
            driver.storage.open_folder()
            mark["nvram"] = [place_nvram(definition, driver.storage, name)]
        definition.set_mark(mark)
        driver.define(definition)


@contextmanager
def undone_on_failure(driver, name, creation):
    """A list for the files that get made; they are removed again when the machine cannot be finished."""
    made = []
    try:
        yield made
    except BaseException as error:
        if creation.get("cloud_init") is not None:
            # Unlike a disk, a seed has its name before this machine is there, whoever made it.
            made.append(driver.storage.seed_path(name))
        others = _remove_unused(driver, made)
        if isinstance(error, PolyvirtError) and (_is_made_meanwhile(error) or name in others):
            raise _lost(name, error) from error
        raise


def _remove_unused(driver, paths):
    """Remove files that no VM uses: another task may have created the VM meanwhile. Returns the names of all VMs."""
    try:
        definitions = driver.read_definitions()
    except PolyvirtError:
        return ()  # Nobody can say whose they are now; the next run takes them, or creates them again.
    used = {os.path.realpath(file) for one in definitions for file in used_files(one)}
    for path in paths:
        if os.path.realpath(path) not in used:
            files.remove(path)
    return {one.name for one in definitions}


def _is_made_meanwhile(error):
    return "already exists with uuid" in getattr(error, "stderr", "")


def _lost(name, error):
    """As libvirt's own answer, whatever was in the way first: what exists now is what counts."""
    return CommandFailed(
        getattr(error, "argv", ("virsh", "define")),
        getattr(error, "rc", 1),
        getattr(error, "stderr", error.message),
        message=f"{name}: another task created a VM of this name at the same moment.",
        remedy="Run the task again: it begins with what exists then.",
    )


def _make_disks(driver, name, asked, image, made):
    """(slot, path, format, ours) of each disk; new files are added to ``made``."""
    disks = []
    # The first disk in the definition is the one that the firmware tries.
    for slot, entry in sorted(asked.items(), key=lambda item: item[0] != slot_name(0)):
        if entry.get("source"):
            disks.append((slot, entry["source"], format_of_source(driver, entry), False))
            continue
        disks.append((slot, *make_disk(driver, name, slot, entry, image if slot == slot_name(0) else None, made), True))
    return disks


def format_of_source(driver, entry):
    """The format of a file that is attached as it is: what was asked, else what the file is."""
    return known_format(entry) or driver.storage.qemu_img.info(entry["source"]).format


def make_disk(driver, name, slot, entry, image, made):
    """Make one disk file and return (path, format)."""
    image_format = entry.get("format", "qcow2")
    path = driver.storage.disk_path(name, slot, image_format)
    if driver.storage.make_disk(path, entry, image):
        made.append(path)
    return path, image_format


def _with_macs(config, creation):
    """``config`` with a MAC for each NIC where a seed is made, which knows NICs by their MACs."""
    if creation.get("cloud_init") is None or not config.get("networks"):
        return config
    networks = {place: {**entry, "mac": entry.get("mac") or new_mac()} for place, entry in config["networks"].items()}
    return {**config, "networks": networks}


def make_seed(driver, name, machine_id, creation, macs):
    if creation.get("cloud_init") is None:
        return []
    path = driver.storage.seed_path(name)
    driver.storage.open_folder()
    documents = seed.nocloud_documents(creation["cloud_init"], name, machine_id, macs)
    seed.make_seed(driver.commands, files, path, documents)
    return [path]


def _describe(driver, definition, config, disks, seeds):
    if config.get("description"):
        definition.set("description", config["description"])
    for slot, path, image_format, _ours in disks:
        bus = bus_of(slot, config["disks"][slot])
        devices.add_disk(definition, devices.disk_element(slot, path, image_format, bus))
    definition.devices.append(devices.drive_element(devices.free_slot(definition), "sata", config.get("iso")))
    devices.add_seeds(definition, seeds)
    for _place, entry in sorted((config.get("networks") or {}).items(), key=lambda item: int(item[0])):
        definition.devices.append(devices.card_element(entry, is_bridge))
    # Behind the cards, for some settings lie on them.
    known = {name: value for name, value in config.items() if name in SETTINGS and value is not None}
    for change in additions(known):
        write_setting(driver, definition, change)
    for path, value in (config.get("native") or {}).items():
        definition.set_native(path, value)


def _inputs(driver, creation, disks):
    image = creation.get("image")
    return {"image": image["source"], "bases": bases_of(driver.storage, disks)} if image else {}


def make_mark(machine_id, config, disks, own_files, inputs):
    """``inputs`` say what it was made from; ``bases`` among them are the images that its disks stand on."""
    return {
        **empty_mark(machine_id),
        "disks": disks,
        "files": own_files,
        "tags": list(config.get("tags") or ()),
        "inputs": inputs,
    }


def delete(driver, vm, paths, keep_nvram=False):
    """Remove the files named, then the machine with all that libvirt keeps about it."""
    for path in paths:
        files.remove(path)
    if vm.id is None:
        return  # It existed only while it ran.
    try:
        _give_tpm_back(driver, vm)
        _undefine(driver, vm, "--keep-nvram" if keep_nvram else "--nvram")
    except CommandFailed as error:
        if not tool.is_not_found(error.stderr):
            raise  # Else it is gone: the same removal was sent before.


def _undefine(driver, vm, nvram):
    try:
        driver.virsh.run("undefine", vm.id, nvram, "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")
    except CommandFailed as error:
        if not tool.is_unsupported(error.stderr):
            raise
        # Where libvirt's driver knows no flags, virsh itself removes the snapshots.
        driver.virsh.run("undefine", vm.id, "--snapshots-metadata")


#: Where the state of emulated TPMs lies, by UUID (libvirt's qemu.conf names no other place).
_TPM_STATES = "/var/lib/libvirt/swtpm"


def _give_tpm_back(driver, vm):
    """libvirt removes the state of a TPM only with a machine that has one; it may hold keys."""
    if not driver.is_local or not files.exists(os.path.join(_TPM_STATES, vm.id)):
        return
    definition = driver.definition(vm.id)
    if not read_tpm(definition):
        write_tpm(definition, Change("tpm", False, True))
        driver.define(definition)
