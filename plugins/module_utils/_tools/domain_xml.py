# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a VM (libvirt's domain XML): values are read and changed in the parsed document.

The whole document is written back, so that libvirt keeps everything else: devices unknown to this collection, PCI
addresses, and MACs (libvirt generates new MACs if the XML has none: its formatdomain page; seen with 9.0.0).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from .._core.errors import Refused
from .._core.pattern import Pattern
from .._core.record import mark as marks

MARK_NAMESPACE = "https://github.com/polyvirt/polyvirt.core/ns/1"
MARK_PREFIX = "polyvirt"
_MARK = f"{{{MARK_NAMESPACE}}}mark"
#: What libvirt keeps of its hypervisors and of dnsmasq, by the prefixes of its documentation.
_LIBVIRT_NAMESPACES = {
    "qemu": "http://libvirt.org/schemas/domain/qemu/1.0",
    "dnsmasq": "http://libvirt.org/schemas/network/dnsmasq/1.0",
}
_STEP = Pattern(r"(?:([\w.-]+):)?([\w.-]+)(?:\[(?:(\d+)|@([\w:.-]+)=(?:'([^']*)'|\"([^\"]*)\"))\])?")
_PREFIXES = Pattern(r"""xmlns:([A-Za-z][\w.-]*)=["']([^"']+)["']""")
_UNITS = {"b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 1000**2, "M": 1024**2, "MiB": 1024**2,
          "GB": 1000**3, "G": 1024**3, "GiB": 1024**3, "T": 1024**4, "TiB": 1024**4}  # fmt: skip
#: What libvirt shows only with --security-info, or shows as stars without it.
_SECRETS = Pattern(r""" passwd=(?:'[^']*'|"[^"]*")|\s*<cookies>.*?</cookies>""", re.DOTALL)
#: {namespace: prefix} as registered last: the definitions of many VMs have the same.
_registered = {}
_ATTRIBUTE_AT_END = Pattern(r"@([\w:.-]+)\Z")
_PERSISTENT = ("nvdimm", "virtio-pmem")
_DISK_SOURCES = ("file", "dev", "name", "dir", "volume")


class Definition:
    """One domain XML document. ``is_saved``: it is the one in the saved memory of a suspended VM."""

    def __init__(self, text, is_saved=False):
        self._namespaces = register_prefixes(text)
        self.root = ET.fromstring(text)
        #: The text that libvirt has, also after changes of the document; empty if another program has written it.
        self.stored = text
        self.is_saved = is_saved

    @classmethod
    def of(cls, root):
        """The parsed XML document of a network, which has native paths like a domain."""
        document = cls.__new__(cls)
        document.root, document.stored, document.is_saved = root, "", False
        document._namespaces = register_prefixes("")
        return document

    def text(self):
        return ET.tostring(self.root, encoding="unicode")

    def get(self, path):
        """The text of the element at ``path``, or None."""
        element = self.root.find(path)
        return None if element is None else (element.text or "")

    @property
    def devices(self):
        return self.root.find("devices")

    def devices_named(self, tag):
        devices = self.devices
        return [] if devices is None else devices.findall(tag)

    # Reading ------------------------------------------------------------------------------------------------------

    @property
    def name(self):
        return self.get("name")

    @property
    def uuid(self):
        return self.get("uuid")

    @property
    def cpus(self):
        vcpu = self.root.find("vcpu")
        return int(vcpu.get("current") or vcpu.text)

    @property
    def memory(self):
        """Bytes of memory that the guest gets at boot; ``max_memory`` may be larger."""
        sizes = (_bytes(self.root.find("currentMemory")), self.max_memory)
        return min((size for size in sizes if size is not None), default=None)

    @property
    def max_memory(self):
        """Bytes up to which the memory balloon can grow, or None if the definition has no ``memory`` element."""
        size = _bytes(self.root.find("memory"))
        return None if size is None else size - self.persistent_memory

    @property
    def persistent_memory(self):
        """Bytes of NVDIMMs and the like: they have the content of a file, and libvirt counts them as memory."""
        devices = [one for one in self.devices_named("memory") if one.get("model") in _PERSISTENT]
        return sum(_bytes(device.find("target/size")) or 0 for device in devices)

    def drives(self, *devices):
        """Disk elements of the given devices: disk, lun, cdrom, floppy."""
        return [disk for disk in self.devices_named("disk") if disk.get("device", "disk") in devices]

    def interfaces(self):
        return self.devices_named("interface")

    @property
    def content(self):
        """All that the document says, to compare it with another one: (canonical text without the mark, mark).

        libvirt prints a definition that was stored with another layout.
        """
        root = ET.fromstring(self.text())
        metadata = root.find("metadata")
        for one in metadata.findall(_MARK) if metadata is not None else ():
            metadata.remove(one)
        if metadata is not None and not len(metadata):
            root.remove(metadata)
        for devices in root.findall("devices"):  # libvirt stores new controllers last, and sorts them the next time.
            devices[:] = sorted(devices, key=lambda one: _canonical(one) if one.tag == "controller" else "")
        return _canonical(root), self.mark

    @property
    def mark(self):
        """The mark of this collection as a mapping, or None. It may be the mark of another VM (see ``Vm.owned``)."""
        element = self.root.find(f"metadata/{_MARK}")
        return None if element is None else marks.parsed(element.text)

    def native(self, path):
        """The text or attribute at a path such as ``os/kernel`` or ``os/type@machine``; None if it does not exist."""
        element_path, attribute = split_path(path)
        elements = self._elements(path, element_path)
        if not elements:
            return None
        return elements[0].get(attribute) if attribute else (elements[0].text or "").strip()

    def has_native(self, path, value, same):
        """Whether the path has the value; None: its element or attribute does not exist."""
        if value is None and not split_path(path)[1]:
            return self.element_at(path) is None
        return same(self.native(path), value)

    def element_at(self, path):
        """The element at a native path, which may be that of its attribute; None if it does not exist."""
        return next(iter(self._elements(path, split_path(path)[0])), None)

    def _elements(self, path, element_path):
        try:
            # Without a prefix, ElementTree would sort the namespaces for nothing.
            namespaces = self._namespaces if ":" in element_path else None
            elements = self.root.findall(element_path, namespaces) if element_path else [self.root]
        except (SyntaxError, KeyError, TypeError, IndexError) as error:  # ElementPath raises these for invalid paths.
            raise Refused(
                f"native: '{path}' is not a valid path in a domain XML.", "Use a path such as os/type@machine."
            ) from error
        if len(elements) > 1:
            raise Refused(
                f"{self.name}: native: '{path}' matches {len(elements)} elements.",
                f"Select one by its position ({element_path}[1]) or by an attribute.",
            )
        return elements

    # Changing -----------------------------------------------------------------------------------------------------

    def set(self, path, value):
        """Set the text of the element at ``path``, which is added if it is missing. Returns the element."""
        element = self.find_or_add(path)
        element.text = value
        return element

    def find_or_add(self, path):
        """The element at ``path``, which is added if it is missing."""
        element = self.root
        for tag in path.split("/"):
            element = find_or_add_child(element, tag)
        return element

    def set_mark(self, mark):
        """Store a mark; None removes it."""
        if mark is None:
            self.remove(f"metadata/{_MARK}")
            return
        metadata = self.find_or_add("metadata")
        element = metadata.find(_MARK)
        if element is None:
            ET.register_namespace(MARK_PREFIX, MARK_NAMESPACE)
            element = ET.SubElement(metadata, _MARK)
        element.text = marks.printed(mark)

    def set_native(self, path, value):
        element_path, attribute = split_path(path)
        elements = self._elements(path, element_path)
        if value is None:
            self._remove_all(elements, attribute)
            return
        element = elements[0] if elements else self._create(path, element_path)
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        if attribute:
            element.set(attribute, text)
        else:
            element.text = text

    def _create(self, path, element_path):
        """Add the missing elements of a path; [N] is the next element of a list, [@NAME='VALUE'] has that attribute."""
        steps, element, done = list(_STEP.finditer(element_path)), self.root, []
        if "/".join(step[0] for step in steps) != element_path:
            raise Refused(
                f"{self.name}: native: '{path}' does not exist, and cannot be created from such a path.",
                "Use element names, with [N] or [@NAME='VALUE'] where there are several.",
            )
        for step in steps:
            done.append(step[0])
            found = self._elements(path, "/".join(done))
            element = found[0] if found else self._create_child(path, element, step)
        return element

    def _create_child(self, path, parent, step):
        prefix, name, position, attribute, *values = step.groups()
        tag = f"{{{self._namespaces[prefix]}}}{name}" if prefix else name
        count = len(parent.findall(tag))
        if position and int(position) != count + 1:
            raise Refused(
                f"{self.name}: native: '{path}' does not exist, and cannot be created: its parent has {count} elements"
                f" {name}.",
                f"Use {name}[{count + 1}] for a new one.",
            )
        return ET.SubElement(parent, tag, {attribute: next(filter(None, values), "")} if attribute else {})

    def remove(self, path):
        """Remove every element at ``path``."""
        self._remove_all(self.root.findall(path), "")

    def _remove_all(self, elements, attribute):
        """Remove the attribute from each element, or the elements themselves if ``attribute`` is empty."""
        parents = {child: parent for parent in self.root.iter() for child in parent}
        for element in elements:
            if attribute:
                element.attrib.pop(attribute, None)
            else:
                parents[element].remove(element)


def without_secrets(text):
    """Return the text of a definition that was read with its secrets or without as if it was read without."""
    return _SECRETS.sub("", text)


def _canonical(element):
    return ET.canonicalize(ET.tostring(element, encoding="unicode"), strip_text=True)


def _bytes(element):
    return None if element is None else int(element.text) * _UNITS[element.get("unit", "KiB")]


def register_prefixes(text):
    """Register the namespace prefixes of a document, and return {prefix: namespace}.

    Otherwise the serializer would rename them to ns0, ns1 ..., and libvirt stores metadata as it is written.
    """
    namespaces = {**_LIBVIRT_NAMESPACES, **dict(_PREFIXES.findall(text))}
    for prefix, namespace in namespaces.items():
        if _registered.get(namespace) != prefix and not re.fullmatch(r"ns\d+", prefix):
            ET.register_namespace(prefix, namespace)
            # As ElementTree does: a prefix is that of one namespace.
            for other in [one for one, known in _registered.items() if known == prefix]:
                del _registered[other]
            _registered[namespace] = prefix
    return namespaces


def split_path(path):
    """(path of the element, attribute or empty). An @ within brackets is part of a condition, not the attribute."""
    match = _ATTRIBUTE_AT_END.search(path)
    return (path[: match.start()], match[1]) if match else (path, "")


def target_of(disk):
    """The target of a disk element (vda, sda ...), which is the key of ``disks``."""
    return disk.find("target").get("dev")


def source_of(element):
    """The file, device, volume, network or bridge of a disk or interface element; empty if it has none."""
    source = element.find("source")
    if source is None:
        return ""
    for attribute in (*_DISK_SOURCES, "network", "bridge"):
        if source.get(attribute):
            return source.get(attribute)
    return ""


def file_of(disk):
    """The local file of a disk element, or an empty string."""
    source = disk.find("source")
    return (source.get("file") or "") if source is not None else ""


def file_or_device_of(disk):
    """The local file or block device of a disk element, or an empty string."""
    source = disk.find("source")
    return (source.get("file") or source.get("dev") or "") if source is not None else ""


def backing_files(disk):
    """The backing files of a disk; libvirt lists them in the definition of a running VM."""
    return [source.get("file") for source in disk.findall(".//backingStore/source") if source.get("file")]


def find_or_add_child(element, tag):
    """The first child with this tag, which is added if it is missing."""
    child = element.find(tag)
    return ET.SubElement(element, tag) if child is None else child
