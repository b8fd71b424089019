# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: steps that change the power state of a VM, and what they need."""

from __future__ import annotations

from ..._core.errors import ApiError, Refused, Unsupported
from ..._core.model import STOP_TIMEOUT, SUSPENDED
from ..._core.verbs import POWER_VERBS
from ..._ports import change_counter
from ..._tools.proxmox import Busy, ConnectionLost
from .claims import storages_of
from .settings.devices import check_memory
from .settings.disks import volumes_of
from .settings.hardware import STAYS_OFF, cpus_of
from .settings.networks import as_nic, check_bridge, nics_of

#: Seconds that a shutdown request waits for the guest. The core repeats the step every ten seconds.
_ONE_REQUEST = 9
#: Seconds in which a shutdown request fails because of a lock. The core counts ``stop_timeout`` from then on.
_FIRST_ERRORS = 1
#: Part of the error message if the guest, or its agent, did not react to a shutdown request.
_SHUTDOWN_FAILED = "quit/powerdown failed"
#: Part of the error message of most calls if the VM does not run.
_NOT_RUNNING = "not running"
#: Verbs after which a VM runs, is paused or is suspended.
_VERBS_THAT_KEEP_RUNNING = frozenset({"start", "reset", "pause", "resume", "suspend"})


def _call(driver, vm, verb, **parameters):
    """Change the status, and return the type of the task. Fails if the VM is no longer on its last known node."""
    path = f"/nodes/{driver.node_of(vm.id)}/qemu/{vm.id}/status"
    try:
        return driver.tool.run("POST", f"{path}/{verb}", **parameters)
    except ApiError as error:
        if _NOT_RUNNING in error.message:
            driver.tool.get(f"{path}/current")
        raise


def start(driver, vm, step):
    driver.stopping_since.pop(vm.id, None)
    before = change_counter.count()
    try:
        task_type = _call(driver, vm, "start")
    except (Busy, ConnectionLost):
        raise
    except ApiError:
        if not driver.is_running(driver.read_options(vm.id)):
            change_counter.set_back(before)
        raise
    if task_type == "hastart" and not driver.is_running(driver.read_options(vm.id)):
        # This task only records the request; high availability starts the VM later.
        raise Busy(f"{vm.name}: the cluster's high availability starts it; it does not run yet.", None)


def stop(driver, vm, step):
    """Request a shutdown of the guest once. The core checks the result, and repeats the step."""
    if driver.is_ha_managed(vm.id):
        _stop_managed(driver, vm)
        return
    try:
        now = driver.tool.now()
        left = (driver.stop_timeout or STOP_TIMEOUT) - int(now - driver.stopping_since.setdefault(vm.id, now))
        _call(driver, vm, "shutdown", at_most=_FIRST_ERRORS, timeout=max(1, min(_ONE_REQUEST, left)))
    except Busy:
        raise
    except ApiError as error:
        if _SHUTDOWN_FAILED not in error.message:
            raise


def _stop_managed(driver, vm):
    """Request a stop from high availability once.

    It powers the VM off if the guest has not shut down in time, so it gets the whole timeout.
    """
    if vm.id in driver.requested_stops:
        return
    seconds = driver.stop_timeout or STOP_TIMEOUT
    _call(driver, vm, "shutdown", timeout=seconds)
    driver.requested_stops.add(vm.id)
    driver.tool.warn(
        f"{vm.name}: it is stopped by the cluster's high availability, which powers it off if it has not shut down"
        f" after {seconds} s, whatever the value of stop_mode."
    )


def kill(driver, vm, step):
    if vm.power == SUSPENDED:
        vm_options = driver.read_options(vm.id)
        driver.tool.put(f"{vm_options.path}/config", delete="vmstate", digest=vm_options.digest)
        return
    try:
        # A running shutdown task would block this call until the guest has shut down.
        _call(driver, vm, "stop", **{"overrule-shutdown": True})
    except ApiError as error:
        if error.status != 400:
            raise
        _call(driver, vm, "stop")


def pause(driver, vm, step):
    _call(driver, vm, "suspend")


def resume(driver, vm, step):
    _call(driver, vm, "resume")


def suspend(driver, vm, step):
    _call(driver, vm, "suspend", todisk=True)


def reset(driver, vm, step):
    _call(driver, vm, "reset")


# Checks -----------------------------------------------------------------------------------------------------------


def check_power(driver, plan, one):
    """Raise NotFound or Refused for a power step that would fail after others were carried out."""
    label, vm, step = plan.after.name, plan.before, one.step
    if step.verb in _VERBS_THAT_KEEP_RUNNING and vm.id and plan.after.on:
        _check_finished(driver, label, vm)
    if step.verb == "start" and plan.after.config.get("template"):
        raise _template_does_not_start(label, vm)
    if step.verb == "start" and vm.id and plan.after.on:
        _check_start(driver, label, plan)
    if step.verb == "suspend" and vm.id:
        check_memory(driver, label, vm, "Stop the VM (state: stopped), or pause it (state: paused).")
        options = driver.last_options(vm.id).stored
        used = [options["vmstatestorage"]] if "vmstatestorage" in options else storages_of(volumes_of(options).values())
        if len(used) == 1:  # Of several, the server chooses one.
            driver.permissions.check(label, f"/storage/{used[0]}", "Datastore.AllocateSpace")


def _check_start(driver, label, plan):
    """Raise NotFound for a missing bridge, and Refused for too many CPUs: the VM would not start."""
    driver.resources.check_cpus(label, plan.after.config["node"], _cpus_after(driver, plan))
    nics = plan.after.config.get("networks")
    if nics is None:
        nics = nics_of(driver.last_options(plan.before.id).stored)
    else:
        nics = {place: as_nic(nic) for place, nic in nics.items()}
    for nic in nics.values():
        check_bridge(driver, label, plan.after.config["node"], nic)


def _cpus_after(driver, plan):
    """The number of CPUs with which an existing VM is started. The lists show no more than those of its node."""
    if any(step.verb not in POWER_VERBS for step in plan.steps):
        return plan.after.config.get("cpus")
    vm_options = driver.last_options(plan.before.id)
    # A suspended VM is started with the settings with which it was running.
    return cpus_of(vm_options.running if plan.before.power == SUSPENDED else vm_options.stored)


def _template_does_not_start(label, vm):
    if vm.on:
        return Refused(f"{label}: it cannot be started again once it is a template.", STAYS_OFF)
    return Unsupported(f"{label}: it is a template, which is not started.", "Clone it, and start the clone.")


def _check_finished(driver, label, vm):
    """Raise Refused for an unfinished VM. The lists that a power task reads do not show that a VM is unfinished."""
    if driver.last_options(vm.id).is_unfinished:
        raise Refused(
            f"{label}: VM {vm.id} is not started: a task started to create it and has not finished.",
            "Finish it with the task that started to create it, or delete the VM (state: absent).",
        )
