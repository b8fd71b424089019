# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: changing the power state of a VM. Each function has the same result if it is called twice."""

from __future__ import annotations

from ..._core.errors import CommandFailed
from ..._core.model import SUSPENDED
from ..._ports import files, permits
from ..._tools.virsh import ConnectionLost, is_not_found
from .settings.networks import start_networks
from .settings.nvram import reset_qcow2
from .storage import check_no_file

#: Seconds: writing a guest's memory to disk may take long, but no call may hang forever.
_SAVE_TIMEOUT = 3600
_OFF, _RUNNING, _PAUSED = "shut off", "running", "paused"


def start(driver, vm, step):
    made = driver.made_at_start.pop(vm.id, ())
    for path in made:
        check_no_file(path)  # libvirt would empty a log, and write to NVRAM.
    try:
        _start(driver, vm, step)
    finally:
        files.take_over(filter(files.exists, made))


def _start(driver, vm, step):
    if driver.allow_network_start:
        start_networks(driver, vm)
    resets = step.arguments.get("reset_nvram") and not reset_qcow2(driver, driver.definition(vm.id), vm.name)
    options = ["--reset-nvram"] if resets else []
    is_restored = vm.power == SUSPENDED
    if is_restored:
        # Reading a guest's memory back takes as long as writing it.
        _start_cpus(driver, vm, (_RUNNING, _PAUSED), "start", *options, timeout=_SAVE_TIMEOUT)
    else:
        _start_cpus(driver, vm, (_RUNNING,), "start", *options)
    if is_restored and _state(driver, vm) == _PAUSED:
        # A VM that was paused when it was saved is paused again.
        driver.virsh.run("resume", vm.id)


def stop(driver, vm, step):
    _change_state(driver, vm, (_OFF, "in shutdown"), "shutdown")


def kill(driver, vm, step):
    if vm.power == SUSPENDED:
        driver.virsh.run("managedsave-remove", vm.id)
    else:
        if not vm.persistent:  # libvirt forgets it.
            permits.check_thing("transient", vm.id)
        _change_state(driver, vm, (_OFF,), "destroy")


def pause(driver, vm, step):
    _change_state(driver, vm, (_PAUSED,), "suspend")


def resume(driver, vm, step):
    _start_cpus(driver, vm, (_RUNNING,), "resume")


def reset(driver, vm, step):
    driver.virsh.run("reset", vm.id)


def suspend(driver, vm, step):
    try:
        driver.virsh.run("managedsave", vm.id, "--running", timeout=_SAVE_TIMEOUT)
    except CommandFailed:
        if vm.id not in driver.virsh.run("list", "--all", "--uuid", "--with-managed-save").split():
            raise


def _change_state(driver, vm, target_states, command, *options, **run_options):
    """Run a virsh command after which the VM is in one of ``target_states``.

    If the command fails but the VM is in such a state, the step was sent before, which is not an error.
    """
    try:
        driver.virsh.run(command, vm.id, *options, **run_options)
    except CommandFailed as error:
        if not vm.persistent and is_not_found(error.stderr):
            return  # A transient VM no longer exists once it is off.
        if _state(driver, vm) not in target_states:
            raise


def _start_cpus(driver, vm, *arguments, **run_options):
    """The same for commands that start or continue the guest; their errors get a remedy."""
    try:
        _change_state(driver, vm, *arguments, **run_options)
    except ConnectionLost:
        raise
    except CommandFailed as error:
        raise _with_remedy(vm, error) from error


def _state(driver, vm):
    return driver.virsh.run("domstate", vm.id).strip()


def _with_remedy(vm, error):
    """Return the error with the VM's name; one that virsh has no remedy for refers to the log."""
    remedy = error.remedy or "Check its log in /var/log/libvirt/qemu."
    message = f"{vm.name}: {error.message.rstrip('.')}."
    return CommandFailed(error.argv, error.rc, error.stderr, message=message, remedy=remedy)
