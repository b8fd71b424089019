# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs that change the power of a VM, each of them one call."""

from __future__ import annotations

from ..._lifecycle.errors import ApiError
from ..._lifecycle.model import STOP_TIMEOUT, SUSPENDED
from ..._tools.proxmox import Busy

#: Seconds that one request to shut down waits for the guest: the core repeats it every ten seconds.
_ONE_REQUEST = 9
#: A guest, or its agent, did not shut down.
_IN_VAIN = "quit/powerdown failed"
#: Calls that succeed on any node, whether or not the VM is there.
_BLIND = frozenset({"stop", "shutdown"})
#: What other calls say where the VM does not run, or is on another node.
_ELSEWHERE = "not running"


def _call(driver, vm, verb, **parameters):
    """The type of the task that changed the status."""
    path = f"/nodes/{driver.observer.node_of(vm.id)}/qemu/{vm.id}/status"
    try:
        task_type = driver.tool.run("POST", f"{path}/{verb}", **parameters)
    except ApiError as error:
        if _ELSEWHERE in error.message:
            driver.tool.get(f"{path}/current")
        raise
    if verb in _BLIND:
        driver.tool.get(f"{path}/current")
    return task_type


def start(driver, vm, step):
    if _call(driver, vm, "start") == "hastart" and not driver.observer.is_running(driver.observer.read_options(vm.id)):
        # That task only records the request.
        raise Busy(f"{vm.name}: the cluster's high availability starts it; it does not run yet.", None)


def stop(driver, vm, step):
    """Ask the guest once to shut down; the core sees whether it did."""
    if driver.observer.is_managed(vm.id):
        _stop_managed(driver, vm)
        return
    try:
        _call(driver, vm, "shutdown", timeout=min(_ONE_REQUEST, driver.stop_timeout or _ONE_REQUEST))
    except Busy:
        raise
    except ApiError as error:
        if _IN_VAIN not in error.message:
            raise


def _stop_managed(driver, vm):
    """High availability asks the guest, and powers it off itself when the time is over: it gets all of the time."""
    if vm.id in driver.stops_requested:
        return
    seconds = driver.stop_timeout or STOP_TIMEOUT
    _call(driver, vm, "shutdown", timeout=seconds)
    driver.stops_requested.add(vm.id)
    driver.tool.warn(
        f"{vm.name}: it is stopped by the cluster's high availability, which powers it off if it has not shut down"
        f" after {seconds} s, whatever stop_mode says."
    )


def kill(driver, vm, step):
    if vm.power == SUSPENDED:
        driver.tool.put(f"{driver.observer.read_options(vm.id).path}/config", delete="vmstate")
        return
    try:
        # A request to shut down would hold the VM until the guest obeys.
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
