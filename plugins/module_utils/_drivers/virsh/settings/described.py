# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what a definition has besides the settings of options and the paths of ``native``, to describe a VM."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import Optional

from ...._core.frozen import Frozen
from ...._core.options.devices import PCI
from ...._tools.domain_xml import file_of, target_of
from .architecture import row_in
from .cdroms import seed_files
from .devices import type_of
from .firmware import is_by_files, nvram_of
from .table import config_of

#: What libvirt chooses for each VM, or what has no effect on the guest.
_ASSIGNED = re.compile(
    r"(?:name|uuid|vcpus/.*|devices/[\w-]+/(?:address|alias)@.*|devices/(?:disk|cdrom)/backingStore\b.*)(?:=.*)?", re.S
)
#: No definition has two numbers with this difference by chance.
_FAR = 1000
#: What a new VM has, and what libvirt adds to each definition.
_NEW = re.compile(
    "|".join(
        (
            r"vcpu@placement=static",
            r"os/type=hvm",
            r"features/acpi",
            r"cpu@(check=(none|partial)|match=exact|migratable=on)",
            r"cpu/model@fallback=(allow|forbid)",
            r"resource/partition=/machine",
            r"seclabel@(type=dynamic|model=\w+|relabel=yes)",
            r"devices/emulator=(/usr/bin/(qemu-system-\w+|kvm|qemu-kvm)|/usr/libexec/qemu-kvm)",
            r"devices/(disk|cdrom)@(type=(file|block)|device=(disk|cdrom))",
            r"devices/disk/driver@(name=qemu|discard=unmap)",
            r"devices/cdrom/driver@(name=qemu|type=raw)",
            r"devices/cdrom/(target@(dev=\w+|bus=sata)|readonly)",
            r"devices/(disk|cdrom)/source@index=\d+",
            r"devices/controller@(index=\d+|type=(pci|sata|scsi|usb|virtio-serial|ide|fdc)|model=(pcie?-root(-port)?"
            r"|pci-bridge|dmi-to-pci-bridge|pcie-to-pci-bridge|virtio-scsi|qemu-xhci|piix3-uhci|ich9-\w+))",
            r"devices/controller/(model@name|target@\w+|master@startport)=.*",
            r"devices/interface(@type=(network|bridge|direct|user)|/source@mode=bridge)",
            r"devices/interface/target@dev=(vnet|macvtap)\d+",
            r"devices/interface/backend@type=passt",
            r"devices/serial(@type=pty|/target@(type=(isa|system)-serial|port=0)|/target/model@name=(isa-serial|pl011))",
            r"devices/serial/log@append=off",
            r"devices/channel(@type=unix|/target@(type=virtio|name=org\.qemu\.guest_agent\.0)|/source@mode=bind)",
            r"devices/graphics@(port=-1|tlsPort=-1|autoport=yes|listen=127\.0\.0\.1)",
            r"devices/graphics/listen@(type=address|address=127\.0\.0\.1)",
            r"devices/video/model@(vram=16384|heads=1|primary=yes)",
            r"devices/audio@(id=1|type=(none|spice))",
            r"devices/memballoon@model=virtio",
            r"devices/rng(@model=virtio|/backend@model=random|/backend=/dev/urandom)",
            r"devices/watchdog@(model=itco|action=reset)",
            r"devices/tpm(/backend@(type=emulator|version=2\.0))",
            r"devices/filesystem(@(type=mount|accessmode=(passthrough|mapped))|/driver@type=(path|virtiofs))",
            r"devices/hostdev-\w+(@(mode=subsystem|managed=yes)|/driver@name=vfio)",
            r"devices/hostdev-usb(@managed=no|/source/address@(bus|device)=\d+)",
        )
    )
)
#: What the chosen firmware brings with it.
_OF_FIRMWARE = re.compile(r"os/(loader|nvram|firmware)\b.*|features/smm@state=on", re.S)
#: The drive with the seed ISO of the option cloud_init.
_OF_SEED = re.compile(
    r"devices/cdrom(@(type=file|device=cdrom)|/driver@(name=qemu|type=raw)|/source@file=.*"
    r"|/target@(dev=\w+|bus=(scsi|sata))|/readonly)"
)
#: What shared folders need.
_OF_SHARES = re.compile(r"memoryBacking/(source@type=memfd|access@mode=shared)")
#: Elements that a new VM has.
_EXPECTED = (
    "devices/serial", "devices/rng", "devices/memballoon", "devices/channel/target[@name='org.qemu.guest_agent.0']",
)  # fmt: skip
#: Of these devices, every VM has one: others are described only if options read them.
_ONCE = ("serial", "console", "video", "audio", "memballoon", "rng", "watchdog", "tpm", "channel", "input", "graphics")
#: libvirt adds as many as a VM needs.
_ADDED = ("controller", "emulator")
#: {element: the attribute by which devices differ of which a VM has one each}
_KEYS = {"channel": "target@name", "input": "@type", "watchdog": "@model"}
#: Values that options describe alike.
_ALIKE = {"devices/disk@device": ("disk", "lun"), "cpu/feature@policy": ("force", "require")}
_OWN_NAMESPACES = "{https://github.com/polyvirt/"
_REASON = "Neither an option nor native describes it."
_MISSING = "New VMs have it, and this VM does not. Neither an option nor native describes that."

_EMULATED = "It is qemu. The option is used at creation only, and its default is kvm where the host has KVM."
#: What libvirt shows only with --security-info.
_HIDDEN = "devices/graphics@passwd"


def not_modelled(definition):
    """{path: reason} of all that a task cannot describe: what no setting contains, and a new VM has not."""
    parts = [part for part in _parts_below(definition.root) if not _ASSIGNED.fullmatch(part.plain)]
    unread = _Unread(definition)
    named, kept = [], {"metadata"}
    for part in parts:
        if unread.is_named(part):
            named.append(part)
        else:
            kept.update(part.steps)
    # The text of an element whose attributes are read has no step of its own.
    found = [next((step for step in part.steps if step not in kept), part.steps[-1]) for part in named]
    emulated = {"virt_type": _EMULATED} if definition.root.get("type") == "qemu" else {}
    return {**dict.fromkeys(found, _REASON), **dict.fromkeys(_missing(definition), _MISSING), **emulated}


def unread_secrets(definition):
    """{path: reason} of what libvirt may hide, for a definition that could not be read with its secrets."""
    hidden = {_HIDDEN: "libvirt does not show it on this connection."}
    return hidden if definition.root.find("devices/graphics") is not None else {}


def _missing(definition):
    """The paths of what new VMs have, and this one has not."""
    row = row_in(definition)
    if definition.root.get("type") not in row.cpus:
        return []
    expected = (*row.expected, *_EXPECTED, *(["cpu"] if definition.root.get("type") in row.writes_cpu else ()))
    found = [path for path in expected if definition.root.find(path) is None]
    disks = definition.drives("disk", "lun")
    found += [f"devices/disk[{target_of(one)}]/driver@discard" for one in disks if one.find("driver[@discard]") is None]
    devices = enumerate(definition.devices.findall("hostdev"), 1)
    is_kept = [place for place, one in devices if one.get("type") == PCI and not one.get("managed")]
    return found + [f"devices/hostdev[{place}]@managed" for place in is_kept]


# The parts of a definition ------------------------------------------------------------------------------------------


class _Part(Frozen):
    """An attribute, a text, or an element without any. ``steps``: its path, and those of all elements around it.

    ``plain`` is the path without places, with the value. ``device`` is the device to which it belongs.
    """

    steps: tuple
    plain: str
    element: object
    parent: object
    attribute: Optional[str]
    device: object

    @property
    def value(self):
        return self.plain.partition("=")[2]

    def change(self, value):
        """Set another value, or remove the element; returns a function that undoes it."""
        if self.attribute:
            self.element.set(self.attribute, value)
            return partial(self.element.set, self.attribute, self.value)
        if self.element.text and self.element.text.strip():
            before, self.element.text = self.element.text, value
            return partial(setattr, self.element, "text", before)
        return _removed(self.parent, self.element)


def _removed(parent, element):
    """Remove an element; returns a function that undoes it."""
    place = list(parent).index(element)
    parent.remove(element)
    return partial(parent.insert, place, element)


def _parts_below(parent, steps=(), plain="", device=None):
    """Yield all parts of an element, without what this collection has stored in its metadata."""
    numbers, counts = Counter(), Counter(child.tag for child in parent)
    for child in parent:
        numbers[child.tag] += 1
        if child.tag.startswith(_OWN_NAMESPACES):
            continue
        place = _place(child, numbers[child.tag], counts[child.tag])
        path = f"{steps[-1]}/{place}" if steps else place
        own = f"{plain}/{_kind(child)}" if plain else _kind(child)
        yield from _own_parts(child, parent, (*steps, path), own, device if steps != ("devices",) else child)


def _own_parts(element, parent, steps, plain, device):
    text = (element.text or "").strip()
    if text or not (element.attrib or len(element)):
        yield _Part(steps, f"{plain}={text}" if text else plain, element, parent, None, device)
    for name, value in element.attrib.items():
        yield _Part((*steps, f"{steps[-1]}@{name}"), f"{plain}@{name}={value}", element, parent, name, device)
    yield from _parts_below(element, steps, plain, device)


def _place(element, number, count):
    """The step of a path: a disk by its target, a NIC and a device of the host by its number."""
    name = element.tag.rpartition("}")[2]
    if name == "disk" and element.find("target") is not None:
        return f"disk[{target_of(element)}]"
    return f"{name}[{number}]" if count > 1 or name in ("interface", "hostdev") else name


def _kind(element):
    """The name of an element for ``_NEW``: devices of one element have other values if they are of other kinds."""
    if element.tag == "disk" and element.get("device") == "cdrom":
        return "cdrom"
    return f"hostdev-{type_of(element)}" if element.tag == "hostdev" else element.tag.rpartition("}")[2]


# What is named ------------------------------------------------------------------------------------------------------


class _Unread:
    """Which parts of a definition are neither read nor those of a new VM."""

    def __init__(self, definition):
        self._definition = definition
        self._own_files = seed_files(definition.mark)
        self._in_settings, self._first = {}, {}
        self._kinds = Counter(one.tag for one in definition.devices) if definition.devices is not None else Counter()
        shares = definition.root.find("devices/filesystem/driver[@type='virtiofs']")
        self._patterns = [_NEW, row_in(definition).usual, *([_OF_FIRMWARE] if self._firmware_is_chosen() else ())]
        self._patterns += [_OF_SHARES] if shares is not None else []
        self._before = self._read()

    def _firmware_is_chosen(self):
        """Whether libvirt or this collection has chosen the files of the firmware."""
        definition = self._definition
        own = (definition.mark or {}).get("nvram", ())
        path = nvram_of(definition) or ""
        is_usual = not path or path in own or re.fullmatch(r"/var/lib/libvirt/qemu/nvram/[^/]+", path)
        return not is_by_files(definition) and bool(is_usual)

    def is_named(self, part):
        device = part.device
        if device is None:
            return not self._is_new(part) and not self._is_read(part)
        if device.tag == "disk" and file_of(device) in self._own_files:
            return not _OF_SEED.fullmatch(part.plain)
        if device.tag == "console" and device.find("target[@type='serial']") is not None:
            return False  # libvirt lists the first serial port a second time.
        if part.plain.endswith(f"/boot@order={part.value}") and self._kinds[device.tag] == 1:
            return False
        if self._is_new(part) and self._is_like_new(device):
            return False
        return not (self._is_in_settings(device) and self._is_read(part))

    def _is_new(self, part):
        return any(pattern.fullmatch(part.plain) for pattern in self._patterns)

    def _is_read(self, part):
        """Whether another value of a part leads to other settings, and each of the values that are alike, too.

        A list of what the settings contain would be incomplete, so each part is changed, and they are read again.
        """
        alike = _ALIKE.get(part.plain.partition("=")[0], ())
        alternatives = [_others(part.value), *((one,) for one in alike if one != part.value)]
        return all(any(self._differs(partial(part.change, one)) for one in values) for values in alternatives)

    def _differs(self, change):
        """Whether the settings are others after ``change()``, which returns a function that undoes it."""
        undo = change()
        try:
            return self._read() != self._before
        except Exception:  # A reader that does not know the value has its own error, and has read it.
            return True
        finally:
            undo()

    def _read(self):
        return config_of(self._definition, {}, self._own_files, None), self._definition.get("description")

    def _is_in_settings(self, device):
        """Whether the settings contain anything of a device."""
        if id(device) not in self._in_settings:
            self._in_settings[id(device)] = self._differs(partial(_removed, self._definition.devices, device))
        return self._in_settings[id(device)]

    def _is_like_new(self, device):
        """Whether new VMs have such a device, or options set it; of a second one, each part is named."""
        if device.tag in _ONCE:
            return self._first.setdefault(_key_of(device), device) is device or self._is_in_settings(device)
        return device.tag in _ADDED or self._is_in_settings(device)


def _key_of(device):
    path, _at, name = _KEYS.get(device.tag, "").partition("@")
    found = device.find(path) if path else device
    return device.tag, found.get(name) if name and found is not None else None


def _others(value):
    """Other values of a part. Those of a number are smaller and larger: it may be the place in an order."""
    if value.isdecimal():
        return (str(int(value) + _FAR), str(int(value) - _FAR))
    return (f"~{value}",)
