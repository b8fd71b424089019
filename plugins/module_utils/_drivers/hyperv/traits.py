# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: what it supports, as data: settings and the cost of changing them, limits, alternatives."""

from __future__ import annotations

from functools import partial

from ..._core.errors import PolyvirtError
from ..._core.model import LIVE, NEVER, PAUSED, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Field, Traits
from ..._core.units import GIB
from ..._kit.settings import defaults, normalized, supported
from ..._ports.windows import CallFailed, ConnectionLost
from ..._tools.hyperv import HARMLESS
from ..._tools.windows_files import SHARING_VIOLATION
from .options import HYPERV
from .settings.actions import service_responds
from .settings.cdroms import iso_slot, kept_as
from .settings.disks import slot_meant, slot_name
from .settings.firmware import normalize_bios
from .settings.memory_cpus import check_memory, value_after, with_minimum
from .settings.native import check_release, without_measured
from .settings.networks import with_spoofing
from .settings.table import SETTINGS

_LONGEST_NAME = 100
#: Error ids of temporary problems: another operation uses the VM or its files, or the service is busy.
_TRANSIENT_IDS = ("ObjectInUse", "OperationTimeout", "StatusUnavailable")


class PowerOffRejected(PolyvirtError):
    """Hyper-V does not turn a VM off yet, as the request to shut down that it has sent to the guest is pending."""


class DisksMerging(PolyvirtError):
    """While Hyper-V merges disks, nobody can read what they need. The end of a merge is awaited."""


def is_transient(error):
    if isinstance(error, CallFailed):
        return error.id in _TRANSIENT_IDS or error.category == "ResourceBusy" or SHARING_VIOLATION in error.codes
    return isinstance(error, (ConnectionLost, PowerOffRejected, DisksMerging))


def hyperv_traits(observer):
    """Return the Traits of the Hyper-V that ``observer`` reads; with None, those of any Hyper-V."""
    return Traits(
        platform=HYPERV.name,
        folded=str.casefold,
        unique_names=False,
        sources=("image", "clone", "appliance", "iso", "disks"),
        as_options=without_measured,
        fields={
            **supported(SETTINGS, known=observer),
            "image": Field(),
            "appliance": Field(),
            "cloud_init": Field(),
            "cloud_init.state": Field(choices=()),
            "clone": Field(
                cost=_cost_of_cloning,
                instead="Stop it first; of a suspended VM, clone.snapshot can be cloned.",
            ),
            "snapshot.take": Field(
                cost=_cost_of_taking,
                instead="Set checkpoint_type with hyperv_vm: standard checkpoints of a running VM hold its memory,"
                " production checkpoints do not.",
            ),
            "snapshot.drop": Field(cost=LIVE),
            "snapshot.restore": Field(cost=LIVE),
            "snapshot.expires": Field(cost=LIVE),
        },
        defaults={**defaults(SETTINGS), "disk_size": 32 * GIB},
        instead={
            **HYPERV.lacks,
            UNKNOWN: "Check the VM in Hyper-V Manager, and whether its files can be reached.",
            "snapshot.content": HYPERV.lacks["compare.content"],
            "clone.linked": "Set linked: false. A linked clone needs a source without checkpoints.",
        },
        slot=observer.slot if observer else partial(slot_name, is_bios=False),
        slot_meant=slot_meant,
        deletes_answer_media=True,
        drive_slot=iso_slot,
        kept_as=kept_as,
        name_fault=_name_fault,
        # One request contains the calls of all VMs that are ready.
        lanes_at_once=1,
        harmless=HARMLESS,
        synchronous_verbs=frozenset({"create"}),
        taken_as=lambda vm, requested: _taken_as(observer, vm),
        restored_as={RUNNING: SUSPENDED},
        transient=is_transient,
        normalize=partial(_normalized, observer),
        moving="No option moves a VM. On the host, Move-VM <name> OTHER-HOST moves a running VM. It needs"
        " Enable-VMMigration on both hosts and, without shared storage, -IncludeStorage -DestinationStoragePath PATH."
        " In a failover cluster, use Move-ClusterVirtualMachineRole.",
        console="Hyper-V keeps no log. On the host, Set-VMComPort -VMName <name> -Number 1 -Path \\\\.\\pipe\\<name>"
        " connects the first serial port with a named pipe, which a terminal program can open.",
    )


def _name_fault(name):
    if len(name) > _LONGEST_NAME:
        return f"Hyper-V allows at most {_LONGEST_NAME} characters"
    return "it begins or ends with a blank" if name != name.strip() else None


def _taken_as(observer, vm):
    """Return the (kind, power state) that a new checkpoint will have.

    Production checkpoints contain no memory, but need a running guest with the service vss.
    """
    raw = observer.found.raw(vm.id) if observer else None
    guest_can_prepare = vm.power == RUNNING and raw is not None and service_responds(raw, "vss")
    is_standard = vm.config.get("checkpoint_type") not in ("production", "production_only")
    with_memory = vm.power != STOPPED and (is_standard or not guest_can_prepare)
    return "", RUNNING if with_memory else STOPPED


def _normalized(observer, vm, config):
    """Return the options in Hyper-V's terms. Raises Refused and NotFound."""
    is_bios = value_after(vm, config, "firmware", "uefi") == "bios"
    if is_bios:
        config = normalize_bios(vm, config)
    config = with_spoofing(vm, with_minimum(vm, config))
    check_memory(vm, config)
    host = observer.host if observer else None
    check_release(vm, config, host.build if host else None)
    switches = host.switches if host else None
    return normalized(SETTINGS, vm, config, is_bios, switches)


def _cost_of_cloning(source, change):
    """Return LIVE if the disks can be copied.

    A running VM changes its disks, and the disks of a suspended VM are consistent only with its saved memory; so only a
    snapshot of a suspended VM can be cloned.
    """
    if change.new.get("linked"):
        return LIVE if source.power == STOPPED and not source.snapshots and not change.new.get("snapshot") else NEVER
    is_copied = source.power == STOPPED or (source.power == SUSPENDED and change.new.get("snapshot"))
    return LIVE if is_copied else NEVER


def _cost_of_taking(vm, change):
    kind, with_memory = vm.config.get("checkpoint_type"), change.new.include_memory
    if kind == "disabled" or vm.power not in (STOPPED, RUNNING, PAUSED, SUSPENDED):
        return NEVER
    if vm.power == STOPPED or with_memory is None:
        return LIVE
    return LIVE if with_memory == (kind == "standard") else NEVER
