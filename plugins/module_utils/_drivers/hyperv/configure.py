# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: change settings of a VM: first the mark in its notes, then the VM itself."""

from __future__ import annotations

from contextlib import suppress

from ..._core.errors import PolyvirtError, Stale
from ..._core.record.answer_media import without_media
from ..._core.record.mark import IN_MARK, finished_mark, making_mark, making_of, mark_for, with_settings
from ..._ports.windows import CallFailed
from ..._ports.windows_request import pick
from ..._tools.hyperv import the_vm
from ..._tools.windows_files import key_of
from .claims import own_media
from .delete import removals_of, remove_files
from .mark import notes_call, notes_of, own_mark, split_notes, unchanged_notes
from .settings import cdroms
from .settings.actions import service_calls
from .settings.disks import (
    attach_call,
    detach_calls,
    drive_slot,
    folder_of,
    grow_call,
    limit_calls,
    new_disk_call,
    path_of_new,
    size_calls,
)
from .settings.firmware import BOOT_DEVICES, bios_order_call, first_boot_call, tpm_calls
from .settings.memory_cpus import with_current_sizes
from .settings.networks import add_nic_calls, change_calls, remove_calls
from .settings.table import setting_calls


def configure(driver, vm, step):
    observed = driver.found.raw(vm.id)
    raw = yield from driver.current(vm)
    changes = step.changes
    files = _new_files(driver, vm, raw, changes)
    media = own_media(raw, step)
    if media:
        yield from remove_files(removals_of(media), [the_vm(vm.id), *cdroms.remove_media_calls(raw, media)])
    notes = _notes_calls(raw, changes, list(files.values()), media)
    sizes = _size_calls(driver, raw, changes)
    calls = [
        *sizes,
        *notes,
        *_removal_calls(observed or raw, raw, changes),
        *_value_calls(raw, changes),
        *_disk_calls(raw, changes, files, driver),
        *cdroms.change_calls(driver, raw, changes),
        *_nic_calls(driver, observed or raw, raw, changes),
        *_boot_calls(raw, changes),
        *([notes_call(*_final_notes(raw, changes, files, media))] if files else ()),
    ]
    try:
        if not (notes or files):
            yield [the_vm(vm.id), *calls]
            return
        yield from unchanged_notes(vm, raw, calls)
    except CallFailed as error:
        if error.id == "NotOne" and len(error.result.answers) <= len(sizes) + bool(notes or files) + 1:
            message = f"{vm.name}: the size of a disk was changed meanwhile by another client."
            raise Stale(message, "Run the task again.") from error
        if files:
            with suppress(PolyvirtError):  # The first error is more important.
                # The first two answers are those about the VM and its notes.
                yield from _undo_new_files(vm, raw, changes, files, zip(calls, error.result.answers[2:]))
        raise


# Notes ----------------------------------------------------------------------------------------------------------------


def _final_notes(raw, changes, files, media=()):
    """Return (description, mark or None) as they are after the changes; ``files`` are the new disks, {slot: path}."""
    description, mark = split_notes(raw.get("Notes"))
    values = {change.kind: change.new for change in changes}
    is_ours = mark is not None and mark.get("id") == raw["Id"]
    if is_ours or files or set(values) & set(IN_MARK):
        mark = without_media(finished_mark(with_settings(own_mark(raw), values)), media)
        mark["disks"] = list(dict.fromkeys([*mark["disks"], *files.values()]))
    return values.get("description", description), mark


def _notes_calls(raw, changes, paths, media):
    """Return the call that stores the notes before files are created.

    The mark then names the files, so that the next task recognizes them if this one is interrupted.
    """
    description, mark = _final_notes(raw, changes, {}, media)
    if paths:
        mark = making_mark(mark_for(raw["Id"], mark), paths)
    notes = notes_of(description, mark) if mark else description
    return [] if notes == (raw.get("Notes") or "") else [notes_call(description, mark)]


def _new_files(driver, vm, raw, changes):
    """Return {slot: path} of the disk files to create."""
    present = {drive_slot(drive) for drive in raw.get("HardDrives") or ()}
    added = [change for change in changes if change.kind == "disks.add" and change.key not in present]
    folder = folder_of(driver)
    return {
        change.key: path_of_new(folder, vm.name, change.key, change.new)
        for change in added
        if not change.new.get("source")
    }


# Values ---------------------------------------------------------------------------------------------------------------


def _undo_new_files(vm, raw, changes, files, answered):
    """Remove the new files that were not attached, and forget them: a later file there may be that of a user."""
    done = [call for call, answer in answered if answer.error is None]
    new = {change.key: change.new for change in changes if change.kind == "disks.add"}
    attached = {slot: path for slot, path in files.items() if attach_call(slot, path, new[slot]) in done}
    left = [path for slot, path in files.items() if slot not in attached and new_disk_call(path, new[slot]) in done]
    yield [the_vm(vm.id), *removals_of(left, recorded=True), notes_call(*_final_notes(raw, changes, attached))]


def _value_calls(raw, changes):
    values = {change.field: change.new for change in changes if change.key is None and change.attribute is None}
    native = {change.key: change.new for change in changes if change.field == "native"}
    calls = setting_calls({**with_current_sizes(raw, values), "native": native})
    if "tpm" in values:
        calls += tpm_calls(values["tpm"])
    services = {change.attribute: change.new for change in changes if change.field == "integration_services"}
    if services:
        found = {one["Id"].lower(): one["Enabled"] for one in raw.get("VMIntegrationService") or ()}
        calls += service_calls(raw["Id"], services, found)
    return calls


def _boot_calls(raw, changes):
    order = next((change.new for change in changes if change.field == "boot_order"), None)
    if order is None:
        return []
    if raw.get("Generation") == 1:
        return [bios_order_call(order)]
    calls = []
    for kind in reversed(order):
        for device in reversed(raw.get(BOOT_DEVICES[kind]) or ()):
            calls.append(pick("vm", "device", path=[BOOT_DEVICES[kind]], conditions={"Id": device["Id"]}))
            calls.append(first_boot_call("device"))
    return calls


# Disks and NICs -------------------------------------------------------------------------------------------------------


def _removal_calls(observed, raw, changes):
    """Return the calls that remove drives and NICs, found by the ids they had when the change was planned."""
    calls = []
    drives = {drive_slot(drive): drive for drive in observed.get("HardDrives") or ()}
    dvds, parts = cdroms.drives_of(observed), ("HardDrives", "DVDDrives", "NetworkAdapters")
    present_ids = {one["Id"] for name in parts for one in raw.get(name) or ()}
    nics = {str(index): nic for index, nic in enumerate(observed.get("NetworkAdapters") or ())}
    for change in changes:
        if change.kind == "disks.remove" and drives[change.key]["Id"] in present_ids:
            calls += detach_calls(drives[change.key])
        if change.kind == "cdroms.remove" and dvds[change.key]["Id"] in present_ids:
            calls += cdroms.remove_calls(dvds[change.key])
        if change.kind == "networks.remove" and nics[change.key]["Id"] in present_ids:
            calls += remove_calls(change.key, nics[change.key])
    return calls


def _size_calls(driver, raw, changes):
    """Return calls that fail if a disk to enlarge has no longer the size of the plan."""
    paths = {drive_slot(drive): drive["Path"] for drive in raw.get("HardDrives") or ()}
    grown = [(paths[change.key], change) for change in changes if change.kind == "disks.size"]
    sizes = {path: (driver.found.disks.get(key_of(path)) or {}).get("Size") for path, _change in grown}
    checks = [size_calls(path, change.old) for path, change in grown if sizes[path] != change.new]
    return [call for pair in checks for call in pair]


def _disk_calls(raw, changes, files, driver):
    calls, drives = [], {drive_slot(drive): drive for drive in raw.get("HardDrives") or ()}
    removed = {change.key for change in changes if change.kind == "disks.remove"}
    leftovers = {key_of(path) for path in making_of(own_mark(raw))}
    for change in changes:
        if change.kind == "disks.size":
            known = driver.found.disks.get(key_of(drives[change.key]["Path"])) or {}
            calls += [] if known.get("Size") == change.new else [grow_call(drives[change.key]["Path"], change.new)]
        elif change.kind == "disks.iops_limit":
            calls += limit_calls(drives[change.key], change.new)
        elif change.kind == "disks.add" and (change.key not in drives or change.key in removed):
            path = files.get(change.key)
            if path and key_of(path) in leftovers:  # An interrupted task may have created it.
                calls += removals_of([path], recorded=True)
            calls += [new_disk_call(path, change.new)] if path else []
            shared = driver.is_shared(change.new.get("source"), change.key)
            calls.append(attach_call(change.key, path or change.new["source"], change.new, shared=shared))
    return calls


def _nic_calls(driver, observed, raw, changes):
    nics = {str(index): nic for index, nic in enumerate(observed.get("NetworkAdapters") or ())}
    calls, switches, requested = [], driver.host.switches, {}
    for change in (change for change in changes if change.field == "networks" and change.new is not None):
        if change.attribute is not None:
            requested.setdefault(change.key, {"beside": change.beside})[change.attribute] = change.new
        elif int(change.key) >= len(raw.get("NetworkAdapters") or ()):
            calls += add_nic_calls(change.key, change.new, switches)
    for index, entry in requested.items():
        attributes = set(entry) - {"beside"}
        calls += change_calls(index, nics[index], {**entry.pop("beside"), **entry}, attributes, switches)
    return calls
