# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: what an OVF descriptor says about a VM: its hardware, files, license, configurations and properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..._core.frozen import Frozen, field
from ..._core.units import MIB
from .envelope import Damaged, amount, attribute, below, children, kind, local, number, parse, text_of

#: Types of items (CIM).
_CPU, _MEMORY, _NIC, _DISK, _OTHER, _NVRAM = "3", "4", "10", "17", "20", "32768"
_BUSES = {"5": "ide", "6": "scsi", _OTHER: "sata"}
_DRIVES = ("15", "16")
#: What has no counterpart: {type: how a result names it}.
_UNUSED = {"14": "floppy drive", "21": "serial port", "22": "parallel port", "23": "USB controller", "35": "sound card"}
_MOST_CPUS, _MOST_DEVICES = 1024, 256


class File(Frozen):
    """A file of an appliance. ``href`` is as the descriptor writes it; ``size`` None: it does not state it."""

    href: str
    compression: str = ""
    chunk_size: int = 0
    size: Optional[int] = None


class Disk(Frozen):
    """``file`` None: an empty disk of ``capacity`` bytes. ``bus`` is ide, scsi, sata, nvme or virtio."""

    name: str
    bus: str
    file: Optional[File] = None
    capacity: Optional[int] = None


class Nic(Frozen):
    """``models`` are in the order of preference; ``network`` is what the descriptor calls it."""

    network: str
    models: Sequence = ()


class Property(Frozen):
    """A setting that software in the guest reads at its first start; ``value`` None: the descriptor has none."""

    key: str
    value: Optional[str] = None
    is_users: bool = False


class System(Frozen):
    """A VM as a descriptor has it, with its default or the requested configuration. ``lost`` cannot be carried over.

    ``firmware`` None: the descriptor does not say.
    """

    name: str
    cpus: Optional[int] = None
    memory: Optional[int] = None
    firmware: Optional[str] = None
    is_windows: bool = False
    disks: Sequence = ()
    nics: Sequence = ()
    license: str = ""
    properties: Sequence = ()
    transport: Sequence = ()
    configurations: Mapping = field(default_factory=dict)
    lost: Sequence = ()


class Choices(Frozen):
    """What a task chooses: the name of a system, and of its configuration; None: the default."""

    system: Optional[str] = None
    configuration: Optional[str] = None


def files_of(root):
    """Return {id: File} of all files that a descriptor names."""
    found = {}
    for one in (file for part in children(root, "References") for file in part):
        chunk, size = attribute(one, "chunkSize"), attribute(one, "size")
        found[attribute(one, "id") or ""] = File(
            attribute(one, "href") or "",
            (attribute(one, "compression") or "").replace("identity", ""),
            number(chunk, "chunkSize") if chunk else 0,
            number(size, "the size of a file") if size else None,
        )
    return found


def read(content, choices=None):
    """Return (System, {id: File}) of a descriptor; raises Damaged, also for what the task has to choose."""
    root, choices = parse(content), choices or Choices()
    element, files = _chosen_system(root, choices.system), files_of(root)
    return _Reader(root, element, files, choices.configuration).system(), files


def _chosen_system(root, name):
    systems = [one for one in root.iter() if kind(one) == "VirtualSystem"]
    if not systems:
        raise Damaged("contains no VM")
    if name is None and len(systems) == 1:
        return systems[0]
    names = {_name_of(one): one for one in systems}
    if name not in names:
        found = f"contains {len(systems)} VMs" if name is None else f"has no VM '{name}'"
        raise Damaged(found, f"Set appliance.system to one of: {', '.join(names)}.")
    return names[name]


def _name_of(element):
    return text_of(element, "Name") or attribute(element, "id") or ""


class _Reader:
    """Reads one VirtualSystem."""

    def __init__(self, root, element, files, configuration):
        self.root, self.element, self.files = root, element, files
        self.configurations, self.chosen = _configurations(root, configuration)
        hardware = children(element, "VirtualHardwareSection")
        self.hardware = hardware[0] if hardware else None
        self.items = self._items()
        self.machine = next(iter(below(element, "Machine")), None)
        self.lost = []

    def system(self):
        memory = next((one for one in self._of_type(_MEMORY)), None)
        unit = memory and memory.get("AllocationUnits")
        return System(
            name=_name_of(self.element),
            cpus=self._cpus(),
            memory=memory and amount(memory.get("VirtualQuantity"), unit, MIB, "the memory"),
            firmware=self._firmware(),
            is_windows="windows" in self._os().lower(),
            disks=self._disks(),
            nics=self._nics(),
            license=self._license(),
            properties=self._properties(),
            transport=tuple((attribute(self.hardware, "transport") or "").split()),
            configurations=self.configurations,
            lost=(*self.lost, *self._unused(), *self._of_virtualbox()),
        )

    def _items(self):
        """Return {instance: {name: text}}; an item of the chosen configuration replaces the general one."""
        found = {}
        for one in children(self.hardware, "Item", "StorageItem", "EthernetPortItem"):
            names = (attribute(one, "configuration") or "").split()
            values = {}
            for part in one:
                values.setdefault(local(part.tag), (part.text or "").strip())
            key = values.get("InstanceID") or values.get("InstanceId") or f"#{len(found)}"
            if (names and self.chosen not in names) or (not names and found.get(key, {}).get("configuration")):
                continue
            found[key] = {**values, "configuration": " ".join(names)}
        if len(found) > _MOST_DEVICES:
            raise Damaged(f"has more than {_MOST_DEVICES} devices")
        return found

    def _of_type(self, *types):
        return [one for one in self.items.values() if one.get("ResourceType") in types]

    def _cpus(self):
        counts = [number(one.get("VirtualQuantity"), "the CPUs") for one in self._of_type(_CPU)]
        if counts and not 1 <= sum(counts) <= _MOST_CPUS:
            raise Damaged(f"has {sum(counts)} CPUs, which is out of range")
        return sum(counts) or None

    def _settings(self):
        """Return {key: value} of VMware's settings."""
        found = [*below(self.element, "Config"), *below(self.element, "ExtraConfig")]
        return {attribute(one, "key"): attribute(one, "value") or "" for one in found}

    def _firmware(self):
        settings = self._settings()
        if settings.get("bootOptions.efiSecureBootEnabled", "").lower() == "true":
            self.lost.append("secure boot (secure_boot: true turns it on)")
        if settings.get("firmware"):
            return "uefi" if settings["firmware"].lower() == "efi" else "bios"
        if self.machine is None:
            return "bios" if settings else None
        if below(self.machine, "TrustedPlatformModule"):
            self.lost.append("content of the TPM (tpm: true adds an empty one)")
        types = [attribute(one, "type") or "" for one in below(self.machine, "Firmware")]
        return "uefi" if any(one.upper().startswith("EFI") for one in types) else "bios"

    def _os(self):
        own = attribute(self.machine, "OSType") or ""
        parts = children(self.element, "OperatingSystemSection")
        words = [text_of(one, "Description") + (attribute(one, "osType") or "") for one in parts]
        return " ".join([own, *words])

    # Disks ------------------------------------------------------------------------------------------------------------

    def _disks(self):
        """Return the disks in the order of their controllers, and of their places on these."""
        listed = {attribute(one, "diskId"): one for part in children(self.root, "DiskSection") for one in part}
        order = {key: place for place, key in enumerate(self.items)}
        items = sorted(
            self._of_type(_DISK),
            key=lambda one: (order.get(one.get("Parent"), len(order)), _address(one)),
        )
        return tuple(self._disk(one, listed) for one in items)

    def _disk(self, item, listed):
        where, _slash, name = (item.get("HostResource") or "").rpartition("/")
        disk = listed.get(name) if where.endswith("/disk") else None
        if disk is None:
            raise Damaged(f"has a disk without a description: '{item.get('HostResource', '')[:80]}'")
        if attribute(disk, "parentRef"):
            raise Damaged(f"has only the differences of the disk {name} from another one")
        reference, capacity = attribute(disk, "fileRef"), attribute(disk, "capacity")
        if reference and reference not in self.files:
            raise Damaged(f"has no file for the disk {name}")
        if reference:
            return Disk(name, self._bus(item), self.files[reference])
        unit = attribute(disk, "capacityAllocationUnits")
        return Disk(name, self._bus(item), None, amount(capacity, unit, 1, f"the capacity of the disk {name}"))

    def _bus(self, item):
        controller = self.items.get(item.get("Parent"), {})
        words = controller.get("ResourceSubType", "").lower()
        if "nvme" in words or "virtio" in words.split():
            return "nvme" if "nvme" in words else "virtio"
        return _BUSES.get(controller.get("ResourceType"), "sata")

    # NICs -------------------------------------------------------------------------------------------------------------

    def _nics(self):
        items = self._of_type(_NIC)
        if all(one.get("AddressOnParent") for one in items):
            items = sorted(items, key=_address)
        adapters = below(self.machine, "Adapter")
        types = [attribute(one, "type") or "" for one in adapters if attribute(one, "enabled") == "true"]
        if any(one.get("Address") for one in items) or any(attribute(one, "MACAddress") for one in adapters):
            self.lost.append("MAC addresses (each NIC gets a new one)")
        known = types if len(types) == len(items) else [""] * len(items)
        return tuple(
            Nic(one.get("Connection", ""), tuple((one.get("ResourceSubType") or own).lower().split()))
            for one, own in zip(items, known)
        )

    # Text -------------------------------------------------------------------------------------------------------------

    def _license(self):
        texts = {attribute(one, "msgid"): (one.text or "").strip() for one in below(self.root, "Msg")}
        found = [one for part in self._sections("EulaSection") for one in below(part, "License")]
        return "\n\n".join(
            (one.text or "").strip() or texts.get(attribute(one, "msgid")) or "(its text is in another file)"
            for one in found
        )

    def _sections(self, name):
        """Return the sections of this VM, and of the collection that it is in."""
        collections = [one for one in self.root.iter() if kind(one) == "VirtualSystemCollection"]
        return [part for one in (self.root, *collections, self.element) for part in children(one, name)]

    def _properties(self):
        found = []
        for part in self._sections("ProductSection"):
            names = attribute(part, "class") or "", attribute(part, "instance") or ""
            for one in children(part, "Property"):
                key = ".".join(filter(None, (names[0], attribute(one, "key") or "", names[1])))
                values = {attribute(own, "configuration"): attribute(own, "value") for own in children(one, "Value")}
                value = values.get(self.chosen) if self.chosen in values else attribute(one, "value")
                found.append(Property(key, value, attribute(one, "userConfigurable") == "true"))
        return tuple(found)

    def _unused(self):
        """Yield what has no counterpart."""
        drives = [one for one in self._of_type(*_DRIVES) if one.get("HostResource")]
        yield from (f"media in an optical drive ({one['HostResource'].rpartition('/')[2]})" for one in drives)
        if self._of_type(_NVRAM) or self._settings().get("nvram"):
            yield "variables of the firmware (NVRAM)"
        yield from sorted({_UNUSED[one["ResourceType"]] for one in self._of_type(*_UNUSED)})

    def _of_virtualbox(self):
        for element, what in (("Forwarding", "port forwards"), ("SharedFolder", "shared folders")):
            if below(self.machine, element):
                yield what


def _address(item):
    text = item.get("AddressOnParent") or "0"
    return number(text, "the place of a device")


def _configurations(root, chosen):
    """Return ({name: label}, the chosen or default name); empty if the descriptor has none."""
    found = [one for part in children(root, "DeploymentOptionSection") for one in children(part, "Configuration")]
    labels = {attribute(one, "id") or "": text_of(one, "Label") for one in found}
    if chosen is not None and chosen not in labels:
        known = ", ".join(labels) or "none"
        raise Damaged(f"has no configuration '{chosen}'", f"Set appliance.configuration to one of: {known}.")
    default = next((attribute(one, "id") for one in found if attribute(one, "default") == "true"), None)
    return labels, chosen or default or next(iter(labels), None)
