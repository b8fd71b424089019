# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check before the first step whether power and snapshot steps can succeed on the host."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.model import RUNNING, STOPPED
from ..._tools.hyperv import read_disks
from ..._tools.windows_files import key_of
from .observe import Found
from .reader import cannot_be_read, check_parts
from .settings.table import service_responds


def check_plan(driver, plan):
    """Raise Refused if the plan would fail half-way."""
    check_cluster(driver, plan)
    check_shutdown(driver, plan)
    _check_production(driver, plan)


def _check_production(driver, plan):
    """Raise Refused for a checkpoint that only the guest can prepare, which does not answer."""
    raw, vm = driver.found.raw(plan.before.id), plan.before
    is_taken = vm.power == RUNNING and [step.verb for step in plan.steps][-1:] == ["snapshot"]
    is_only = vm.config.get("checkpoint_type") == "production_only"
    if raw and is_taken and is_only and not service_responds(raw, "vss"):
        raise Refused(
            f"{vm.name}: the guest cannot prepare a production checkpoint: its service vss does not answer.",
            "Start the integration services in the guest, or set checkpoint_type: production with hyperv_vm.",
        )


def starts_vm(plan):
    """Return whether the plan starts a VM that is off."""
    return plan.before.power == STOPPED and any(step.verb == "start" for step in plan.steps)


def check_cluster(driver, plan):
    raw = driver.found.raw(plan.before.id)
    if raw and raw.get("IsClustered"):
        raise Refused(
            f"{plan.before.name}: the VM is managed by a failover cluster, which would undo the change.",
            "Use the tools of the cluster, or remove the VM from it first.",
        )


def check_shutdown(driver, plan):
    """Raise Refused if the plan begins with a shutdown for which the guest cannot be asked."""
    raw, verbs = driver.found.raw(plan.before.id), [step.verb for step in plan.steps]
    is_asked = plan.before.power == RUNNING and verbs[:1] == ["stop"]
    if raw and is_asked and may_not_force(driver) and not service_responds(raw, "shutdown"):
        raise no_shutdown_service(plan.before.name)


def may_not_force(driver):
    """Return whether the power may not be cut if the guest cannot shut down."""
    return driver.options.get("stop_mode") != "graceful_then_force"


def no_shutdown_service(name):
    return Refused(
        f"{name}: the guest cannot be asked to shut down: its shutdown service does not answer.",
        "Start the integration services in the guest, or set stop_mode: force.",
    )


def all_disks(answers):
    """Return all VMs with their disks as Found, from the answers to ``disks_chain``."""
    if answers[0].error is not None:
        raise cannot_be_read(answers[0].error)
    check_parts(answers[:2])  # Single disks may be unreadable.
    vms, snapshots, disks = read_disks(answers)
    found = Found()
    found.add([(raw["Id"], raw["Name"]) for raw in vms], vms, snapshots, disks)
    return found


def has_checkpoint_with(found, vm, path):
    """Return whether a checkpoint of ``vm`` needs a file."""
    drives = [drive for one in found.snapshots.get((vm.id or "").lower(), ()) for drive in one.get("HardDrives") or ()]
    return any(key_of(path) in map(key_of, found.chain(drive.get("Path"))) for drive in drives)
