# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: a VM as VBoxManage reports it: its controllers, slots and files, and its Guest Additions."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Optional

from ..._core.errors import NotFound, PolyvirtError
from ..._core.frozen import Frozen, field
from ..._core.pattern import Pattern
from ..._core.planner.drives import in_order
from ..._core.record import mark as marks
from ..._core.record.mark import empty_mark, unfinished_mark
from ..._ports import files
from ..._tools.vboxmanage_machine import Machine, machine
from ..._tools.vboxmanage_output import state as state_of
from .mark import KEY, is_unfinished

#: The rule of the option ssh_forward, which is not listed in port_forwards.
SSH_RULE = "polyvirt-ssh"
#: VirtualBox writes it at each start of a VM.
_BOOTED = "/VirtualBox/HostInfo/VBoxVer"
_VERSIONS_OF_ADDITIONS = ("/VirtualBox/GuestAdd/VersionExt", "/VirtualBox/GuestAdd/Version")
#: VirtualBox's numbers of the run levels, in order.
_RUN_LEVELS = ("none", "system", "userland", "desktop")


class VBoxVm(Frozen):
    """An observed VM. ``file`` is its SettingsFile (None: unreadable), ``media`` are all images by UUID.

    ``reserved``: {(network, number of the NIC): address} in the DHCP servers of VirtualBox.
    """

    uuid: str
    machine: Machine
    file: Any = None
    media: Mapping = field(default_factory=dict)
    mark: Optional[Mapping] = None
    reserved: Mapping = field(default_factory=dict)

    @property
    def values(self):
        return self.machine.values

    @property
    def state(self):
        """The State of its power."""
        return state_of(self.values["VMState"])

    @property
    def folder(self):
        return os.path.dirname(self.values["CfgFile"])

    @property
    def controllers(self):
        """{name: bus}."""
        return {one.name: BUS_OF_TYPE.get(one.values["type"].lower(), "other") for one in self.machine.controllers}

    def kind_of(self, slot):
        """HardDisk, DVD or Floppy."""
        reported = self.file.drives.get((slot.controller, slot.port, slot.device)) if self.file else None
        if reported:
            return reported
        return "HardDisk" if slot.values.get("ImageUUID") in self.media else "DVD"

    @property
    def disks(self):
        """The slots with hard disks."""
        return [slot for slot in self.machine.slots if slot.medium != "none" and self.kind_of(slot) == "HardDisk"]

    @property
    def drives(self):
        """The slots with optical drives, in the order in which a guest finds them."""
        return [slot for slot in self.machine.slots if slot.medium != "none" and self.kind_of(slot) == "DVD"]

    @property
    def cdroms(self):
        """{slot: its Slot} of the optical drives without a cloud-init seed, in the order of the slots."""
        seeds = self.seed_files()
        drives = {name_of_slot(one): one for one in self.drives if one.medium not in seeds}
        return {slot: drives[slot] for slot in in_order(drives)}

    def option_of(self, slot):
        """The option that sets what is in a slot; a floppy drive has none."""
        name = name_of_slot(slot)
        if slot in self.disks:
            return f"disks.{name}"
        if name in self.cdroms:
            return "iso" if name == next(iter(self.cdroms)) else f"cdroms.{name}"
        return "cloud_init" if slot.medium in self.seed_files() else f"drive {name}"

    def seed_files(self):
        """Paths of files in its directory that this collection created."""
        names = (self.mark or {}).get("files", ())
        return [os.path.join(self.folder, name) for name in names if not os.path.isabs(name)]

    def log_files(self):
        """Paths of logs, in any directory, that are recorded as created for this VM.

        Only those that the VM, or a snapshot of it, still has: somebody else can have created the others since.
        """
        named = self.file.first_serial_files if self.file and self.has_own_mark else ()
        return [path for path in (self.mark or {}).get("files", ()) if os.path.isabs(path) and path in named]

    @property
    def stored_mark(self):
        """The mark in the settings file, which names files of another host if the VM comes from there."""
        return marks.parsed(self.file.extra_data.get(KEY)) if self.file else None

    @property
    def mark_here(self):
        """The mark to add to on this host. Disks are recorded by their UUIDs: they are the same wherever they are."""
        mark = self.stored_mark
        if (mark or {}).get("id") != self.uuid:
            return mark
        known = {*mark.get("disks", ()), *(slot.medium for slot in self.machine.slots), *self.file.first_serial_files}
        return marks.mark_on(
            files.host_name(), mark, lambda one: one in known or os.path.join(self.folder, one) in known
        )

    @property
    def has_own_mark(self):
        """Whether the mark is of this VM: a clone has the mark of its source at first."""
        return (self.mark or {}).get("id") == self.uuid

    @property
    def unfinished_mark(self):
        """The mark of an unfinished VM. If a clone of this task has none of its own yet, its disks are those in its
        directory.
        """
        if self.has_own_mark:
            return self.mark
        bases = [base for _attached, base in map(self.image_in, self.disks) if base]
        own = [base.uuid for base in bases if base.location.startswith(os.path.join(self.folder, ""))]
        return unfinished_mark({**empty_mark(self.uuid), "disks": own})

    @property
    def is_unfinished(self):
        """Whether the creation of the VM is incomplete."""
        has_disks = bool(self.disks) or any(self.uuid in medium.users for medium in self.media.values())
        return is_unfinished(self.uuid, self.mark, has_disks, self.values["LogFldr"])

    @property
    def is_complete(self):
        """Whether its own mark says that it is complete."""
        return self.has_own_mark and not marks.is_unfinished(self.mark)

    def chain(self, uuid):
        """[image, its base, the base of that, ...], up to the first one that is neither this VM's nor read-only."""
        found = [self.media[uuid]] if uuid in self.media else []
        while found and found[-1].parent in self.media and self._is_own(self.media[found[-1].parent]):
            found.append(self.media[found[-1].parent])
        return found

    @property
    def created_images(self):
        """The paths of the attached images that were created for this VM, and of images based on these."""
        created = (self.mark or {}).get("disks", ()) if (self.mark or {}).get("id") == self.uuid else ()
        attached = [medium for medium in self.media.values() if self.uuid in medium.users]
        return frozenset(one.location for one in attached if self.chain(one.uuid)[-1].uuid in created)

    def _is_own(self, medium):
        return self.uuid in medium.users or medium.is_never_written

    def image_in(self, slot):
        """(attached image, its last base). They differ if the disk has differencing images, such as of snapshots."""
        chain = self.chain(slot.values.get("ImageUUID"))
        return (chain[0], chain[-1]) if chain else (None, None)

    def detached_images(self):
        """Differencing images of disks that were detached after a snapshot; VirtualBox keeps them."""
        parents = {medium.parent for medium in self.media.values()}
        return [medium for medium in self.media.values() if medium.uuid not in parents and self._is_detached(medium)]

    def _is_detached(self, medium):
        base, folder = self.media.get(medium.parent), os.path.join(self.values["SnapFldr"], "")
        is_ours = base is not None and self.uuid in base.users and medium.location.startswith(folder)
        return is_ours and not medium.users

    def nic(self, number):
        return next((nic for nic in self.machine.nics if nic.number == number), None)

    @property
    def rules(self):
        """{name: (number of the NIC, Forward)}; of two rules with the same name, that of the first NIC."""
        found = {}
        for nic in self.machine.nics:
            for rule in nic.forwards if nic.type == "nat" else ():
                found.setdefault(rule.name, (nic.number, rule))
        return found


def vbox_vm_of(vbox_vms, uuid):
    """The VM with this UUID. Raises NotFound if it was deleted in the meantime."""
    if uuid not in vbox_vms:
        raise NotFound(
            f"The VM with UUID {uuid} no longer exists: it was deleted in the meantime.", "Run the task again."
        )
    return vbox_vms[uuid]


#: Formats of images that VirtualBox writes to: disks.format -> VirtualBox's name.
FORMATS = {"vdi": "VDI", "vmdk": "VMDK", "vhd": "VHD"}
#: VirtualBox corrupts this format on resize: it updates only one of two size fields, without an error.
NOT_RESIZABLE = "vmdk"
_SLOT = Pattern(r"(?P<controller>.+) (?P<port>\d+)(?::(?P<device>[01]))?", re.DOTALL)
#: Beginning of a new controller's name -> (bus, maximum number of ports).
BUSES = {
    "SATA": ("sata", 30), "AHCI": ("sata", 30), "IDE": ("ide", 2), "SCSI": ("scsi", 16), "SAS": ("sas", 255),
    "NVMe": ("pcie", 255), "VirtIO": ("virtio-scsi", 256), "USB": ("usb", 8),
}  # fmt: skip
#: storagecontrollertype in lower case -> bus.
BUS_OF_TYPE = {
    "intelahci": "sata", "piix3": "ide", "piix4": "ide", "ich6": "ide", "lsilogic": "scsi", "buslogic": "scsi",
    "lsilogicsas": "sas", "nvme": "pcie", "virtioscsi": "virtio-scsi", "usb": "usb", "i82078": "floppy",
}  # fmt: skip
#: Characters that VirtualBox replaces with _ in file names (7.2.22).
_NOT_IN_FILE_NAMES = Pattern(r'[/\\";:*?<>|$&\'~\n]|^[-. ]|[. ]$')


def file_name(name):
    """A VM's name as it is in the names of its directory and files."""
    return _NOT_IN_FILE_NAMES.sub("_", name)


def slot_name(controller, port, device=0):
    return f"{controller} {port}:{device}" if device else f"{controller} {port}"


def name_of_slot(slot):
    return slot_name(slot.controller, slot.port, slot.device)


def parse_slot(slot):
    """(controller, port, device) of a slot such as ``SATA 0`` or ``IDE 0:1``; None if it is not valid."""
    match = _SLOT.fullmatch(slot)
    return (match["controller"], int(match["port"]), int(match["device"] or 0)) if match else None


def slot_meant(slot):
    """A slot as VirtualBox prints it: IDE 0 for IDE 0:0; what is not valid as it is."""
    return slot_name(*parse_slot(slot)) if parse_slot(slot) else slot


def bus_for(controller):
    """(bus, maximum number of ports) of a new controller by its name, or None."""
    return next((bus for begin, bus in BUSES.items() if controller.lower().startswith(begin.lower())), None)


def place_fault(bus, ports, port, device):
    """Why a controller has no such place, as the end of a sentence; None if it has."""
    if port >= ports:
        return f"has at most {ports} ports"
    # Only IDE has a second device at a port (READ in VirtualBox's StorageControllerImpl.cpp).
    return "has one device at each port" if device and bus != "ide" else None


def colon_mac(mac):
    return ":".join(mac[index : index + 2] for index in range(0, 12, 2)).lower()


def plain_mac(mac):
    return mac.replace(":", "").upper()


def is_of_this_boot(properties, one):
    """Whether the guest set a property since it booted: VirtualBox keeps older ones, such as after a suspend."""
    booted = properties.get(_BOOTED)
    return booted is None or one.time >= booted.time


def guest_additions(properties):
    """The state of the Guest Additions of a running VM, by guest properties; showvminfo has their run level.

    A guest without a version may still be starting, so it is not known whether they are installed.
    """
    version = next(
        (properties[key] for key in _VERSIONS_OF_ADDITIONS if key in properties and properties[key].value), None
    )
    return {
        "installed": True if version else None,
        "running": version is not None and is_of_this_boot(properties, version),
        "version": version.value if version else None,
        "run_level": None,
    }


def with_run_level(tool, vm):
    """The VM with the run level: one call more, so only if its Guest Additions run."""
    if not (vm.guest_tools and vm.guest_tools["running"]):
        return vm
    try:
        values = machine(tool.read("showvminfo", vm.id, "--machinereadable")).values
    except PolyvirtError:
        return vm  # It was stopped in the meantime.
    level = values.get("GuestAdditionsRunLevel", "")
    name = _RUN_LEVELS[min(int(level), len(_RUN_LEVELS) - 1)] if level.isdigit() else None
    return vm.having(guest_tools={**vm.guest_tools, "run_level": name})
