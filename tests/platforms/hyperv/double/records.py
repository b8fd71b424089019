# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a Hyper-V host: VMs, checkpoints, devices, switches, and the knobs in which real hosts differ."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field

MIB = 1 << 20
GIB = 1 << 30
NO_MAC = "000000000000"
NO_ID = "00000000-0000-0000-0000-000000000000"
DEFAULT_SWITCH = "c08cb7b8-9b3c-408e-8e30-5e16a3aeb444"
#: {text key of an integration service's name: its id}
SERVICES = {
    "Guest Service Interface": "6C09BB55-D683-4DA0-8931-C9BF705F6480",
    "Heartbeat": "84EAAE65-2F2E-45F5-9BB5-0E857DC8EB47",
    "Key-Value Pair Exchange": "2A34B1C2-FD73-4043-8A5B-DD2159BC743F",
    "Shutdown": "9F8233AC-BE49-4C79-8EE3-E7E1985B2077",
    "Time Synchronization": "2497F4DE-E9FA-4204-80E4-4B75C46419C0",
    "VSS": "5CED1297-4598-4915-A5FC-AD21BB4D02A4",
}
TEMPLATES = {
    "MicrosoftWindows": "1734c6e8-3154-4dda-ba5f-a874cc483422",
    "MicrosoftUEFICertificateAuthority": "272e7447-90a4-4563-a4b9-8e4ab00526ce",
    "OpenSourceShieldedVM": "4292ae2b-ee2c-42b5-a969-dd8f8689f6f3",
}
_numbers = itertools.count(1)


def new_id():
    """A random GUID as text, as on a real host."""
    return str(uuid.uuid4())


def new_key():
    """A number that identifies a device in its VM and in the VM's checkpoints."""
    return next(_numbers)


@dataclass
class Knobs:
    """Behaviour in which hosts differ, or which is not known. A driver must work with every value.

    ``merge_delay`` None: merges never begin, as during a backup. Seconds are those of the host's clock.
    """

    start_paused: str = "warns"  # or "fails"
    merge_delay: float | None = 3.0
    merge_seconds: float = 10.0
    lock_seconds: float = 0.0  # seconds for which files stay locked after the VM no longer shows the merge
    start_while_merging: bool = True
    has_file_ids: bool = True  # False: fsutil fails, as it does for a file on a server that has none
    checkpoint_needs_files: bool = True  # False: a checkpoint of a lost disk is deleted, and never merged
    unknown_switch: str = "InvalidParameter"  # or "ObjectNotFound"
    deleted_late: float = 0.0  # seconds until objects of a deleted VM show IsDeleted
    stale_objects: bool = False  # objects show the values of the moment in which they were read
    switch_cuts_connection: bool = False  # the answer is lost when an external switch is created
    seconds: dict = field(
        default_factory=lambda: {
            "create": 2.0,
            "start": 0.24,
            "turn_off": 0.1,
            "save": 0.19,
            "resume": 0.19,
            "checkpoint": 1.0,
            "restore": 1.0,
            "export": 5.0,
            "import": 5.0,
            "convert": 5.0,
            "copy": 5.0,
        }
    )


@dataclass
class Guest:
    """The behaviour of a VM's guest.

    ``shutdown``: "obeys", "fails" (an error after a while), "locked" (obeys only with Force), or "hangs" for ``hangs``
    seconds, in which the VM shows ``hung_state``.
    """

    services: bool = True  # whether the integration services answer
    boot_seconds: float = 0.0  # the seconds until they do
    shutdown: str = "obeys"
    hangs: float = 300.0
    hung_state: str = "Running"
    vss: bool = True
    addresses: tuple = ("192.0.2.10", "fe80::10")
    values: dict = field(default_factory=dict)  # of the registry key Virtual Machine\Guest


@dataclass
class Drive:
    """A hard disk or DVD drive in a slot."""

    kind: str  # "disk" or "dvd"
    controller: str  # "IDE" or "SCSI"
    number: int
    location: int
    path: str = ""
    shown: dict = field(default_factory=dict)
    key: int = field(default_factory=new_key)

    @property
    def slot(self):
        return self.controller, self.number, self.location


def _vlan():
    return {
        "OperationMode": "Untagged",
        "AccessVlanId": 0,
        "NativeVlanId": 0,
        "AllowedVlanIdList": [],
        "AllowedVlanIdListString": "",
        "PrivateVlanMode": 0,
    }


@dataclass
class Nic:
    name: str
    legacy: bool = False
    mac: str = NO_MAC
    is_dynamic: bool = True
    switch: str | None = None  # the id of the switch
    shown: dict = field(
        default_factory=lambda: {
            "MacAddressSpoofing": "Off",
            "DhcpGuard": "Off",
            "RouterGuard": "Off",
            "DeviceNaming": "Off",
        }
    )
    vlan: dict = field(default_factory=_vlan)
    bandwidth: dict = field(default_factory=dict)
    id: str = field(default_factory=lambda: new_id().upper())
    key: int = field(default_factory=new_key)


@dataclass
class Boot:
    """An entry of the boot order: a device with this key, or a file."""

    kind: str  # "Drive", "Network", "File"
    key: int = 0
    path: str = ""
    description: str = "EFI SCSI Device"


def _processor():
    return {
        "Count": 1,
        "Maximum": 100,
        "Reserve": 0,
        "RelativeWeight": 100,
        "HwThreadCountPerCore": 0,
        "MaximumCountPerNumaNode": 8,
        "MaximumCountPerNumaSocket": 1,
        "CompatibilityForMigrationEnabled": False,
        "CompatibilityForOlderOperatingSystemsEnabled": False,
        "ExposeVirtualizationExtensions": False,
        "EnableHostResourceProtection": False,
        "EnableLegacyApicMode": False,
        "AllowACountMCount": False,
        "ResourcePoolName": "Primordial",
    }


def _memory():
    return {
        "DynamicMemoryEnabled": False,
        "Startup": 512 * MIB,
        "Minimum": 512 * MIB,
        "Maximum": 1024 * GIB,
        "Buffer": 20,
        "Priority": 50,
        "MaximumPerNumaNode": 64 * GIB // MIB,
        "ResourcePoolName": "Primordial",
    }


def _firmware():
    return {
        "SecureBoot": "On",
        "SecureBootTemplate": "MicrosoftWindows",
        "PreferredNetworkBootProtocol": "IPv4",
        "ConsoleMode": "Default",
        "PauseAfterBootFailure": "Off",
    }


def _security():
    return {
        "TpmEnabled": False,
        "EncryptStateAndVmMigrationTraffic": False,
        "VirtualizationBasedSecurityOptOut": False,
    }


@dataclass
class Hardware:
    """The part of a VM that checkpoints contain. Keys of dictionaries are the names of properties."""

    generation: int
    processor: dict = field(default_factory=_processor)
    memory: dict = field(default_factory=_memory)
    firmware: dict = field(default_factory=_firmware)
    boot: list = field(default_factory=list)
    bios: dict = field(
        default_factory=lambda: {
            "NumLockEnabled": False,
            "StartupOrder": ["CD", "IDE", "LegacyNetworkAdapter", "Floppy"],
        }
    )
    com: dict = field(default_factory=lambda: {1: {"Path": ""}, 2: {"Path": ""}})
    drives: list = field(default_factory=list)
    controllers: list = field(default_factory=lambda: [0])  # numbers of the SCSI controllers
    nics: list = field(default_factory=list)
    services: dict = field(default_factory=lambda: {name: name != "Guest Service Interface" for name in SERVICES})
    security: dict = field(default_factory=_security)
    key_protector: bool = False
    is_tpm_initialised: bool = False

    def disks(self):
        return [drive for drive in self.drives if drive.kind == "disk"]

    def device(self, key):
        """The drive or NIC with this key, or None."""
        return next((one for one in (*self.drives, *self.nics) if one.key == key), None)


@dataclass(eq=False)
class Snapshot:
    """A checkpoint of a VM."""

    vm: Vm
    name: str
    hardware: Hardware
    parent: str | None
    created: float
    has_memory: bool
    is_automatic: bool = False
    type: str = "Standard"
    id: str = field(default_factory=new_id)


@dataclass(eq=False)
class Vm:
    name: str
    hardware: Hardware
    folder: str
    shown: dict
    guest: Guest
    created: float = 0.0
    id: str = field(default_factory=new_id)
    state: str = "Off"
    version: str = "9.0"
    is_clustered: bool = False
    replication: str = "Disabled"  # a name of VMReplicationState
    snapshots: list = field(default_factory=list)
    parent: str | None = None  # the id of the checkpoint on which the VM's disks are based
    busy: list = field(default_factory=list)  # operational statuses in addition to Ok
    started: float = 0.0
    reads: int = 0
    shutdown_asked: float | None = None
    deleted: float | None = None
    typed: list = field(default_factory=list)  # virtual key codes that its guest has got
    #: The present transition: its final state is set only if no newer transition has begun.
    transition: object = None

    def owners(self):
        """The VM and its checkpoints, which all may use disks."""
        return [self, *self.snapshots]


@dataclass(eq=False)
class Switch:
    name: str
    type: str
    id: str = field(default_factory=new_id)
    notes: str = ""
    adapter: str = ""  # the physical NIC of an external switch
    allow_management: bool = True


@dataclass(eq=False)
class Address:
    """An address of a NIC of the host."""

    alias: str
    address: str
    prefix: int


class Vhd(bytes):
    """The file of a virtual disk. Its length is calculated: the bytes do not exist.

    ``broken``: its parent was changed after this disk was created, so it can no longer be used.
    """

    def __new__(cls, **about):
        one = super().__new__(cls, b"vhd")
        one.__dict__.update(
            {"parent": "", "block": 32 * MIB, "used": 4 * MIB, "data": 0, "broken": False, "id": new_id(), **about}
        )
        return one

    def copy(self):
        return Vhd(**vars(self))

    @property
    def length(self):
        return self.size + 4 * MIB if self.type == "Fixed" else self.used

    @property
    def minimum(self):
        """The minimum size; ``data`` is the offset at which the last partition ends."""
        return self.data or None
