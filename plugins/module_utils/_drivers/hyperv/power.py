# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, stopping, pausing and saving VMs. A step may be sent twice: the second time is only a warning."""

from __future__ import annotations

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import PAUSED, RUNNING, STOPPED, SUSPENDED
from ..._ports.windows import CallFailed
from ..._ports.windows_request import in_background, pick
from ..._tools.hyperv import VM, hyperv, properties_of_power, service_id, state_of, the_vm

#: Seconds until a request to the guest is left alone: the command itself waits for the guest.
_ASKING = 3


def start(driver, vm, step):
    yield from _move(driver, vm, RUNNING, hyperv("Start-VM", {"VM": VM}))


def stop(driver, vm, step):
    """Ask the guest, if it can be asked. Without its shutdown service the command would prompt, or cut the power."""
    conditions = {"Id": service_id(vm.id, "shutdown"), "Enabled": [True], "PrimaryOperationalStatus": ["Ok"]}
    service = pick("vm", "service", path=["VMIntegrationService"], conditions=conditions)
    asking = in_background(hyperv("Stop-VM", {"VM": VM}), _ASKING)
    try:
        yield [the_vm(vm.id), service, asking]
    except CallFailed as error:
        power, busy = yield from _power(vm.id)
        if power == STOPPED or busy or driver.options.get("stop_mode") == "graceful_then_force":
            return
        if error.id != "NotOne":
            raise
        raise Refused(
            f"{vm.name}: the guest cannot be asked to shut down: its shutdown service does not answer.",
            "Start the integration services in the guest, or set stop_mode: force.",
        ) from error


def kill(driver, vm, step):
    if vm.power == SUSPENDED:
        yield from _move(driver, vm, STOPPED, hyperv("Remove-VMSavedState", {"VM": VM}))
        return
    yield from _move(driver, vm, STOPPED, hyperv("Stop-VM", {"VM": VM, "TurnOff": True, "Force": True}))


def pause(driver, vm, step):
    yield from _move(driver, vm, PAUSED, hyperv("Suspend-VM", {"VM": VM}))


def resume(driver, vm, step):
    yield from _move(driver, vm, RUNNING, hyperv("Resume-VM", {"VM": VM}))


def suspend(driver, vm, step):
    yield from _move(driver, vm, SUSPENDED, hyperv("Save-VM", {"VM": VM}))


def reset(driver, vm, step):
    yield [the_vm(vm.id), hyperv("Restart-VM", {"VM": VM, "Force": True})]


def _move(driver, vm, power, call):
    """Send a call for the VM; an error does not count if the VM has the resulting power state."""
    vm_id = vm.id or driver.created.get(vm.name)
    try:
        # Without an id, the calls that create the VM are in front of this one, and have kept it.
        yield [*([the_vm(vm_id)] if vm_id else ()), call]
    except CallFailed as error:
        found, busy = yield from _power(vm_id or driver.created[vm.name])
        if found != power or busy:
            raise error


def _power(vm_id):
    """(power, busy) at this moment."""
    result = yield [the_vm(vm_id, show=properties_of_power())]
    (raw,) = result.answers[0].objects
    state = state_of(raw["State"], raw.get("OperationalStatus"))
    return state.power, state.busy
