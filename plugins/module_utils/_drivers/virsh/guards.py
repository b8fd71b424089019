# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: all checks before the first step of a plan, as rows (_kit/guards.py). Each error names VM, option, remedy.

What libvirt itself rejects when it is asked, without a change, is in judge.py.
"""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.model import NEVER, Change, SnapshotRequest
from ..._core.planner.drives import MEDIA
from ..._core.record.mark import own_mark
from ..._core.verbs import BACKUP_VERBS, POWER_VERBS, SNAPSHOT_VERBS, VERB
from ..._kit.guards import Guard, SharedGuard, StepGuard
from ..._tools import seed
from .host_checks import (
    check_directories,
    check_interfaces,
    check_memory_of_host,
    check_volumes,
    memory_of_host_warnings,
    missing_disks,
)
from .host_devices import check_devices, check_memory, saves_memory
from .rehearsal import definition_before, observed
from .settings.addresses import check_addresses
from .settings.architecture import architecture_warnings, check_architecture, check_buses, check_rom, row_of
from .settings.cdroms import BUSES
from .settings.disk_limits import LIMITS, check_running_limits
from .settings.disks import check_encrypted, check_running_disks, check_slots
from .settings.firmware import has_nvram_of_others, nvram_of
from .settings.hardware import CHECKED, check_hardware, check_reset
from .settings.memory_cpus import MEMORY_CPUS, check_fixed_maximum
from .settings.networks import check_networks
from .settings.nvram import check_nvram
from .settings.port_forwards import check_passt
from .settings.shared_folders import check_saving, check_shares
from .traits import FILE_OPTIONS, INTERNAL, UEFI_REMEDY, snapshots_of


def _check_backups(driver, plan):
    """What only tasks with backups need: no other task loads it."""
    from ..._media.foreign_image import check_directory
    from .backup_checks import check_backup_step

    check_directory(f"{plan.before.name}: directory", driver.options["directory"], driver.options)
    return [text for step in plan.steps for text in check_backup_step(driver, plan.before, step)]


def _check_possible_snapshots(driver, plan):
    """Raise Refused if the VM, with its power state and settings after the plan, could have no snapshot."""
    if not driver.require_snapshots:
        return
    vm, requested = plan.after, SnapshotRequest("any")
    supported = snapshots_of(driver.library, driver.is_local, driver.is_from_debian)
    if supported.cost_of_taking(vm, Change("snapshot", None, requested)) == NEVER:
        raise Refused(
            f"{vm.name}: require_snapshots: libvirt {driver.library} supports no snapshots of this VM while it is"
            f" {vm.power}.",
            UEFI_REMEDY,
        )
    disks = (vm.config.get("disks") or {}).items()
    raw = [slot for slot, disk in sorted(disks) if disk.get("format") not in (None, "qcow2")]
    if raw and supported.taken_as(vm, requested)[0] == INTERNAL:
        raise Refused(
            f"{vm.name}: require_snapshots: disk {raw[0]} is not qcow2, so it supports no internal snapshots.",
            "Use qcow2 images.",
        )


def _check_architecture(driver, plan, one):
    config = one.step.arguments["config"]
    check_architecture(driver, plan.after.name, config)
    check_buses(plan.after.name, row_of(config), config, BUSES)


def _check_files(driver, plan, released):
    """A changed CPU count needs no files, and saves the time of the imports; neither does the start of a VM."""
    from ..._core.sharing.file_checks import check_files
    from .needed import VirshFiles

    return check_files(VirshFiles(driver, plan), driver.space, released)


def _check_snapshot(driver, plan, one):
    from .snapshot_checks import check_snapshot

    return check_snapshot(driver, plan, one)


def _check_maxima(driver, plan, one):
    if one.vm.id is not None:  # Else this task creates the VM that is cloned.
        definition = definition_before(driver, plan)
        for change in (change for change in one.changes if change.field in MEMORY_CPUS):
            check_fixed_maximum(definition, change)


def _check_saving(driver, plan, one):
    if saves_memory(one.vm, one.step):
        check_saving(driver, plan)


def _check_judged(driver, plan):
    return driver.judge.check(plan) if driver.hypervisor == "QEMU" else ()


def _check_kept(driver, plan, one):
    """Reject changes that would lose what no option describes: the encryption of a disk, firmware by files."""
    vm, grown = one.vm, [change.key for change in one.changes if change.kind == "disks.size"]
    asked = next((change for change in one.changes if change.kind == "secure_boot"), None)
    if vm.id is None or not (grown or asked):
        return
    definition = observed(driver, vm.id)
    check_encrypted(definition, grown, "disks.size", "its size includes a header that libvirt does not report")
    if asked and has_nvram_of_others(definition, vm.mark.get("nvram", ()) if vm.owned else ()):
        unknown = ", so it is not known whether that has Secure Boot" if asked.old is None else ""
        raise Refused(
            f"{vm.name}: secure_boot: its definition names the files of its firmware{unknown}. Another firmware would"
            f" begin with an empty NVRAM: the boot entries and keys in {nvram_of(definition) or 'the present one'}"
            " would be lost.",
            "Omit secure_boot. To give them up, remove os/loader and os/nvram first (virsh edit).",
        )


def _left_disks(driver, _plan, one):
    """Warn about disks that are not empty, because the restore of a snapshot has left them."""
    for change in (change for change in one.changes if change.kind == "disks.add" and not change.new.get("source")):
        path = driver.storage.disk_path(one.vm.name, change.key, change.new)
        if driver.storage.is_left_by_restore(path, change.new, own_mark(one.vm)):
            yield (
                f"{one.vm.name}: disks.{change.key}: {path} was attached after the snapshot that was restored. It is"
                " attached again, with its content."
            )


_DISK_LIMITS = tuple(f"disks.{option}" for option in LIMITS)
#: All steps but those that only change the power state or settings, and the changes that can name or create a file.
_ABOUT_FILES = (*(VERB.keys() - POWER_VERBS - {"configure"}), "disks", "shared_folders", *MEDIA, *FILE_OPTIONS)
GUARDS = (
    Guard(tuple(BACKUP_VERBS), _check_backups, "a backup is not complete, or a restore stops half-way"),
    Guard((), _check_possible_snapshots, "a VM that should have snapshots has none"),
    StepGuard(("create",), _check_architecture, "a new VM has no emulator, or its firmware does not read its disks"),
    SharedGuard(_ABOUT_FILES, _check_files, "a file is missing, exists already, is used, or does not fit"),
    StepGuard(("create", *CHECKED), check_hardware, "QEMU does not start a VM with this hardware"),
    StepGuard(("start", "reset"), check_reset, "a VM is stopped, and its NVRAM cannot be reset"),
    Guard(("create", "clone"), seed.check, "the seed of cloud-init cannot be made when the disks exist"),
    StepGuard(("suspend", "snapshot"), check_memory, "the memory of a VM with a device of the host cannot be saved"),
    StepGuard(("create",), check_nvram, "the NVRAM cannot be made, or has other content"),
    StepGuard(("create", "networks.add"), check_rom, "QEMU lacks the file for a NIC, and does not start"),
    StepGuard(("disks.add",), check_slots, "a disk is attached where a drive or another disk is"),
    StepGuard(("disks.add",), _left_disks, "a disk that should be empty has content (a warning)"),
    StepGuard(("disks",), check_running_disks, "libvirt changes another file, which the running VM has at the slot"),
    StepGuard(_DISK_LIMITS, check_running_limits, "the running VM rejects a limit that is stored already"),
    StepGuard(("disks.size", "secure_boot"), _check_kept, "an encrypted disk or the NVRAM is lost"),
    StepGuard(tuple(MEMORY_CPUS), _check_maxima, "libvirt stores another number than the topology allows"),
    StepGuard(tuple(SNAPSHOT_VERBS), _check_snapshot, "a snapshot is lost, or a restore stops half-way"),
    Guard(("create", "shared_folders"), check_shares, "the host cannot share the directory"),
    Guard(("create", "start", "restore", "devices"), check_devices, "the host cannot give the VM a device"),
    Guard(("create", "port_forwards"), check_passt, "the VM does not start without passt"),
    Guard(("create", "start", "restore", "networks"), check_networks, "a network is missing or inactive"),
    SharedGuard(("create", "networks"), check_addresses, "an address is reserved by another VM"),
    Guard(("start", "restore"), check_volumes, "libvirt cannot open a volume of a pool"),
    Guard(("create", "start", "networks"), check_interfaces, "a bridge of the host is missing"),
    Guard(("create", "start", *MEMORY_CPUS), check_memory_of_host, "the VM does not start: the host has less memory"),
    Guard(("create", "start", "backup", "disks.add", *MEDIA), check_directories, "QEMU cannot enter a directory"),
    StepGuard(("suspend", "snapshot"), _check_saving, "the memory of a VM with virtiofs cannot be saved"),
    Guard(("start",), memory_of_host_warnings, "the host is slow, or ends the VM (a warning)"),
    Guard(("delete",), missing_disks, "a disk that is not mounted now remains (a warning)"),
    Guard(("create", "memory"), architecture_warnings, "an emulated VM is slow, or its firmware stops (a warning)"),
    Guard(("create", "clone", "configure"), _check_judged, "the definition is rejected half-way, or native is dropped"),
)
