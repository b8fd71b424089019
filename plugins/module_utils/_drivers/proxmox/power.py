# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that change the power state of a VM."""

from __future__ import annotations

from ..._core.errors import ApiError
from ..._core.model import STOP_TIMEOUT, SUSPENDED
from ..._tools.proxmox import Busy

#: Seconds that a shutdown request waits for the guest. The core repeats the step every ten seconds.
_ONE_REQUEST = 9
#: Seconds in which a shutdown request fails because of a lock. The core counts ``stop_timeout`` from then on.
_FIRST_ERRORS = 1
#: Part of the error message if the guest, or its agent, did not react to a shutdown request.
_SHUTDOWN_FAILED = "quit/powerdown failed"
#: Part of the error message of most calls if the VM does not run.
_NOT_RUNNING = "not running"


def _call(driver, vm, verb, **parameters):
    """Change the status, and return the type of the task. Fails if the VM is no longer on its last known node."""
    path = f"/nodes/{driver.observer.node_of(vm.id)}/qemu/{vm.id}/status"
    try:
        return driver.tool.run("POST", f"{path}/{verb}", **parameters)
    except ApiError as error:
        if _NOT_RUNNING in error.message:
            driver.tool.get(f"{path}/current")
        raise


def start(driver, vm, step):
    driver.stopping_since.pop(vm.id, None)
    if _call(driver, vm, "start") == "hastart" and not driver.observer.is_running(driver.observer.read_options(vm.id)):
        # This task only records the request; high availability starts the VM later.
        raise Busy(f"{vm.name}: the cluster's high availability starts it; it does not run yet.", None)


def stop(driver, vm, step):
    """Request a shutdown of the guest once. The core checks the result, and repeats the step."""
    if driver.observer.is_ha_managed(vm.id):
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
        f" after {seconds} s, whatever stop_mode says."
    )


def kill(driver, vm, step):
    if vm.power == SUSPENDED:
        driver.tool.put(f"{driver.observer.read_options(vm.id).path}/config", delete="vmstate")
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
