# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: creating VMs. A VM is stored with a mark that names its files before these exist, and complete after them.

So the same task can complete an interrupted run, and a file that the mark does not name is that of somebody else.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from uuid import uuid4
from xml.sax.saxutils import quoteattr

from ..._core.errors import CommandFailed, CreatedMeanwhile
from ..._core.model import Plan, Step, Vm
from ..._core.planner.contents import contents_of
from ..._core.planner.differences import additions
from ..._core.record.answer_media import recorded_media
from ..._core.record.mark import (
    empty_mark,
    inputs_of,
    is_unfinished,
    making_of,
    proven_of,
    sources_in,
    unfinished_mark,
    with_settings,
)
from ..._core.sharing.claims import NEW
from ..._kit.addresses import recorded
from ..._kit.creation import undone_on_failure
from ..._kit.settings import in_order
from ..._ports import files, permits
from ..._tools import seed
from ..._tools import virsh as tool
from ..._tools.domain_xml import Definition
from ..._tools.seed_network import macs_by_place
from ..._tools.virsh import ConnectionLost
from .mark import by_libvirt, new_log
from .settings.addresses import to_record, update, with_reservations
from .settings.architecture import machine_type, row_of
from .settings.cdroms import add_seeds, insert_drives
from .settings.disks import disk_element, insert_disk, slot_name
from .settings.native import same_native
from .settings.networks import is_bridge, new_mac, nic_element
from .settings.nvram import QCOW2, create_nvram
from .settings.table import SETTINGS, write_setting
from .storage import bases_of, check_no_file, remove_unused


def create(driver, vm, step):
    """Create a stopped VM; if that fails, the created files are removed again."""
    define_once(driver, vm.name, step.arguments, _define_new)
    if _reservations(step.arguments["config"]):
        vm_id = driver.creations.id_of(vm.name)
        update(driver, set(), recorded(driver.definition(vm_id).mark, vm_id))
    if step.arguments["config"].get("autostart"):
        driver.virsh.run("autostart", driver.creations.id_of(vm.name))


def define_once(driver, name, arguments, define):
    """Call ``define(driver, name, id, arguments, created)`` unless this task has created the VM already.

    The VM is stored before its files exist, with a mark that names them. If the creation fails, those of the
    ``created`` files that no VM uses are removed again, and the VM. A step that is sent again uses the same id; what a
    killed task has begun is completed.
    """
    if driver.creations.is_complete(name, lambda vm_id: _is_finished(_stored(driver, vm_id))):
        return
    begun, sent = driver.unfinished.get(name), driver.creations.id_of(name)
    vm_id, created = driver.creations.record(name, sent or (begun.id if begun else str(uuid4()))), []
    undo = undone_on_failure(partial(_undo, driver, name, vm_id, created), ConnectionLost)
    with undo, _begun(driver, name, vm_id, arguments, _stored(driver, vm_id) if sent or begun else None):
        define(driver, name, vm_id, arguments, created)


def _stored(driver, vm_id):
    """The stored definition of a VM, or None."""
    try:
        return driver.definition(vm_id)
    except CommandFailed as error:
        if not tool.is_not_found(error.stderr):
            raise
        return None


def _is_finished(definition):
    return definition is not None and not is_unfinished(definition.mark)


@contextmanager
def _begun(driver, name, vm_id, arguments, stored):
    """Store the new VM with the mark that names its files, unless that was done before (``stored``)."""
    if _is_finished(stored):
        raise CreatedMeanwhile(name)
    mark = stored.mark if stored else empty_mark(vm_id)
    proven = proven_of(mark, files.identity)
    files.take_over(proven)
    added = [path for path in _files_to_create(driver, name, arguments) if path not in proven]
    for path in added:
        check_no_file(path)
    with driver.storage.reserved(added) as identities:
        if stored is None or added:
            definition = new_definition(driver, name, vm_id, arguments["config"])
            definition.remove("features")  # libvirt rejects some of them without the firmware that is set later.
            definition.set("memory", "1024")
            definition.set_mark(unfinished_mark(mark, dict.fromkeys([*making_of(mark), *added]), identities))
            driver.define(definition)
        yield


def _files_to_create(driver, name, arguments):
    """The files that this collection creates; libvirt creates the others at the first start."""
    if "paths" in arguments:
        return list(arguments["paths"])  # Of a backup.
    is_clone = bool(arguments["creation"].get("clone"))
    step = Step("clone" if is_clone else "create", arguments=arguments)
    found = driver.claims.step_files(Plan(Vm.absent(name), Vm(name)), step)
    has_nvram = is_clone or arguments["config"].get("nvram_format") == QCOW2
    by_libvirt = {"serial_log"} if has_nvram else {"serial_log", "firmware"}
    return [path for mode, option, path in found if mode == NEW and option not in by_libvirt]


def store_new(driver, name, definition):
    """Store the complete VM. One that another task has begun may have been completed by that task meanwhile."""
    if name in driver.unfinished and _is_finished(_stored(driver, definition.uuid)):
        raise CreatedMeanwhile(name)
    driver.define(definition)


def _undo(driver, name, vm_id, created, error):
    """Remove the new files that no VM uses, and the VM. Returns CreatedMeanwhile if there is another VM of this name.

    What another task has begun remains, with the mark that names its files.
    """
    is_begun_here = name not in driver.unfinished
    definitions = remove_unused(driver, created if is_begun_here else (), error)
    if is_begun_here and any(one.uuid == vm_id and is_unfinished(one.mark) for one in definitions):
        with permits.also(things=[("vm", vm_id)]):
            driver.virsh.run("undefine", vm_id)
    others = [one for one in definitions if one.name == name and one.uuid != vm_id]
    is_taken = others or "already exists with uuid" in getattr(error, "stderr", "")
    return CreatedMeanwhile(name) if is_taken else None


def _define_new(driver, name, vm_id, arguments, created):
    config, creation = arguments["config"], arguments["creation"]
    definition = new_definition(driver, name, vm_id, config)
    disks = _create_disks(driver, name, config.get("disks") or {}, creation, created)
    config = _with_macs(config, creation)
    seeds = make_seed(driver, name, vm_id, creation, macs_by_place(config.get("networks") or {}))
    created += seeds
    write_settings(driver, definition, config, disks, seeds, creation)
    own_disks = [path for _slot, path, _format, ours in disks if ours]
    mark = mark_of_new_vm(driver, vm_id, arguments, config, own_disks, seeds)
    if config.get("firmware") == "uefi":
        driver.storage.create_default_folder()
        path, is_new = create_nvram(definition, driver.storage, name, config.get("nvram_format"))
        mark["nvram"] = [path if config.get("nvram_format") == QCOW2 else by_libvirt(driver, vm_id, path)]
        created += [path] if is_new else []
    wanted = _reservations(config)
    definition.set_mark(with_reservations(mark, to_record(driver, wanted) if wanted else ()))
    store_new(driver, name, definition)


def _reservations(config):
    """{(network, MAC, address)} of the NICs with a fixed address."""
    nics = (config.get("networks") or {}).values()
    return {(nic["source"], nic.get("mac"), nic["address"]) for nic in nics if nic.get("address")}


def _create_disks(driver, name, requested, creation, created):
    """Create the disks that are not existing files. Returns (slot, path, format, ours) of each disk.

    ``ours`` is True for files created by this collection, False for existing files that the task attaches. New files
    are added to ``created``.
    """
    disks, contents = [], contents_of(creation, slot_name(0))
    for slot, entry in in_boot_order(requested, contents):
        if entry.get("source"):
            disks.append((slot, entry["source"], driver.storage.format_of(entry), False))
            continue
        path, image_format = driver.storage.create_disk_of_vm(name, slot, entry, contents.get(slot), created)
        disks.append((slot, path, image_format, True))
    return disks


def in_boot_order(disks, contents):
    """The disks as (slot, entry), in the order of a definition: the firmware tries to boot only from the first one."""
    first = next(iter(contents), slot_name(0))
    return sorted(disks.items(), key=lambda item: item[0] != first)


def _with_macs(config, creation):
    """``config`` with a MAC for each NIC if a seed or a reservation has to identify a NIC by it."""
    is_needed = creation.get("cloud_init") is not None or _reservations(config)
    if not is_needed or not config.get("networks"):
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
    seed.make_seed(driver.commands, files, path, documents, creation["cloud_init"].get("answer_drivers"))
    return [path]


def write_settings(driver, definition, config, disks, seeds, creation):
    for slot, path, image_format, _ours in disks:
        insert_disk(definition, disk_element(slot, path, image_format, config["disks"][slot]))
    insert_drives(driver, definition, config.get("cdroms") or {})
    add_seeds(definition, seeds, creation)
    for _position, entry in sorted((config.get("networks") or {}).items(), key=lambda item: int(item[0])):
        definition.devices.append(nic_element(entry, is_bridge))
    # After the NICs, because some settings are part of NICs.
    settings = {name: value for name, value in config.items() if value not in (None, "")}
    for _row, change in in_order(SETTINGS, additions(settings)):
        write_setting(driver, definition, change)


def mark_of_new_vm(driver, vm_id, arguments, config, disks, own_files):
    """The mark of a new VM; ``bases`` of its inputs are the backing files of its disks.

    ``own_files`` are those that exist. libvirt creates the log at the first start.
    """
    inputs, log = inputs_of(arguments), new_log(driver, vm_id, config.get("serial_log"))
    inputs.update({"bases": bases_of(driver.storage, disks)} if sources_in(inputs) else {})
    return with_settings(
        {
            **empty_mark(vm_id),
            **recorded_media(arguments["creation"], own_files),
            "disks": disks,
            "files": [*own_files, *([log] if log else [])],
            "inputs": inputs,
        },
        config,
    )


#: Each hot-plugged disk or NIC needs a free port, and libvirt itself adds hardly any spare ones.
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


def new_definition(driver, name, uuid, config):
    """The Definition of a new VM, still without disks and NICs."""
    is_simulated = driver.hypervisor == "TEST"
    definition = Definition(_test_driver_xml(uuid) if is_simulated else _qemu_xml(driver, uuid, config))
    definition.set("name", name)
    return definition


def _test_driver_xml(uuid):
    return _TEMPLATE.format(type="test", uuid=uuid, arch="i686", machine="", features="", cpu="", devices="")


def _qemu_xml(driver, uuid, config):
    row, machine = row_of(config), machine_type(config)
    virt_type = driver.virt_type_for_new_vm(row)
    return _TEMPLATE.format(
        type=virt_type,
        uuid=uuid,
        arch=row.arch,
        machine=f" machine={quoteattr(machine)}",
        features=row.features[virt_type],
        cpu=row.cpu_of(virt_type),
        devices=_DEVICES + row.devices + (_root_ports() if same_native(machine, row.machine) else ""),
    )


def _root_ports():
    ports = "".join(
        f"<controller type='pci' index='{port}' model='pcie-root-port'/>" for port in range(1, _ROOT_PORTS + 1)
    )
    return f"<controller type='pci' index='0' model='pcie-root'/>{ports}"
