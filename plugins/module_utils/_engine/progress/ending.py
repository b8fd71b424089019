# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a VM's plan: failed, undone or confirmed. Pure."""

from __future__ import annotations

from ..._core.errors import PolyvirtError
from ..._core.frozen import replace
from ..._core.model import STOPPED, Vm
from ..._core.planner.plan import plan
from ..._core.planner.plan_delete import delete_step
from . import failures, power_back
from .state import (
    CONFIRMING,
    CREATING,
    FIRST_PAUSE,
    GUEST,
    KEYS,
    OVER,
    STOPPING,
    UNDOING,
    Observe,
    Send,
    observe_later,
)  # fmt: skip

_TO_UNDO = frozenset({"power", "config", "files"})
#: The facets of the result. After an error, it also shows an unfinished VM that could not be undone.
FINAL = frozenset({"power", "config", "snapshots", "addresses", "backups"})
_FINAL_AFTER_ERROR = FINAL | {"unfinished"}


def fail(progress, error):
    """Return the progress of a VM that has failed, in its next step.

    An unfinished creation is undone first, and a VM that the task has stopped gets its previous power state back.
    """
    return _failed(progress, error, progress.segment[1] if progress.phase == STOPPING else progress.done + 1)


def fail_after(progress, error):
    """Return the progress of a VM after its segment was carried out, but did not lead to the expected state."""
    done = progress.segment[1]
    return _failed(replace(progress, done=done), error, done)


def _failed(progress, error, attempted):
    """``attempted`` is the number of steps up to the one that failed."""
    if progress.error is not None:
        return finish(replace(progress, error=failures.power_not_back(progress, error)))
    is_kept = progress.phase in (KEYS, GUEST) and progress.created
    if any(step.verb == "restore_backup" for step in progress.plan.steps[: progress.done]):
        error = failures.of_restored_vm(error)
    progress = replace(progress, error=failures.of_new_vm(error) if is_kept else error)
    if _is_undone_on_failure(progress):
        return replace(progress, phase=UNDOING, wish=Observe(_TO_UNDO), due=progress.at)
    ways = power_back.ways_back(progress, attempted)
    return power_back.observed_first(progress, ways) if ways else finish(progress)


def stopped_in_vain(progress, error):
    """Return the progress of a VM that is not deleted after all; it gets its previous power state back."""
    progress, end = replace(progress, error=error), progress.segment[1]
    is_stopping, ways = progress.last_step.verb == "stop", power_back.ways_after_stop(progress)
    ways = power_back.ways_back(progress, end) if is_stopping else ways
    return power_back.observed_first(progress, ways) if ways else finish(progress)


def _is_undone_on_failure(progress):
    """Return whether to undo an unfinished creation by this task; a VM that was started once is kept."""
    verbs = [step.verb for step in progress.plan.steps]
    if not verbs or verbs[0] not in CREATING or not progress.created or progress.policy.on_failure == "keep":
        return False
    return "start" not in verbs[: progress.done] and progress.phase not in (UNDOING, KEYS, GUEST)


def before_undoing(progress, _event):
    vm = progress.vm
    # A VM without an id has no mark: this task has only written its definition.
    if vm.power != STOPPED or not (vm.owned or vm.id is None):
        return finish(progress)
    try:
        step = delete_step(vm, "owned", progress.traits)
    except PolyvirtError as error:
        return not_undone(progress, error)
    return replace(progress, wish=Send((step,)), due=progress.at)


def after_undoing(progress, event):
    if event.error is not None:
        return not_undone(progress, event.error)
    return finish(replace(progress, undone=True, done=0, vm=Vm.absent(progress.plan.before.name)))


def not_undone(progress, last_error):
    return finish(replace(progress, error=failures.not_undone(progress.error, last_error)))


def finish(progress):
    if not progress.plan.changed:
        return replace(progress, phase=OVER, wish=None)
    facets = FINAL if progress.error is None else _FINAL_AFTER_ERROR
    confirming = replace(progress, phase=CONFIRMING, wish=Observe(facets, final=True), due=progress.at)
    return power_back.forgetting(progress) or replace(confirming, pause=FIRST_PAUSE)


def confirm(progress, event):
    """Plan the final state again for the VM as it is now: an empty plan is success, anything else is an error."""
    if progress.error is not None:
        return replace(progress, phase=OVER, wish=None)
    left = plan(progress.vm, _target(progress), progress.traits, event.known)
    if left.busy and progress.patience > 0:
        later = observe_later(progress, CONFIRMING, FINAL)
        return replace(later, wish=Observe(FINAL, final=True))
    error = None
    if left.busy or left.refusal or left.changed:
        error = failures.not_reached(progress, left)
    return replace(progress, phase=OVER, wish=None, error=error)


def _target(progress):
    """Return the request to compare with at the end; a setting that takes effect at the next start is not an error."""
    target = progress.request.target()
    policy = replace(target.policy, allow_restart=False)
    if not any(step.verb in CREATING for step in progress.plan.steps):
        return replace(target, policy=policy)
    # A VM that was created again has a new id.
    return replace(target, policy=policy, name=target.name or progress.vm.name, id=None)
