# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making machines, from nothing, from an image, or from another machine.

The server makes all of one in one task, or nothing. A run that was cut off is completed by the same task.
"""

from __future__ import annotations

from ..._lifecycle.differences import additions, differences
from ..._lifecycle.errors import ApiError
from ..._lifecycle.model import STOPPED, Vm
from ..._lifecycle.plan_make import find_snapshot
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy
from . import mark, media, placing
from .changing import TOLD_TO_GUESTS, configure
from .claiming import claim, is_created, undone_on_failure
from .settings import free_iso_slot, free_seed_slot, written
from .sight import Around, config_of, iso_slot, seed_slot
from .traits import AUTO

_FIRST = "scsi0"
#: What every guest of today is better off with, and nobody asks about.
_BASE = {"scsihw": "virtio-scsi-single"}
#: Made by calls of their own, or known by where the machine is made.
_APART = frozenset({"node", "pool", "template", "iso", "hotplug"})
#: Given in the act of making, or told apart by nothing that a new machine has.
_LEFT = frozenset({"node", "pool", "hotplug"})
#: The drive of the option iso is there from the start, so that a medium can be put in while the machine runs.
_ISO = "ide2"
_TAKEN = ("already exists", "File exists")
#: Numbers that others may take in the same moment before it is no longer by chance.
_TRIES = 50


def inputs_of(creation, source=None):
    """What a machine is made from, as its mark tells."""
    if source is None:
        return {"image": creation["image"]["source"]} if creation.get("image") else {}
    asked = creation["clone"]
    return {"clone": source.id, **{key: asked[key] for key in ("snapshot", "linked") if asked.get(key)}}


def create(driver, name, config, creation, number=None):
    """Create a VM that is off, with this number; None: the next that is free."""
    if is_created(driver, name):
        return
    sight = driver.eyes.begun(name, inputs_of(creation)) or _begin(driver, name, config, creation, number)
    with undone_on_failure(driver, sight, name):
        claim(driver, _completed(driver, name, sight, config), name)


def _begin(driver, name, config, creation, number):
    node = config.get("node", AUTO)
    if node == AUTO:
        node = driver.places.choose_node(name, driver.storage, config.get("memory", 0))
    storage = placing.storage_for(driver, node, name)
    medium = media.volume_for(driver, node, config["iso"]) if config.get("iso") else "none"
    options = options_of(driver, storage, config, creation, medium)

    def make(vmid):
        notes = mark.notes_of(config.get("description") or "", mark.new_mark(vmid, inputs_of(creation)))
        asked = {**options, "vmid": vmid, "name": name, "description": notes, "pool": config.get("pool") or None}
        return driver.tool.post(f"/nodes/{node}/qemu", **asked)

    return driver.eyes.sight(_numbered(driver, name, number, make), node)


def check_slots(driver, config, creation):
    """Refuse a new machine whose disks leave no slot for a drive that it needs."""
    options = options_of(driver, "", config, creation, "none")
    if config.get("iso") and iso_slot(options) is None:
        free_iso_slot(options)


def options_of(driver, storage, config, creation, medium):
    """All options that a new machine is made with."""
    told = {key: value for key, value in config.items() if value is not None and key not in _APART}
    first = dict(told.get("disks") or {}).pop(_FIRST, {})
    if creation.get("image"):
        told["disks"] = {slot: disk for slot, disk in told["disks"].items() if slot != _FIRST}
        imported = {
            "file": f"{first.get('storage') or storage}:0",
            "import-from": creation["image"]["source"],
            "format": first.get("format"),
        }
        base = {_FIRST: values.printed(_FIRST, {key: value for key, value in imported.items() if value})}
    else:
        base = {}
    told.pop("description", None)
    writing = written(additions(told), base, storage)
    return {**_BASE, _ISO: f"{medium},media=cdrom", **base, **writing.put, **_seed(driver, writing, storage)}


def _seed(driver, writing, storage):
    """What cloud-init is told, and the drive by which it is told."""
    told = told_by_task(driver)
    if not told and not any(values.stem(key) in TOLD_TO_GUESTS for key in writing.put):
        return told
    return {**told, free_seed_slot({_ISO, *writing.taken}): f"{storage}:cloudinit"}


def told_by_task(driver):
    """Options of cloud-init that cannot be read back, so they are given only when a VM is created."""
    return {"cipassword": driver.password} if driver.password else {}


def _numbered(driver, name, number, begin):
    """The number that a machine was made with: the one asked for, else the next that is free.

    ``begin(vmid)`` begins to make it and returns the task.
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
            # A number that is still free was not what somebody took.
            if vmid in tried or not any(word in error.message for word in _TAKEN):
                raise
            tried.add(vmid)
        else:
            return str(vmid)
    raise ApiError(f"{name}: others took {_TRIES} numbers first.", None, "Set id to a free one.")


def _check_lost_answers(driver, name):
    """Raise Busy while a VM is being created with a number for which this task has asked: its answer was lost."""
    for vmid in [vmid for vmid, other in driver.numbers.items() if other == name]:
        if driver.eyes.is_being_created(vmid):
            raise Busy(f"{name}: VM {vmid} is being created, perhaps by this task: an answer was lost.", None)


def _with_number(driver, name, vmid, begin):
    try:
        driver.tool.finish(begin(vmid))
    except ApiError as error:
        if any(word in error.message for word in _TAKEN) and driver.eyes.may_be_in_the_making(vmid, name):
            # By this very task, whose connection broke off or which was cut off: the next look will tell.
            raise Busy(f"{name}: a machine with the number {vmid} is just being made.", error.status) from error
        raise
    return str(vmid)


def _completed(driver, name, sight, config):
    """With all that differs made: a larger first disk than the image's, or what a former run was cut off at."""
    around = Around(sight.node, sight.pool, tuple(config.get("native") or ()))
    found = Vm(name, sight.vmid, STOPPED, config=config_of(sight.stored, around), mark=sight.mark)
    wanted = {key: value for key, value in config.items() if value is not None and key not in _LEFT}
    wanted["disks"] = {slot: _sized(disk) for slot, disk in (config.get("disks") or {}).items()}
    wanted = driver.traits().adjust(found, wanted)
    changes, _not_compared = differences(found, wanted, (), driver.traits())
    if not changes:
        return sight
    configure(driver, found, changes)
    return driver.eyes.sight(sight.vmid)


def _sized(disk):
    return {key: value for key, value in disk.items() if key in ("size", "storage") and value}


# Clones -----------------------------------------------------------------------------------------------------------


def clone(driver, name, config, creation, source, number=None):
    """Create a VM that is off, like ``source``, with this number; None: the next that is free."""
    if is_created(driver, name):
        return
    inputs = inputs_of(creation, source)
    sight = driver.eyes.begun(name, inputs) or _copy(driver, name, config, creation["clone"], source, inputs, number)
    options = {"onboot": 0} if sight.stored.get("onboot") == "1" else {}
    with undone_on_failure(driver, sight, name, options):
        told = told_by_task(driver)
        if told and seed_slot(sight.stored) is None:
            told[free_seed_slot(sight.stored)] = f"{placing.storage_for(driver, sight.node, name)}:cloudinit"
        claim(driver, sight, name, {**options, **told})


def _copy(driver, name, config, asked, source, inputs, number):
    origin = driver.eyes.sight(source.id)
    node = config.get("node") if config.get("node") not in (None, AUTO) else origin.node
    taken = find_snapshot(source, asked.get("snapshot"))

    def make(vmid):
        return driver.tool.post(
            f"{origin.path}/clone",
            newid=vmid,
            name=name,
            description=mark.notes_of("", mark.new_mark(vmid, inputs)),
            full=not asked.get("linked"),
            snapname=taken.name if taken else None,
            storage=None if asked.get("linked") else driver.storage,
            pool=config.get("pool") or None,
            target=None if node == origin.node else node,
        )

    return driver.eyes.sight(_numbered(driver, name, number, make), node)
