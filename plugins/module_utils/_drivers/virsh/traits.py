# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traits of libvirt: what it supports, what each change costs, and alternatives to what it does not support."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..._core.mark import IN_MARK
from ..._core.model import (
    ABSENT,
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
from ..._core.units import GIB, MIB
from ..._tools.virsh import may_pass
from ..._tools.virsh_output import version_numbers
from .options import LIBVIRT
from .settings.disks import BUS, cost_of_hot_plug, normalize_slots, slot_name
from .settings.display import normalize_display
from .settings.firmware import normalize_firmware
from .settings.memory_cpus import MEMORY_CPUS_DEFAULTS, MEMORY_CPUS_FIELDS, normalize_maxima
from .settings.native import check_native, same_native
from .settings.networks import DEFAULT_NETWORK, NETWORK_FIELDS, normalize_nic
from .settings.port_forwards import INSTEAD_OF_FORWARDS, forwarding_fields, with_forward_checks
from .settings.shared_folders import SHARED_FOLDER_FIELDS, check_share_names


def virsh_traits(hypervisor, version, local):
    """Traits of one connection. ``hypervisor`` is QEMU, TEST ...; ``local``: files of VMs can be created and read."""
    can_save = hypervisor != "TEST"  # virsh managedsave never returns there (libvirt 9.0.0).
    forwards = forwarding_fields(hypervisor, version)
    fields = {**fields_of(hypervisor, version, local), **forwards}
    normalize = partial(_normalize, fields)
    return Traits(
        platform=LIBVIRT.name,
        version=version,
        powers=frozenset({STOPPED, RUNNING, PAUSED, *({SUSPENDED} if can_save else ())}),
        verbs=frozenset(VERBS),
        fields=fields,
        sources=("image", "clone", "iso", "disks"),
        linked_format="qcow2",
        defaults={
            **MEMORY_CPUS_DEFAULTS,
            "disk_size": 32 * GIB,
            "networks": {"0": {"type": "network", "source": DEFAULT_NETWORK}},
        },
        stop_modes=("graceful", "force", "graceful_then_force"),
        instead=_instead(hypervisor, local),
        slot=slot_name,
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        taken_as=taken_as,
        transient=may_pass,
        not_cloned=frozenset({"serial_log", "port_forwards"}),
        normalize=with_forward_checks(normalize) if forwards else normalize,
    )


_LOCAL = ", with a uri such as qemu:///system."


def _instead(hypervisor, local):
    """{field or power state that this connection does not support: alternative}."""
    return {
        **LIBVIRT.lacks,
        "image": f"Run the task on the hypervisor itself{_LOCAL}",
        "cloud_init": f"Run the task on the hypervisor itself{_LOCAL}",
        "disks": f"Run the task on the hypervisor itself{_LOCAL}",
        "iso": f"Run the task on the hypervisor itself{_LOCAL}",
        "clone": f"Run the task on the hypervisor itself{_LOCAL}",
        "port_forwards": INSTEAD_OF_FORWARDS,
        "shared_folders": f"Run the task on the hypervisor itself{_LOCAL}",
        "snapshot.content": f"Run the task on the hypervisor itself{_LOCAL}",
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
        alternative = f"Run the task on the hypervisor itself{_LOCAL}"
    else:
        alternative = f"It requires libvirt {'.'.join(map(str, FIRMWARE_SINCE))} or later."
    hardware = ("firmware", "secure_boot", "nested_virtualization", "tpm", "display", "serial_log")
    return dict.fromkeys(hardware, alternative)


def _name_fault(name):
    if name.isdigit():
        return "virsh would read a number as the id of a running VM"
    return None


def _normalize(fields, vm, config):
    """``config`` in libvirt's terms. Raises Refused for values that libvirt does not support."""
    adjusted = normalize_maxima(vm, normalize_firmware(vm, config) if "firmware" in fields else config)
    check_native(vm, config)
    if "disks" in config:
        adjusted["disks"] = normalize_slots(vm, config["disks"])
    check_share_names(vm, config.get("shared_folders") or {})
    if "display" in config:
        adjusted["display"] = normalize_display(vm, config["display"])
    if config.get("iso") == "" and vm.power != ABSENT and vm.config.get("iso") is None:
        del adjusted["iso"]  # Without a drive there is nothing to eject.
    if config.get("networks"):
        adjusted["networks"] = {
            position: entry if entry is None else normalize_nic(vm, position, entry)
            for position, entry in config["networks"].items()
        }
    return adjusted


#: Kinds of snapshots: stored in the disk images, or as frozen files below new overlays.
INTERNAL, EXTERNAL = "internal", "external"
#: First libvirt versions that can delete and restore external snapshots.
EXTERNAL_DELETED_SINCE, EXTERNAL_RESTORED_SINCE = (9, 0), (9, 9)
#: First libvirt version that selects firmware by requested features.
FIRMWARE_SINCE = (7, 2)


def fields_of(hypervisor, version, local):
    """{kind of change: Field} of one connection."""
    fields = _fields_of(hypervisor, version, local)
    return {kind: field if kind in _NO_SETTINGS else _not_live_if_suspended(field) for kind, field in fields.items()}


def _not_live_if_suspended(field):
    """The field with the cost NEXT_BOOT instead of LIVE for a suspended or failed VM.

    A suspended VM continues as it was saved, and a failed one must be restarted: the change takes effect at the next
    cold start.
    """
    if not callable(field.cost) and field.cost != LIVE:
        return field

    def cost(vm, change):
        cost_of_field = field.cost_of(vm, change)
        return NEXT_BOOT if cost_of_field == LIVE and vm.power in (SUSPENDED, FAILED) else cost_of_field

    return replace(field, cost=cost)


def _fields_of(hypervisor, version, local):
    is_test = hypervisor == "TEST"
    fields = {**_fields(), **_snapshot_fields(version), **({} if is_test else _hardware_fields())}
    if not local:
        # Bridges of a remote host cannot be checked from here.
        instead = "Run the task on the hypervisor itself."
        return {**fields, "networks.type": Field(choices=("network", "user"), instead=instead)}
    if is_test:
        return {**fields, **_file_fields(), **_FIELDS_OF_TEST}
    has_firmware = version_numbers(version) >= FIRMWARE_SINCE
    firmware = {"firmware": Field(), "secure_boot": Field()} if has_firmware else {}
    return {**fields, **_file_fields(), **firmware, "nested_virtualization": Field(), "snapshot.content": Field()}


#: Fields that are not settings of a VM.
_NO_SETTINGS = frozenset(
    {"image", "clone", "cloud_init", "snapshot.take", "snapshot.drop", "snapshot.restore", "snapshot.content"}
)


def _fields():
    return {
        **MEMORY_CPUS_FIELDS,
        **NETWORK_FIELDS,
        "description": Field(cost=LIVE),
        **dict.fromkeys(IN_MARK, Field(cost=LIVE)),
        "autostart": Field(cost=LIVE),
        "native": Field(same=same_native),
        "networks.type": Field(
            choices=("network", "bridged", "user"), instead="Use nat, network, internal, bridged or user."
        ),
        "boot_order": Field(),
    }


def _hardware_fields():
    """Fields that are not offered on libvirt's test driver, which would store them without any effect."""
    return {
        "tpm": Field(),
        "display.type": Field(),
        "display.video_memory": Field(minimum=MIB),
        "serial_log": Field(),
    }


def _file_fields():
    """Fields that need access to files, and so are supported only if libvirt runs on this host."""
    instead = "Detach it (state: absent) and attach another."
    return {
        "image": Field(),
        "clone": Field(cost=_cost_of_cloning, instead="Stop it first, or set clone.snapshot."),
        "cloud_init": Field(),
        "iso": Field(cost=_cost_of_iso),
        **SHARED_FOLDER_FIELDS,
        "disks.add": Field(cost=cost_of_hot_plug),
        "disks.remove": Field(cost=cost_of_hot_plug),
        "disks.bus": BUS,
        "disks.size": Field(cost=_cost_of_disk_size),
        "disks.format": Field(cost=NEVER, choices=("qcow2", "raw"), instead=instead),
        "disks.source": Field(cost=NEVER, instead=instead),
    }


#: Fields with other costs on libvirt's test driver: it cannot change a running VM, and its disk sizes are invented.
_FIELDS_OF_TEST = {
    **{name: replace(field, cost=NEXT_BOOT) for name, field in {**MEMORY_CPUS_FIELDS, **NETWORK_FIELDS}.items()},
    "iso": Field(cost=NEXT_BOOT),
    "disks.add": Field(cost=NEXT_BOOT),
    "disks.remove": Field(cost=NEXT_BOOT),
    "disks.size": Field(cost=NEVER, instead="This connection only simulates disks and their sizes."),
}


def _cost_of_iso(vm, change):
    # If it is None, the VM has no optical drive, and drives cannot be added to a running VM.
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _cost_of_disk_size(vm, change):
    # The guest in the saved memory would continue with the old size.
    return POWER_OFF if vm.power == SUSPENDED else LIVE


def _cost_of_cloning(source, change):
    # A running VM writes to its disks, and a suspended one has data in memory that is not written yet.
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


# Snapshots ------------------------------------------------------------------------------------------------------------


def _snapshot_fields(version):
    instead = "Restoring an external snapshot requires libvirt 9.9. Create a clone of it instead (clone.snapshot)."
    return {
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
            cost=partial(_cost_of_restoring, version_numbers(version) >= EXTERNAL_RESTORED_SINCE), instead=instead
        ),
    }


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
