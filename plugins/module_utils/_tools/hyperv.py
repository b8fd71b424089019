# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V's own terms: states, services, commands as calls, and the requests that read VMs.

Names of enums and ids have no language; all other texts of Hyper-V are in the language of the host.
"""

from __future__ import annotations

from .._core.errors import Unavailable, remedy_for
from .._core.frozen import Frozen
from .._core.pattern import Pattern
from .._ports import permits
from .._ports.windows_request import Chain, Ref, call, pick, properties
from .windows_files import key_of, machine_call

#: Rows (codes of the error, remedy), see remedy_for; docs/errors.md lists them.
REMEDIES = (
    (("0x8007000E", "0x800705AA"), "Free memory on the host, or set less memory."),
    (("0x80070070",), "Free space on the drive, or use another one."),
    (("0x80070050", "0x800700B7"), "Move the file that exists away, and run the task again."),
    (("0x80070020",), "Close the program that uses the file, such as a backup or a virus scanner."),
    (
        ("0x80070005",),
        "Grant the user, and the computer account of the host, permission for the file. For a file on a share, copy it"
        " to the host, or see Double hop in docs/hyperv.md.",
    ),
)
MODULE = "Hyper-V"
#: Commands that destroy something: what (permits.py).
_LOSES = {
    "Remove-VM": "vm", "Remove-VMSavedState": "memory", "Remove-VMSnapshot": "snapshot", "Restore-VMSnapshot": "state",
}  # fmt: skip
#: Commands that destroy nothing.
_HARMLESS = Pattern(
    r"Get-\w+|(Add|Connect|Disable|Disconnect|Enable|Set)-VM\w*|New-(VHD|VM|VMSwitch)|Convert-VHD"
    r"|(Checkpoint|Restart|Resume|Save|Start|Stop|Suspend)-VM|Remove-VM(DvdDrive|HardDiskDrive|NetworkAdapter)"
)
#: The switch with NAT and DHCP that each Windows client has; its name is in the language of the host.
DEFAULT_SWITCH = "c08cb7b8-9b3c-408e-8e30-5e16a3aeb444"
#: The end of the ids of integration services.
SERVICES = {
    "guest_service_interface": "6C09BB55-D683-4DA0-8931-C9BF705F6480",
    "heartbeat": "84EAAE65-2F2E-45F5-9BB5-0E857DC8EB47",
    "key_value_pair_exchange": "2A34B1C2-FD73-4043-8A5B-DD2159BC743F",
    "shutdown": "9F8233AC-BE49-4C79-8EE3-E7E1985B2077",
    "time_synchronization": "2497F4DE-E9FA-4204-80E4-4B75C46419C0",
    "vss": "5CED1297-4598-4915-A5FC-AD21BB4D02A4",
}
#: What Hyper-V reports as MAC address of a NIC that has none yet.
NO_MAC = "000000000000"


class State(Frozen):
    """``power`` is a power state of the power table; ``busy`` is the operation in progress, if any.

    ``reported``: the power state before Hyper-V lost the files of the VM, so that ``power`` is unknown.
    """

    power: str
    busy: str | None = None
    reason: str = ""
    reported: str | None = None


SAVED = ("Saved", "FastSaved", "Hibernated")
_STABLE = {
    "Off": "stopped",
    "Running": "running",
    "Paused": "paused",
    **dict.fromkeys(SAVED, "suspended"),
}
_TRANSIENT = {
    "Starting": ("stopped", "starting"),
    "Stopping": ("running", "stopping"),
    "ForceShutdown": ("running", "stopping"),
    "ForceReboot": ("running", "resetting"),
    "Reset": ("running", "resetting"),
    "Saving": ("running", "saving"),
    "FastSaving": ("running", "saving"),
    "Pausing": ("running", "pausing"),
    "Resuming": ("paused", "resuming"),
    "ComponentServicing": ("running", "being serviced"),
}
#: Operational status of a VM -> the operation in progress.
WORK = {
    "ApplyingSnapshot": "restoring a checkpoint",
    "CreatingSnapshot": "taking a checkpoint",
    "DeletingSnapshot": "deleting a checkpoint",
    "MergingDisks": "merging disks",
    "ExportingVirtualMachine": "being exported",
    "MigratingVirtualMachine": "being moved",
    "BackingUpVirtualMachine": "being backed up",
    "ModifyingUpVirtualMachine": "being changed",
    "StorageMigrationPhaseOne": "being moved",
    "StorageMigrationPhaseTwo": "being moved",
    "MigratingPlannedVm": "being moved",
}
#: Operations that do not affect a running VM and its settings.
HARMLESS = frozenset({"merging disks", "being backed up"})


def state_of(name, operational=()):
    """The State of a VM from the names of its state and of its operational status."""
    if name in _TRANSIENT:
        return State(*_TRANSIENT[name])
    work = next((WORK[one] for one in operational or () if one in WORK), None)
    if name in _STABLE:
        return State(_STABLE[name], work)
    if name.endswith("Critical"):
        reported = _STABLE.get(name[: -len("Critical")])
        return State("unknown", None, f"{name}: Hyper-V cannot reach the files of the VM", reported)
    return State("unknown", None, f"Hyper-V reports the state {name}")


def service_id(vm_id, service):
    return f"Microsoft:{vm_id.upper()}\\{SERVICES[service]}"


def hyperv(command, arguments=None, of=(), **more):
    """A call of one of Hyper-V's commands. ``of`` is the id of the VM, or those of VM and checkpoint, that it destroys.

    Raises Refused if no plan lists that, or the files that it enlarges, or if the command is in no table.
    """
    if command == "Resize-VHD":
        for path in arguments["Path"]:
            permits.check(path, key_of(path), "enlarge")
    elif not _HARMLESS.fullmatch(command):
        permits.check_thing(_LOSES.get(command, command), *of)
    return call(f"{MODULE}\\{command}", arguments, **more)


def the_vm(vm_id, **more):
    """A call that reads the VM and keeps it as ``Ref("vm")`` for the calls that follow."""
    return hyperv("Get-VM", {"Id": vm_id}, keep="vm", **more)


VM = Ref("vm")
#: Classes of WMI: Hyper-V has no command for what only they do.
_WMI = "root\\virtualization\\v2"
#: The virtual key code of the cursor key Up.
_KEY_UP = 38


def key_calls(vm_id):
    """Calls that press and release the cursor key Up; the last one returns 0 as ReturnValue if that succeeded."""
    of_vm = {"Namespace": _WMI, "ClassName": "Msvm_Keyboard", "Filter": f"SystemName='{vm_id.upper()}'"}
    found = call("CimCmdlets\\Get-CimInstance", of_vm, keep="found")
    typed = {"InputObject": Ref("keyboard"), "MethodName": "TypeKey", "Arguments": {"keyCode": _KEY_UP}}
    pressed = call("CimCmdlets\\Invoke-CimMethod", typed, show=properties("ReturnValue"))
    return [found, pick("found", "keyboard"), pressed]


# Reading --------------------------------------------------------------------------------------------------------------

#: The property of a disk that several VMs may have at the same time.
SHARED = "SupportPersistentReservations"
_DRIVE = properties("Id", "Path", "ControllerType", "ControllerNumber", "ControllerLocation")
_DISK = {**_DRIVE, **properties("MaximumIOPS", "MinimumIOPS", SHARED)}
_NIC = properties(
    "Id", "SwitchName", "SwitchId", "MacAddress", "DynamicMacAddressEnabled", "IPAddresses", "MacAddressSpoofing",
    "DhcpGuard", "RouterGuard", "DeviceNaming",
    VlanSetting=properties("OperationMode", "AccessVlanId", "NativeVlanId", "AllowedVlanIdListString"),
)  # fmt: skip
_HARDWARE = properties(
    "ProcessorCount", "DynamicMemoryEnabled", "MemoryStartup", "MemoryMinimum", "MemoryMaximum", "Notes",
    "Generation", HardDrives=_DISK, DVDDrives=_DRIVE, NetworkAdapters=_NIC,
)  # fmt: skip
POWER = properties("Id", "Name", "State", "OperationalStatus", "IsDeleted")
_VM = {
    **POWER,
    **_HARDWARE,
    **properties(
        "AutomaticStartAction", "AutomaticStopAction", "CheckpointType", "AutomaticCheckpointsEnabled", "IsClustered",
        "ReplicationState",
        "ParentSnapshotId", "Uptime", "MemoryAssigned",
        VMIntegrationService=properties("Id", "Enabled", "PrimaryOperationalStatus"),
    ),
}  # fmt: skip
_SNAPSHOT = {
    **_HARDWARE,
    **properties("Id", "Name", "VMId", "ParentSnapshotId", "SnapshotType", "State", "CreationTime"),
    **properties("IsAutomaticCheckpoint"),
}
#: Attached: a VM that is on has the disk, or another program, such as a backup, has mounted it.
_VHD = properties(
    "Path", "ParentPath", "Size", "VhdFormat", "VhdType", "FileSize", "MinimumSize", "Attached", "DiskIdentifier"
)
#: What shows which files a disk needs. The files with one DiskIdentifier are one, or copies.
NEEDED = properties("Path", "ParentPath", "DiskIdentifier")
_BOOT = properties("BootType", Device=properties("Id"))
_FIRMWARE = properties("VMId", "SecureBoot", "SecureBootTemplate", BootOrder=_BOOT)


def host_chain():
    """Calls that read the host: default folders, CPUs, memory, switches, and the id of its Windows."""
    host = properties("VirtualHardDiskPath", "VirtualMachinePath", "LogicalProcessorCount", "MemoryCapacity")
    return Chain(
        "host",
        (
            hyperv("Get-VMHost", show=host),
            hyperv("Get-VMSwitch", show=properties("Id", "Name", "SwitchType")),
            machine_call(),
        ),
    )


def power_chain(ids):
    """Calls that read only what can change while the task waits: power state, addresses, uptime."""
    show = {**POWER, "NetworkAdapters": properties("IPAddresses", "MacAddress"), "Uptime": True}
    return Chain("power", (hyperv("Get-VM", keep="all"), _pick_vms({"Id": list(ids)}, show)))


def vhd_call(paths, show=_VHD, **more):
    """Read virtual disks and all their parents. A disk that is missing or in use does not fail the whole call."""
    arguments = {"Path": paths if isinstance(paths, Ref) else list(paths)}
    return hyperv("Get-VHD", arguments, follow=("ParentPath", "Path"), show=show, partial=True, go_on=True, **more)


#: Further properties of a VM that its description compares with those of a new VM.
DESCRIBED = {
    **properties("Path", ComPort1=properties("Path"), ComPort2=properties("Path")),
    "NetworkAdapters": {
        **_NIC,
        **properties("Name", "IsLegacy"),
        "BandwidthSetting": properties("MinimumBandwidthAbsolute", "MinimumBandwidthWeight", "MaximumBandwidth"),
    },
}
#: The number of answers to a ``vms_chain`` that ``read_vms`` expects.
PARTS = 13


def vms_chain(name, conditions, native=None, then=(), more=None):
    """Calls that read VMs with their settings: all, or those that meet ``conditions``. ``read_vms`` reads the answers.

    ``native``: {object: names of other properties to read}. ``then``: calls that follow; all VMs are kept as "all".
    ``more``: further properties of a VM, such as DESCRIBED.
    """
    native = native or {}
    # The users of a file are read with all VMs; then a disk matters that only a checkpoint has.
    of_checkpoints = _disk_calls("snapshots", _VHD) if conditions is None else ()
    tree = {**_VM, **properties(*native.get("VM", ())), **(more or {})}
    first = [hyperv("Get-VM", keep="all", show=properties("Id", "Name"))]
    calls = [
        *first,
        _pick_vms(conditions, tree),
        _of_vms("Get-VMProcessor", "vms", properties("VMId", "ExposeVirtualizationExtensions"), native),
        _of_vms("Get-VMMemory", "vms", properties("VMId"), native),
        pick("vms", "uefi", conditions={"Generation": [2]}, one=False, show=properties("Id")),
        _of_vms("Get-VMFirmware", "uefi", _FIRMWARE, native),
        _of_vms("Get-VMSecurity", "uefi", properties("TpmEnabled"), native),
        pick("vms", "bios", conditions={"Generation": [1]}, one=False),
        _of_vms("Get-VMBios", "bios", properties("VMId", "StartupOrder"), native),
        _snapshots_call("vms", _SNAPSHOT),
        *_disk_calls("vms", _VHD),
        *of_checkpoints,
    ]
    return Chain(name, (*calls, *then))


def _disk_calls(kept, show):
    """Calls that read the disks of the VMs or checkpoints that are kept, with all their parents."""
    return (
        # An empty path, that of a drive without a disk, would make the call fail for all disks.
        pick(kept, "drives", path=["HardDrives"], conditions={"!Path": [""]}, one=False),
        pick("drives", "paths", path=["Path"], one=False),
        {**vhd_call(Ref("paths")), "show": show},
    )


def disks_chain(with_macs=False):
    """Calls that read the disks of all VMs and checkpoints, with all their parents.

    ``with_macs``: and the MAC addresses of the VMs. ``read_disks`` reads the answers.
    """
    media = {"DVDDrives": properties("Path")}
    place = properties("Path", "ControllerType", "ControllerNumber", "ControllerLocation", SHARED)
    drives = {"HardDrives": place, **media, **({"NetworkAdapters": properties("MacAddress")} if with_macs else {})}
    owner = properties("Id", "Name", "State", "OperationalStatus", "Notes")
    return Chain(
        "disks",
        (
            hyperv("Get-VM", keep="all", show={**owner, **drives}),
            _snapshots_call("all", {**properties("Id", "VMId"), "HardDrives": properties("Path"), **media}),
            *_disk_calls("all", NEEDED),
            *_disk_calls("snapshots", NEEDED),
        ),
    )


def controllers_chain(vm_id):
    """Calls that read the SCSI controllers of a VM; its id is the name of the chain."""
    show = properties("ControllerNumber")
    return Chain(vm_id, (the_vm(vm_id), hyperv("Get-VMScsiController", {"VM": VM}, show=show)))


def read_disks(answers):
    """(raw VMs, raw snapshots, raw disks) from the answers to ``disks_chain``.

    They have only what shows which VM uses which file.
    """
    vms, snapshots, *disks = answers
    known = [one for one in vms.objects if not is_gone(one)]
    return known, list(snapshots.objects), _objects(disks)


def _objects(answers):
    return [one for answer in answers for one in answer.objects]


def _pick_vms(conditions, show):
    return pick("all", "vms", conditions=conditions, one=False, show=show)


def _snapshots_call(vms, show):
    return hyperv("Get-VMSnapshot", {"VM": Ref(vms)}, keep="snapshots", show=show, partial=True, go_on=True)


def _of_vms(command, kept, show, native):
    """A call for all VMs that are kept as ``kept``. Without any VM it fails, and the chain continues."""
    more = native.get(command.partition("-VM")[2], ())
    show = {**show, **properties(*more)}
    return hyperv(command, {"VM": Ref(kept)}, show=show, partial=True, go_on=True)


def read_vms(answers):
    """(all VMs as (id, name), raw VMs, raw snapshots, raw disks) from the answers to a ``vms_chain``.

    A raw VM has the other objects about it under the keys Processor, Memory, Firmware, Security and Bios.
    """
    (all_vms, vms, processors, memories, uefi, firmware, security, _pick, bios, snapshots, *disks) = answers
    raw = {one["Id"]: dict(one) for one in vms.objects if not is_gone(one)}
    for part, answer in (("Processor", processors), ("Memory", memories), ("Firmware", firmware), ("Bios", bios)):
        for one in answer.objects:
            if one.get("VMId") in raw:
                raw[one["VMId"]][part] = one
    # These objects do not say which VM they belong to; they are in the order of the VMs.
    if len(uefi.objects) == len(security.objects):
        for owner, one in zip(uefi.objects, security.objects):
            if owner["Id"] in raw:
                raw[owner["Id"]]["Security"] = one
    known = [(one["Id"], one["Name"]) for one in all_vms.objects if "Name" in one]
    return known, list(raw.values()), list(snapshots.objects), _objects(disks)


def is_gone(raw):
    """Whether a VM was deleted while it was read."""
    return bool(raw.get("IsDeleted")) or bool({"Id", "Name", "State"} & set(raw.get("!unreadable", ())))


def add_remedies(results):
    """Add a remedy to errors, if Windows reports a code that is known."""
    for error in filter(None, (one.error for result in results for one in (result, *result.answers))):
        error.remedy = remedy_for(REMEDIES, " ".join(f"0x{code:08X}" for code in error.codes))
        error.message = f"{error.message.rstrip('.')}." if error.remedy else error.message
    return results


_GROUPS = "Use a user of the group Administrators (elevated) or Hyper-V Administrators."


def not_listed(user, names=()):
    """Return Unavailable because Hyper-V lists only those VMs that a user without its groups may see."""
    about = f"{', '.join(names)}: it is not listed, but may exist: " if names else ""
    return Unavailable(
        f"{about}the user {user} is in neither Administrators nor Hyper-V Administrators, and Hyper-V lists only those"
        " VMs that the user may see.",
        "not_responding",
        _GROUPS,
    )


def cannot_be_read(error):
    """Return Unavailable with the reason why VMs cannot be listed, such as missing rights. ``error``: a CallFailed."""
    if error.category == "PermissionDenied":
        return Unavailable(f"The user has no right to manage Hyper-V ({error}).", "not_responding", _GROUPS)
    if error.category == "ObjectNotFound":
        return Unavailable(
            f"Hyper-V does not answer ({error}).",
            "not_responding",
            "Start the Virtual Machine Management service: Start-Service vmms.",
        )
    return Unavailable(f"Hyper-V cannot be read ({error}).", "not_responding", "Check Get-VM on the host.")
