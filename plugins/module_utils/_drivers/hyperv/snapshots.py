# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: create, delete and restore checkpoints. They are selected by id, because names need not be unique."""

from __future__ import annotations

from contextlib import suppress

from ..._core.errors import PolyvirtError, Refused, Stale
from ..._core.model import PAUSED, RUNNING
from ..._core.record.leases import stored, with_expiry, without
from ..._ports.windows import CallFailed
from ..._ports.windows_request import Ref, pick
from ..._tools.hyperv import VM, hyperv, the_vm
from .mark import EXPIRIES, notes_call, own_mark, split_notes, unchanged_notes
from .settings.actions import service_responds


def snapshot(driver, vm, step):
    """Create a checkpoint. Its description and expiry are stored in the mark, because Hyper-V has none."""
    name, expires = step.arguments["name"], step.arguments["expires"]
    raw = yield from driver.current(vm)
    if not _named(driver, raw, name):  # The step may have been sent before.
        yield from _take(vm, raw, name, step.arguments["description"])
        if expires:
            raw = yield from driver.current(vm)
    found = _named(driver, raw, name)
    if expires and found:
        yield from _store_expiry(driver, vm, raw, found[0]["Id"], expires)


def _named(driver, raw, name):
    return [one for one in driver.found.snapshots.get(raw["Id"].lower(), ()) if one["Name"] == name]


def _take(vm, raw, name, description):
    take = hyperv("Checkpoint-VM", {"VM": VM, "SnapshotName": name})
    if not description:
        yield [the_vm(vm.id), take]
        return
    mark = own_mark(raw)
    mark["checkpoints"] = {**mark.get("checkpoints", {}), name: description}
    yield from unchanged_notes(vm, raw, [notes_call(split_notes(raw.get("Notes"))[0], mark), take])


def edit_snapshot(driver, vm, step):
    """Store another expiry in the mark."""
    raw = yield from driver.current(vm)
    found = _find_snapshot(driver, vm, raw, step.arguments["id"])
    yield from _store_expiry(driver, vm, raw, found["Id"], step.arguments["expires"])


def _store_expiry(driver, vm, raw, key, expires):
    """Store it by the ID of the checkpoint: another tool may create another one with the same name."""
    mark, existing = own_mark(raw), {one["Id"] for one in driver.found.snapshots.get(raw["Id"].lower(), ())}
    of_existing = {one: value for one, value in mark.get(EXPIRIES, {}).items() if one in existing}
    expiries = with_expiry(of_existing, key, stored(expires) if expires else None)
    if expiries != mark.get(EXPIRIES, {}):
        notes = notes_call(split_notes(raw.get("Notes"))[0], {**mark, EXPIRIES: expiries})
        yield from unchanged_notes(vm, raw, [notes])


def drop_snapshot(driver, vm, step):
    """Delete checkpoints; Hyper-V merges their files afterwards."""
    raw = yield from driver.current(vm)
    present = {one["Id"] for one in driver.found.snapshots.get(raw["Id"].lower(), ())}
    calls = [hyperv("Get-VMSnapshot", {"VM": VM}, keep="snapshots")]
    for key in step.arguments["ids"]:
        if key in present:
            calls.append(_pick_snapshot(key))
            calls.append(hyperv("Remove-VMSnapshot", {"VMSnapshot": Ref("snapshot")}, (vm.id, key)))
    mark = own_mark(raw)
    kept = {
        "checkpoints": without(mark.get("checkpoints", {}), step.arguments["names"]),
        EXPIRIES: without(mark.get(EXPIRIES, {}), step.arguments["ids"]),
    }
    changed = {key: values for key, values in kept.items() if values != mark.get(key, {})}
    if changed:
        calls.append(notes_call(split_notes(raw.get("Notes"))[0], {**mark, **changed}))
        yield from unchanged_notes(vm, raw, calls)
    elif len(calls) > 1:
        yield [the_vm(vm.id), *calls]


def _find_snapshot(driver, vm, raw, key):
    """Return the raw checkpoint with this id. Raises Stale if it was deleted after the task was planned."""
    for one in driver.found.snapshots.get(raw["Id"].lower(), ()):
        if one["Id"] == key:
            return one
    raise Stale(f"{vm.name}: the checkpoint {key} was deleted meanwhile.")


def restore(driver, vm, step):
    """Restore a checkpoint. A VM that was saved for it runs again if it fails.

    The description becomes that of the checkpoint, but the mark stays the current one, because it names files that were
    created since then.
    """
    raw = yield from driver.current(vm)
    checkpoint = _find_snapshot(driver, vm, raw, step.arguments["id"])
    is_on = vm.power in (RUNNING, PAUSED)
    calls = [
        hyperv("Get-VMSnapshot", {"VM": VM}, keep="snapshots"),
        _pick_snapshot(checkpoint["Id"]),
        # The restore would also save a running VM, but then start the restored one without being asked.
        *([hyperv("Save-VM", {"VM": VM}, go_on=True)] if is_on else ()),
        hyperv("Restore-VMSnapshot", {"VMSnapshot": Ref("snapshot")}, (vm.id,)),
    ]
    notes, last = (), len(calls) + 2
    if split_notes(raw.get("Notes"))[1] is not None:
        description, _mark = split_notes(checkpoint.get("Notes"))
        notes = (the_vm(vm.id), notes_call(description, own_mark(raw)))
    try:
        yield from unchanged_notes(vm, raw, [*calls, *notes])
    except CallFailed as error:
        # The answer to the restore itself is the last one.
        if is_on and len(error.result.answers) == last:
            with suppress(PolyvirtError):  # The first error is more important.
                pause = [hyperv("Suspend-VM", {"VM": VM})] if vm.power == PAUSED else []
                yield [the_vm(vm.id), hyperv("Start-VM", {"VM": VM}), *pause]
        raise


def _pick_snapshot(key):
    return pick("snapshots", "snapshot", conditions={"Id": key})


#: {verb: what cannot be done if a file is missing}.
_DONE = {"snapshot": "taken", "drop_snapshot": "deleted", "restore": "restored"}


def check_files(driver, plan):
    """Raise Refused for a checkpoint that Hyper-V cannot take, delete or restore because a disk file is missing."""
    raw = driver.found.raw(plan.before.id)
    for step in plan.steps if raw else ():
        owner = raw if step.verb in _DONE else {}
        if step.verb == "restore":
            checkpoints = driver.found.snapshots.get(raw["Id"].lower(), ())
            owner = next((one for one in checkpoints if one["Id"] == step.arguments["id"]), {})
        for slot, path in driver.found.missing(owner).items():
            raise Refused(
                f"{plan.before.name}: the checkpoint cannot be {_DONE[step.verb]}: {path}, a file of the disk {slot},"
                " does not exist.",
                "Restore the file.",
            )


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
