# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: delete VMs: checkpoints first, then files, then the VM, so that an interrupted run can be resumed."""

from __future__ import annotations

from ..._core.errors import NotFound, Refused, Timeout
from ..._core.record.mark import making_of
from ..._ports import permits
from ..._ports.windows import CallFailed
from ..._ports.windows_request import Ref, pick, repeated
from ..._tools.hyperv import POWER, VM, WORK, hyperv, the_vm
from ..._tools.windows_files import removal
from .hyperv_vm import is_checkpoint_file
from .mark import own_mark

#: Seconds after which a merge that has not ended is an error.
MERGE_TIMEOUT = 900
#: Seconds for which one request waits for a merge to end.
_WAIT_PER_REQUEST = 10
#: The name of VMReplicationState of a VM without replication.
_NOT_REPLICATED = "Disabled"


def delete(driver, vm, step):
    try:
        raw = yield from driver.current(vm)
        has_checkpoints = driver.found.snapshots.get(raw["Id"].lower()) or _is_merging(raw)
        files, as_planned = step.arguments.get("files", ()), _checkpoints_as_planned(driver, vm)
        # What Hyper-V cannot merge is deleted file by file.
        if has_checkpoints and not driver.found.never_merges(raw):
            yield from _remove_checkpoints(driver, vm, as_planned)
        yield from _remove(as_planned, vm.id, files)
    except NotFound:
        return  # The step may have been sent before.
    except CallFailed as error:
        if error.id == "NotFewer":
            message = f"{vm.name}: a checkpoint was taken after the task was planned, so the VM is not deleted."
            raise Refused(message, "Run the task again.") from error
        if error.id == "NotOne":
            raise Refused(*_not_removed(vm.name, "is replicated or managed by a failover cluster by now")) from error
        if not (yield from _is_gone(vm.id)):
            raise error


def _checkpoints_as_planned(driver, vm):
    """Return calls that read a VM and its checkpoints. They fail with NotFewer if the plan does not list one of these,
    which goes with its VM, and with NotOne if Remove-VM would fail when the files are gone.
    """
    free = pick("vm", "free", conditions={"ReplicationState": [_NOT_REPLICATED], "IsClustered": [False]})
    new = {"!Id": list(driver.checkpoints.get(vm.id.lower(), ()))}
    found = hyperv("Get-VMSnapshot", {"VM": VM}, keep="snapshots")
    return [the_vm(vm.id), free, found, pick("snapshots", "new", conditions=new, fewer=1)]


def check_removable(driver, plan):
    """Raise Refused for a VM that Remove-VM does not remove; guards.py has the failover cluster."""
    raw = driver.found.raw(plan.before.id) or {}
    if raw.get("ReplicationState", _NOT_REPLICATED) != _NOT_REPLICATED:
        raise Refused(*_not_removed(plan.before.name, f"is replicated (state: {raw['ReplicationState']})"))


def _not_removed(name, why):
    return (
        f"{name}: the VM cannot be deleted: it {why}. Nothing was deleted.",
        "End its replication on both hosts first (Remove-VMReplication), or remove it from the cluster.",
    )


def remove_unfinished(raw):
    """Remove a VM that is not complete, with the files that were created for it.

    Another task may have completed it meanwhile, or removed it and created a VM with files of the same names. So its
    files are removed only while it exists under its temporary name. Raises CallFailed (NotOne) if it has another one.
    """
    unfinished = [the_vm(raw["Id"]), pick("vm", "unfinished", conditions={"Name": raw["Name"]})]
    try:
        yield from _remove(unfinished, raw["Id"], making_of(own_mark(raw)), recorded=True)
    except CallFailed as error:
        if error.id == "NotOne" or not (yield from _is_gone(raw["Id"])):
            raise error


def _remove(only_while, vm_id, files, recorded=False):
    """Remove ``files``, then the VM that the calls ``only_while`` select, which fail to prevent it.

    ``recorded``: for a VM that is not complete, its record lists the files, a plan does not.
    """
    with permits.also(*((files, [("vm", vm_id)]) if recorded else ())):
        removals, of_vm = removals_of(files), hyperv("Remove-VM", {"VM": VM, "Force": True}, (vm_id,))
    if files:
        yield from remove_files(removals, only_while)
    yield [*only_while, of_vm]


def removals_of(files, recorded=False):
    """Return calls that remove files; ``recorded``: the record of the VM lists them, a plan does not."""
    with permits.also(files if recorded else ()):
        return [removal([path]) for path in files]


def remove_files(removals, only_while=()):
    """Remove files after the calls ``only_while``, unless these fail. A missing file is not an error."""
    result = yield [*only_while, *removals]
    for answer in result.answers:
        if answer.error is not None and answer.error.category != "ObjectNotFound":
            raise answer.error


def _is_gone(vm_id):
    result = yield [hyperv("Get-VM", keep="all", show={"Id": True})]
    return vm_id.lower() not in {one["Id"].lower() for one in result.answers[0].objects}


def _is_merging(raw):
    return any(is_checkpoint_file(drive.get("Path") or "") for drive in raw.get("HardDrives") or ())


def _remove_checkpoints(driver, vm, as_planned):
    """Remove all checkpoints, and wait until their files are merged; a merge begins some seconds later."""
    removal = [
        *as_planned,
        hyperv("Remove-VMSnapshot", {"VMSnapshot": Ref("snapshots")}, (vm.id,), go_on=True),
    ]
    error = (yield removal).answers[-1].error
    # NothingKept: there is no checkpoint. ObjectNotFound: it was deleted meanwhile.
    if error is not None and error.id != "NothingKept" and error.category != "ObjectNotFound":
        raise error
    deadline = driver.windows.clock.now() + MERGE_TIMEOUT
    idle = {"!OperationalStatus": list(WORK)}
    while True:
        read_vm = the_vm(vm.id, show={**POWER, "HardDrives": {"Path": True}})
        result = yield [*as_planned, repeated(read_vm, [idle], _WAIT_PER_REQUEST)]
        raw = result.answers[-1].objects[0]
        if not _is_merging(raw):
            return
        if driver.windows.clock.now() >= deadline:
            status = ", ".join(raw.get("OperationalStatus") or ())
            message = (
                f"{vm.name}: the files of its checkpoints are not merged after {MERGE_TIMEOUT} s (status: {status})."
            )
            raise Timeout(message, MERGE_TIMEOUT, "Check whether a backup holds them, and run the task again.")
        driver.windows.clock.sleep(1)
