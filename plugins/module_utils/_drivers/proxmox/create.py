# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: creating VMs. The server creates a whole VM in one task, or nothing. The next run completes this one.

In Proxmox VE, several VMs can have the same name. So that two tasks do not create the same VM twice:

* A task marks its new VM as unfinished.
* It removes this mark only if no finished VM has the name (``CreatedMeanwhile``), and no unfinished one with a lower VM
  id. The latter may be of a run that was killed before its VM had a name, and is then completed.
* Then it reads the names again, and gives way to a VM with a lower id that was created in the meantime.

To give way is to delete the own VM.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from functools import partial

from ..._core.errors import ApiError, CreatedMeanwhile, NotFound, PartlyApplied, PolyvirtError, Refused
from ..._core.model import STOPPED, Vm
from ..._core.planner.contents import contents_of
from ..._core.planner.differences import additions, differences
from ..._core.planner.plan_create import new_networks, of_others
from ..._core.record import mark as marks
from ..._core.record.mark import CREATED, finished_mark, with_settings
from ..._kit.creation import undone_on_failure
from ..._ports import change_counter, permits
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, ConnectionLost
from . import mark
from .cluster import read_listed_options
from .configure import change_settings
from .delete import check_volumes, destroy, lift_protection, recorded
from .own_volumes import slots_created, slots_of
from .resources import storage_for
from .seed_iso import new_mark, unwanted_seeds, with_seed
from .settings.architecture import options_of_architecture
from .settings.cloud_init import free_seed_slot, password_option
from .settings.disks import FIRST_SLOT, LIMITS, own_parts
from .settings.hardware import AUTO
from .settings.iso import iso_volume_for, printed_drive
from .settings.native import DEFAULT_OPTIONS
from .settings.networks import read_nics
from .settings.notes import ONLY_IN_MARK
from .settings.table import Context, config_of, config_update

#: Settings that are no options of the call: they are set by parameters or other calls, are in the mark, or only read.
_NOT_SENT_AS_SETTINGS = frozenset(
    {"node", "pool", "template", "cdroms", "hotplug", "unused_disks", CREATED, *ONLY_IN_MARK}
)
#: Settings of a new VM that are not compared after its creation.
_NOT_COMPARED = frozenset({"node", "pool", "hotplug", "unused_disks"})
#: Parts of error messages if a VM id is in use.
_VMID_IN_USE = ("already exists", "File exists")
#: How many free ids in a row may be taken by others before this is an error.
_MAX_TRIES = 50


def inputs_of(arguments):
    """What a VM is created from, as recorded in its mark: {image: ...}, {clone: source id, ...} or empty."""
    requested = arguments["creation"].get("clone") or {}
    disks = (arguments["creation"].get("appliance") or {}).get("disks") or {}
    return {
        **marks.inputs_of(arguments),
        **{key: requested[key] for key in ("snapshot", "linked") if requested.get(key)},
        # Disks of two versions of an appliance are never mixed, nor those of a version in another order.
        **({"disks": {slot: marks.digest_of_disk(disk) for slot, disk in disks.items()}} if disks else {}),
    }


def create(driver, vm, step):
    """Create a VM that is off, with the id of the step (None: the next free one)."""
    name, config = vm.name, step.arguments["config"]

    def begin():
        return _create_new(driver, name, step.arguments)

    def complete(vm_options):
        vm_options = with_seed(driver, _with_appliance(driver, vm_options, name, step.arguments), name)
        removed = {"delete": unwanted_seeds(driver, vm_options) or None}
        finish_vm(driver, _with_remaining_changes(driver, name, vm_options, config), name, removed)

    create_once(driver, name, inputs_of(step.arguments), begin, complete, step.arguments)


def _with_appliance(driver, vm_options, name, arguments):
    """The VmOptions of a new VM with the disks of its appliance."""
    if not arguments["creation"].get("appliance"):
        return vm_options
    # Few tasks create a VM from one.
    from .appliances import import_disks

    return import_disks(driver, vm_options, name, arguments, options_of_new)


def create_once(driver, name, inputs, begin, complete, arguments=None):
    """Call ``complete(VmOptions)`` for an unfinished VM, or for that of ``begin()``, unless this task has done so.

    ``begin()`` returns (VmOptions, count of writes before the VM was created).
    If that fails, the VM is deleted, or kept (on_failure: keep). After Busy and ConnectionLost, the VM is observed, and
    the step is sent again.
    """
    if driver.creations.is_complete(
        name, lambda vmid: (vmid, name) in [(vm.vmid, vm.name) for vm in driver.list_all()]
    ):
        return
    left = driver.unfinished(name, inputs)
    if left and arguments:
        _check_left(driver, name, left, arguments)
    vm_options, before = (left, None) if left else begin()
    try:
        with undone_on_failure(partial(_undo, driver, vm_options, name, before), Busy, ConnectionLost):
            complete(vm_options)
    except GaveWay:
        _uncount(before)
        raise


def left_by_task(driver, label, arguments):
    """The VmOptions of an unfinished VM that the task will complete, or None."""
    left = driver.unfinished(label, inputs_of(arguments))
    if left is not None and not driver.is_being_created(left.vmid):
        _check_left(driver, label, left, arguments)
    return left


def _check_left(driver, name, left, arguments):
    """Raise Refused if others may have created an unfinished VM, and would get what it does not have (check_whose)."""
    is_in_place = left.pool and arguments["config"].get("pool") == left.pool
    if is_in_place or driver.requested_vmids.get(left.vmid) == name:
        return
    nics = arguments.get("networks") or arguments["config"].get("networks")
    given = ["cloud_init"] if driver.cloud_init else new_networks({"networks": read_nics(left.stored)}, nics)
    if given and driver.is_being_created(left.vmid):
        raise Busy(f"{name}: VM {left.vmid} is being created, and not in its pool yet.", None)
    if given:
        remedy = f"pool to that of the VM, or first remove it (id: '{left.vmid}', state: absent)"
        raise of_others(name, left.vmid, given[0], remedy)


class GaveWay(Busy):
    """Another task creates a VM with the name; that of this task was deleted again."""


def _uncount(before):
    """Uncount the writes for a VM of which nothing is left; ``before``: their count, None for one of an earlier run."""
    if before is not None:
        change_counter.set_back(before)


def _create_new(driver, name, arguments):
    config = arguments["config"]
    node = config.get("node", AUTO)
    if node == AUTO:
        node = driver.resources.choose_node(name, driver.storage, config.get("memory", 0))
    storage = storage_for(driver, node, name)
    media = {slot: drive.get("source") for slot, drive in (config.get("cdroms") or {}).items()}
    media = {slot: iso and iso_volume_for(driver, node, iso) for slot, iso in media.items()}
    options = options_of_new(driver, storage, config, arguments["creation"], node, media)
    at_first, begun = options, {}
    if arguments["creation"].get("appliance"):
        from .appliances import before_imports

        at_first = before_imports(options, arguments["creation"])

    def start_task(vmid):
        recorded = begun[str(vmid)] = {
            **begun_mark(driver, vmid, node, name, arguments),
            "slots": slots_created(options),
        }
        notes = mark.notes_of(config.get("description") or "", recorded)
        requested = {**at_first, "vmid": vmid, "name": name, "description": notes, "pool": config.get("pool") or None}
        return driver.tool.post(f"/nodes/{node}/qemu", **requested)

    before = change_counter.count()
    vmid = create_with_vmid(driver, name, node, arguments.get("id"), start_task)
    return read_created(driver, vmid, node, begun), before


def read_created(driver, vmid, node, begun):
    """The VmOptions of the VM that this task has created; ``begun`` is {id: its mark}.

    Raises NotFound if the VM was deleted meanwhile, and another one got its number.
    """
    vm_options, nonce = driver.read_options(vmid, node), begun[vmid][mark.NONCE]
    # Another task may have finished the VM: then the mark has no nonce any more.
    if vm_options.own_mark is None or vm_options.own_mark.get(mark.NONCE, nonce) != nonce:
        raise NotFound(f"The VM {vmid} is gone: another VM has got its number meanwhile.", "Run the task again.")
    return vm_options


def begun_mark(driver, vmid, node, name, arguments):
    """The mark of a new VM, with the settings that are stored in it."""
    made = new_mark(driver, vmid, node, name, inputs_of(arguments))
    if arguments["creation"].get("appliance"):
        from .appliances import uploads_for

        made[mark.UPLOADS] = uploads_for(driver, vmid, node, name, arguments["creation"])
    return with_settings(made, {name: arguments["config"].get(name) for name in (CREATED, *ONLY_IN_MARK)})


def options_of_new(driver, storage, config, creation, node, media=()):
    """All options with which a new VM is created; ``media`` are the volumes in its optical drives, where known."""
    settings = {key: value for key, value in config.items() if value is not None and key not in _NOT_SENT_AS_SETTINGS}
    architecture, disks = settings.pop("architecture", None), settings.get("disks") or {}
    base = options_of_architecture(architecture, driver.own_architecture(node)) if architecture else {}
    for slot, image in contents_of(creation, FIRST_SLOT).items():
        disk = disks.get(slot) or {}
        imported = {
            "file": f"{disk.get('storage') or storage}:0",
            # A disk of an appliance is uploaded before it is imported (appliances.py).
            "import-from": None if "part" in image else image["source"],
            "format": disk.get("format"),
            **own_parts(disk),
        }
        base[slot] = values.printed(slot, {key: value for key, value in imported.items() if value})
    if disks:
        settings["disks"] = {slot: disk for slot, disk in disks.items() if slot not in base}
    settings.pop("description", None)
    if driver.has_documents:
        settings.pop("cloud_init", None)
    update = config_update(additions(settings), base, storage)
    drives = {slot: printed_drive(dict(media).get(slot)) for slot in config.get("cdroms") or ()}
    return {
        **DEFAULT_OPTIONS,
        **_boot_order(creation),
        **drives,
        **base,
        **update.to_set,
        **_with_seed(driver, settings.get("cloud_init") or {}, update, {**drives, **update.used_slots}, storage),
    }


def _boot_order(creation):
    """Proxmox VE starts a VM from the first slot, which can be another one than that of the image."""
    first = next(iter((creation.get("appliance") or {}).get("slots") or ()), None)
    slot = (creation.get("image") or {}).get("slot") or first
    return {"boot": f"order={slot}"} if slot else {}


def _with_seed(driver, requested, update, used, storage):
    """The password for cloud-init, and the drive of its seed if it is requested or any of its options is set."""
    password = password_option(driver)
    if not password and requested.get("state") != "present" and "cicustom" not in update.to_set:
        return {}
    return {**password, free_seed_slot(used): f"{storage}:cloudinit"}


def create_with_vmid(driver, name, node, requested, start_task):
    """Create a VM on a node with the requested id, or the next free one (None), and return its id.

    ``start_task(vmid)`` starts to create it and returns the task.
    """
    _check_lost_answers(driver, name)
    if requested:
        return _create_with_requested_vmid(driver, name, node, requested, start_task)
    tried = set()
    for _try in range(_MAX_TRIES):
        vmid = None
        try:
            vmid = _reserved_vmid(driver, name, node)
            with driver.space.vmid_lock:
                driver.space.reserved_vmids.pop(name, None)
                vmid = vmid or _next_vmid(driver, name, node)
                driver.requested_vmids[str(vmid)] = name
                task = start_task(vmid)
            driver.tool.finish(task)
        except ApiError as error:
            # If the id is still free, it was not taken by others: the error has another cause, with the same text.
            if vmid in tried or not any(text in error.message for text in _VMID_IN_USE):
                raise
            tried.add(vmid)
        else:
            return str(vmid)
    raise ApiError(f"{name}: others took {_MAX_TRIES} free VM ids in a row.", None, "Set id to a free one.")


def _reserved_vmid(driver, name, node):
    """The id that is reserved for a new VM; None if it was used or taken, or if the node has volumes with it.

    The first of the new VMs reserves one for each of them, in the order of the task and not in that of the threads. The
    volumes are read without the lock, so that the others need not wait for the storages.
    """
    space = driver.space
    with space.vmid_lock:
        if name in space.new_names:
            taken = driver.resources.taken_vmids | {int(one) for one in space.vmids if one}
            vmid = int(driver.resources.next_vmid)
            for new in space.new_names:
                vmid = next(free for free in itertools.count(vmid) if free not in taken)
                taken.add(vmid)
                space.reserved_vmids[new] = vmid
            space.new_names.clear()
        vmid = space.reserved_vmids.get(name)
    return vmid if vmid and not driver.resources.left_volumes(name, node, vmid) else None


def _next_vmid(driver, name, node):
    """The next free id with which the node has no volumes.

    The id of a VM that this task deletes is not used again: the VM would seem to exist still.
    """
    vmid, space = int(driver.tool.get("/cluster/nextid")), driver.space
    left_volumes = driver.resources.left_volumes
    while {vmid, str(vmid)} & {*space.vmids, *space.reserved_vmids.values()} or left_volumes(name, node, vmid):
        vmid += 1
        with suppress(ApiError):
            vmid = int(driver.tool.get("/cluster/nextid", vmid=vmid))
            continue
        space.vmids.add(str(vmid))  # Another VM or container has it.
    return vmid


def _check_lost_answers(driver, name):
    """Raise Busy while a VM is being created with an id that this task requested before: the answer was lost."""
    for vmid in [vmid for vmid, other in driver.requested_vmids.items() if other == name]:
        if driver.is_being_created(vmid):
            raise Busy(f"{name}: VM {vmid} is being created, perhaps by this task: an answer was lost.", None)


def _create_with_requested_vmid(driver, name, node, vmid, start_task):
    if driver.resources.left_volumes(name, node, vmid) and driver.entry(str(vmid)) is None:
        driver.resources.check_number(name, node, vmid)
    driver.requested_vmids[str(vmid)] = name
    try:
        driver.tool.finish(start_task(vmid))
    except ApiError as error:
        if any(text in error.message for text in _VMID_IN_USE) and driver.may_be_under_creation(vmid, name):
            # This task itself may be creating it, after a lost connection or an interruption: observe again.
            raise Busy(f"{name}: VM {vmid} is being created.", error.status) from error
        raise
    return str(vmid)


def _with_remaining_changes(driver, name, vm_options, config):
    """Make the remaining changes, and return the new VmOptions.

    These are a first disk that is larger than the image, or the changes of an interrupted run.
    """
    keys, own = tuple(config.get("native") or ()), vm_options.own_mark
    context = Context(vm_options.node, vm_options.vmid, vm_options.pool, keys, own)
    current = config_of(vm_options.stored, context)
    found = Vm(name, vm_options.vmid, STOPPED, config=current, mark=own, birth=vm_options.birth)
    requested = {key: value for key, value in config.items() if value is not None and key not in _NOT_COMPARED}
    requested["disks"] = {slot: _size_and_storage(disk) for slot, disk in (config.get("disks") or {}).items()}
    requested = driver.traits().normalize(found, requested)
    changes, _not_compared = differences(found, requested, (), driver.traits())
    if not changes:
        return vm_options
    change_settings(driver, found, changes)
    return driver.read_options(vm_options.vmid)


def _size_and_storage(disk):
    return {key: value for key, value in disk.items() if key in ("size", "storage", "serial", *LIMITS) and value}


def finish_vm(driver, vm_options, name, options=None):
    """Finish a new VM: remove the unfinished mark, and set ``options``; a clone does not start with its host.

    Raises CreatedMeanwhile or Busy if it gives way to another VM.
    """
    listed = driver.list_all()
    _check_nameless(driver, vm_options, name, listed)
    others = _others(driver, vm_options, name, listed)
    if not all(other.is_unfinished for other in others):
        raise CreatedMeanwhile(name)
    if any(_is_lower(other, vm_options) for other in others):
        remove(driver, vm_options)
        raise GaveWay(f"{name}: another task is creating a VM with this name.", None)
    text, own = mark.split_notes(vm_options.stored.get("description"))
    slots = own.get("slots", slots_of(vm_options))
    finished = {CREATED: "", **finished_mark(own, mark.NONCE, mark.UPLOADS), "birth": vm_options.birth, "slots": slots}
    off = {"onboot": 0} if "clone" in own["inputs"] and vm_options.stored.get("onboot") == "1" else {}
    settings = {"description": mark.notes_of(text, finished), **off, **(options or {})}
    driver.tool.put(f"{vm_options.path}/config", **settings, digest=vm_options.digest)
    if any(_is_lower(other, vm_options) for other in _others(driver, vm_options, name, driver.list_all())):
        raise CreatedMeanwhile(name)
    driver.creations.record(name, vm_options.vmid)


def _others(driver, vm_options, name, listed):
    """The current VmOptions of all other VMs with this name."""
    others = [vm for vm in listed if vm.name == name and vm.vmid != vm_options.vmid]
    all_options = [read_listed_options(driver.tool, vm) for vm in others if not vm.error]
    return [options for options in all_options if options is not None]


def _check_nameless(driver, vm_options, name, listed):
    """Raise Busy while a VM without a name and with a lower id is being created that may get this name.

    An earlier run that was killed may have started this. The configuration of a clone contains neither its name nor the
    mark until its first disk is copied.
    """
    source = vm_options.inputs.get("clone")
    for vm in listed:
        if not vm.is_unnamed or not _is_lower(vm, vm_options) or driver.requested_vmids.get(vm.vmid, name) != name:
            continue
        if _is_created_by_account(driver, vm, source):
            raise Busy(f"{name}: VM {vm.vmid} is being created by the same account and has no name yet.", None)


def _is_created_by_account(driver, listed, source):
    """Whether a running task of this account creates the VM, or may create it: a clone task names only its source."""
    types, vmid = (("qmclone",), source) if listed.lock == "clone" else (("qmcreate", "qmrestore"), listed.vmid)
    return any(driver.tool.own_tasks(listed.node, kind, vmid) for kind in types)


def _is_lower(other, vm_options):
    return int(other.vmid) < int(vm_options.vmid)


def remove(driver, vm_options):
    """Delete a VM that this task has created, with its volumes, unless it is gone and another one has its number.

    Raises Refused if the server would delete a volume with it that no task has created.
    """
    try:
        current = driver.read_options(vm_options.vmid)
    except NotFound:
        return
    if current.birth != vm_options.birth:
        return
    vm_options = current
    check_volumes(vm_options)
    lift_protection(driver, vm_options)
    with permits.also(recorded(vm_options), [("vm", vm_options.vmid)]):
        destroy(driver, vm_options)


def _undo(driver, vm_options, name, before, error):
    """Delete the VM, or keep it (on_failure: keep). Returns the error to raise instead, or None.

    ``before`` is the count of writes before the creation, None for a VM of an earlier run.
    """
    is_kept = driver.keeps_failures and not isinstance(error, CreatedMeanwhile)
    better = _keep(driver, vm_options, name, error) if is_kept else None
    if not isinstance(better, PartlyApplied):
        try:
            remove(driver, vm_options)
            _uncount(before)
        except (ApiError, Refused) as left:
            driver.tool.warn(f"The unfinished VM {vm_options.vmid} could not be removed: {left.message}")
    return better


def _keep(driver, vm_options, name, error):
    """Finish the VM, because observations hide unfinished VMs.

    Returns the error to raise: an ApiError would mean that nothing was created.
    """
    try:
        finish_vm(driver, driver.read_options(vm_options.vmid), name)
    except CreatedMeanwhile as other:
        return other
    except PolyvirtError as second:
        driver.tool.warn(f"{name}: the VM {vm_options.vmid} is kept, but unfinished: {second.message}")
    return PartlyApplied(f"{name}: it is kept as far as it was created: {error.message}", error.remedy)
