# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: starts, stops, pauses and suspends VMs.

A step may be sent twice, and the guest may shut down first. So after an error the state of the VM is checked.
"""

from __future__ import annotations

from ..._core.errors import CommandFailed, Timeout
from ..._core.model import ON, PAUSED, RUNNING, STOPPED, SUSPENDED
from ..._tools.vboxmanage import Busy
from .settings.port_forwards import fresh_ssh_arguments, is_ssh_free
from .vbox_vm import vbox_vm_of

#: Seconds until the process of a VM is ended if it does not power off; the VM is then off within five seconds.
_POWER_OFF_TIMEOUT = 3
#: Power states of a VM with a process.
_WITH_PROCESS = frozenset(ON) - {SUSPENDED}


def start(driver, vm, step):
    if vm.power == STOPPED and vm.config.get("ssh_forward"):
        vbox_vms = driver.vbox_vms()
        vbox_vm = vbox_vm_of(vbox_vms, vm.id)
        if vbox_vm.state.power == RUNNING:
            return
        _ensure_free_ssh_port(driver, vbox_vms, vbox_vm)
    try:
        driver.run(vm.id, "startvm", vm.id, "--type", driver.start_type)
    except Busy:
        raise
    except CommandFailed as error:
        if _power(driver, vm) != RUNNING:
            raise _explained(vm, error, driver.start_type) from error


def _ensure_free_ssh_port(driver, vbox_vms, vbox_vm):
    """Give a stopped VM another host port for SSH if its own is in use.

    VirtualBox would start it nevertheless, and another program would answer on that port.
    """
    if not is_ssh_free(vbox_vm):
        driver.run(vbox_vm.uuid, "modifyvm", vbox_vm.uuid, *fresh_ssh_arguments(vbox_vms, vbox_vm, driver.ports))


def stop(driver, vm, step):
    """Press the power button. An error is ignored if the VM is stopped or stopping."""
    try:
        driver.run(vm.id, "controlvm", vm.id, "acpipowerbutton")
    except Busy:
        raise
    except CommandFailed:
        state = driver.state_of(vm.id)
        if state is not None and state.power != STOPPED and state.busy != "stopping":
            raise


def kill(driver, vm, step):
    if vm.power == SUSPENDED:
        _run_unless(driver, vm, STOPPED, "discardstate", vm.id)
        return
    try:
        driver.run(vm.id, "controlvm", vm.id, "poweroff", timeout=_POWER_OFF_TIMEOUT)
    except Busy:
        raise
    except (CommandFailed, Timeout):
        power = _power(driver, vm)
        if power in (None, STOPPED):
            return
        if power not in _WITH_PROCESS:
            raise
        # The last resort: it ends the VM's process, and works in every state.
        _run_unless(driver, vm, STOPPED, "startvm", vm.id, "--type", "emergencystop")


def pause(driver, vm, step):
    _run_unless(driver, vm, PAUSED, "controlvm", vm.id, "pause")


def resume(driver, vm, step):
    _run_unless(driver, vm, RUNNING, "controlvm", vm.id, "resume")


def suspend(driver, vm, step):
    _run_unless(driver, vm, SUSPENDED, "controlvm", vm.id, "savestate")


def reset(driver, vm, step):
    driver.run(vm.id, "controlvm", vm.id, "reset")


def _run_unless(driver, vm, power, *words):
    """Run one command; an error is ignored if the VM already has the power state ``power``."""
    try:
        driver.run(vm.id, *words)
    except Busy:
        raise
    except CommandFailed:
        if _power(driver, vm) != power:
            raise


def _power(driver, vm):
    """The current power state; None for a VM that was deleted."""
    state = driver.state_of(vm.id)
    return state.power if state else None


#: Text in the error when a VM cannot open its window; the remedy is _WINDOW_REMEDY.
_WINDOW_ERRORS = ("VERR_FILE_NOT_FOUND", "terminated unexpectedly")
_WINDOW_REMEDY = (
    "To open a window, install VirtualBox's GUI (package virtualbox-qt), and set DISPLAY or WAYLAND_DISPLAY in the"
    " task's environment to a desktop that the task's user can access. Otherwise use start_type: headless."
)


def _explained(vm, error, start_type):
    remedy = error.remedy or "Check Logs/VBox.log in the VM's directory."
    if start_type != "headless" and any(text in error.stderr for text in _WINDOW_ERRORS):
        remedy = _WINDOW_REMEDY
    if vm.power == SUSPENDED:
        remedy += " If its saved memory cannot be restored, discard it: state: stopped with stop_mode: force."
    return CommandFailed(
        error.argv, error.rc, error.stderr, message=f"{vm.name}: {error.message.rstrip('.')}.", remedy=remedy
    )
