# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: start, stop, pause and save VMs. A step may be sent twice: the second time is only a warning."""

from __future__ import annotations

from ..._core.errors import Refused, Stale
from ..._core.model import PAUSED, RUNNING, STOPPED, SUSPENDED
from ..._ports.windows import CallFailed
from ..._ports.windows_request import in_background, pick
from ..._tools.hyperv import POWER, SAVED, VM, hyperv, service_id, state_of, the_vm
from .settings.actions import service_responds
from .traits import PowerOffRejected

#: Seconds until the request to the guest is left running in the background, because the command waits for the guest.
_REQUEST_SECONDS = 3


def start(driver, vm, step):
    if vm.id in driver.started:
        driver.claims.check_no_child(vm)
    yield from _change_power(driver, vm, RUNNING, hyperv("Start-VM", {"VM": VM}))


def stop(driver, vm, step):
    """Ask the guest to shut down, if its shutdown service answers; otherwise Stop-VM would prompt or cut the power."""
    conditions = {"Id": service_id(vm.id, "shutdown"), "Enabled": [True], "PrimaryOperationalStatus": ["Ok"]}
    service = pick("vm", "service", path=["VMIntegrationService"], conditions=conditions)
    request = in_background(hyperv("Stop-VM", {"VM": VM}), _REQUEST_SECONDS)
    try:
        yield [the_vm(vm.id), service, request]
    except CallFailed as error:
        power, busy = yield from _current_power(vm.id)
        if power == STOPPED or busy or not _may_not_force(driver):
            return
        if error.id != "NotOne":
            raise
        raise _no_shutdown_service(vm.name) from error


def kill(driver, vm, step):
    if vm.power == SUSPENDED:
        yield from _change_power(driver, vm, STOPPED, hyperv("Remove-VMSavedState", {"VM": VM}, (vm.id,)))
        return
    unsaved = pick("vm", "unsaved", conditions={"!State": SAVED})  # Of a saved VM, the call discards the memory.
    try:
        turn_off = hyperv("Stop-VM", {"VM": VM, "TurnOff": True, "Force": True})
        yield from _change_power(driver, vm, STOPPED, unsaved, turn_off)
    except CallFailed as error:
        if error.id == "NotOne":
            raise Stale(f"{vm.name}: the VM was saved meanwhile.", "Run the task again.") from error
        if error.id != "InvalidState":
            raise
        message = f"{vm.name}: Hyper-V does not turn the VM off while a request to shut down is pending ({error})."
        raise PowerOffRejected(message, "Run the task again later, or raise timeout.") from error


def pause(driver, vm, step):
    yield from _change_power(driver, vm, PAUSED, hyperv("Suspend-VM", {"VM": VM}))


def resume(driver, vm, step):
    yield from _change_power(driver, vm, RUNNING, hyperv("Resume-VM", {"VM": VM}))


def suspend(driver, vm, step):
    yield from _change_power(driver, vm, SUSPENDED, hyperv("Save-VM", {"VM": VM}))


def reset(driver, vm, step):
    yield [the_vm(vm.id), hyperv("Restart-VM", {"VM": VM, "Force": True})]


def _change_power(driver, vm, power, *calls):
    """Send calls that change the power state. An error is ignored if the VM has the power state ``power``."""
    vm_id = vm.id or driver.creations.id_of(vm.name)
    try:
        # Without an id, earlier calls of the same request create the VM and store it under the same name.
        yield [*([the_vm(vm_id)] if vm_id else ()), *calls]
    except CallFailed as error:
        current, busy = yield from _current_power(vm_id or driver.creations.id_of(vm.name))
        if current != power or busy:
            raise error


def _current_power(vm_id):
    """Return the current (power, busy) of a VM."""
    result = yield [the_vm(vm_id, show=POWER)]
    (raw,) = result.answers[0].objects
    state = state_of(raw["State"], raw.get("OperationalStatus"))
    return state.power, state.busy


def check_shutdown(driver, plan):
    """Raise Refused if the plan begins with a shutdown for which the guest cannot be asked."""
    raw, verbs = driver.found.raw(plan.before.id), [step.verb for step in plan.steps]
    is_asked = plan.before.power == RUNNING and verbs[:1] == ["stop"]
    if raw and is_asked and _may_not_force(driver) and not service_responds(raw, "shutdown"):
        raise _no_shutdown_service(plan.before.name)


def _may_not_force(driver):
    """Return whether the power may not be cut if the guest cannot shut down."""
    return driver.options.get("stop_mode") != "graceful_then_force"


def _no_shutdown_service(name):
    return Refused(
        f"{name}: the guest cannot be asked to shut down: its shutdown service does not answer.",
        "Start the integration services in the guest, or set stop_mode: force.",
    )
