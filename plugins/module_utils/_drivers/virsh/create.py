# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating VMs. Files are created before the definition, so that the same task can complete an interrupted run."""

from __future__ import annotations

import os
from contextlib import contextmanager
from xml.sax.saxutils import quoteattr

from ..._core.differences import additions
from ..._core.errors import CommandFailed, PolyvirtError, Unsupported
from ..._core.mark import empty_mark, with_settings
from ..._kit.settings import in_order
from ..._ports import files
from ..._tools import seed
from ..._tools.seed_network import macs_by_place
from .definition import ARCHITECTURE, DEFAULT_MACHINE_TYPE, Definition, machine_type
from .settings.disks import add_seeds, bus_of, disk_element, drive_element, free_slot, insert_disk, slot_name
from .settings.firmware import place_nvram
from .settings.native import same_native
from .settings.networks import is_bridge, new_mac, nic_element
from .settings.table import SETTINGS, write_setting
from .storage import bases_of, remove_unused


def create(driver, vm, step):
    """Create a stopped VM; if that fails, the created files are removed again."""
    config = step.arguments["config"]
    vm_id, is_defined = driver.new_id(vm.name)
    if not is_defined:
        _define_new(driver, vm.name, vm_id, config, step.arguments["creation"])
    if config.get("autostart"):
        driver.virsh.run("autostart", vm_id)


def _define_new(driver, name, vm_id, config, creation):
    with undone_on_failure(driver, name, creation) as created:
        definition = new_definition(name, vm_id, driver.hypervisor, driver.virt_type_for_new_vm(), machine_type(config))
        disks = _create_disks(driver, name, config.get("disks") or {}, creation.get("image"), created)
        config = _with_macs(config, creation)
        seeds = make_seed(driver, name, vm_id, creation, macs_by_place(config.get("networks") or {}))
        _write_settings(driver, definition, config, disks, seeds)
        own_disks = [path for _slot, path, _format, ours in disks if ours]
        mark = mark_of_new_vm(vm_id, config, own_disks, seeds, _inputs(driver, creation, own_disks))
        if config.get("firmware") == "uefi":
            driver.storage.create_default_folder()
            mark["nvram"] = [place_nvram(definition, driver.storage, name)]
        definition.set_mark(mark)
        driver.define(definition)


@contextmanager
def undone_on_failure(driver, name, creation):
    """Yield a list for the paths of created files. If an error is raised, those that no VM uses are removed again.

    Another task may have created the VM meanwhile, or libvirt stored the definition before the call failed.
    """
    created = []
    try:
        yield created
    except BaseException as error:
        if creation.get("cloud_init") is not None:
            # The seed ISO is removed too, whichever task created it: unlike a disk, an existing one is overwritten.
            created.append(driver.storage.seed_path(name))
        existing_names = {one.name for one in remove_unused(driver, created, error)}
        if isinstance(error, PolyvirtError) and (_is_created_meanwhile(error) or name in existing_names):
            raise _name_taken(name, error) from error
        raise


def _is_created_meanwhile(error):
    return "already exists with uuid" in getattr(error, "stderr", "")


def _name_taken(name, error):
    """The error if another task created a VM with this name, whether a file or the definition existed first."""
    return CommandFailed(
        getattr(error, "argv", ("virsh", "define")),
        getattr(error, "rc", 1),
        getattr(error, "stderr", error.message),
        message=f"{name}: another task created a VM with this name at the same time.",
        remedy="Run the task again to apply its options to that VM.",
    )


def _create_disks(driver, name, requested, image, created):
    """Create the disks that are not existing files. Returns (slot, path, format, ours) of each disk.

    ``ours`` is True for files created by this collection, False for existing files that the task attaches. New files
    are added to ``created``.
    """
    disks = []
    # The firmware tries to boot only from the first disk in the definition.
    for slot, entry in sorted(requested.items(), key=lambda item: item[0] != slot_name(0)):
        if entry.get("source"):
            disks.append((slot, entry["source"], driver.storage.format_of(entry), False))
            continue
        base = image if slot == slot_name(0) else None
        path, image_format = driver.storage.create_disk_of_vm(name, slot, entry, base, created)
        disks.append((slot, path, image_format, True))
    return disks


def _with_macs(config, creation):
    """``config`` with a MAC for each NIC if a cloud-init seed is created, because the seed identifies NICs by MAC."""
    if creation.get("cloud_init") is None or not config.get("networks"):
        return config
    networks = {key: {**entry, "mac": entry.get("mac") or new_mac()} for key, entry in config["networks"].items()}
    return {**config, "networks": networks}


def make_seed(driver, name, vm_id, creation, macs):
    """Create the cloud-init seed ISO if it is requested. Returns its path in a list."""
    if creation.get("cloud_init") is None:
        return []
    path = driver.storage.seed_path(name)
    driver.storage.create_default_folder()
    documents = seed.nocloud_documents(creation["cloud_init"], name, vm_id, macs)
    seed.make_seed(driver.commands, files, path, documents)
    return [path]


def _write_settings(driver, definition, config, disks, seeds):
    for slot, path, image_format, _ours in disks:
        bus = bus_of(slot, config["disks"][slot])
        insert_disk(definition, disk_element(slot, path, image_format, bus))
    definition.devices.append(drive_element(free_slot(definition), "sata", config.get("iso")))
    add_seeds(definition, seeds)
    for _position, entry in sorted((config.get("networks") or {}).items(), key=lambda item: int(item[0])):
        definition.devices.append(nic_element(entry, is_bridge))
    # After the NICs, because some settings are part of NICs.
    settings = {name: value for name, value in config.items() if value not in (None, "")}
    for _row, change in in_order(SETTINGS, additions(settings)):
        write_setting(driver, definition, change)


def _inputs(driver, creation, disks):
    """The ``inputs`` of the mark: the image and the backing files of the disks."""
    image = creation.get("image")
    return {"image": image["source"], "bases": bases_of(driver.storage, disks)} if image else {}


def mark_of_new_vm(vm_id, config, disks, own_files, inputs):
    """The mark of a new VM. ``inputs`` is what it is created from; its ``bases`` are the backing files of its disks."""
    return with_settings({**empty_mark(vm_id), "disks": disks, "files": own_files, "inputs": inputs}, config)


#: Each hot-plugged disk or NIC needs a free port, and libvirt itself adds hardly any spare ones to a q35 VM.
_ROOT_PORTS = 14
_TEMPLATE = """\
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
    """Reject hosts with another architecture than that of the template, because the VM could not boot."""
    if hypervisor != "TEST" and os.uname().machine != ARCHITECTURE:
        raise Unsupported(
            f"{name}: VMs can be created only on {ARCHITECTURE} hosts, and this host is {os.uname().machine}.",
            "Define the VM with virsh; power and settings of existing VMs are managed on any host.",
        )


def new_definition(name, uuid, hypervisor, virt_type, machine):
    """The Definition of a new VM, still without disks and NICs."""
    definition = Definition(_test_driver_xml(uuid) if hypervisor == "TEST" else _qemu_xml(uuid, virt_type, machine))
    definition.set("name", name)
    return definition


def _test_driver_xml(uuid):
    return _TEMPLATE.format(type="test", uuid=uuid, arch="i686", machine="", features="", cpu="", devices="")


def _qemu_xml(uuid, virt_type, machine):
    return _TEMPLATE.format(
        type=virt_type,
        uuid=uuid,
        arch=ARCHITECTURE,
        machine=f" machine={quoteattr(machine)}",
        features="<acpi/><apic/>",
        cpu="<cpu mode='host-passthrough'/>" if virt_type == "kvm" else "",
        devices=_DEVICES + (_root_ports() if same_native(machine, DEFAULT_MACHINE_TYPE) else ""),
    )


def _root_ports():
    ports = "".join(
        f"<controller type='pci' index='{port}' model='pcie-root-port'/>" for port in range(1, _ROOT_PORTS + 1)
    )
    return f"<controller type='pci' index='0' model='pcie-root'/>{ports}"
