# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: what an OVF descriptor says about a VM: its hardware, files, license, configurations and properties.

The rules are those of DSP0243, and of how writers apply it: VMware, VirtualBox, oVirt, XenServer and vendors' scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

from ..._core.frozen import Frozen
from ..._core.units import MIB
from .envelope import Damaged, amount, attribute, below, children, is_true, kind, local, number, parse, text_of, whole

#: Types of items (CIM). Disks are 19 by XenServer, and 31 is permitted in OVF 2. Each VM has a display (24) anyway.
_CPU, _MEMORY, _NIC, _DISKS = "3", "4", "10", ("17", "19", "31")
_BUSES = {"5": "ide", "6": "scsi", "20": "sata"}
_READ = frozenset({_CPU, _MEMORY, _NIC, *_DISKS, "24"})
#: What has no counterpart: {type: how a result names it}, and {part of its name: the same}.
_UNUSED = {"14": "floppy drive", "21": "serial port", "22": "parallel port", "23": "USB controller", "35": "sound card"}
_UNUSED.update(dict.fromkeys(("15", "16"), "optical drive"))
NVRAM, TPM = "variables of the firmware (NVRAM)", "content of the TPM (tpm: true adds an empty one)"
SECURE_BOOT = "secure boot (secure_boot: true turns it on)"
NEW_MACS = "MAC addresses (each NIC gets a new one; appliance.keep_macs: true keeps them)"
_UNUSED_NAMES = {"tpm": TPM, "nvram": NVRAM, "sound": "sound card"}
_OF_VIRTUALBOX = {"Forwarding": "port forwards", "SharedFolder": "shared folders", "TrustedPlatformModule": TPM}
#: Settings of VMware and XenServer, in lower case.
_SECURE_BOOT = ("bootoptions.efisecurebootenabled", "uefi.secureboot.enabled", "secureboot")
#: oVirt: the types of firmware that are UEFI, the last with secure boot, and its numbers of models of NICs.
_OVIRT_UEFI, _OVIRT_NICS = ("2", "3"), {"1": "rtl8139", "2": "e1000", "3": "virtio", "6": "e1000e"}
#: The numbers of Windows: CIM, and what VMware and Proxmox VE use for later versions.
_WINDOWS = frozenset(map(str, (*range(15, 20), 58, 63, 67, *range(69, 78), 103, 105, *range(111, 124))))
MOST_CPUS, _MOST_DEVICES = 1024, 256


class File(Frozen):
    """A file of an appliance. ``href`` is as the descriptor writes it; ``size`` None: it does not state it."""

    href: str
    compression: str = ""
    chunk_size: int = 0
    size: Optional[int] = None


class Disk(Frozen):
    """``file`` None: an empty disk of ``capacity`` bytes. ``bus`` is ide, scsi, sata, nvme or virtio.

    A disk with a file may be larger than this; ``capacity`` None: the descriptor does not state it.
    """

    name: str
    bus: str
    file: Optional[File] = None
    capacity: Optional[int] = None


class Nic(Frozen):
    """``models`` are in the order of preference; ``network`` is what the descriptor calls it. ``mac`` is unchecked."""

    network: str
    models: Sequence = ()
    mac: str = ""


class Property(Frozen):
    """A setting that software in the guest reads at its first start; ``value`` None: the descriptor has none."""

    key: str
    value: Optional[str] = None
    is_users: bool = False


class System(Frozen):
    """A VM as a descriptor has it, with its default or the requested configuration. ``lost`` cannot be carried over.

    ``disks`` are in the order in which the firmware tries them. ``firmware`` None: the descriptor does not say.
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
    lost: Sequence = ()


def read(content, asked):
    """Return the System of a descriptor; ``asked``: the suboptions of the task. Raises Damaged, also for a choice."""
    root = parse(content)
    return _Reader(root, _chosen_system(root, asked.get("system")), asked).system()


def _chosen_system(root, name):
    """Return the VM with this name, or with this id."""
    systems = [one for one in root.iter() if kind(one) == "VirtualSystem"]
    if not systems:
        raise Damaged("contains no VM")
    if name is None and len(systems) == 1:
        return systems[0]
    names, ids = [_name_of(one) for one in systems], [attribute(one, "id") or "" for one in systems]
    found = [one for one, *known in zip(systems, names, ids) if name in known]
    if len(found) != 1:
        what = f"contains {len(systems)} VMs" if name is None else f"has no VM '{name}', or more than one"
        known = ", ".join(names if len({*names}) == len(names) else ids)
        raise Damaged(what, f"Set appliance.system to one of: {known}.")
    return found[0]


def _name_of(element):
    return text_of(element, "Name") or attribute(element, "id") or ""


def _within(element, section, name):
    return [one for part in children(element, section) for one in children(part, name)]


def _unique(elements, name, key_of=attribute):
    """Return {key: element}. Raises Damaged if two have the same one: either could be meant."""
    found = {}
    for one in elements:
        key = key_of(one, name)
        if key and key in found:
            raise Damaged(f"has two elements with the {name} '{key[:80]}'")
        found[key] = one
    return found


def _file(element):
    compression = (attribute(element, "compression") or "").replace("identity", "")
    chunk_size = number(attribute(element, "chunkSize") or "0", "chunkSize")
    return File(attribute(element, "href") or "", compression, chunk_size, whole(attribute(element, "size")))


def _words(text, names=()):
    """Return the alternatives in a text; the first one is preferred. ``names`` are those of numbers."""
    return tuple(dict(names).get(word, word) for word in (text or "").lower().replace(",", " ").split())


class _Reader:
    """Reads one VirtualSystem."""

    def __init__(self, root, element, asked):
        self.root, self.element, self.given, self.lost = root, element, asked.get("properties") or {}, []
        self.keeps_macs = asked.get("keep_macs")
        self.files = _unique(_within(root, "References", "File"), "id")
        self.listed = _unique(_within(root, "DiskSection", "Disk"), "diskId")
        self.chosen = _configuration(root, asked.get("configuration"))
        self.hardware, *others = children(element, "VirtualHardwareSection") or [None]
        self.lost += ["alternatives of the hardware (it is the first one)"] if others else []
        self.machine = next(iter(below(element, "Machine")), None)
        self.items, self.settings = self._items(), self._settings()
        parents = {child: one for one in root.iter() for child in one}
        #: The VM and what it is in, from the inside to the outside.
        self.levels = [element]
        while self.levels[-1] in parents:
            self.levels.append(parents[self.levels[-1]])
        self.properties = self._properties()

    def system(self):
        memory = next((one for one in self._of_type(_MEMORY)), {})
        unit = memory.get("AllocationUnits") or memory.get("VirtualQuantityUnits")
        return System(
            name=_name_of(self.element),
            cpus=self._cpus(),
            memory=amount(memory.get("VirtualQuantity"), unit, MIB, "the memory") if memory else None,
            firmware=self._firmware(),
            is_windows=self._is_windows(),
            disks=self._disks(),
            nics=self._nics(),
            license=self._license(),
            properties=tuple(self.properties.values()),
            transport=tuple((attribute(self.hardware, "transport") or "").split()),
            lost=tuple(dict.fromkeys((*self.lost, *self._unused()))),
        )

    def _items(self):
        """Return {instance: {name: text}}; an item of the chosen configuration replaces the general one.

        Of several items of the chosen configuration, the last one counts, as VMware does. Ranges count only if there is
        nothing else.
        """
        found, least = {}, {}
        for one in children(self.hardware, "Item", "StorageItem", "EthernetPortItem"):
            names = (attribute(one, "configuration") or "").split()
            if names and self.chosen not in names:
                continue
            values = {"names": names, "required": is_true(one, "required")}
            for part in one:
                values.setdefault(local(part.tag), (part.text or "").strip())
            bound = attribute(one, "bound") or "normal"
            key = values.get("InstanceID") or values.get("InstanceId") or f"#{len(found)}"
            if bound == "min" and values.get("VirtualQuantity"):
                least[values.get("ResourceType")] = values
            elif bound == "normal" and (names or key not in found):
                found[key] = values
            elif bound == "normal" and not found[key]["names"]:
                raise Damaged(f"has two devices with the InstanceID '{key[:80]}'")
        if len(found) > _MOST_DEVICES:
            raise Damaged(f"has more than {_MOST_DEVICES} devices")
        for one in {_CPU, _MEMORY} & least.keys() - {one.get("ResourceType") for one in found.values()}:
            found[f"least {one}"] = least[one]
            self.lost.append(f"range of the {'CPUs' if one == _CPU else 'memory'} (the VM has its minimum)")
        return found

    def _of_type(self, *types):
        return [one for one in self.items.values() if one.get("ResourceType") in types]

    def _cpus(self):
        counts = [number(one.get("VirtualQuantity"), "the CPUs") for one in self._of_type(_CPU)]
        if counts and not 1 <= sum(counts) <= MOST_CPUS:
            raise Damaged(f"has {sum(counts)} CPUs, which is out of range")
        cores = [one.get("CoresPerSocket") or "1" for one in self._of_type(_CPU)]
        self.lost += [f"{one} cores in each CPU socket" for one in cores if one != "1"]
        return sum(counts) or None

    def _settings(self):
        """Return {key in lower case: value} of VMware's settings, and of those of XenServer that are key=value."""
        of_xen = below(self.element, "VirtualSystemOtherConfigurationData")
        found = [pair.partition("=")[::2] for one in of_xen for pair in text_of(one, "Value").split(";")]
        own = [*below(self.element, "Config"), *below(self.element, "ExtraConfig")]
        found += [(attribute(one, "key") or "", attribute(one, "value") or "") for one in own]
        return {key.lower(): value.lower() for key, value in found}

    def _firmware(self):
        stated, bios_type = self.settings.get("firmware"), text_of(self.element, "BiosType")
        if bios_type == _OVIRT_UEFI[-1] or {self.settings.get(key) for key in _SECURE_BOOT} & {"true", "1"}:
            self.lost.append(SECURE_BOOT)
        self.lost += ["nested virtualization"] if self.settings.get("nestedhvenabled") == "true" else []
        if stated or bios_type:
            return "uefi" if stated in ("efi", "uefi") or bios_type in _OVIRT_UEFI else "bios"
        if self.machine is None:
            return "bios" if self.settings else None
        types = [attribute(one, "type") or "" for one in below(self.machine, "Firmware")]
        return "uefi" if any(one.upper().startswith("EFI") for one in types) else "bios"

    def _is_windows(self):
        parts = children(self.element, "OperatingSystemSection")
        names = [f"{text_of(one, 'Description')} type={attribute(one, 'osType')}" for one in parts]
        text = f"{attribute(self.machine, 'OSType')} {' '.join(names)}".lower()
        return "windows" in text or " type=win" in text or any(attribute(one, "id") in _WINDOWS for one in parts)

    # Disks ------------------------------------------------------------------------------------------------------------

    def _disks(self):
        """Return the disks in the order of their controllers, and of their places on these; the boot disk is first.

        Controllers of a kind are in the order of their addresses. Disks without a controller are the last ones.
        """
        kinds = {key: (one.get("ResourceType"), "nvme" in _name_in(one).lower()) for key, one in self.items.items()}
        numbers = {key: whole(one.get("Address") or one.get("BusNumber")) or 0 for key, one in self.items.items()}
        places = sorted(kinds, key=lambda key: ([*kinds.values()].index(kinds[key]), numbers[key]))
        boot = {attribute(one, "instanceId") for one in below(self.element, "BootOrderSection")}
        found = []
        for key, item in ((key, one) for key, one in self.items.items() if one.get("ResourceType") in _DISKS):
            element = self.listed.get((item.get("HostResource") or "").rpartition("/")[2])
            is_boot = key in boot or is_true(element, "boot") or is_true(element, "isBootable")
            parent = item.get("Parent")
            place = (places.index(parent), _address(item)) if parent in kinds else (len(kinds), 0)
            found.append((not is_boot, *place, len(found), self._disk(item, element)))
        return tuple(disk for *_place, disk in sorted(found))

    def _disk(self, item, element):
        where, _slash, name = (item.get("HostResource") or "").rpartition("/")
        reference = name if where.endswith("/file") else attribute(element, "fileRef")
        if not where.endswith("/file") and (element is None or not where.endswith("/disk")):
            raise Damaged(f"has a disk without a description: '{item.get('HostResource', '')[:80]}'")
        if attribute(element, "parentRef"):
            raise Damaged(f"has only the differences of the disk {name} from another one")
        if reference and reference not in self.files:
            raise Damaged(f"has no file for the disk {name}")
        file = _file(self.files[reference]) if reference else None
        return Disk(name, self._bus(item, element), file, self._capacity(name, element, file))

    def _capacity(self, name, element, file):
        """Return the size of a disk, which can be the value of a property. Of a file, it is only a hint."""
        text, unit = attribute(element, "capacity") or "", attribute(element, "capacityAllocationUnits")
        if text.startswith("${"):
            text = str(self.given.get(text[2:-1], self.properties.get(text[2:-1], Property("")).value))
        with suppress(*[Damaged] if file else []):
            return amount(text, unit, 1, f"the capacity of the disk {name}")
        return None

    def _bus(self, item, element):
        controller = self.items.get(item.get("Parent"), {})
        words = [*_words(attribute(element, "disk-interface")), *_words(controller.get("ResourceSubType")), ""]
        fixed = "nvme" if "nvme" in words[0] else words[0] if words[0] == "virtio" else None
        return fixed or _BUSES.get(controller.get("ResourceType"), "sata")

    # NICs -------------------------------------------------------------------------------------------------------------

    def _nics(self):
        items = self._of_type(_NIC)
        if all(one.get("AddressOnParent") for one in items):
            items = sorted(items, key=_address)
        adapters = [one for one in below(self.machine, "Adapter") if is_true(one, "enabled")]
        stated = any(attribute(one, "MACAddress") for one in adapters)
        adapters = adapters if len(adapters) == len(items) else [None] * len(items)
        macs = [one.get("Address") or one.get("MACAddress") or "" for one in items]
        macs = [mac or attribute(one, "MACAddress") or "" for mac, one in zip(macs, adapters)]
        if (stated or any(macs)) and not self.keeps_macs:
            self.lost.append(NEW_MACS)
        if {one.get("AutomaticAllocation", "").lower() for one in items} & {"false", "0"}:
            self.lost.append("state of NICs that are not connected (all are)")
        types = [attribute(one, "type") for one in adapters]
        models = [_words(one.get("ResourceSubType") or own, _OVIRT_NICS) for one, own in zip(items, types)]
        return tuple(Nic(one.get("Connection", ""), *own) for one, *own in zip(items, models, macs))

    # Text -------------------------------------------------------------------------------------------------------------

    def _license(self):
        """Return the texts of all licenses; translated ones are in the language of the descriptor, if it has them."""
        language = attribute(self.root, "lang") or "en-US"
        # The last text wins.
        own = sorted(children(self.root, "Strings"), key=lambda one: language.startswith(attribute(one, "lang") or ""))
        texts = {attribute(one, "msgid"): (one.text or "").strip() for part in own for one in below(part, "Msg")}
        # It can be in a file of the appliance.
        none = "(the descriptor does not contain its text)"
        found = [one for level in self.levels for one in _within(level, "EulaSection", "License")]
        return "\n\n".join((one.text or "").strip() or texts.get(attribute(one, "msgid")) or none for one in found)

    def _properties(self):
        """Return {key: Property}; one of the VM replaces that of a collection that it is in."""
        found = {}
        for level in reversed(self.levels):
            parts = ((part, one) for part in children(level, "ProductSection") for one in children(part, "Property"))
            found.update(_unique((self._property(*one) for one in parts), "key", getattr))
        return found

    def _property(self, section, element):
        names = [attribute(section, "class"), attribute(element, "key"), attribute(section, "instance")]
        if not names[1]:
            raise Damaged("has a property without a key")
        values = {attribute(own, "configuration"): attribute(own, "value") for own in children(element, "Value")}
        value = values.get(self.chosen) if self.chosen in values else attribute(element, "value")
        return Property(".".join(filter(None, names)), value, is_true(element, "userConfigurable"))

    # What is not carried over -----------------------------------------------------------------------------------------

    def _unused(self):
        """Yield what has no counterpart, and the disks and files that no VM of the appliance has."""
        yield from filter(None, map(self._unused_device, self.items.values()))
        yield from (what for name, what in _OF_VIRTUALBOX.items() if below(self.machine, name))
        yield from [NVRAM] if self.settings.get("nvram") else ()
        used = {(one.text or "").strip().rpartition("/")[2] for one in below(self.root, "HostResource")}
        yield from (f"disk {self._content(f'/disk/{one}')} of no device" for one in self.listed if one not in used)
        used |= {attribute(one, "fileRef") for one in self.root.iter()}
        others = [attribute(one, "href") or "" for key, one in self.files.items() if key not in used]
        yield from (NVRAM if "nvram" in href.lower() else f"file {href}" for href in others)

    def _unused_device(self, item):
        """Return how a result names a device that the VM does not get; empty if it gets the device."""
        cim, name, content = item.get("ResourceType"), _name_in(item), self._content(item.get("HostResource") or "")
        if cim in _READ or (cim in _BUSES and not content):
            return ""
        words = f"{name} {content}".lower()
        what = _UNUSED.get(cim) or next((what for word, what in _UNUSED_NAMES.items() if word in words), "")
        if item["required"] and not what:
            raise Damaged(f"requires the device {name or cim}, which this collection cannot create")
        what = what or f"device {name or cim}"
        return f"{what} ({content})" if content and what not in _UNUSED_NAMES.values() else what

    def _content(self, resource):
        """Return the file in a device, or the name of its disk; empty if it has none."""
        where, _slash, name = resource.rpartition("/")
        reference = attribute(self.listed.get(name), "fileRef") if where.endswith("/disk") else name
        return attribute(self.files.get(reference), "href") or name


def _address(item):
    return number(item.get("AddressOnParent") or "0", "the place of a device")


def _name_in(item):
    return next(filter(None, map(item.get, ("ResourceSubType", "ElementName", "Caption", "Type"))), "")


def _configuration(root, chosen):
    """Return the name of the chosen configuration, or of the default; None if the descriptor has none."""
    found = _within(root, "DeploymentOptionSection", "Configuration")
    names = [attribute(one, "id") or "" for one in found]
    if chosen is not None and chosen not in names:
        known = ", ".join(names) or "none"
        raise Damaged(f"has no configuration '{chosen}'", f"Set appliance.configuration to one of: {known}.")
    default = next((attribute(one, "id") for one in found if is_true(one, "default")), None)
    return chosen or default or next(iter(names), None)
