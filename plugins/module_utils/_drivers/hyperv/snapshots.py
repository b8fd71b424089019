# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, delete and restore checkpoints. They are selected by id, because names need not be unique."""

from __future__ import annotations

from ..._core.errors import Refused, Stale
from ..._core.model import PAUSED, RUNNING
from ..._ports.windows_request import Ref, pick
from ..._tools.hyperv import VM, hyperv, the_vm
from .mark import notes_call, own_mark, split_notes
from .settings.actions import service_responds


def snapshot(driver, vm, step):
    """Create a checkpoint. Its description is stored in the mark, because Hyper-V has none."""
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
    """Delete checkpoints; Hyper-V merges their files afterwards."""
    raw = yield from driver.current(vm)
    present = {one["Id"] for one in driver.found.snapshots.get(raw["Id"].lower(), ())}
    calls = [the_vm(vm.id), hyperv("Get-VMSnapshot", {"VM": VM}, keep="snapshots")]
    for key in step.arguments["ids"]:
        if key in present:
            calls.append(_pick_snapshot(key))
            calls.append(hyperv("Remove-VMSnapshot", {"VMSnapshot": Ref("snapshot")}))
    mark = own_mark(raw)
    notes = {name: text for name, text in mark.get("checkpoints", {}).items() if name not in step.arguments["names"]}
    if notes != mark.get("checkpoints", {}):
        calls.append(notes_call(split_notes(raw.get("Notes"))[0], {**mark, "checkpoints": notes}))
    if len(calls) > 2:
        yield calls


def _find_snapshot(driver, vm, raw, key):
    """Return the raw checkpoint with this id. Raises Stale if it was deleted after the task was planned."""
    for one in driver.found.snapshots.get(raw["Id"].lower(), ()):
        if one["Id"] == key:
            return one
    raise Stale(f"{vm.name}: the checkpoint {key} was deleted meanwhile.")


def restore(driver, vm, step):
    """Restore a checkpoint.

    The description becomes that of the checkpoint, but the mark stays the current one, because it names files that were
    created since then.
    """
    raw = yield from driver.current(vm)
    checkpoint = _find_snapshot(driver, vm, raw, step.arguments["id"])
    calls = [
        the_vm(vm.id),
        # The restore would also save a running VM, but then start the restored one without being asked.
        *([hyperv("Save-VM", {"VM": VM}, go_on=True)] if vm.power in (RUNNING, PAUSED) else ()),
        hyperv("Get-VMSnapshot", {"VM": VM}, keep="snapshots"),
        _pick_snapshot(checkpoint["Id"]),
        hyperv("Restore-VMSnapshot", {"VMSnapshot": Ref("snapshot")}),
    ]
    if split_notes(raw.get("Notes"))[1] is not None:
        description, _mark = split_notes(checkpoint.get("Notes"))
        calls += [the_vm(vm.id), notes_call(description, own_mark(raw))]
    yield calls


def _pick_snapshot(key):
    return pick("snapshots", "snapshot", conditions={"Id": key})


def check_production(driver, plan):
    """Raise Refused for a checkpoint that only the guest can prepare, which does not answer."""
    raw, vm = driver.found.raw(plan.before.id), plan.before
    is_taken = vm.power == RUNNING and [step.verb for step in plan.steps][-1:] == ["snapshot"]
    is_only = vm.config.get("checkpoint_type") == "production_only"
    if raw and is_taken and is_only and not service_responds(raw, "vss"):
        raise Refused(
            f"{vm.name}: the guest cannot prepare a production checkpoint: its service vss does not answer.",
            "Start the integration services in the guest, or set checkpoint_type: production with hyperv_vm.",
        )
