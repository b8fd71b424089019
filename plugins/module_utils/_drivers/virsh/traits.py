# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traits of libvirt: what it supports, what each change costs, and alternatives to what it does not support."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..._core.model import (
    FAILED,
    LIVE,
    NEVER,
    NEXT_BOOT,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    VERBS,
    Field,
    Traits,
)
from ..._core.units import GIB
from ..._kit.settings import defaults, normalized, options_of_native, supported
from ..._tools.virsh import may_pass
from ..._tools.virsh_output import version_numbers
from .options import LIBVIRT
from .settings.disks import DISKS, named_slots, slot_name
from .settings.display import DISPLAY
from .settings.firmware import FIRMWARE, FIRMWARE_SINCE, normalize_firmware
from .settings.hardware import HARDWARE
from .settings.memory_cpus import MEMORY_CPUS, NESTED, normalize_maxima
from .settings.native import check_native
from .settings.networks import DEFAULT_NETWORK, NICS
from .settings.port_forwards import FORWARDS, INSTEAD_OF_FORWARDS, check_forwards
from .settings.shared_folders import SHARES
from .settings.table import SETTINGS


def virsh_traits(hypervisor, version, local):
    """Traits of one connection. ``hypervisor`` is QEMU, TEST ...; ``local``: files of VMs can be created and read."""
    can_save = hypervisor != "TEST"  # virsh managedsave never returns there (libvirt 9.0.0).
    fields = _fields_of(hypervisor, version, local)
    return Traits(
        platform=LIBVIRT.name,
        version=version,
        powers=frozenset({STOPPED, RUNNING, PAUSED, *({SUSPENDED} if can_save else ())}),
        verbs=frozenset(VERBS),
        fields=fields,
        sources=("image", "clone", "iso", "disks"),
        linked_format="qcow2",
        defaults={
            **defaults(SETTINGS),
            "disk_size": 32 * GIB,
            "networks": {"0": {"type": "network", "source": DEFAULT_NETWORK}},
        },
        stop_modes=("graceful", "force", "graceful_then_force"),
        instead=_instead(hypervisor, local),
        console="Set serial_log to a file; libvirt writes it from the next start on. On the host, virsh console <name>"
        " connects to the console; leave it with Ctrl+].",
        slot=slot_name,
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        taken_as=taken_as,
        transient=may_pass,
        not_cloned=frozenset({"serial_log", "port_forwards"}),
        normalize=partial(_normalized, fields),
        as_options=lambda vm, config: {**config, "disks": named_slots(config.get("disks") or {})},
    )


_LOCAL = "Run the task on the hypervisor itself, with a uri such as qemu:///system."


def _instead(hypervisor, local):
    """{field or power state that this connection does not support: alternative}."""
    return {
        **LIBVIRT.lacks,
        **dict.fromkeys((kind.partition(".")[0] for kind in (*DISKS, *SHARES, *_FROM_FILES)), _LOCAL),
        "snapshot.content": _LOCAL,
        "port_forwards": INSTEAD_OF_FORWARDS,
        SUSPENDED: "This connection can pause VMs, but cannot save them to disk.",
        **_instead_of_hardware(hypervisor, local),
    }


def _snapshot_name_fault(name):
    if "/" in name:
        return "libvirt does not allow slashes"
    if name.startswith("."):
        return "libvirt does not allow a leading dot"
    # libvirt 9.0.0 would create it in the image and then fail to store its metadata in a file NAME.xml.new.
    return "libvirt does not allow more than 247 bytes" if len(name.encode()) > 247 else None


def _instead_of_hardware(hypervisor, local):
    """The same for firmware, TPM and other options of the hardware."""
    if hypervisor == "TEST":
        alternative = "VMs of this connection are only simulated; use a uri such as qemu:///system."
    elif not local:
        alternative = _LOCAL
    else:
        alternative = f"It requires libvirt {'.'.join(map(str, FIRMWARE_SINCE))} or later."
    return dict.fromkeys((kind.partition(".")[0] for kind in _NOT_SIMULATED), alternative)


def _name_fault(name):
    if name.isdigit():
        return "virsh would read a number as the id of a running VM"
    return None


#: {key of native: option that sets the same}
_NATIVE_WITH_OPTION = options_of_native(SETTINGS)


def _normalized(fields, vm, config):
    """``config`` in libvirt's terms. Raises Refused for values that libvirt does not support."""
    check_native(vm, config, _NATIVE_WITH_OPTION)
    result = normalize_firmware(vm, config) if "firmware" in fields else config
    result = normalize_maxima(vm, normalized(SETTINGS, vm, result))
    if "port_forwards.add" in fields:
        check_forwards(vm, result)
    return result


#: Kinds of snapshots: stored in the disk images, or as frozen files below new overlays.
INTERNAL, EXTERNAL = "internal", "external"
#: First libvirt versions that can delete and restore external snapshots.
EXTERNAL_DELETED_SINCE, EXTERNAL_RESTORED_SINCE = (9, 0), (9, 9)
#: What libvirt's test driver would store without any effect, and what needs access to the files of the host.
_NOT_SIMULATED = {*FIRMWARE, *NESTED, *HARDWARE, *DISPLAY}
_FROM_FILES = ("image", "clone", "cloud_init")
_ON_HOST_ONLY = {*FIRMWARE, *NESTED, *DISKS, *SHARES, *_FROM_FILES, "snapshot.content"}


def _fields_of(hypervisor, version, local):
    """{kind of change or creation option: Field} of one connection."""
    fields = {**supported(SETTINGS, version_numbers(version)), **_other_fields(version)}
    lacking = set() if hypervisor == "QEMU" else {*FORWARDS}
    if hypervisor == "TEST":
        fields.update(_fields_of_test(fields))
        lacking |= {*_NOT_SIMULATED, "snapshot.content"}
    if not local:
        lacking |= _ON_HOST_ONLY
        # Bridges of a remote host cannot be checked from here.
        instead = "Run the task on the hypervisor itself."
        fields["networks.type"] = replace(fields["networks.type"], choices=("network", "user"), instead=instead)
    return {kind: field for kind, field in fields.items() if kind not in lacking}


def _fields_of_test(fields):
    """Other costs: libvirt's test driver cannot change a running VM, and its disk sizes are invented."""
    at_next_boot = {*MEMORY_CPUS, *NICS, "iso", "disks.add", "disks.remove"}
    return {
        **{kind: replace(field, cost=NEXT_BOOT) for kind, field in fields.items() if kind in at_next_boot},
        "disks.size": Field(cost=NEVER, instead="This connection only simulates disks and their sizes."),
    }


def _cost_of_cloning(source, change):
    # A running VM writes to its disks, and a suspended one has data in memory that is not written yet.
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


def _other_fields(version):
    """Creation options and snapshots."""
    return {
        "image": Field(),
        "clone": Field(cost=_cost_of_cloning, instead="Stop it first, or set clone.snapshot."),
        "cloud_init": Field(),
        "snapshot.content": Field(),
        "snapshot.take": Field(
            cost=_cost_of_taking,
            instead="Stop the VM first. A suspended VM can also be started; for a running VM with UEFI, an external"
            " snapshot is possible (kind: external).",
        ),
        "snapshot.drop": Field(
            cost=partial(_cost_of_dropping, version_numbers(version) >= EXTERNAL_DELETED_SINCE),
            instead="Deleting an external snapshot requires libvirt 9.0. Commit it manually: virsh blockcommit.",
        ),
        "snapshot.restore": Field(
            cost=partial(_cost_of_restoring, version_numbers(version) >= EXTERNAL_RESTORED_SINCE),
            instead="Restoring an external snapshot requires libvirt 9.9. Create a clone of it instead"
            " (clone.snapshot).",
        ),
    }


# Snapshots ------------------------------------------------------------------------------------------------------------


def kind_for(vm, requested):
    """The kind of a new snapshot: the requested one, else that of existing snapshots."""
    return requested or next((one.kind for one in vm.snapshots), INTERNAL)


def _cost_of_taking(vm, change):
    if vm.power == SUSPENDED:
        return NEVER
    # An internal snapshot of a running VM cannot contain the state of UEFI firmware (NVRAM).
    config = vm.active or vm.config
    runs_with_uefi = config.get("firmware") == "uefi" and vm.power in (RUNNING, PAUSED)
    return NEVER if runs_with_uefi and kind_for(vm, change.new.kind) == INTERNAL else LIVE


def taken_as(vm, requested):
    """(kind, power state) of a new snapshot. The memory of a running VM is always part of an internal snapshot."""
    kind = kind_for(vm, requested.kind)
    return kind, vm.power if kind == INTERNAL or requested.include_memory else STOPPED


def _cost_of_dropping(supports_external, vm, change):
    return NEVER if change.old.kind == EXTERNAL and not supports_external else LIVE


def _cost_of_restoring(supports_external, vm, change):
    if change.old.kind == EXTERNAL and not supports_external:
        return NEVER
    # libvirt would keep the saved memory, and start it with the restored disks.
    return POWER_OFF if vm.power in (SUSPENDED, FAILED) else LIVE
