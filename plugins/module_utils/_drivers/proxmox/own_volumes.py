# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: which volumes of a VM were created for it by tasks. The server deletes all volumes of a VM with it.

The server names volumes itself, so the mark has the ``slots`` of those that a task creates, in the call that creates
them. ``detached`` are the volumes that tasks have detached: the server chooses their slots (unused0 ...) later. A mark
without slots was written by an earlier version, or is of a clone that is not finished: all its volumes count.
"""

from __future__ import annotations

import re

from ..._core.record.mark import BIRTH
from ..._tools import proxmox_values as values
from . import mark
from .settings.disks import STATE_VOLUMES, UNUSED, disks_of, volumes_of

_CREATED = re.compile(r"[^:/]+:\d+(\.\d+)?")


def own_volumes(vm_options):
    """{option: volume} of the volumes that the mark of a VM names; none if it has no mark of its own."""
    own = vm_options.own_mark
    return {} if own is None else _named(own, vm_options.vmid, vm_options.stored)


def _named(own, vmid, options):
    volumes = _with_number(options, vmid)
    if "slots" not in own:
        return volumes
    return {key: volume for key, volume in volumes.items() if _is_named(own, options, key, volume)}


def _with_number(options, vmid):
    return {key: text for key, text in volumes_of(options).items() if values.owner_of(text) == str(vmid)}


def _is_named(own, options, key, volume):
    if _is_filled_by_server(key, options[key]):
        return True
    return volume in own.get("detached", ()) if UNUSED.fullmatch(key) else key in own["slots"]


def _is_filled_by_server(key, text):
    """Whether the server itself writes a volume: the saved memory, and the cloud-init drive."""
    return key == "vmstate" or bool(values.bus_of(key) and values.is_seed(values.parse(key, text)))


def slots_of(vm_options):
    """The slots that the mark of a VM names, as far as they have volumes."""
    return _recorded(own_volumes(vm_options), vm_options.stored)["slots"]


def deleted_volumes(vm_options):
    """{volume: whether tasks have created it}, of all that the server deletes with a VM.

    These are the volumes with its number in its options, of now and of its next start. The former list also those that
    are only in snapshots, as unused; the memory in a snapshot is part of it.
    """
    running = _with_number(vm_options.running, vm_options.vmid).values()
    stored = _with_number(vm_options.stored, vm_options.vmid).values()
    own, recorded = own_volumes(vm_options).values(), vm_options.own_mark or {"slots": ()}
    detached = running if "slots" not in recorded else recorded.get("detached", ())
    return {one: one in own or (one in detached and one not in stored) for one in (*stored, *running)}


def slots_with_volumes(options):
    """The slots of which a clone of a VM with these options gets a volume; the server fills the other ones itself."""
    return sorted(key for key in volumes_of(options) if key in disks_of(options) or key in STATE_VOLUMES)


def slots_created(options):
    """The slots in which a call with these options creates volumes."""
    return sorted(key for key, text in options.items() if _creates(key, text))


def _creates(key, text):
    is_volume = values.bus_of(key) or key in STATE_VOLUMES
    return bool(is_volume and _CREATED.fullmatch(values.parse(key, text).get("file", "")))


def record(update, completes_mark):
    """Add to a ConfigUpdate the mark that names what it creates and detaches, if the VM has a mark of its own.

    ``completes_mark``: the mark of an earlier version is completed, too.
    """
    text, found = mark.split_notes(update.value("description"))
    birth = mark.birth_of(update.vmid, update.current)
    if not mark.is_of(update.vmid, found, birth):
        return
    named = _named(found, update.vmid, update.current)
    before = {BIRTH: birth, **_recorded(named, update.current)}
    after = {BIRTH: mark.birth_of(update.vmid, {**update.current, **update.to_set}), **_after(update, named)}
    written = {key: value for key, value in {**found, **after}.items() if value or key != "detached"}
    if (after != before or completes_mark or "description" in update.to_set) and written != found:
        update.to_set["description"] = mark.notes_of(text, written)


def notes_with_detached(vm_options, kept):
    """The notes that name the disks of tasks, except the volumes ``kept``, as detached; None if they do not change."""
    named, own = own_volumes(vm_options), vm_options.own_mark
    disks = disks_of(vm_options.stored)
    detached = {volume for key, volume in named.items() if key in disks and volume not in kept}
    recorded = _recorded(named, vm_options.stored)
    if detached <= set(recorded["detached"]):
        return None
    text, _own = mark.split_notes(vm_options.stored.get("description"))
    recorded = {**recorded, "detached": sorted({*recorded["detached"], *detached})}
    return mark.notes_of(text, {**own, BIRTH: vm_options.birth, **recorded})


def _recorded(named, options):
    """The parts of a mark that name volumes ({option: volume})."""
    detached = sorted(volume for key, volume in named.items() if UNUSED.fullmatch(key))
    slots = sorted(key for key in named if not (_is_filled_by_server(key, options[key]) or UNUSED.fullmatch(key)))
    return {"slots": slots, "detached": detached}


def _after(update, named):
    """The slots and detached volumes after an update."""
    gone = {*update.to_remove, *update.to_purge}
    kept = {key: volume for key, volume in named.items() if key not in gone}
    known, disks = _recorded(kept, update.current), disks_of(update.current)
    detached = {volume for key, volume in named.items() if key in update.to_remove and key in disks}
    attached = {key: values.parse(key, text).get("file") for key, text in update.to_set.items() if values.bus_of(key)}
    slots = {*known["slots"], *slots_created(update.to_set)}
    slots |= {key for key, volume in attached.items() if volume in known["detached"]}
    detached |= set(known["detached"]) - set(attached.values())
    return {"slots": sorted(slots), "detached": sorted(detached)}
