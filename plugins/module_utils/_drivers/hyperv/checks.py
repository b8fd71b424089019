# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check before the first step whether the host has what a plan needs: files, free space, CPUs."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.planner.planned_steps import planned
from ..._core.sharing.file_checks import check_files
from ..._ports.windows_request import Chain
from ..._tools.windows_files import environment_call
from .needed import HyperVFiles
from .power import check_shutdown
from .settings.disks import check_limits
from .settings.seed import check_seed
from .settings.slot_checks import check_slots
from .snapshots import check_files as check_files_of_checkpoints
from .snapshots import check_production


def check_plan(driver, plan, host_files, released=frozenset()):
    """Raise if the plan would fail. ``host_files`` reads what it has not read already.

    ``released`` are the claims that earlier plans of the task let go of.
    """
    _check_cluster(driver, plan)
    _check_generation(driver, plan)
    check_shutdown(driver, plan)
    check_production(driver, plan)
    check_files_of_checkpoints(driver, plan)
    for one in planned(plan):
        _check_cpus(driver, one)
    check_seed(driver, plan)
    needed = HyperVFiles(host_files, plan)
    host_files.complete([needed])
    check_files(needed, driver.space, released)
    has_new_seed = any((step.arguments.get("creation") or {}).get("cloud_init") is not None for step in plan.steps)
    for one, raw in needed.slots:
        check_slots(needed.name, one, raw, host_files.controllers_of(raw), has_new_seed)
        if raw:
            check_limits(needed.name, one.changes, raw)


def _check_cluster(driver, plan):
    raw = driver.found.raw(plan.before.id)
    if raw and raw.get("IsClustered"):
        raise Refused(
            f"{plan.before.name}: the VM is managed by a failover cluster, which would undo the change.",
            "Use the tools of the cluster, or remove the VM from it first.",
        )


def _check_generation(driver, plan):
    """Hosts with an Arm CPU create VMs of generation 2 only; their architecture is read where generation 1 is asked."""
    configs = [step.arguments["config"] for step in plan.steps if step.verb == "create"]
    if not any(config.get("firmware") == "bios" for config in configs):
        return
    processor = driver.send([Chain("processor", (environment_call("PROCESSOR_ARCHITECTURE", go_on=True),))])[0]
    found = processor.answers[0].objects if not processor.error else ()
    if found and found[0]["Value"].upper() == "ARM64":
        raise Refused(
            f"{plan.after.name}: firmware: bios: hosts of arm64 create only VMs with UEFI (generation 2).",
            "Set firmware: uefi, or omit it.",
        )


def _check_cpus(driver, one):
    host_cpus = driver.host.cpus
    for change in one.changes:
        if change.kind == "cpus" and host_cpus and change.new > host_cpus:
            raise Refused(f"{one.vm.name}: cpus: the host has only {host_cpus}.", f"Set at most {host_cpus}.")
