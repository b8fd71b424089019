# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the ``native`` option: which paths of the domain XML it accepts, and which values count as equal."""

from __future__ import annotations

import re

from ...._core.errors import Refused
from ...._core.pattern import Pattern
from ...._kit.native_paths import CONDITION, check_path, has_option, option_for, same_text
from ...._kit.settings import Setting
from ...._tools.domain_xml import split_path
from .architecture import row_in
from .cdroms import option_of

#: Names of QEMU's versioned machine types without the version, by their alias.
_VERSIONED_MACHINE_TYPES = {
    "pc": "pc-i440fx",
    "q35": "pc-q35",
    "virt": "virt",
    "pseries": "pseries",
    "s390-ccw-virtio": "s390-ccw-virtio",
}
_STEP = Pattern(rf"[\w:.-]+{CONDITION}")
#: What options set of a drive, and devices that an option adds: a path of them creates the device.
_OF_DRIVE = Pattern(r"\Z|@(type|device)\Z|(source|target|backingStore|mirror|serial)\b|driver@type\Z")
_DEVICES = {
    "disk": "disks", "interface": "networks", "hostdev": "devices", "filesystem": "shared_folders", "tpm": "tpm",
    "graphics": "display",
}  # fmt: skip
#: Parts of a disk that options set; other values of ``iotune`` have none.
_OF_DISK = Pattern(r"iotune(/total_(iops|bytes)_sec)?\Z")
#: CPU features of nested virtualization.
_NESTED = ("svm", "vmx")
#: Patterns like those of the settings, for what is no setting of a VM.
_NO_SETTINGS = {r"name\b": "name", r"uuid\b": "id", r"metadata\b": "tags"}
#: Paths that libvirt sets itself if the firmware is selected by the option firmware.
_FIRMWARE_FILES = Pattern(r"os/(loader|nvram)(?![\w])")
#: {path of native: its value in a new VM, None if it is missing}
_DESCRIBED = {
    "os/kernel": None,
    "os/initrd": None,
    "os/cmdline": None,
    "cpu@mode": None,
    "cpu/model": None,
    "on_poweroff": "destroy",
    "on_reboot": "restart",
    "on_crash": "destroy",
    "iothreads": None,
}


def same_native(found, requested):
    """Whether two values are equal. libvirt stores machine types with a version: pc-q35-7.2 for the requested q35.

    Distributions have versions of their own, such as pc-q35-rhel9.4.0 and pc-q35-noble.
    """
    found, requested = _text(found), _text(requested)
    if same_text(found, requested):
        return True
    versioned = _VERSIONED_MACHINE_TYPES.get(requested)
    return versioned is not None and bool(re.fullmatch(rf"{versioned}-[\w.-]+", found))


def described_native(definition):
    """{path of native: value} of the values that a new VM does not have."""
    row = row_in(definition)
    usual = {"os/type@machine": row.machine, **_DESCRIBED}
    found = {path: definition.native(path) for path in usual}
    mode, model = row.cpus.get(definition.root.get("type"), (None, None))
    if found["cpu@mode"] == mode and found["cpu/model"] in (None, model):
        found.update({"cpu@mode": None, "cpu/model": None})
    return {
        path: value for path, value in found.items() if value and not (usual[path] and same_native(value, usual[path]))
    }


def versioned_machine(machine):
    """A machine type as libvirt stores it, with a version: firmware is described for these names."""
    versioned = _VERSIONED_MACHINE_TYPES.get(machine)
    return f"{versioned}-0" if versioned else machine


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def check_native(vm, config, options):
    """Reject keys that are not paths, that contain a secret, or that belong to an option.

    ``options`` is {pattern for the beginning of a path: option that sets it}, for paths with and without conditions.
    """
    for key, value in (config.get("native") or {}).items():
        option = option_for(key, {**_NO_SETTINGS, **options})
        if option:
            raise has_option(vm.name, key, option)
        if _FIRMWARE_FILES.match(key) and config.get("firmware"):
            raise Refused(
                f"{vm.name}: native: '{key}' and the option firmware cannot be combined.",
                "Omit one of them: firmware selects the files itself.",
            )
        check_path(vm.name, key, value, "a domain XML", "os/type@machine")


# In a definition ------------------------------------------------------------------------------------------------------


def write_native(definition, change):
    """Set the value at a path, unless it is that of an option: a position does not say what is there."""
    option = _option_in(definition, change.key)
    if option:
        raise has_option(definition.name, change.key, option)
    definition.set_native(change.key, change.new)


def _option_in(definition, key):
    """The option that sets what a path leads to in this definition, or None."""
    path, attribute = split_path(key)
    steps, element = [match[0] for match in _STEP.finditer(path)], definition.element_at(key)
    top, *tags = [step.partition("[")[0] for step in steps]
    if top == "cpu" and element is not None and element.get("name") in _NESTED:
        return "nested_virtualization"
    if top != "devices" or not tags:
        return None
    device = _device_with(definition, element, "/".join(steps[:2]))
    if device is None or tags[0] != "disk":
        return _DEVICES.get(tags[0]) if device is None else None
    return _option_of_drive(definition, device, "/".join(tags[1:]) + (f"@{attribute}" if attribute else ""))


def _device_with(definition, element, path):
    """The device that ``element`` is part of; the one to which it would be added if it does not exist."""
    if element is None:
        return definition.root.find(path)
    return next((one for one in definition.devices if any(part is element for part in one.iter())), None)


def _option_of_drive(definition, drive, part):
    """The option that sets a part of a drive."""
    if drive.get("device", "disk") in ("disk", "lun") and _OF_DISK.match(part):
        return "disks"
    if not _OF_DRIVE.match(part):
        return None
    if drive.get("device", "disk") != "cdrom":
        return "disks" if drive.get("device") != "floppy" or part == "@device" else None
    return option_of(definition, drive).partition(".")[0]


NATIVE = {"native": Setting(same=same_native, write=write_native)}
