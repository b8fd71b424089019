# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what it supports, what each change costs, and alternatives to what it does not support."""

from __future__ import annotations

from functools import partial

from ..._core.frozen import Frozen, replace
from ..._core.model import FAILED, LIVE, NEVER, NEXT_BOOT, PAUSED, POWER_OFF, RUNNING, STOPPED, SUSPENDED, Field, Traits
from ..._core.planner.drives import MEDIA
from ..._core.units import GIB
from ..._core.verbs import BACKUP_VERBS, VERBS
from ..._kit.settings import defaults, normalized, options_of_native, supported
from ..._tools.virsh import may_pass
from ..._tools.virsh_output import version_numbers
from .options import LIBVIRT
from .settings.architecture import AMD64, ARCHITECTURE, check_values, kept_as, with_firmware
from .settings.cdroms import BUSES, CDROMS, drive_slot, slot_name_of
from .settings.devices import DEVICES, normalized_devices
from .settings.disks import DISKS, named_slots, slot_name
from .settings.display import DISPLAY
from .settings.firmware import FIRMWARE, FIRMWARE_SINCE, normalize_firmware
from .settings.hardware import HARDWARE
from .settings.memory_cpus import NESTED, normalize_maxima
from .settings.native import check_native
from .settings.networks import DEFAULT_NETWORK, NICS
from .settings.nvram import NVRAM, QCOW2, QCOW2_SINCE, normalize_nvram
from .settings.port_forwards import FORWARDS, INSTEAD_OF_FORWARDS, check_forwards
from .settings.shared_folders import SHARES
from .settings.table import SETTINGS


def virsh_traits(hypervisor, version, local, by_debian=bool, node_devices=None, host=None):
    """Traits of one connection. ``hypervisor`` is QEMU, TEST ...; ``local``: files of VMs can be created and read.

    ``by_debian()``: libvirt is a package of Debian, which repairs errors of some versions. ``node_devices``
    returns the NodeDevices of the host, which are read if a task names a PCI device by its vendor and product.
    ``host`` has host_architecture, which is read if it is needed, and is_local.
    """
    can_save = hypervisor != "TEST"  # virsh managedsave never returns there (libvirt 9.0.0).
    snapshots = snapshots_of(version, local, by_debian)
    fields = _fields_of(hypervisor, version, local, snapshots)
    return Traits(
        platform=LIBVIRT.name,
        version=version,
        powers=frozenset({STOPPED, RUNNING, PAUSED, *({SUSPENDED} if can_save else ())}),
        verbs=frozenset(VERBS) | (BACKUP_VERBS if "backup.take" in fields else frozenset()),
        fields=fields,
        sources=("image", "clone", "appliance", "iso", "disks"),
        linked_format="qcow2",
        defaults={
            **defaults(SETTINGS),
            "disk_size": 32 * GIB,
            "networks": {"0": {"type": "network", "source": DEFAULT_NETWORK}},
        },
        stop_modes=("graceful", "force", "graceful_then_force"),
        instead=_instead(hypervisor, local),
        moving="virsh migrate --live --persistent --undefinesource <name> moves a running VM if both hosts share the"
        " storage of its disks. Afterwards, run its task on the other host.",
        console="Set serial_log to a file; libvirt writes it from the next start on. On the host, virsh console <name>"
        " connects to the console; leave it with Ctrl+].",
        slot=slot_name,
        slot_meant=slot_name_of,
        deletes_answer_media=True,
        drive_slot=drive_slot,
        leads_bus=lambda slot: slot[2:] == "a",
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        taken_as=snapshots.taken_as,
        synchronous_verbs=frozenset({"create"}),
        transient=may_pass,
        not_cloned=frozenset({"serial_log", "port_forwards", "devices"}),
        normalize=partial(_normalized, fields, node_devices),
        inherited=partial(_inherited, fields, host),
        as_options=partial(_as_options, fields, host),
        kept_as=kept_as,
    )


def _inherited(fields, host, creation):
    """The architecture of a new VM, unless it is the one that settings without it mean. A clone has its source's."""
    if "clone" in creation or "architecture" not in fields or host is None or host.host_architecture == AMD64.name:
        return {}
    return {"architecture": host.host_architecture}


def _as_options(fields, host, vm, config):
    """The settings of a VM as a task would set them: only another architecture than that of the host is named."""
    is_named = "architecture" in fields and host is not None and not _is_of(host, config.get("architecture"))
    settings = {name: value for name, value in config.items() if name != "architecture" or is_named}
    return {**settings, "disks": named_slots(config.get("disks") or {})}


def _is_of(host, found):
    """Whether a VM has the architecture of its host. That of this process is a cheap answer, if it is that host's."""
    from ..._ports.host import architecture

    return (host.is_local and found == architecture()) or found == host.host_architecture


_LOCAL = "Run the task on the hypervisor itself, with a uri such as qemu:///system."


def _instead(hypervisor, local):
    """{field or power state that this connection does not support: alternative}."""
    return {
        **LIBVIRT.lacks,
        **dict.fromkeys((kind.partition(".")[0] for kind in (*DISKS, *MEDIA, *SHARES, *_FROM_FILES)), _LOCAL),
        "snapshot.content": _LOCAL,
        "backup": _LOCAL if hypervisor != "TEST" else "This connection only simulates disks.",
        "port_forwards": INSTEAD_OF_FORWARDS,
        SUSPENDED: "This connection can pause VMs, but cannot save them to disk.",
        "persistent": "Define it permanently first: virsh dumpxml --security-info {name} | virsh define /dev/stdin.",
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
    instead = dict.fromkeys((kind.partition(".")[0] for kind in _NOT_SIMULATED), alternative)
    if hypervisor != "TEST" and local:
        instead["nvram_format"] = f"It requires libvirt {'.'.join(map(str, QCOW2_SINCE))} or later."
    return instead


def _name_fault(name):
    if name.isdigit():
        return "virsh would read a number as the id of a running VM"
    return None


#: {key of native: option that sets the same}
_NATIVE_WITH_OPTION = options_of_native(SETTINGS)


def _normalized(fields, node_devices, vm, config):
    """``config`` in libvirt's terms. Raises Refused for values that libvirt does not support."""
    check_native(vm, config, _NATIVE_WITH_OPTION)
    result = normalize_firmware(vm, with_firmware(vm, config)) if "firmware" in fields else config
    result = normalize_nvram(vm, result) if "nvram_format" in fields else result
    result = normalize_maxima(vm, normalized(SETTINGS, vm, result))
    check_values(vm, result, BUSES)
    if "port_forwards.add" in fields:
        check_forwards(vm, result)
    if "devices" in result:
        result = {**result, "devices": normalized_devices(vm, result["devices"], node_devices and node_devices())}
    return result


#: Kinds of snapshots: stored in the disk images, or as frozen files below new overlays.
INTERNAL, EXTERNAL = "internal", "external"
#: First libvirt versions that can delete and restore external snapshots.
EXTERNAL_DELETED_SINCE, EXTERNAL_RESTORED_SINCE = (9, 0), (9, 9)
#: Options whose change can name a file, or has the VM get one.
FILE_OPTIONS = ("serial_log", "firmware", "secure_boot", "nvram_format", "native")
UEFI_REMEDY = (
    "A running VM with UEFI needs libvirt 10.10 and nvram_format: qcow2 (not 11.2 and 11.3, except the packages of"
    " Debian), an external snapshot (kind: external), or BIOS."
)
#: Versions that fail to restore internal snapshots with an NVRAM; the packages of Debian contain the repair.
NVRAM_BROKEN_IN = ((11, 2), (11, 3))
#: What libvirt's test driver would store without any effect, and what needs access to the files of the host.
_NOT_SIMULATED = {*ARCHITECTURE, *FIRMWARE, *NVRAM, *NESTED, *HARDWARE, *DISPLAY}
_FROM_FILES = ("image", "clone", "appliance", "cloud_init")
_ON_HOST_ONLY = {
    *ARCHITECTURE, *FIRMWARE, *NVRAM, *NESTED, *DISKS, *CDROMS, *SHARES, *_FROM_FILES, "snapshot.content",
    "backup.take",
}  # fmt: skip


def _fields_of(hypervisor, version, local, snapshots):
    """{kind of change or creation option: Field} of one connection."""
    fields = {**supported(SETTINGS, version_numbers(version)), **_other_fields(version, snapshots)}
    lacking = set() if hypervisor == "QEMU" else {*FORWARDS}
    if hypervisor == "TEST":
        fields.update(_fields_of_test(fields))
        lacking |= {*_NOT_SIMULATED, "appliance", "snapshot.content", "backup.take"}
    if not local:
        lacking |= _ON_HOST_ONLY
        # Bridges of a remote host cannot be checked from here.
        instead = "Run the task on the hypervisor itself."
        fields["networks.type"] = replace(fields["networks.type"], choices=("network", "user"), instead=instead)
    return {kind: field for kind, field in fields.items() if kind not in lacking}


def _fields_of_test(fields):
    """Other costs: libvirt's test driver cannot change a running VM, and its disk sizes are invented.

    A maximum keeps its cost, because no maximum of a running VM is changed: it may only have the new one already.
    """
    at_next_boot = {"cpus", "memory", *NICS, *DEVICES, *CDROMS, "disks.add", "disks.remove"}
    return {
        **{kind: replace(field, cost=NEXT_BOOT) for kind, field in fields.items() if kind in at_next_boot},
        "disks.size": Field(cost=NEVER, instead="This connection only simulates disks and their sizes."),
    }


def _cost_of_cloning(source, change):
    # A running VM writes to its disks, and a suspended one has data in memory that is not written yet.
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


def _other_fields(version, snapshots):
    """Creation options and snapshots."""
    return {
        "image": Field(),
        "appliance": Field(),
        "clone": Field(cost=_cost_of_cloning, instead="Stop it first, or set clone.snapshot."),
        "cloud_init": Field(),
        "cloud_init.state": Field(choices=()),
        "snapshot.content": Field(),
        "snapshot.take": Field(
            cost=snapshots.cost_of_taking,
            instead=f"Stop the VM first. A suspended VM can also be started. {UEFI_REMEDY}",
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
        "snapshot.expires": Field(cost=LIVE),
        "backup.take": Field(
            cost=lambda vm, change: LIVE if vm.power in (STOPPED, RUNNING, PAUSED) else NEVER,
            instead="A suspended VM has memory that belongs to its disks: start or stop it first. Stop a failed one.",
        ),
    }


# Snapshots ------------------------------------------------------------------------------------------------------------


class Snapshots(Frozen, eq=False):
    """What snapshots a connection supports. ``nvram``: internal ones of running VMs with a qcow2 NVRAM."""

    external: bool
    nvram: bool

    def kind_for(self, vm, requested):
        """The kind of a new snapshot: the requested one, else that of existing snapshots, else internal if possible."""
        if requested or vm.snapshots:
            return requested or vm.snapshots[0].kind
        return EXTERNAL if self.external and not self._can_be_internal(vm) else INTERNAL

    def _can_be_internal(self, vm):
        """Whether the state of the firmware (NVRAM) of a running VM can be part of an internal snapshot."""
        config = vm.active or vm.config
        if not runs_with_uefi(vm):
            return True
        return self.nvram and config.get("nvram_format") == QCOW2

    def cost_of_taking(self, vm, change):
        if vm.power == SUSPENDED:
            return NEVER
        is_internal = self.kind_for(vm, change.new.kind) == INTERNAL
        return NEVER if is_internal and not self._can_be_internal(vm) else LIVE

    def taken_as(self, vm, requested):
        """(kind, power state) of a new snapshot. An internal one of a running VM always has its memory.

        So has an external one that replaces it, unless the request excludes the memory.
        """
        kind = self.kind_for(vm, requested.kind)
        has_memory = kind == INTERNAL or requested.include_memory or self._is_instead(vm, requested)
        return kind, vm.power if has_memory else STOPPED

    def _is_instead(self, vm, requested):
        is_chosen = not requested.kind and requested.include_memory is None and not self._can_be_internal(vm)
        return is_chosen and all(one.power != STOPPED for one in vm.snapshots)


def runs_with_uefi(vm):
    return (vm.active or vm.config).get("firmware") == "uefi" and vm.power in (RUNNING, PAUSED)


def snapshots_of(version, local, by_debian=bool):
    """The Snapshots of a libvirt version. ``local``: files can be created. ``by_debian()``: it is Debian's."""
    numbers = version_numbers(version)
    is_broken = numbers[:2] in NVRAM_BROKEN_IN and not by_debian()
    return Snapshots(local and numbers >= EXTERNAL_RESTORED_SINCE, numbers >= QCOW2_SINCE and not is_broken)


def snapshot_effects(verb, vm, changes):
    """Part of the ``side_effects`` of the traits: what a snapshot does not contain."""
    kinds = [change.new for change in changes if change.field == "snapshot"]
    if verb != "snapshot" or EXTERNAL not in kinds or not runs_with_uefi(vm):
        return ()
    return ("The external snapshot does not contain the NVRAM of the firmware: a restore keeps its current content.",)


def _cost_of_dropping(supports_external, vm, change):
    return NEVER if change.old.kind == EXTERNAL and not supports_external else LIVE


def _cost_of_restoring(supports_external, vm, change):
    if change.old.kind == EXTERNAL and not supports_external:
        return NEVER
    # libvirt would keep the saved memory, and start it with the restored disks.
    return POWER_OFF if vm.power in (SUSPENDED, FAILED) else LIVE
