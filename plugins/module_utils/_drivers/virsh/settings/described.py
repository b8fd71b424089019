# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a definition has besides the settings of options, to describe a VM: paths of ``native``, and all else."""

from __future__ import annotations

from ...._core.options.devices import PCI
from ...._tools.domain_xml import DEFAULT_MACHINE_TYPE, target_of
from .devices import is_described
from .native import same_native

#: {path of native: its value in a new VM, None if it is missing}
_PATHS = {
    "os/type@machine": DEFAULT_MACHINE_TYPE,
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
        "audio", "memballoon", "rng", "watchdog", "tpm", "filesystem", "hostdev",
    ),
}  # fmt: skip
#: The same for disks, devices of the host, and NICs.
_OF_DISK = ("driver", "source", "target", "address", "alias", "backingStore", "boot", "auth", "serial")
_OF_DEVICE = ("source", "address", "alias", "driver")
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
    """{path: reason} of all elements that a task cannot describe."""
    found = []
    for parent, known in _KNOWN.items():
        element = definition.root if parent == "." else definition.root.find(parent)
        prefix = "" if parent == "." else f"{parent}/"
        found += [f"{prefix}{tag}" for tag in _tags(element) if tag not in known]
    for disk in definition.drives("disk", "lun"):
        path = f"devices/disk[{target_of(disk)}]"
        found += [f"{path}/{tag}" for tag in _tags(disk) if tag not in _OF_DISK]
        driver = disk.find("driver")
        names = () if driver is None else set(driver.attrib) - {"name", "type"}
        found += [f"{path}/driver@{name}" for name in sorted(names)]
    found += [f"devices/disk[{target_of(disk)}]" for disk in definition.drives("floppy")]
    for place, nic in enumerate(definition.interfaces(), 1):
        found += [f"devices/interface[{place}]/{tag}" for tag in _tags(nic) if tag not in _OF_NIC]
    for place, device in enumerate(definition.devices.findall("hostdev"), 1):
        path = f"devices/hostdev[{place}]"
        found += _not_of_device(path, device) if is_described(device) else [path]
    return dict.fromkeys(found, "Neither an option nor native describes it.")


def _not_of_device(path, device):
    """The parts of a device of the host that a task cannot describe: libvirt takes a PCI device from its driver."""
    is_kept = device.get("type") == PCI and device.get("managed") != "yes"
    return [f"{path}@managed"] * is_kept + [f"{path}/{tag}" for tag in _tags(device) if tag not in _OF_DEVICE]


def _tags(element):
    """The names of the children of an element, without the addresses of their namespaces."""
    return [] if element is None else [child.tag.rpartition("}")[2] for child in element]
