# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the errors of a failed VM from its progress. Pure."""

from __future__ import annotations

from ..._core.errors import PartlyApplied, PolyvirtError, Timeout
from .state import KILLING, POWER_BACK


def longer_stop(progress):
    """Return the remedy for a guest that does not stop. The modules for snapshots have no options for a stop."""
    if progress.request.snapshot is not None:
        return "Stop the VM in a task after it."
    if progress.phase == KILLING:
        return "Its power was cut, and it is not off yet: check it on the hypervisor, and run the task again."
    return "Raise stop_timeout, or set stop_mode: graceful_then_force."


def not_started(progress):
    """The VM was started, and is not running."""
    return PolyvirtError(
        f"{progress.label}: it was started, but is {progress.vm.power} ({progress.vm.reason or 'no reason given'}).",
        "Check its log on the hypervisor.",
    )


def gone(progress):
    """Someone else deleted the VM while this task processed it."""
    message = f"{progress.label}: somebody else deleted the VM while this task worked on it."
    return PolyvirtError(message, "Run the task again.")


def out_of_time(progress, remedy):
    """The end of the segment was not observed in time."""
    waited, vm = progress.at - progress.since, progress.vm
    state = f"busy ({vm.busy})" if vm.busy else vm.power
    message = (
        f"{progress.label}: after {progress.last_step.verb} it is still {state}"
        f" (waited {waited:.0f} s for {progress.expected.power})."
    )
    last_error = progress.last_error
    repeated = f" The repeated request failed: {last_error.message.rstrip('.')}." if last_error else ""
    return Timeout(message + repeated, waited, remedy)


def of_new_vm(error):
    """The error of a VM that this task has created, and that is kept. Several VMs may have failed with one error."""
    new = type(error).__new__(type(error))
    new.__dict__.update(error.__dict__, message=f"{error.message.rstrip('.')}. The VM was created, and is kept.")
    return new


def of_restored_vm(error):
    """The error after an existing VM was replaced by a backup, and before the restore was finished."""
    message = f"{error.message.rstrip('.')}. The VM is the restored one, and its former disks were not deleted."
    remedy = f"{error.remedy or ''} Run the task again to complete the restore.".strip()
    return _traced(PolyvirtError(message, remedy), error)


def not_undone(error, last_error):
    """An unfinished creation could not be undone; ``error`` is why it is unfinished."""
    failed = _sentence(error)
    message = f"{failed} Undoing the creation failed too: {last_error}"
    return _traced(PolyvirtError(message, "Remove its remaining files by hand."), error)


def power_not_back(progress, last_error):
    """The VM failed, and could not be brought back to its previous power state."""
    failed, power, reason = _sentence(progress.error), progress.plan.before.power, _sentence(last_error)
    message = f"{failed} It could not be brought back to its previous power state ({power}): {reason}"
    if progress.phase == POWER_BACK:
        message = f"{failed} It could not be observed, so it was not brought back to {power}: {reason}"
    return _traced(PolyvirtError(message, "Check its power state, and run the task again."), progress.error)


def memory_lost(error):
    """The VM failed, and its previous power state was suspended."""
    failed = _sentence(error)
    message = f"{failed} It was suspended, and its saved memory was lost when the task stopped it."
    return _traced(PolyvirtError(message), error)


def _sentence(error):
    return f"{str(error).rstrip('.')}."


def _traced(error, first):
    """Return ``error`` with the traceback of the first one, if that is a bug."""
    error.trace = getattr(first, "trace", "")
    return error


def not_reached(progress, left):
    """All steps were carried out, but planning again results in the non-empty plan ``left``."""
    error = progress.ignored_error
    cause = f" A request failed: {error.message.rstrip('.')}." if error else ""
    message = f"{progress.label}: the VM is not as requested yet: {_left(left)}.{cause}"
    return PartlyApplied(message, "Run the task again.")


def outdated(progress, new, beyond):
    """Someone else changed the VM after it was planned, and the ``new`` plan must not be carried out."""
    changed = f"{progress.label}: somebody else changed the VM while this task ran"
    if new.refusal:
        return PolyvirtError(f"{changed}. {new.refusal.message}", new.refusal.remedy)
    reason = f"it is busy ({new.busy})" if new.busy else f"the task would now also need {', '.join(beyond)}"
    return PolyvirtError(f"{changed}, and {reason}.", "Check the VM, and run the task again.")


def still_wanted(progress, new):
    """The VM was to be deleted because it has expired, and the ``new`` plan no longer deletes it."""
    if new.refusal:
        return PolyvirtError(new.refusal.message, new.refusal.remedy)
    reason = f"it is busy ({new.busy})" if new.busy else "somebody extended its expiry, or removed it, meanwhile"
    done = "was stopped, but not deleted" if progress.done else "was asked to shut down, but not forced off"
    return PolyvirtError(f"{progress.label}: the VM {done}: {reason}.", "Check the VM.")


def _left(left):
    if left.busy:
        return f"it is busy ({left.busy})"
    if left.refusal:
        return left.refusal.message.split(": ", 1)[-1].rstrip(".")
    paths = [change.path for step in left.steps for change in step.changes]
    return ", ".join(paths or [step.verb for step in left.steps])
