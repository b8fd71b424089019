# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of power and snapshot steps, before the first step of a plan."""

from __future__ import annotations

from ..._core.errors import Refused, Unsupported
from ..._core.model import POWER_VERBS, RUNNING, SUSPENDED
from ..._core.plan_create import find_snapshot
from .privileges import check_verb
from .resources import check_quorum
from .settings.networks import as_nic, check_bridge, nics_of
from .settings.table import cpus_of
from .snapshots import check_snapshots
from .traits import STAYS_OFF

#: Verbs after which a VM runs, is paused or is suspended.
_VERBS_THAT_KEEP_RUNNING = frozenset({"start", "reset", "pause", "resume", "suspend"})


def check_plan(driver, plan):
    """Raise NotFound or Refused for steps that would fail after others were carried out."""
    label = plan.after.name
    if plan.steps:
        check_quorum(driver, label)
    for step in plan.steps:
        check_step(driver, label, plan, step)


def check_step(driver, label, plan, step):
    """Check the privileges for a step, and what a power or snapshot step needs."""
    vm = plan.before
    check_verb(driver, label, vm, step)
    _check_power(driver, label, plan, step)
    if step.verb == "snapshot" and vm.config.get("template"):
        raise Refused(
            f"{label}: it is a template, which has no snapshots.", "Clone it, and take a snapshot of the clone."
        )
    if step.verb == "snapshot":
        check_snapshots(driver, label, driver.observer.last_options(vm.id))


def _check_power(driver, label, plan, step):
    vm = plan.before
    if step.verb in _VERBS_THAT_KEEP_RUNNING and vm.id and plan.after.on:
        _check_finished(driver, label, vm)
    if step.verb == "start" and plan.after.config.get("template"):
        raise _template_does_not_start(label, vm)
    if step.verb == "start" and vm.id and plan.after.on:
        _check_start(driver, label, plan)
    if step.verb == "restore":
        _check_restored(driver, label, plan, find_snapshot(vm, step.arguments["id"]))


def _check_start(driver, label, plan):
    """Raise NotFound for a missing bridge, and Refused for too many CPUs: the VM would not start."""
    driver.resources.check_cpus(label, plan.after.config["node"], _cpus_after(driver, plan))
    nics = plan.after.config.get("networks")
    if nics is None:
        nics = nics_of(driver.observer.last_options(plan.before.id).stored)
    else:
        nics = {place: as_nic(nic) for place, nic in nics.items()}
    for nic in nics.values():
        check_bridge(driver, label, plan.after.config["node"], nic)


def _check_restored(driver, label, plan, snapshot):
    """Raise Refused for too many CPUs: a snapshot with memory is running as soon as it is restored."""
    if snapshot is not None and snapshot.power == RUNNING:
        driver.resources.check_cpus(label, plan.before.config["node"], (snapshot.config or {}).get("cpus"))


def _cpus_after(driver, plan):
    """The number of CPUs with which an existing VM is started. The lists show no more than those of its node."""
    if any(step.verb not in POWER_VERBS for step in plan.steps):
        return plan.after.config.get("cpus")
    vm_options = driver.observer.last_options(plan.before.id)
    # A suspended VM is started with the settings with which it was running.
    return cpus_of(vm_options.running if plan.before.power == SUSPENDED else vm_options.stored)


def _template_does_not_start(label, vm):
    if vm.on:
        return Refused(f"{label}: it cannot be started again once it is a template.", STAYS_OFF)
    return Unsupported(f"{label}: it is a template, which is not started.", "Clone it, and start the clone.")


def _check_finished(driver, label, vm):
    """Raise Refused for an unfinished VM. The lists that a power task reads do not show that a VM is unfinished."""
    if driver.observer.last_options(vm.id).is_unfinished:
        raise Refused(
            f"{label}: VM {vm.id} is not started: a task started to create it and has not finished.",
            "Finish it with the task that started to create it, or remove it (state: absent).",
        )
