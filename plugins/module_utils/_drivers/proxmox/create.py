# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating VMs. The server creates a whole VM in one task, or nothing; an interrupted run is completed by the next.

Proxmox VE itself gives a name to any number of VMs. A task marks the VM that it creates as unfinished, and finishes it
only if no other VM of the name was finished before, and none with a lower number exists. Then it reads the names again,
and gives way to a lower number that came in between. So of two tasks that want the same VM at the same moment at least
one gives way, and finds the other's VM when it observes again.
"""

from __future__ import annotations

from contextlib import contextmanager

from ..._lifecycle.differences import additions, differences
from ..._lifecycle.errors import ApiError, PartlyApplied, PolyvirtError, Refused
from ..._lifecycle.mark import with_settings
from ..._lifecycle.model import STOPPED, Vm
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, ConnectionLost
from . import mark
from .cluster import CREATED_UNDER, options_of_listed
from .configure import change_settings
from .delete import lift_protection
from .places import storage_for
from .settings.cloud_init import CLOUD_INIT_KEYS, free_seed_slot, password_option
from .settings.disks import FIRST, free_iso_slot, iso_slot, volume_for
from .settings.table import Context, config_of, written
from .traits import AUTO

#: Options that every new VM gets.
_BASE = {"scsihw": "virtio-scsi-single"}
#: Made by calls of their own, or known by where the VM is created.
_APART = frozenset({"node", "pool", "template", "iso", "hotplug", "fleet"})
#: Settings of a new VM that are not compared after its creation.
_LEFT = frozenset({"node", "pool", "hotplug"})
#: The drive of the option iso is there from the start, so that a medium can be put in while the VM runs.
_ISO = "ide2"
_TAKEN = ("already exists", "File exists")
#: Numbers that others may take in the same moment before it is no longer by chance.
_TRIES = 50


def inputs_of(creation, source=None):
    """What a VM is created from, as its mark records."""
    if source is None:
        return {"image": creation["image"]["source"]} if creation.get("image") else {}
    requested = creation["clone"]
    return {"clone": source.id, **{key: requested[key] for key in ("snapshot", "linked") if requested.get(key)}}


def create(driver, vm, step):
    """Create a VM that is off, with the id of the step; None: the next that is free."""
    name, config, creation = vm.name, step.arguments["config"], step.arguments["creation"]
    number = step.arguments.get("id")
    if is_created(driver, name):
        return
    vm_options = driver.observer.unfinished(name, inputs_of(creation)) or _begin(driver, name, config, creation, number)
    with undone_on_failure(driver, vm_options, name):
        claim(driver, _completed(driver, name, vm_options, config), name)


def _begin(driver, name, config, creation, number):
    node = config.get("node", AUTO)
    if node == AUTO:
        node = driver.places.choose_node(name, driver.storage, config.get("memory", 0))
    storage = storage_for(driver, node, name)
    medium = volume_for(driver, node, config["iso"]) if config.get("iso") else "none"
    options = options_of_new(driver, storage, config, creation, medium)

    def begin(vmid):
        noted = with_settings(mark.new_mark(vmid, inputs_of(creation)), {"fleet": config.get("fleet")})
        notes = mark.notes_of(config.get("description") or "", noted)
        requested = {**options, "vmid": vmid, "name": name, "description": notes, "pool": config.get("pool") or None}
        return driver.tool.post(f"/nodes/{node}/qemu", **requested)

    return driver.observer.read_options(numbered(driver, name, number, begin), node)


def check_slots(driver, config, creation):
    """Refuse a new VM whose disks leave no slot for a drive that it needs."""
    options = options_of_new(driver, "", config, creation, "none")
    if config.get("iso") and iso_slot(options) is None:
        free_iso_slot(options)


def options_of_new(driver, storage, config, creation, medium):
    """All options that a new VM is created with."""
    reported = {key: value for key, value in config.items() if value is not None and key not in _APART}
    first = dict(reported.get("disks") or {}).pop(FIRST, {})
    if creation.get("image"):
        reported["disks"] = {slot: disk for slot, disk in reported["disks"].items() if slot != FIRST}
        imported = {
            "file": f"{first.get('storage') or storage}:0",
            "import-from": creation["image"]["source"],
            "format": first.get("format"),
        }
        base = {FIRST: values.printed(FIRST, {key: value for key, value in imported.items() if value})}
    else:
        base = {}
    reported.pop("description", None)
    writing = written(additions(reported), base, storage)
    return {**_BASE, _ISO: f"{medium},media=cdrom", **base, **writing.put, **_with_seed(driver, writing, storage)}


def _with_seed(driver, writing, storage):
    """The options of cloud-init, and the drive from which it reads them."""
    reported = password_option(driver)
    if not reported and not any(values.stem(key) in CLOUD_INIT_KEYS for key in writing.put):
        return reported
    return {**reported, free_seed_slot({_ISO, *writing.taken}): f"{storage}:cloudinit"}


def numbered(driver, name, number, begin):
    """The number that a VM was created with: the requested one, else the next free one.

    ``begin(vmid)`` starts to create it and returns the task.
    """
    _check_lost_answers(driver, name)
    if number:
        return _with_number(driver, name, number, begin)
    tried = set()
    for _number in range(_TRIES):
        vmid = None
        try:
            with driver.numbering:
                vmid = int(driver.tool.get("/cluster/nextid"))
                driver.numbers[str(vmid)] = name
                task = begin(vmid)
            driver.tool.finish(task)
        except ApiError as error:
            # If the same number is still free, another error has these words.
            if vmid in tried or not any(word in error.message for word in _TAKEN):
                raise
            tried.add(vmid)
        else:
            return str(vmid)
    raise ApiError(f"{name}: others took {_TRIES} numbers first.", None, "Set id to a free one.")


def _check_lost_answers(driver, name):
    """Raise Busy while a VM is being created with a number that this task requested: its answer was lost."""
    for vmid in [vmid for vmid, other in driver.numbers.items() if other == name]:
        if driver.observer.is_being_created(vmid):
            raise Busy(f"{name}: VM {vmid} is being created, perhaps by this task: an answer was lost.", None)


def _with_number(driver, name, vmid, begin):
    try:
        driver.tool.finish(begin(vmid))
    except ApiError as error:
        if any(word in error.message for word in _TAKEN) and driver.observer.may_be_under_creation(vmid, name):
            # By this very task, whose connection broke off or which was interrupted: the next observation shows it.
            raise Busy(f"{name}: a VM with the number {vmid} is being created.", error.status) from error
        raise
    return str(vmid)


def _completed(driver, name, vm_options, config):
    """With the changes that are left: a larger first disk than the image's, or those of an interrupted run."""
    context = Context(vm_options.node, vm_options.vmid, vm_options.pool, tuple(config.get("native") or ()))
    found = Vm(name, vm_options.vmid, STOPPED, config=config_of(vm_options.stored, context), mark=vm_options.mark)
    wanted = {key: value for key, value in config.items() if value is not None and key not in _LEFT}
    wanted["disks"] = {slot: _sized(disk) for slot, disk in (config.get("disks") or {}).items()}
    wanted = driver.traits().adjust(found, wanted)
    changes, _not_compared = differences(found, wanted, (), driver.traits())
    if not changes:
        return vm_options
    change_settings(driver, found, changes)
    return driver.observer.read_options(vm_options.vmid)


def _sized(disk):
    return {key: value for key, value in disk.items() if key in ("size", "storage") and value}


def claim(driver, vm_options, name, options=None):
    """Finish an unfinished VM, with these ``options`` beside the mark; raises Busy where it gave way."""
    listed = driver.observer.listed_everywhere()
    _check_nameless(driver, vm_options, name, listed)
    others = _others(driver, vm_options, name, listed)
    if any(not other.is_unfinished or _is_lower(other, vm_options) for other in others):
        raise _give_way(driver, vm_options, name)
    text, own = mark.split(vm_options.stored.get("description"))
    notes = mark.notes_of(text, mark.finished(own))
    driver.tool.put(f"{vm_options.path}/config", description=notes, **(options or {}))
    if any(
        _is_lower(other, vm_options) for other in _others(driver, vm_options, name, driver.observer.listed_everywhere())
    ):
        raise _give_way(driver, vm_options, name)
    driver.created[name] = vm_options.vmid


def is_created(driver, name):
    """Whether this task itself has created the VM already: the step is sent again if its answer was lost."""
    vmid = driver.created.get(name)
    return vmid is not None and any(
        one.vmid == vmid and one.name == name for one in driver.observer.listed_everywhere()
    )


def _others(driver, vm_options, name, listed):
    """All other VMs of the name, as they are now."""
    others = [one for one in listed if one.name == name and one.vmid != vm_options.vmid]
    all_options = [options_of_listed(driver.tool, one) for one in others if not one.error]
    return [one for one in all_options if one is not None]


def _check_nameless(driver, vm_options, name, listed):
    """Raise Busy while a VM with a lower number is being created that may get this name, perhaps by a killed task.

    Until the first disk of a clone is copied, its configuration holds neither its name nor the mark.
    """
    source = ((vm_options.mark or {}).get("inputs") or {}).get("clone")
    for one in listed:
        is_nameless = one.lock in CREATED_UNDER and one.name == f"VM {one.vmid}"
        if not is_nameless or not _is_lower(one, vm_options) or driver.numbers.get(one.vmid, name) != name:
            continue
        if _is_created_by_us(driver, one, source):
            raise Busy(f"{name}: VM {one.vmid} is being created by the same account and has no name yet.", None)


def _is_created_by_us(driver, listed, source):
    """Whether a task of this account is at work that creates this VM, or may: that of a clone names its source."""
    kind, number = ("qmclone", source) if listed.lock == "clone" else ("qmcreate", listed.vmid)
    try:
        tasks = driver.tool.get(f"/nodes/{listed.node}/tasks", source="active", typefilter=kind)
    except (ApiError, Refused):
        return False
    running = [one for one in tasks if not one.get("endtime") and str(one.get("id")) == number]
    return any(_account(one) == driver.tool.api.who for one in running)


def _account(task):
    token = task.get("tokenid")
    return f"{task['user']}!{token}" if token else task["user"]


def _is_lower(other, vm_options):
    return int(other.vmid) < int(vm_options.vmid)


def _give_way(driver, vm_options, name):
    remove(driver, vm_options)
    return Busy(f"{name}: another task created a VM of this name at the same moment.", None)


def remove(driver, vm_options):
    """Delete an unfinished VM with all that was created for it."""
    lift_protection(driver, vm_options)
    driver.tool.run("DELETE", vm_options.path, purge=True)


@contextmanager
def undone_on_failure(driver, vm_options, name, options=None):
    """On failure, remove the VM, or keep it with these ``options`` (on_failure: keep).

    After Busy and ConnectionLost the VM is observed and the step is sent again.
    """
    try:
        yield
    except (Busy, ConnectionLost):
        raise
    except PolyvirtError as error:
        if driver.keeps_failures:
            _keep(driver, vm_options, name, options)
            # An ApiError would count for nothing, for the VM is there.
            raise PartlyApplied(
                f"{name}: it is kept as far as it was created: {error.message}", error.remedy
            ) from error
        _undo(driver, vm_options)
        raise


def _undo(driver, vm_options):
    try:
        remove(driver, vm_options)
    except ApiError as error:
        driver.tool.warn(f"The unfinished VM {vm_options.vmid} could not be removed: {error.message}")


def _keep(driver, vm_options, name, options):
    """Finish the VM: unfinished ones are hidden."""
    try:
        claim(driver, driver.observer.read_options(vm_options.vmid), name, options)
    except (Busy, ConnectionLost):
        raise
    except PolyvirtError as error:
        driver.tool.warn(f"{name}: the VM {vm_options.vmid} is kept, but unfinished: {error.message}")
