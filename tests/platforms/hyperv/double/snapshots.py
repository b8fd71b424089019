# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: a tree with a differencing disk for each checkpoint, and merges that begin later."""

from __future__ import annotations

import copy

from platforms.hyperv.double.calls import NO_FILE, handles, listed
from platforms.hyperv.double.files import extension, parent, stem
from platforms.hyperv.double.records import Snapshot, Vhd, new_id
from platforms.windows.objects import has_wildcards, like


def take(host, vm, name, *, has_memory=False, is_automatic=False):
    """Add a checkpoint of the VM's hardware, and attach new differencing disks to the VM."""
    hardware = copy.deepcopy(vm.hardware)
    snapshot = Snapshot(vm, name, hardware, vm.parent, host.clock.now(), has_memory, is_automatic)
    vm.snapshots.append(snapshot)
    vm.parent = snapshot.id
    _new_disks(host, vm)
    return snapshot


def _new_disks(host, vm):
    for drive in vm.hardware.disks():
        if host.files.vhd(drive.path) is not None:
            drive.path = _on_top(host.files, drive.path)


def _on_top(files, path):
    """Create a differencing disk on top of a disk; returns its path, with the name of the disk at the bottom."""
    root = path
    while extension(root) in (".avhd", ".avhdx") and files.vhd(root) is not None:
        root = files.vhd(root).parent
    ending = ".avhdx" if extension(root) == ".vhdx" else ".avhd"
    new = f"{parent(path)}\\{stem(root)}_{new_id().upper()}{ending}"
    files.put(new, Vhd(type="Differencing", size=files.vhd(path).size, parent=files.name(path)))
    return new


def default_name(host, vm):
    """The name of a new checkpoint; the format of its date depends on the host's language."""
    when = host.views.when(host.clock.now())
    form = {"de-DE": "%d.%m.%Y - %H:%M:%S", "ja-JP": "%Y/%m/%d - %H:%M:%S"}.get(host.culture, "%m/%d/%Y - %I:%M:%S %p")
    return f"{vm.name} - ({when.strftime(form)})"


def _busy(host, vm, status, seconds):
    vm.busy.append(status)
    host.clock.at(seconds, lambda: vm.busy.remove(status))


@handles("Checkpoint-VM")
def checkpoint(call):
    host = call.host

    def act(vm):
        if vm.state not in ("Off", "Running", "Paused", "Saved"):
            raise call.state_error()
        type_ = vm.shown["CheckpointType"]
        if type_ == "Disabled":
            raise call.failed("OperationFailed", "checkpoint", details=("checkpoints",), name=vm.name)
        has_memory = vm.state in ("Running", "Paused", "Saved")
        if type_ != "Standard" and vm.state == "Running":
            has_vss = vm.guest.vss and vm.hardware.services["VSS"] and host.answers(vm)
            if not has_vss and type_ == "ProductionOnly":
                raise call.failed("OperationFailed", "checkpoint")
            has_memory = not has_vss
        _check_room(call, vm)
        check_chains(call, vm, "checkpoint")
        snapshot = take(host, vm, call.get("SnapshotName") or default_name(host, vm), has_memory=has_memory)
        _busy(host, vm, "CreatingSnapshot", call.knobs.seconds["checkpoint"])
        call.wait(call.knobs.seconds["checkpoint"])
        return call.passed([host.views.snapshot(snapshot)])

    return call.each(call.vms(), act)


def _check_room(call, vm):
    for drive in vm.hardware.disks():
        if not call.host.files.has_room(drive.path, 4 << 20):
            raise call.failed("OperationFailed", "checkpoint", code=0x80070070)


def check_chains(call, vm, key):
    """Fail if a disk of the VM, or a file below it, does not exist."""
    files = call.host.files
    for drive in vm.hardware.disks():
        end = (files.chain(drive.path) or [None])[-1]
        below = getattr(end and files.vhd(end), "parent", "")
        if end is None or (below and files.file(below) is None):
            raise call.operation(key, NO_FILE, name=vm.name)


def _all(call):
    return [one for vm in call.host.vms for one in vm.snapshots]


@handles("Get-VMSnapshot")
def get_snapshots(call):
    views = call.host.views
    if call.get("Id"):
        found = [one for one in _all(call) if one.id == call.get("Id")]
        if not found:
            call.context.error(call.failed("ObjectNotFound", "snapshot"))
    else:
        found = [one for vm in call.vms() for one in _named(call, vm.snapshots)]
    types = call.get("SnapshotType")
    return [views.snapshot(one) for one in found if types in (None, one.type)]


def _named(call, snapshots):
    """The checkpoints that fit the parameter Name; a name without wildcards must exist."""
    name = call.get("Name")
    if name is None:
        return list(snapshots)
    found = [one for one in snapshots if like(one.name, name)]
    if not found and not has_wildcards(name):
        call.context.error(call.failed("ObjectNotFound", "snapshot"))
    return found


def _chosen(call):
    """The checkpoints that a command changes; reports an error for each that no longer exists."""
    given = call.get("VMSnapshot")
    if given is not None:
        for view in listed(given):
            if view.record in view.record.vm.snapshots and view.record.vm in call.host.vms:
                yield view.record
            else:
                call.context.error(call.failed("ObjectNotFound", "snapshot"))
        return
    is_silent = call.command.name == "Remove-VMSnapshot"
    names = call.get("Name", "*")
    for vm in call.vms():
        for name in listed(names):
            found = [one for one in vm.snapshots if like(one.name, name)]
            if not found and not has_wildcards(name) and not is_silent:
                call.context.error(call.failed("ObjectNotFound", "snapshot"))
            yield from found


@handles("Remove-VMSnapshot")
def remove(call):
    def act(one):
        vm = one.vm
        if one not in vm.snapshots:
            return ()
        if call.knobs.checkpoint_needs_files:
            check_chains(call, vm, "checkpoint")
        gone = [one, *(_descendants(one) if call.get("IncludeAllChildSnapshots") else ())]
        for snapshot in gone:
            _take_out(snapshot)
        merge(call.host, vm)
        return call.passed([call.host.views.snapshot(one)])

    return call.each(list(_chosen(call)), act)


def _descendants(one):
    children = [child for child in one.vm.snapshots if child.parent == one.id]
    return [*children, *(below for child in children for below in _descendants(child))]


def _take_out(snapshot):
    """Remove a checkpoint from the tree; its children become children of its parent."""
    vm = snapshot.vm
    for one in vm.owners():
        if one.parent == snapshot.id:
            one.parent = snapshot.parent
    vm.snapshots.remove(snapshot)


@handles("Restore-VMSnapshot")
def restore(call):
    found = list(_chosen(call))
    if len(found) > 1:
        raise call.failed("InvalidParameter", "snapshots")
    host, seconds = call.host, call.knobs.seconds

    def act(one):
        vm = one.vm
        if vm.state not in ("Off", "Running", "Paused", "Saved"):
            raise call.state_error()
        was_running, saving = vm.state == "Running", 0.0
        if vm.state != "Off":
            vm.state, saving = "Saving", seconds["save"]
        host.clock.at(saving, lambda: _apply(host, one))
        host.clock.at(saving + seconds["restore"], lambda: _end_restore(host, one, was_running))
        call.wait(saving + seconds["restore"])
        call.wait(seconds["start"] if vm.state == "Starting" else 0)
        return call.passed([host.views.snapshot(one)])

    return call.each(found, act)


def _apply(host, one):
    """Give the VM the hardware of the checkpoint, on new differencing disks."""
    vm = one.vm
    left = [drive.path for drive in vm.hardware.disks() if _own(drive.path)]
    vm.hardware, vm.parent, vm.transition = copy.deepcopy(one.hardware), one.id, None
    _drop(host.files, vm, left)
    _new_disks(host, vm)
    vm.busy.append("ApplyingSnapshot")
    vm.state = "Saved" if one.has_memory else "Off"


def _end_restore(host, one, was_running):
    vm = one.vm
    vm.busy.remove("ApplyingSnapshot")
    if was_running and vm.state == "Saved":
        vm.state, vm.started, vm.reads = "Starting", host.clock.now(), 0
        host.clock.at(host.knobs.seconds["start"], lambda: host.reach(vm, "Running"))


def _drop(files, vm, paths):
    """Delete disks that the VM no longer uses, unless a checkpoint needs them."""
    needed = {files.key(drive.path) for owner in vm.owners() for drive in owner.hardware.disks()}
    for path in paths:
        if files.key(path) not in needed and not files.children(path):
            files.delete(path)


def end_automatic(host, vm):
    """Delete the automatic checkpoint of a VM that has stopped, and merge its disks."""
    found = [one for one in vm.snapshots if one.is_automatic]
    for snapshot in found:
        _take_out(snapshot)
    if found:
        merge(host, vm)


def merge(host, vm):
    """Merge the disks that no checkpoint of the VM needs any more; the merge begins after the host's delay."""
    files, knobs = host.files, host.knobs
    if knobs.merge_delay is None or not _superfluous(files, vm):
        return

    def begin():
        if not _superfluous(files, vm):
            return
        locked = [path for drive in vm.hardware.disks() for path in files.chain(drive.path)]
        vm.busy.append("MergingDisks")
        host.lock(locked)
        host.clock.at(knobs.merge_seconds, lambda: end(locked))

    def end(locked):
        _collapse(host, vm)
        vm.busy.remove("MergingDisks")
        host.clock.at(knobs.lock_seconds, lambda: host.unlock(locked))

    if vm.deleted is not None:
        # A deleted VM shows no status; its files are locked at once.
        host.lock([path for drive in vm.hardware.disks() for path in files.chain(drive.path)])
    host.clock.at(knobs.merge_delay, begin)
    host.clock.sleep(0)


def _own(path):
    return extension(path) in (".avhd", ".avhdx")


def _first_own(files, path):
    """The nearest file of a disk's chain that is not a checkpoint's differencing disk."""
    return next((one for one in files.chain(path) if not _own(one)), None)


def _superfluous(files, vm):
    """The disks that only deleted checkpoints used: {disk: the only disk on top of it, or None}."""
    needed = {files.key(drive.path) for owner in vm.owners() for drive in owner.hardware.disks()}
    # Without the base of a linked disk, which is not a disk of the VM.
    roots = {files.key(one) for path in needed for one in [_first_own(files, path)] if one}
    todo, family = list(roots), []
    while todo:
        path = todo.pop()
        family.append(path)
        todo += [files.key(child) for child in files.children(path) if _own(child)]
    found = {}
    for path in family:
        children = [child for child in files.children(path) if _own(child)]
        if path not in needed and (len(children) == 1 or (not children and _own(path))):
            found[path] = children[0] if children else None
    return found


def _collapse(host, vm):
    """Merge and delete disks until each remaining disk is needed."""
    files = host.files
    while True:
        found = _superfluous(files, vm)
        if not found:
            return
        path, child = next(iter(found.items()))
        if child is None:
            files.delete(path)
        else:
            _merge_one(files, vm, files.name(path), child)


def _merge_one(files, vm, path, child):
    """Write the content of the child into its parent, which replaces it."""
    files.vhd(path).size = files.vhd(child).size
    if hasattr(files.vhd(child), "written"):
        files.vhd(path).written = files.vhd(child).written
    for grandchild in files.children(child):
        files.vhd(grandchild).parent = path
    for owner in vm.owners():
        for drive in owner.hardware.disks():
            if files.key(drive.path) == files.key(child):
                drive.path = path
    files.delete(child)
