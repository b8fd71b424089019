# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Hyper-V supports, as data: settings and the cost of changing them, limits, alternatives."""

from __future__ import annotations

from functools import partial

from ..._core.errors import PolyvirtError
from ..._core.mark import IN_MARK
from ..._core.model import (
    DESTRUCTIVE,
    LIVE,
    NEVER,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
    Field,
    Traits,
)
from ..._core.units import GIB, MIB
from ..._ports.windows import CallFailed, ConnectionLost
from ..._tools.hyperv import HARMLESS, SERVICES
from ..._tools.windows_files import key_of
from .normalize import normalized
from .options import HYPERV
from .settings.disks import FORMATS, slot_name
from .settings.native import cost_of_native
from .settings.networks import NAT, SWITCH, same_source
from .settings.table import same_boot_order, service_responds

#: Windows 10 and Windows Server 2016.
_LIVE_MEMORY_SINCE = 14393
_LONGEST_NAME = 100
_DETACH = "Detach it (state: absent), and attach another."
_CHECKPOINTS = "Remove the checkpoints first."
#: Error ids of temporary problems: another operation uses the VM or its files, or the service is busy.
_TRANSIENT_IDS = ("ObjectInUse", "OperationTimeout", "StatusUnavailable")
_SHARING_VIOLATION = 0x80070020


class PowerOffRejected(PolyvirtError):
    """Hyper-V does not turn a VM off yet, as the request to shut down that it has sent to the guest is pending."""


def is_transient(error):
    if isinstance(error, CallFailed):
        return error.id in _TRANSIENT_IDS or error.category == "ResourceBusy" or _SHARING_VIOLATION in error.codes
    return isinstance(error, (ConnectionLost, PowerOffRejected))


def hyperv_traits(reader):
    """Return the Traits of the Hyper-V that ``reader`` reads; with None, those of any Hyper-V."""
    return Traits(
        platform=HYPERV.name,
        folded=str.casefold,
        unique_names=False,
        fields=fields_of(reader),
        defaults={
            "cpus": 2,
            "memory": 2 * GIB,
            "disk_size": 32 * GIB,
            "firmware": "uefi",
            "autostart": False,
        },
        instead={
            **HYPERV.lacks,
            UNKNOWN: "Check the VM in Hyper-V Manager, and whether its files can be reached.",
            "snapshot.content": HYPERV.lacks["compare.content"],
        },
        slot=reader.slot if reader else partial(slot_name, is_bios=False),
        name_fault=_name_fault,
        # One request contains the calls of all VMs that are ready.
        lanes_at_once=1,
        harmless=HARMLESS,
        synchronous_verbs=frozenset({"create"}),
        taken_as=lambda vm, requested: _taken_as(reader, vm),
        restored_as={RUNNING: SUSPENDED},
        transient=is_transient,
        normalize=lambda vm, config: normalized(reader, vm, config),
    )


def _name_fault(name):
    if len(name) > _LONGEST_NAME:
        return f"Hyper-V allows at most {_LONGEST_NAME} characters"
    return "it begins or ends with a blank" if name != name.strip() else None


def _taken_as(reader, vm):
    """Return the (kind, power state) that a new checkpoint will have.

    Production checkpoints contain no memory, but need a running guest with the service vss.
    """
    raw = reader.found.raw(vm.id) if reader else None
    guest_can_prepare = vm.power == RUNNING and raw is not None and service_responds(raw, "vss")
    is_standard = vm.config.get("checkpoint_type") not in ("production", "production_only")
    with_memory = vm.power != STOPPED and (is_standard or not guest_can_prepare)
    return "", RUNNING if with_memory else STOPPED


# Costs ----------------------------------------------------------------------------------------------------------------


def _live_unless_saved(vm, change):
    """Return LIVE, but POWER_OFF for a VM with saved memory."""
    return LIVE if vm.power in (STOPPED, RUNNING, PAUSED) else POWER_OFF


def _is_uefi(vm):
    return vm.config.get("firmware") != "bios"


def _cost_of_nic(vm, change):
    return _live_unless_saved(vm, change) if _is_uefi(vm) else POWER_OFF


def _cost_of_disk(vm, change):
    return _live_unless_saved(vm, change) if change.key.startswith("SCSI") else POWER_OFF


def _cost_of_size(vm, change):
    if vm.snapshots:
        return NEVER
    disk = (vm.config.get("disks") or {}).get(change.key) or {}
    is_live = change.key.startswith("SCSI") and (disk.get("format") or "vhdx").startswith("vhdx")
    return _live_unless_saved(vm, change) if is_live else POWER_OFF


def _cost_of_iso(vm, change):
    # iso None: the VM has no DVD drive. While it runs, a drive can be added only to a SCSI controller.
    return _live_unless_saved(vm, change) if _is_uefi(vm) or vm.config.get("iso") is not None else POWER_OFF


def _cost_of_limit(sign):
    """Return the cost of a limit of dynamic memory: while a VM runs, the range can become wider, but not narrower.

    ``sign`` is 1 for the maximum and -1 for the minimum.
    """

    def cost(vm, change):
        is_wider = change.old is not None and (change.new - change.old) * sign >= 0
        return LIVE if vm.power == STOPPED or (vm.power == RUNNING and is_wider) else POWER_OFF

    return cost


def _cost_of_memory(reader):
    def cost(vm, change):
        is_dynamic = vm.config.get("dynamic_memory") or change.beside.get("dynamic_memory")
        build = reader.host.build if reader and reader.host else None
        is_old = build is not None and build < _LIVE_MEMORY_SINCE
        if vm.power == STOPPED and not is_dynamic:
            return LIVE
        return LIVE if vm.power == RUNNING and not is_dynamic and not is_old else POWER_OFF

    return cost


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


# Fields ---------------------------------------------------------------------------------------------------------------

_OFF, _ALWAYS = Field(cost=POWER_OFF), Field(cost=LIVE)


def fields_of(reader):
    """{kind of change: Field}."""
    return {
        "cpus": _OFF,
        "memory": Field(cost=_cost_of_memory(reader), minimum=32 * MIB),
        "dynamic_memory": _OFF,
        "minimum_memory": Field(cost=_cost_of_limit(-1), minimum=32 * MIB),
        "maximum_memory": Field(cost=_cost_of_limit(1), minimum=32 * MIB),
        "firmware": Field(cost=DESTRUCTIVE),
        "secure_boot": _OFF,
        "secure_boot_template": _OFF,
        "tpm": _OFF,
        "nested_virtualization": _OFF,
        "boot_order": Field(cost=POWER_OFF, same=same_boot_order),
        "description": _ALWAYS,
        **dict.fromkeys(IN_MARK, _ALWAYS),
        "autostart": _ALWAYS,
        "stop_action": _ALWAYS,
        "checkpoint_type": _ALWAYS,
        "automatic_checkpoints": _ALWAYS,
        "integration_services": _ALWAYS,
        **{f"integration_services.{name}": _ALWAYS for name in SERVICES},
        "native": Field(cost=cost_of_native),
        **_media(),
        **_network_fields(),
        "snapshot.take": Field(
            cost=_cost_of_taking,
            instead="Set checkpoint_type with hyperv_vm: standard checkpoints of a running VM hold its memory,"
            " production checkpoints do not.",
        ),
        "snapshot.drop": _ALWAYS,
        "snapshot.restore": _ALWAYS,
    }


def _media():
    return {
        "image": Field(),
        "cloud_init": Field(),
        "clone": Field(
            cost=_cost_of_cloning,
            instead="Stop it first; of a suspended VM, clone.snapshot can be cloned. The source of a linked clone must"
            " be off, without checkpoints.",
        ),
        "iso": Field(cost=_cost_of_iso, same=_same_path),
        "disks.add": Field(cost=_cost_of_disk),
        "disks.remove": Field(cost=_cost_of_disk),
        "disks.size": Field(cost=_cost_of_size, instead=_CHECKPOINTS),
        "disks.format": Field(cost=NEVER, choices=tuple(FORMATS), instead=_DETACH),
        "disks.source": Field(cost=NEVER, same=_same_path, instead=_DETACH),
    }


def _same_path(found, requested):
    return bool(found) == bool(requested) and (not found or key_of(found) == key_of(requested))


def _network_fields():
    return {
        "networks.add": Field(cost=_cost_of_nic),
        "networks.remove": Field(cost=_cost_of_nic),
        "networks.type": Field(cost=_live_unless_saved, choices=(NAT, SWITCH)),
        "networks.source": Field(cost=_live_unless_saved, same=same_source),
        "networks.vlan": Field(cost=_live_unless_saved),
        "networks.mac": _OFF,
    }
