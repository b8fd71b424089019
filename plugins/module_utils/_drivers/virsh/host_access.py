# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what of a definition leads out of its VM: what only one running VM can have, and what it may do on the host.

Whoever can write to a backup has chosen the restored definition, and libvirt is root.

A VM keeps what its present definition has. Anything else needs a permission; another VM than that of the backup gets
none of it. The program that emulates the VM is always the one that libvirt chooses.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

from ..._core.errors import Refused
from ..._core.sharing.claims import WRITE
from ..._ports import files
from ..._tools.domain_xml import Definition, file_of
from .own_files import QEMU, named_files

#: {path in a definition: what it is}
_PARTS = {
    "devices/filesystem": "shared directory", "devices/shmem": "shared memory", "memoryBacking/source": "memory file",
    **dict.fromkeys(
        ("devices/hostdev", "devices/interface[@type='hostdev']", "devices/interface[@type='vdpa']",
         "devices/disk[@type='nvme']", "devices/disk[@type='vhostvdpa']", "devices/input[@type='evdev']",
         "devices/input[@type='passthrough']", "devices/smartcard[@mode='host']",
         "devices/smartcard[@mode='host-certificates']", "devices/lease", "devices/graphics[@type='sdl']"),
        "device of the host",
    ),
    **dict.fromkeys(
        ("devices/disk[@type='vhostuser']", "devices/interface[@type='vhostuser']", "devices/graphics[@socket]",
         "devices/graphics/listen[@type='socket']", "devices/interface[@type='server']",
         "devices/interface[@type='udp']", "devices/graphics[@address]", "devices/audio[@serverName]"),
        "socket of the host",
    ),
    **dict.fromkeys(("devices/interface/script", "devices/interface/downscript"), "script of a NIC"),
    "devices/memory[@model='nvdimm']": "NVDIMM", "devices/*/log": "log file", "seclabel": "security label",
    "os/kernel": "kernel", "os/initrd": "initrd", "os/dtb": "device tree", "os/acpi": "ACPI table",
    "os/loader": "loader",
}  # fmt: skip
#: The same for devices of which a part says so.
_DEVICES = {
    "devices/tpm/backend[@type='passthrough']": "TPM of the host",
    **dict.fromkeys(
        ("devices/tpm/backend[@type='external']", "devices/rng/backend[@model='egd']", "devices/*/source[@service]"),
        "socket of the host",
    ),
    "devices/*/source[@path]": "file, device or socket of the host",
    "devices/interface[@type='direct']/source[@mode='passthrough']": "device of the host",
}
#: Elements with paths that no VM opens, or that a restore sets; each other element with a path counts as host access.
_SET_BY_RESTORE = ("emulator", "disk", "nvram")
_NO_POWERS = (*_SET_BY_RESTORE, "metadata", "name", "title", "description", "blkiotune", "resource", "cmdline")
#: Devices of which only the part with a path is removed, and the sources of random numbers that each VM may have.
_IN_PARTS, _RANDOM = ("interface", "graphics", "video"), ("/dev/random", "/dev/urandom", "/dev/hwrng")
#: Paths of devices that only one running VM can have.
_ONLY_ONE = (
    *(f"devices/interface[@type='{kind}']" for kind in ("hostdev", "vdpa", "vhostuser", "udp", "server")),
    "devices/interface[@type='direct']/source[@mode='passthrough']",
    *(f"devices/disk[@type='{kind}']" for kind in ("nvme", "vhostuser", "vhostvdpa")),
    "devices/input[@type='evdev']", "devices/input[@type='passthrough']", "devices/lease",
    "devices/filesystem/source[@socket]", "devices/tpm/backend[@type='passthrough']",
    "devices/tpm/backend[@type='external']",
)  # fmt: skip
#: Files that the VM only reads, as it does an ISO image.
_BOOTED = ("os/kernel", "os/initrd", "os/dtb", "os/loader")
#: Directories of packages: a loader there is no file of others.
_SYSTEM = ("/usr/share/", "/usr/lib/")


def check_host_access(about, definition, present, has_images):
    """Raise Refused if a definition has something of the host that the ``present`` one of its VM (or None) has not.

    ``has_images`` returns whether a directory contains images of VMs: a kernel there, or a new file, harms nobody.
    """
    known = {_canonical(element) for _what, _parent, element in _powers(present.root)} if present else ()
    found = [one for one in _powers(definition.root, has_images, has_images) if _canonical(one[2]) not in known]
    if found:
        raise Refused(
            f"{about}: the definition in the backup has {_listed(found)}, and the VM does not have it now.",
            "Whoever can write to the directory may have added it. If it is yours, set allow_host_access: true; to do"
            " without it, restore the backup as another VM (new_name).",
        )


def remove_host_access(definition, has_images):
    """Remove from the definition of a copy what it would share with its source, and return it as a text."""
    # Both VMs would write to a log or a floppy, wherever it is.
    found = _powers(definition.root, has_images)
    found += [("floppy", drive, drive.find("source")) for drive in definition.drives("floppy") if file_of(drive)]
    for _what, parent, element in found:
        parent.remove(element)
    if definition.root.find("os/kernel") is None:
        for line in definition.root.findall("os/cmdline"):
            definition.root.find("os").remove(line)
    return _listed(found)


def is_of_packages(path):
    """Return whether a file, or None, is one that a package has installed, so that it may be read."""
    return path is None or os.path.realpath(path).startswith(_SYSTEM)


def use_own_emulator(definition):
    """Let libvirt choose the program that emulates the VM."""
    for emulator in definition.devices.findall("emulator"):
        definition.devices.remove(emulator)


def eject_others(definition, present, has_images):
    """Eject media that are neither in the ``present`` definition (or None) nor beside images; return their paths.

    A file that is not in a directory of images could be any file of the host, and a device or an address anything else.
    """
    known = {_medium(drive) for drive in present.drives("cdrom", "floppy")} if present else ()
    drives = [one for one in definition.drives("cdrom", "floppy") if _medium(one) and _medium(one) not in known]
    others = [one for one in drives if _below(one) or not (file_of(one) and has_images(os.path.dirname(file_of(one))))]
    found = [file_of(drive) or _value(drive) or drive.get("type") for drive in others]
    for drive in others:
        for part in (*drive.findall("source"), *drive.findall("backingStore")):
            drive.remove(part)
        drive.set("type", "file")
    return found


def _medium(drive):
    """What identifies what is in a drive: a file, or the whole source of another type; and what is below it."""
    return (file_of(drive) or "".join(map(_canonical, drive.findall("source")))) + _below(drive)


def _below(drive):
    """The files below a medium. A medium has none, and libvirt would give the VM any that a definition names."""
    return "".join(map(_canonical, drive.iterfind(".//backingStore/source")))


def _powers(root, has_images=lambda folder: False, may_hold_new=lambda folder: False):
    """Return (what it is, parent, element) of all that reaches out of a VM, each element once.

    ``may_hold_new`` returns whether a new file in a directory harms nobody.
    """
    parents, found, known = {child: parent for parent in root.iter() for child in parent}, {}, set()
    for path, what in _PARTS.items():
        for element in root.iterfind(path):
            known.add(element)
            if not _is_harmless(path, element, has_images, may_hold_new):
                found.setdefault(element, what)
    for path, what in _DEVICES.items():
        for element in root.iterfind(path):
            known.add(parents[element])
            if not (parents[element].get("type") == "file" and _is_new(element.get("path"), may_hold_new)):
                found.setdefault(parents[element], what)
    for element in root:
        if element.tag.startswith(QEMU):
            found[element] = f"qemu:{element.tag[len(QEMU) :]}"
    found.update(dict.fromkeys(_naming_paths(root, {*known, *found}), "file or device of the host"))
    return [(what, parents[element], element) for element, what in found.items()]


def _naming_paths(parent, known):
    """Yield what names a path and is in no list: a device or another element, of ``_IN_PARTS`` only the part."""
    for element in (one for one in parent if one not in known and one.tag not in _NO_POWERS):
        values = [one.strip() for one in (element.text or "", *element.attrib.values())]
        is_one = any(one.startswith("/") and one not in _RANDOM for one in values)
        parts = [element] if is_one else [*_naming_paths(element, known)]
        yield from [element] if parts and parent.tag == "devices" and element.tag not in _IN_PARTS else parts


def _is_harmless(path, element, has_images, may_hold_new):
    if path == "devices/*/log":
        return _is_new(element.get("file"), may_hold_new)
    file = element.text or ""
    return (path == "os/loader" and is_of_packages(file)) or (path in _BOOTED and has_images(os.path.dirname(file)))


def _is_new(path, may_hold_new):
    return bool(path) and may_hold_new(os.path.dirname(path)) and not files.exists(path)


def _canonical(element):
    return ET.canonicalize(ET.tostring(element, encoding="unicode"), strip_text=True)


def _listed(found):
    values = {(what, _value(element)): None for what, _parent, element in found}
    return ", ".join(f"{what} ({value})" if value else what for what, value in values)


def _value(element):
    """Return the first path in an element."""
    values = (value for part in element.iter() for value in (part.text or "", *part.attrib.values()))
    return next((value.strip() for value in values if "/" in value), "")


def make_unique(definition: Definition) -> None:
    """Reset the ids that libvirt generates: of sockets of the host (vsock), and of ports of virtual switches."""
    for cid in definition.root.iterfind("devices/vsock/cid"):
        cid.attrib.pop("address", None)
        cid.set("auto", "yes")
    for port in definition.root.iterfind("devices/interface/virtualport[@type='openvswitch']/parameters"):
        port.attrib.pop("interfaceid", None)
    for port in definition.root.iterfind("devices/interface/virtualport[@type='802.1Qbg']/parameters"):
        port.attrib.pop("instanceid", None)


def exclusive_devices(definition: Definition) -> list:
    """Return the devices that only one running VM can have, by their paths in the definition or by their files."""
    found = [path for path in _ONLY_ONE if definition.root.find(path) is not None]
    return found + [
        f"a device that writes to {path}" for mode, _option, path in named_files(definition) if mode == WRITE
    ]
