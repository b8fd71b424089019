# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: all checks before the first step of a plan, as rows (_kit/guards.py). Errors name VM, option, remedy."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.sharing.file_checks import check_files
from ..._core.verbs import SNAPSHOT_VERBS
from ..._kit.guards import Guard, SharedGuard, StepGuard
from ..._kit.space import memory_warnings
from ..._ports.windows_request import Chain
from ..._tools.windows_files import environment_call
from .create import source_files
from .delete import check_removable
from .hyperv_vm import DISK_FILES, is_checkpoint_file
from .needed import HyperVFiles
from .power import check_shutdown
from .settings.disks import check_limits
from .settings.seed import check_seed
from .settings.slot_checks import check_slots
from .snapshots import check_files as check_files_of_checkpoints
from .snapshots import check_production


def _check_files(driver, plan, released):
    """Files and the slots of disks: their controllers are read together."""
    host_files = driver.host_files
    needed = HyperVFiles(host_files, plan)
    host_files.complete([needed])
    warnings = check_files(needed, driver.space, released)
    has_new_seed = any((step.arguments.get("creation") or {}).get("cloud_init") is not None for step in plan.steps)
    for one, raw in needed.slots:
        check_slots(needed.name, one, raw, host_files.controllers_of(raw), has_new_seed)
        if raw:
            check_limits(needed.name, one.changes, raw)
    return warnings


def _check_cluster(driver, plan):
    raw = driver.found.raw(plan.before.id)
    if raw and raw.get("IsClustered"):
        raise Refused(
            f"{plan.before.name}: the VM is managed by a failover cluster, which would undo the change.",
            "Use the tools of the cluster, or remove the VM from it first.",
        )


def _check_generation(driver, plan, one):
    """Hosts with an Arm CPU create VMs of generation 2 only; their architecture is read where generation 1 is asked."""
    if one.step.arguments["config"].get("firmware") != "bios":
        return
    processor = driver.send([Chain("processor", (environment_call("PROCESSOR_ARCHITECTURE", go_on=True),))])[0]
    found = processor.answers[0].objects if not processor.error else ()
    if found and found[0]["Value"].upper() == "ARM64":
        raise Refused(
            f"{plan.after.name}: firmware: bios: hosts of arm64 create only VMs with UEFI (generation 2).",
            "Set firmware: uefi, or omit it.",
        )


def _check_source(driver, plan, one):
    """Physical disks are not copied, and a linked disk on the file of a checkpoint breaks when that is merged."""
    source, requested = one.step.arguments["source"], one.step.arguments["creation"]["clone"]
    files = source_files(driver, source, requested.get("snapshot")) if source.id is not None else {}
    about = f"{plan.after.name}: clone.source: {source.name}: the disk"
    for slot, path in files.items():
        if not path.lower().endswith(DISK_FILES):
            raise Refused(
                f"{about} {slot} is a physical disk ({path}), which is not cloned.",
                "Detach it from the source first, and attach it again afterwards.",
            )
        if requested["linked"] and is_checkpoint_file(path):
            raise Refused(
                f"{about} {slot} has a checkpoint of a backup or a replica, on which no linked clone can depend.",
                "Set linked: false, or wait for its end.",
            )


def _check_cpus(driver, plan, one):
    host_cpus = driver.host.cpus
    for change in one.changes:
        if change.kind == "cpus" and host_cpus and change.new > host_cpus:
            raise Refused(f"{one.vm.name}: cpus: the host has only {host_cpus}.", f"Set at most {host_cpus}.")


def _check_memory(driver, plan):
    return memory_warnings(plan, driver.host.memory, "Hyper-V does not start it.")


GUARDS = (
    Guard((), _check_cluster, "a failover cluster undoes the change"),
    StepGuard(("create",), _check_generation, "a host of arm64 cannot create the VM"),
    Guard(("delete",), check_removable, "Remove-VM fails when the files are deleted: the VM is replicated"),
    Guard(("stop",), check_shutdown, "the guest cannot be asked to shut down"),
    Guard(("snapshot",), check_production, "only the guest can prepare the checkpoint, and does not answer"),
    Guard(tuple(SNAPSHOT_VERBS), check_files_of_checkpoints, "a checkpoint stops half-way: a disk file is missing"),
    StepGuard(("create", "clone", "cpus"), _check_cpus, "the VM does not start: the host has fewer CPUs"),
    Guard(("create", "clone", "start", "memory"), _check_memory, "the VM does not start (a warning)"),
    StepGuard(("clone",), _check_source, "a disk of the source cannot be cloned"),
    Guard(("create", "clone"), check_seed, "the seed of cloud-init cannot be made when the disks exist"),
    SharedGuard((), _check_files, "a file is missing, exists already, is used, or does not fit; a slot is used"),
)
