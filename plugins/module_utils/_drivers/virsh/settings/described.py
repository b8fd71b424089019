# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a definition has besides the settings of options, to describe a VM: paths of ``native``, and all else."""

from __future__ import annotations

from ..definition import DEFAULT_MACHINE_TYPE, source_of, target_of
from .native import same_native

#: {path of native: its value in a new VM, None if it is missing}
_PATHS = {
    "os/type@machine": DEFAULT_MACHINE_TYPE,
    "os/kernel": None,
    "os/initrd": None,
    "os/cmdline": None,
    "cpu@mode": None,
    "cpu/model": None,
    "clock@offset": "utc",
    "on_poweroff": "destroy",
    "on_reboot": "restart",
    "on_crash": "destroy",
    "iothreads": None,
}
#: CPUs of new VMs, by the type of the domain: cpu@mode and cpu/model.
_CPUS = {"kvm": ("host-passthrough", None), "qemu": ("custom", "qemu64")}
#: Elements of a domain, of its features and of its devices that options set, that are described by paths of native, or
#: that libvirt adds itself.
_KNOWN = {
    ".": (
        "name", "uuid", "metadata", "description", "memory", "currentMemory", "vcpu", "vcpus", "os", "features", "cpu",
        "clock", "on_poweroff", "on_reboot", "on_crash", "devices", "iothreads", "resource", "seclabel", "pm",
        "memoryBacking",
    ),
    "os": ("type", "boot", "kernel", "initrd", "cmdline", "loader", "nvram", "firmware"),
    "features": ("acpi", "apic", "pae", "vmport", "smm"),
    "cpu": ("model", "feature"),
    "devices": (
        "emulator", "disk", "controller", "interface", "serial", "console", "channel", "input", "graphics", "video",
        "audio", "memballoon", "rng", "watchdog", "tpm", "filesystem",
    ),
}  # fmt: skip
#: The same for disks and NICs.
_OF_DISK = ("driver", "source", "target", "address", "alias", "backingStore", "boot", "readonly", "auth")
_OF_NIC = ("mac", "source", "target", "model", "address", "alias", "boot", "backend", "portForward", "virtualport")


def described_native(definition):
    """{path of native: value} of the values that a new VM does not have."""
    found = {path: definition.native(path) for path in _PATHS}
    mode, model = _CPUS.get(definition.root.get("type"), (None, None))
    if found["cpu@mode"] == mode and found["cpu/model"] in (None, model):
        found.update({"cpu@mode": None, "cpu/model": None})
    return {
        path: value
        for path, value in found.items()
        if value and not (_PATHS[path] and same_native(value, _PATHS[path]))
    }


def not_modelled(definition):
    """The paths of all elements that a task cannot describe."""
    found = []
    for parent, known in _KNOWN.items():
        element = definition.root if parent == "." else definition.root.find(parent)
        prefix = "" if parent == "." else f"{parent}/"
        found += [
            f"{prefix}{_tag(child)}" for child in (() if element is None else element) if _tag(child) not in known
        ]
    for disk in definition.drives("disk", "lun"):
        path = f"devices/disk[{target_of(disk)}]"
        found += [f"{path}/{_tag(child)}" for child in disk if _tag(child) not in _OF_DISK]
        driver = disk.find("driver")
        names = () if driver is None else set(driver.attrib) - {"name", "type"}
        found += [f"{path}/driver@{name}" for name in sorted(names)]
    found += [
        f"devices/disk[{target_of(disk)}]: {source_of(disk) or 'no'} floppy" for disk in definition.drives("floppy")
    ]
    for place, nic in enumerate(definition.interfaces()):
        found += [f"devices/interface[{place + 1}]/{_tag(child)}" for child in nic if _tag(child) not in _OF_NIC]
    return tuple(dict.fromkeys(found))


def _tag(element):
    """The name of an element; without the address of its namespace."""
    return element.tag.rpartition("}")[2]
