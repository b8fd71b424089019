# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating and deleting VMs. Files are created before the definition, and deleted before it, so that a run killed
at any point can be completed by the same task."""

from __future__ import annotations

import os
from contextlib import contextmanager
from xml.sax.saxutils import quoteattr

from ..._lifecycle.differences import additions
from ..._lifecycle.errors import CommandFailed, PolyvirtError, Unsupported
from ..._lifecycle.mark import empty_mark, with_settings
from ..._ports import files
from ..._tools import seed
from ..._tools.seed_network import macs_by_place
from .definition import ARCHITECTURE, DEFAULT_MACHINE_TYPE, Definition, machine_type
from .settings.disks import add_seeds, bus_of, disk_element, drive_element, free_slot, insert_disk, slot_name
from .settings.firmware import place_nvram
from .settings.networks import is_bridge, new_mac, nic_element
from .settings.table import SETTINGS, write_setting
from .storage import bases_of, used_files


def create(driver, vm, step):
    """Create a stopped VM; if that fails, what was created is removed again."""
    config = step.arguments["config"]
    vm_id, is_defined = driver.new_id(vm.name)
    if not is_defined:
        _define_new(driver, vm.name, vm_id, config, step.arguments["creation"])
    if config.get("autostart"):
        driver.virsh.run("autostart", vm_id)


def _define_new(driver, name, vm_id, config, creation):
    with undone_on_failure(driver, name, creation) as created:
        definition = new_definition(name, vm_id, driver.hypervisor, driver.virt_type_of_new(), machine_type(config))
        disks = _make_disks(driver, name, config.get("disks") or {}, creation.get("image"), created)
        config = _with_macs(config, creation)
        seeds = make_seed(driver, name, vm_id, creation, macs_by_place(config.get("networks") or {}))
        _describe(driver, definition, config, disks, seeds)
        own_disks = [path for _slot, path, _format, ours in disks if ours]
        mark = make_mark(vm_id, config, own_disks, seeds, _inputs(driver, creation, own_disks))
        if config.get("firmware") == "uefi":
            driver.storage.open_folder()
            mark["nvram"] = [place_nvram(definition, driver.storage, name)]
        definition.set_mark(mark)
        driver.define(definition)


@contextmanager
def undone_on_failure(driver, name, creation):
    """A list for the created files; they are removed again if the VM cannot be completed."""
    created = []
    try:
        yield created
    except BaseException as error:
        if creation.get("cloud_init") is not None:
            # Unlike a disk, a seed ISO may have its final name before this VM exists, created by any task.
            created.append(driver.storage.seed_path(name))
        others = _remove_unused(driver, created)
        if isinstance(error, PolyvirtError) and (_is_created_meanwhile(error) or name in others):
            raise _lost(name, error) from error
        raise


def _remove_unused(driver, paths):
    """Remove files that no VM uses: another task may have created the VM meanwhile. Returns the names of all VMs."""
    try:
        definitions = driver.read_definitions()
    except PolyvirtError:
        return ()  # Their owner is unknown now; the next run uses them or creates them again.
    used = {os.path.realpath(file) for one in definitions for file in used_files(one)}
    for path in paths:
        if os.path.realpath(path) not in used:
            files.remove(path)
    return {one.name for one in definitions}


def _is_created_meanwhile(error):
    return "already exists with uuid" in getattr(error, "stderr", "")


def _lost(name, error):
    """The same message as from libvirt, whichever resource was taken first."""
    return CommandFailed(
        getattr(error, "argv", ("virsh", "define")),
        getattr(error, "rc", 1),
        getattr(error, "stderr", error.message),
        message=f"{name}: another task created a VM with this name at the same time.",
        remedy="Run the task again to apply its options to that VM.",
    )


def _make_disks(driver, name, requested, image, created):
    """(slot, path, format, ours) of each disk; new files are added to ``made``."""
    disks = []
    # The first disk in the definition is the one that the firmware tries.
    for slot, entry in sorted(requested.items(), key=lambda item: item[0] != slot_name(0)):
        if entry.get("source"):
            disks.append((slot, entry["source"], driver.storage.format_of(entry), False))
            continue
        disks.append(
            (
                slot,
                *driver.storage.make_disk_of(name, slot, entry, image if slot == slot_name(0) else None, created),
                True,
            )
        )
    return disks


def _with_macs(config, creation):
    """``config`` with a MAC for each NIC if a seed is created, because the seed identifies NICs by MAC."""
    if creation.get("cloud_init") is None or not config.get("networks"):
        return config
    networks = {place: {**entry, "mac": entry.get("mac") or new_mac()} for place, entry in config["networks"].items()}
    return {**config, "networks": networks}


def make_seed(driver, name, vm_id, creation, macs):
    if creation.get("cloud_init") is None:
        return []
    path = driver.storage.seed_path(name)
    driver.storage.open_folder()
    documents = seed.nocloud_documents(creation["cloud_init"], name, vm_id, macs)
    seed.make_seed(driver.commands, files, path, documents)
    return [path]


def _describe(driver, definition, config, disks, seeds):
    if config.get("description"):
        definition.set("description", config["description"])
    for slot, path, image_format, _ours in disks:
        bus = bus_of(slot, config["disks"][slot])
        insert_disk(definition, disk_element(slot, path, image_format, bus))
    definition.devices.append(drive_element(free_slot(definition), "sata", config.get("iso")))
    add_seeds(definition, seeds)
    for _place, entry in sorted((config.get("networks") or {}).items(), key=lambda item: int(item[0])):
        definition.devices.append(nic_element(entry, is_bridge))
    # After the NICs, because some settings are part of NICs.
    known = {name: value for name, value in config.items() if name in SETTINGS and value is not None}
    for change in additions(known):
        write_setting(driver, definition, change)
    for path, value in (config.get("native") or {}).items():
        definition.set_native(path, value)


def _inputs(driver, creation, disks):
    image = creation.get("image")
    return {"image": image["source"], "bases": bases_of(driver.storage, disks)} if image else {}


def make_mark(vm_id, config, disks, own_files, inputs):
    """``inputs`` record what the VM was created from; ``bases`` in it are the backing files of its disks."""
    return with_settings({**empty_mark(vm_id), "disks": disks, "files": own_files, "inputs": inputs}, config)


_NUMBERED_MACHINE = "pc-q35-"
#: Each hot-plugged disk or NIC takes one port; libvirt gives a new q35 VM hardly any to spare.
_ROOT_PORTS = 14
_FRAME = """\
<domain type='{type}'>
  <name/>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>0</memory>
  <vcpu>1</vcpu>
  <os><type arch='{arch}'{machine}>hvm</type><boot dev='hd'/><boot dev='cdrom'/></os>
  <features>{features}</features>
  {cpu}
  <on_crash>destroy</on_crash>
  <devices>{devices}</devices>
</domain>
"""
_DEVICES = """
    <controller type='scsi' model='virtio-scsi'/>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
"""


def check_architecture(name, hypervisor):
    """Reject hosts of another architecture than the template, whose VMs could not boot."""
    if hypervisor != "TEST" and os.uname().machine != ARCHITECTURE:
        raise Unsupported(
            f"{name}: VMs can be created only on {ARCHITECTURE} hosts, and this host is {os.uname().machine}.",
            "Define the VM with virsh; power and settings of existing VMs are managed on any host.",
        )


def new_definition(name, uuid, hypervisor, virt_type, machine):
    """A Definition without disks and NICs."""
    definition = Definition(_test_frame(uuid) if hypervisor == "TEST" else _frame(uuid, virt_type, machine))
    definition.set("name", name)
    return definition


def _test_frame(uuid):
    return _FRAME.format(type="test", uuid=uuid, arch="i686", machine="", features="", cpu="", devices="")


def _frame(uuid, virt_type, machine):
    has_ports = machine == DEFAULT_MACHINE_TYPE or machine.startswith(_NUMBERED_MACHINE)
    return _FRAME.format(
        type=virt_type,
        uuid=uuid,
        arch=ARCHITECTURE,
        machine=f" machine={quoteattr(machine)}",
        features="<acpi/><apic/>",
        cpu="<cpu mode='host-passthrough'/>" if virt_type == "kvm" else "",
        devices=_DEVICES + (_root_ports() if has_ports else ""),
    )


def _root_ports():
    ports = "".join(
        f"<controller type='pci' index='{port}' model='pcie-root-port'/>" for port in range(1, _ROOT_PORTS + 1)
    )
    return f"<controller type='pci' index='0' model='pcie-root'/>{ports}"
