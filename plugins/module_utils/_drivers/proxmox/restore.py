# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: restoring backups: as a new VM, or over an existing one.

The server frees the disks of a VM before it reads the archive with which it overwrites the VM. So the backup is first
restored as a copy, and the disks of the VM are detached, which the server does not free. The copy is deleted only when
the VM is complete. A restore that fails leaves a VM with 128 MiB of memory and nothing else.
"""

from __future__ import annotations

import re
from functools import partial

from ..._core.backup.backup import BIRTHS, REPLACING, RESTORED_FROM, births_of, interrupted_restore
from ..._core.errors import ApiError, PartlyApplied, PolyvirtError, Refused, Stale
from ..._core.model import STOPPED
from ..._core.record.mark import BIRTH, finished_mark, of_lost_vm, sources_in
from ..._core.units import MIB
from ..._ports import change_counter, permits
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, ConnectionLost
from . import mark
from .backups import all_volumes, known, nodes_with, options_in, storages_for, volumes_in, volumes_not_in
from .create import create_once, create_with_vmid, finish_vm, read_created, remove
from .delete import purging
from .own_volumes import notes_with_detached
from .restored_copy import COPY_FOR, copy_name, is_beside, is_rest, kept_macs, own_copy, recorded_macs, rest_of
from .seed_iso import seeds_of_others
from .settings.disks import STATE_VOLUMES, UNUSED
from .settings.iso import lost_media
from .settings.networks import nics_of
from .settings.table import Context, config_of

#: LVM rounds sizes up to extents of 4 MiB, and no other storage rounds more.
_EXTENT = 4 * MIB
#: The name of an archive in the log of a restore, in a directory and on a backup server.
_ARCHIVE = re.compile(r"vzdump-qemu-[\w.-]+|vm/\d+/[\d:TZ-]+")
#: Options that differ in a copy, and those that the server generates for each restore.
_OWN = frozenset({"name", "description", "onboot", "protection", "smbios1", "vmgenid", "meta", "cipassword"})


def overrides(driver, options, networks, is_copy, macs=None):
    """The options that replace those of the backup: NICs, and no start with the node for a copy.

    ``macs`` are {place: MAC address} of an existing VM that keeps them, None if they are those of the backup.
    """
    changed = {"onboot": 0} if is_copy else {}
    for place, nic in nics_of(options).items():
        bridge = nic.get("bridge")
        if bridge not in networks and macs is None:
            continue
        new = {name: value for name, value in nic.items() if name != "macaddr" or not (is_copy or macs is not None)}
        if bridge in networks:
            new["bridge"] = networks[bridge]
        if place in (macs or {}):
            new["macaddr"] = macs[place]
        changed[f"net{place}"] = values.printed(f"net{place}", new)
    return changed


def _media_after(driver, node, options, vmid):
    """The options that empty the optical drives with lost ISO images, and ``delete`` for those with seeds of other VMs.

    The server accepts none of them in a restore.
    """
    seeds = seeds_of_others(options, vmid)
    others = {key: text for key, text in options.items() if key not in seeds}
    ejected = dict.fromkeys(lost_media(driver, node, others), "none,media=cdrom")
    return {**ejected, "delete": ",".join(seeds)} if seeds else ejected


def config_after(driver, vm, one, options):
    """The settings of a VM after a restore. Names of volumes and new MAC addresses are not known before."""
    networks, is_new = driver.options.get("networks") or {}, vm.id is None
    number = number_for(driver, vm, one.backup) if is_new else vm.id
    is_copy = number is None
    node = target_node(driver, vm, one, options)
    restored = {key: text for key, text in options.items() if key not in volumes_not_in(options)}
    if is_new:
        copy = rest_of(driver, vm, one.backup)[0]
        macs = recorded_macs(copy and copy.own_mark)
    else:
        macs = kept_macs(vm, driver.last_options(vm.id), one.backup)
    restored.update({key: str(text) for key, text in overrides(driver, options, networks, is_copy, macs).items()})
    media = _media_after(driver, node, options, number)
    removed = media.pop("delete", "").split(",")
    restored = {key: text for key, text in {**restored, **media}.items() if key not in removed}
    if is_new:
        lost = None if is_beside(driver) else _own_mark_in(one.backup, options)
        recorded = {**of_lost_vm(lost or {}), "id": ""}
    else:
        recorded = driver.last_options(vm.id).own_mark
    pool = (pool_for(driver, vm, one.backup) if is_new else vm.config.get("pool")) or ""
    config = config_of(restored, Context(node, vm.id or "", pool, driver.native_keys, recorded))
    config["disks"] = {slot: {**disk, "source": None} for slot, disk in (config.get("disks") or {}).items()}
    if is_copy:
        config["networks"] = {place: {**nic, "mac": None} for place, nic in (config.get("networks") or {}).items()}
    return config


def target_node(driver, vm, one, options):
    """The node of an existing VM, else the one of the backup, or another one that can read it and has the storages."""
    is_shared = driver.resources.is_shared(one.volume.partition(":")[0])
    nodes = nodes_with(driver, vm.name) if is_shared else [one.node]
    if vm.id is not None:
        node = driver.node_of(vm.id)
        if node not in nodes:
            raise Refused(
                f"{vm.name}: its node '{node}' cannot read backup '{one.backup.id}'; {', '.join(nodes)} can.",
                "Move the VM there first (proxmox_vm: node), or restore the backup as another VM (new_name).",
            )
        return node
    nodes.sort(key=lambda node: node != one.backup.host)
    storages = set(storages_for(driver, options))
    fitting = [node for node in nodes if storages <= set(driver.resources.storages(node, "images"))]
    if not fitting:
        raise Refused(
            f"{vm.name}: no node that can read backup '{one.backup.id}' has the storages of its disks:"
            f" {', '.join(sorted(storages))}.",
            "Set disk_storage to a storage for disks of such a node.",
        )
    return fitting[0]


def pool_for(driver, vm, backup):
    """The pool of a new VM: that of the task, else that of the VM in the backup; None if it is in none, or gone."""
    if driver.options.get("pool") or vm.id:
        return driver.options.get("pool") or vm.config.get("pool") or None
    number = backup.birth.partition(":")[0]
    return (driver.current_pool(number) or None) if driver.name_of(number) == backup.vm else None


def number_for(driver, vm, backup):
    """The number that a new VM gets: that of the lost VM, if it can have it; None for the next free one."""
    if is_beside(driver):
        return None
    number, left = backup.birth.partition(":")[0], driver.unfinished_options(vm.name)
    if int(number) not in driver.resources.taken_vmids or (left is not None and left.vmid == number):
        return number
    _copy, rest = rest_of(driver, vm, backup)
    if rest and driver.tool.running_tasks(rest.node, "qmrestore", rest.vmid):
        raise Refused(f"{vm.name}: VM {rest.vmid} is being restored.", "Run the task again when that has ended.")
    # An interrupted task may restore it.
    return rest.vmid if rest else number if driver.is_being_restored(driver.entry(number)) else None


# A new VM -------------------------------------------------------------------------------------------------------------


def create_from_backup(driver, vm, step):
    """Create a VM from a backup. It is off."""
    backup, recorded = step.arguments["backup"], {}
    copy, rest = rest_of(driver, vm, backup)
    if copy is not None:
        with permits.also(things=[("state", rest.vmid)]):  # The record of the copy names it.
            _overwrite(driver, vm, step, rest, copy.own_mark[BIRTHS], {}, recorded_macs(copy.own_mark))
        driver.creations.record(vm.name, rest.vmid)
        remove(driver, copy)
        return
    if not is_beside(driver):
        of_lost = _own_mark_in(backup, options_in(driver, known(driver, vm, backup.id)))
        recorded = {**of_lost_vm(of_lost or {}), BIRTHS: [backup.birth]}
    _create(driver, vm, vm.name, step, number_for(driver, vm, backup), recorded)


def _own_mark_in(backup, options):
    """The record of the VM in a backup; None if it has none, or that of another VM."""
    found = mark.split_notes(options.get("description"))[1]
    return found if mark.is_of(backup.birth.partition(":")[0], found, backup.birth) else None


def _create(driver, vm, name, step, number, recorded):
    one = known(driver, vm, step.arguments["id"])
    options, made = options_in(driver, one), {**recorded.get("inputs", {}), "backup": one.backup.id}
    inputs, parts = sources_in(made), {RESTORED_FROM: step.arguments["origin"], **recorded, "inputs": made}

    def complete(vm_options):
        _check_whole(name, options, vm_options)
        media = _media_after(driver, vm_options.node, vm_options.stored, vm_options.vmid)
        finish_vm(driver, vm_options, name, media)

    _remove_left(driver, name, inputs)
    begin = partial(_restore_new, driver, vm, name, one, step.arguments["networks"], number, parts)
    create_once(driver, name, inputs, begin, complete)


def left_of_another(driver, name, inputs):
    """The VmOptions of an unfinished VM of an interrupted restore of another backup, if it is off; else None."""
    left = driver.unfinished_options(name)
    found = sources_in(left.inputs) if left is not None else inputs
    is_other = set(found) == set(inputs) and found != inputs
    return left if is_other and not driver.is_running(left) else None


def _remove_left(driver, name, inputs):
    left = left_of_another(driver, name, inputs)
    if left is not None:
        remove(driver, left)
        driver.forget_unfinished(name)


def _restore_new(driver, vm, name, one, networks, number, parts):
    options = options_in(driver, one)
    node, is_copy = target_node(driver, vm, one, options), number is None
    text, begun, started = mark.split_notes(options.get("description"))[0], {}, {}

    def start_task(vmid):
        begun[str(vmid)] = {**mark.new_mark(vmid, parts["inputs"]), **parts, "slots": sorted(volumes_in(options))}
        requested = overrides(driver, options, networks, is_copy)
        requested.update(name=name, description=mark.notes_of(text, begun[str(vmid)]), unique=is_copy or None)
        requested["pool"] = pool_for(driver, vm, one.backup)
        started["vmid"] = None
        upid = _post(driver, node, vmid, one, requested)
        started["vmid"] = str(vmid)
        return upid

    _check_begun(driver, name, one)
    before = change_counter.count()
    try:
        vmid = create_with_vmid(driver, name, node, number, start_task)
    except ApiError as error:
        if not isinstance(error, (Busy, ConnectionLost)) and started.get("vmid"):
            _remove_rest(driver, name, started["vmid"], node, before)
        raise
    return read_created(driver, vmid, node, begun), before


def _check_begun(driver, name, one):
    """Raise Busy while this account restores the backup: perhaps an earlier run, which was interrupted, has begun that.

    The VM gets its name and its record at the end (restore_busy). Only the log can show that it is another backup.
    """
    nodes = [node for node, found in driver.resources.nodes.items() if found.online]
    ours = {*driver.planned_vms, *(vmid for vmid, other in driver.requested_vmids.items() if other != name)}
    for task in (task for node in nodes for task in driver.tool.own_tasks(node, "qmrestore", None)):
        archives = _ARCHIVE.findall("\n".join(driver.tool.log(task["upid"])))
        is_other = archives and not any(one.volume.endswith(archive) for archive in archives)
        if not is_other and str(task["id"]) not in ours:
            raise Busy(f"{name}: VM {task['id']} is being restored by this account, and has no name until then.", None)


def _post(driver, node, vmid, one, requested):
    storage = driver.options.get("disk_storage")
    return driver.tool.post(f"/nodes/{node}/qemu", vmid=vmid, archive=one.volume, storage=storage, **requested)


def _remove_rest(driver, name, vmid, node, before):
    """Delete what a failed restore to a free number has left: the server had reserved the number for this task."""
    try:
        vm_options = driver.read_options(vmid, node)
        if is_rest(vm_options) or vm_options.is_unfinished:
            remove(driver, vm_options)
            change_counter.set_back(before)
    except PolyvirtError as error:
        driver.tool.warn(f"{name}: VM {vmid}, which the failed restore has left, was not deleted: {error.message}")


def _check_whole(name, options, vm_options):
    """Raise ApiError unless a restored VM has the disks, sizes and settings of the backup.

    A disk that the archive lacks remains in the settings, with the volume of the VM that was backed up.
    """
    restored = vm_options.stored
    disks, found = volumes_in(options), all_volumes(restored)
    own = {slot for slot, drive in found.items() if values.owner_of(drive["file"]) == vm_options.vmid}
    different = [slot for slot, drive in disks.items() if slot not in own or not _has_size(slot, drive, found[slot])]
    compared = {
        key for key in (*options, *restored) if key not in (*_OWN, *STATE_VOLUMES) and not UNUSED.fullmatch(key)
    }
    compared = {key for key in compared if values.bus_of(key) is None and values.stem(key) != "net"}
    different += [key for key in compared if options.get(key) != restored.get(key)]
    if different:
        raise ApiError(f"{name}: the restored VM differs from the backup: {', '.join(sorted(different))}.", None)


def _has_size(slot, backed_up, restored):
    """Whether a disk has the size of the backup, or as much more as its storage rounds up.

    The state of firmware and TPM has another size on another type of storage.
    """
    wanted, found = (values.size_of(drive.get("size")) for drive in (backed_up, restored))
    return slot in STATE_VOLUMES or wanted is None or 0 <= (found or 0) - wanted < _EXTENT


# An existing VM -------------------------------------------------------------------------------------------------------


def prepare_restore(driver, vm, step):
    """Restore the backup as a copy: an existing VM is stopped only when that is complete."""
    vm_options = driver.read_options(vm.id)
    _check_birth(driver, vm, vm_options)
    if _copy_of(driver, vm, step) is None:
        _new_copy(driver, vm, step)
    # The copy takes minutes, in which the VM may have been changed.
    current = driver.read_options(vm.id)
    if current.digest != vm_options.digest:
        raise Stale(f"{vm.name}: it was changed meanwhile.", "Run the task again.")
    if vm.on:
        # A task after an interruption starts it again.
        _record(driver, current, {"power": vm.power})
        current = driver.read_options(vm.id)
    driver.prepared[vm.id] = _compared(current)


def _compared(vm_options):
    """The options that must not change until a VM is overwritten.

    The digest also covers that changes wait for the next start. The server applies them when the VM stops, and lists
    the disks that it detaches then.
    """
    return {key: text for key, text in vm_options.stored.items() if not UNUSED.fullmatch(key)}


def _record(driver, vm_options, replacing):
    text, recorded = mark.split_notes(vm_options.stored.get("description"))
    own = {**mark.own_mark(vm_options.vmid, recorded, vm_options.birth), REPLACING: replacing}
    driver.tool.put(f"{vm_options.path}/config", description=mark.notes_of(text, own), digest=vm_options.digest)


def restore_backup(driver, vm, step):
    """Overwrite a VM that is off with a backup."""
    vm_options, copy = driver.read_options(vm.id), _copy_of(driver, vm, step)
    _check_birth(driver, vm, vm_options)
    if driver.is_running(vm_options):
        raise Stale(f"{vm.name}: it was started meanwhile.", "Run the task again.")
    power = interrupted_restore(vm.mark if is_rest(vm_options) else vm_options.own_mark).get("power", STOPPED)
    begun = {"power": power, "files": list(step.arguments["files"])}
    if driver.prepared.pop(vm.id, _compared(vm_options)) != _compared(vm_options) or copy is None:
        raise Stale(f"{vm.name}: it was changed meanwhile.", "Run the task again.")
    # If only a rest of the VM is left, the next task learns from the copy how it was.
    macs = kept_macs(vm, vm_options, step.arguments["backup"])
    _record(driver, copy, {"power": power, "macs": macs, "name": vm.name})
    vm_options = _detached(driver, vm_options)
    try:
        restored, options = _overwrite(driver, vm, step, vm_options, births_of(vm), {REPLACING: begun}, macs)
    except PolyvirtError as error:
        raise PartlyApplied(
            f"{vm.name}: VM {vm.id} was not overwritten with backup '{step.arguments['id']}': {error.message} Its"
            f" former disks are detached, and were not deleted. VM {copy.vmid} '{copy_name(vm.name)}' is a complete"
            " restore of the backup.",
            f"Run the task again: it overwrites VM {vm.id} again, and deletes VM {copy.vmid} at the end. To use VM"
            f" {copy.vmid} instead, rename it first (allow_rename). Former disks that the VM does not list: qm rescan"
            f" --vmid {vm.id}.",
        ) from error
    # Not before: it says that the VM is whole.
    _record(driver, restored, {**begun, "id": step.arguments["id"], "protection": options.get("protection")})


def finish_restore(driver, vm, step):
    """Delete the copy, and the former disks that this collection has created."""
    copy = _copy_of(driver, vm, step)
    if copy is not None:
        remove(driver, copy)
    vm_options = driver.read_options(vm.id)
    text, own = mark.split_notes(vm_options.stored.get("description"))[0], vm_options.own_mark
    if own is None or REPLACING not in own:
        return  # The step was sent before.
    files = set(step.arguments["files"])
    keys = [key for key, volume in vm_options.stored.items() if UNUSED.fullmatch(key) and volume in files]
    protected = own[REPLACING].get("protection")
    own = {**finished_mark(own, REPLACING), "detached": [one for one in own.get("detached", ()) if one not in files]}
    notes, removed = mark.notes_of(text, own), ",".join(keys) or None
    changed = {"description": notes, "delete": removed, "protection": protected, "digest": vm_options.digest}
    with purging(vm_options, keys):
        driver.tool.put(f"{vm_options.path}/config", **changed)


def _check_birth(driver, vm, vm_options):
    planned = driver.planned_vms.get(vm.id, vm)
    if planned.birth != vm_options.birth:
        raise Stale(f"{vm.name}: VM {vm.id} is another VM now.", "Run the task again.")


def _copy_of(driver, vm, step):
    """The complete copy that an interrupted task has left, or None. An unfinished one is completed as the new one."""
    name = copy_name(vm.name)
    copies = [own_copy(driver, vm, one, step.arguments["origin"]) for one in driver.list_all() if one.name == name]
    for copy in filter(None, copies):
        if not copy.is_unfinished:
            return copy
        driver.remember_unfinished(name, copy.vmid)
    return None


def _new_copy(driver, vm, step):
    name = copy_name(vm.name)
    _create(driver, vm, name, step, None, {BIRTHS: list(births_of(vm)), COPY_FOR: vm.identity})
    return driver.read_options(driver.creations.id_of(name))


def _detached(driver, vm_options):
    """Detach all disks, so that the server does not free them; returns the new VmOptions."""
    slots = [slot for slot, drive in all_volumes(vm_options.stored).items() if ":" in drive["file"]]
    if not slots:
        return vm_options
    notes = notes_with_detached(vm_options, ()) if vm_options.own_mark else None
    driver.tool.put(f"{vm_options.path}/config", description=notes, delete=",".join(slots), digest=vm_options.digest)
    return driver.read_options(vm_options.vmid)


def _overwrite(driver, vm, step, vm_options, births, recorded, macs):
    """Restore a backup over a VM; returns (its VmOptions, options in the backup). Its record gets ``recorded``."""
    one, vmid = known(driver, vm, step.arguments["id"]), vm_options.vmid
    options = options_in(driver, one)
    requested = overrides(driver, options, step.arguments["networks"], is_copy=False, macs=macs)
    text = mark.split_notes(options.get("description"))[0]
    requested["name"] = vm.name
    requested["description"] = mark.notes_of(text, {**_mark_after(one, options, vm_options, births, step), **recorded})
    try:
        # The server would not delete the former disks of a protected VM. The VM keeps its pool.
        sent = {**requested, "force": 1, "protection": 0}
        driver.tool.finish(_post(driver, vm_options.node, vmid, one, sent))
    except ConnectionLost:
        # The answer was lost: what is there now shows whether the server has restored it.
        for task in driver.tool.running_tasks(vm_options.node, "qmrestore", vmid):
            driver.tool.finish(task["upid"])
    restored = driver.read_options(vmid)
    _check_whole(vm.name, {**options, **requested}, restored)
    media = _media_after(driver, restored.node, restored.stored, vmid)
    if media:
        driver.tool.put(f"{restored.path}/config", **media, digest=restored.digest)
        restored = driver.read_options(vmid)
    return restored, options


def _mark_after(one, options, vm_options, births, step):
    """The record of the VM after the restore: of today, with the slots of the disks that the backup's record names."""
    birth, old = mark.birth_of(vm_options.vmid, options), _own_mark_in(one.backup, options)
    own = mark.own_mark(vm_options.vmid, vm_options.own_mark, vm_options.birth)
    if not vm_options.birth:  # The rest of a VM.
        own = {**own, **of_lost_vm(old or {})}
    slots = [slot for slot in volumes_in(options) if old and slot in old.get("slots", (slot,))]
    earlier = [one for one in births if one != birth]
    return {
        **own,
        BIRTH: birth,
        "slots": slots,
        RESTORED_FROM: step.arguments["origin"],
        **({BIRTHS: earlier} if earlier else {}),
    }
