# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: taken, deleted and restored. They are addressed by their ids, because names may repeat."""

from __future__ import annotations

from ..._lifecycle.errors import Stale
from ..._lifecycle.model import PAUSED, RUNNING
from ..._ports.windows_request import Ref, pick
from ..._tools.hyperv import VM, hyperv, the_vm
from .mark import notes_call, own_mark, split_notes


def snapshot(driver, vm, step):
    """Hyper-V stores no description of a checkpoint, so that is in the mark."""
    name, description = step.arguments["name"], step.arguments["description"]
    raw = yield from driver.current(vm)
    if any(one["Name"] == name for one in driver.found.snapshots.get(raw["Id"].lower(), ())):
        return  # The step may have been sent before.
    calls = [the_vm(vm.id)]
    if description:
        mark = own_mark(raw)
        mark["checkpoints"] = {**mark.get("checkpoints", {}), name: description}
        calls.append(notes_call(split_notes(raw.get("Notes"))[0], mark))
    yield [*calls, hyperv("Checkpoint-VM", {"VM": VM, "SnapshotName": name})]


def drop_snapshot(driver, vm, step):
    """Hyper-V merges their files afterwards."""
    raw = yield from driver.current(vm)
    present = {one["Id"] for one in driver.found.snapshots.get(raw["Id"].lower(), ())}
    calls = [the_vm(vm.id), hyperv("Get-VMSnapshot", {"VM": VM}, keep="snapshots")]
    for key in step.arguments["ids"]:
        if key in present:
            calls.append(_the_snapshot(key))
            calls.append(hyperv("Remove-VMSnapshot", {"VMSnapshot": Ref("snapshot")}))
    mark = own_mark(raw)
    notes = {name: text for name, text in mark.get("checkpoints", {}).items() if name not in step.arguments["names"]}
    if notes != mark.get("checkpoints", {}):
        calls.append(notes_call(split_notes(raw.get("Notes"))[0], {**mark, "checkpoints": notes}))
    if len(calls) > 2:
        yield calls


def _taken(driver, vm, raw, key):
    """The checkpoint with an id; raise Stale if it was deleted after the task was planned."""
    for one in driver.found.snapshots.get(raw["Id"].lower(), ()):
        if one["Id"] == key:
            return one
    raise Stale(f"{vm.name}: the checkpoint {key} was deleted meanwhile.")


def restore(driver, vm, step):
    """The notes go back to those of the checkpoint, but the mark stays: files created since then are still ours."""
    raw = yield from driver.current(vm)
    taken = _taken(driver, vm, raw, step.arguments["id"])
    calls = [
        the_vm(vm.id),
        # Hyper-V would save a running VM, too, but then start a restored one by itself.
        *([hyperv("Save-VM", {"VM": VM}, go_on=True)] if vm.power in (RUNNING, PAUSED) else ()),
        hyperv("Get-VMSnapshot", {"VM": VM}, keep="snapshots"),
        _the_snapshot(taken["Id"]),
        hyperv("Restore-VMSnapshot", {"VMSnapshot": Ref("snapshot")}),
    ]
    if split_notes(raw.get("Notes"))[1] is not None:
        description, _mark = split_notes(taken.get("Notes"))
        calls += [the_vm(vm.id), notes_call(description, own_mark(raw))]
    yield calls


def _the_snapshot(key):
    return pick("snapshots", "snapshot", conditions={"Id": key})
