# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: what the definition in a backup of libvirt says about a VM, as an appliance.

Others may have written it. Only the hardware that each platform has is read; everything else is listed as not carried
over, whoever wrote it. Source: libvirt's formatdomain page, and definitions that libvirt 9.0 wrote.
"""

from __future__ import annotations

import math

from ..._core.backup import manifest as manifests
from ..._core.units import KIB
from .descriptor import MOST_CPUS, NEW_MACS, NVRAM, SECURE_BOOT, TPM, Disk, File, Nic, System
from .envelope import Damaged, amount, document, number, whole

_BUSES = ("ide", "nvme", "sata", "scsi", "virtio")
#: {model of a NIC: what an OVF descriptor calls it}
_MODELS = {"pcnet": "pcnet32", **dict.fromkeys(("virtio-transitional", "virtio-non-transitional"), "virtio")}
#: Architectures with the firmware and devices that a new VM has by default, and the suboption for the other one.
_AMD64, _OTHERS = ("x86_64", "i686"), {"aarch64": " (architecture: arm64 sets it)"}
_WINDOWS = "microsoft.com/win"
#: Elements that are read, or that each VM has anyway: of the definition, of its parts, and its devices.
_KNOWN = frozenset({
    "name", "uuid", "genid", "title", "description", "metadata", "memory", "currentMemory", "vcpu", "os", "features",
    "cpu", "clock", "on_poweroff", "on_reboot", "on_crash", "on_lockfailure", "pm", "resource", "devices",
})  # fmt: skip
_OF_SYSTEM = frozenset({"type", "firmware", "boot", "bootmenu", "bios", "nvram"})
_FEATURES = frozenset({"acpi", "apic", "pae", "gic", "smm", "vmport"})
_DEVICES = frozenset({"controller", "graphics", "video", "audio", "memballoon"})
_OF_DISK = frozenset({"driver", "source", "target", "address", "alias", "boot", "backingStore"})
_OF_NIC = frozenset({"mac", "source", "model", "target", "address", "alias", "boot", "driver"})
#: NICs that are devices of the host; and each VM has a keyboard and a mouse.
_PASSED_THROUGH, _INPUTS = ("hostdev", "vdpa"), ("keyboard", "mouse", "tablet")
_NAMES = {
    "filesystem": "shared folder", "hostdev": "device of the host", "serial": "serial port", "sound": "sound card",
    "parallel": "parallel port", "interface": "NIC of the host", "cdrom": "optical drive", "floppy": "floppy drive",
}  # fmt: skip
_LONGEST = 200


def read(content, manifest, keeps_macs):
    """Return the System of a definition, with the disks of the backup's ``manifest``. Raises Damaged."""
    try:
        root = document(content)
        problem = manifests.definition_problem(manifest, root)
        if problem:
            raise Damaged(problem)
        return _system(root, manifest, keeps_macs)
    except Damaged as error:
        raise Damaged(f"has a definition that cannot be used: {error.message}", "Use another backup.") from error


def _system(root, manifest, keeps_macs):
    nics = [one for one in root.findall("devices/interface") if one.get("type") not in _PASSED_THROUGH]
    stated = _get(root.find("vcpu"), "current") or _text(root, "vcpu")
    cpus = number(stated, "the CPUs") if stated else None
    if cpus is not None and not 1 <= cpus <= MOST_CPUS:
        raise Damaged(f"{cpus} CPUs are out of range")
    sizes = [one for name in ("currentMemory", "memory") for one in root.findall(name)]
    lost = [*_lost(root), *([] if keeps_macs or not nics else [NEW_MACS])]
    lost += [f"disk {slot} (the backup does not contain it)" for slot in manifest["excluded"]]
    return System(
        name=manifest["vm"],
        cpus=cpus,
        memory=min((amount(one.text, one.get("unit"), KIB, "the memory") for one in sizes), default=None),
        firmware="uefi" if _is_uefi(root) else "bios",
        is_windows=_get(root.find("clock"), "offset") == "localtime"
        or any(_WINDOWS in value for one in root.iterfind("metadata//*") for value in one.attrib.values()),
        disks=_disks(root, manifest),
        nics=tuple(map(_nic, nics)),
        lost=tuple(dict.fromkeys(lost)),
    )


def _get(element, name):
    return "" if element is None else element.get(name) or ""


def _text(element, path):
    return (element.findtext(path) or "").strip()


def _drives(root):
    """Return {slot: element} of the disks, as a backup has them."""
    disks = [one for one in root.findall("devices/disk") if one.get("device", "disk") in ("disk", "lun")]
    return {_get(one.find("target"), "dev"): one for one in disks}


def _is_uefi(root):
    loader = root.find("os/loader")
    return _get(root.find("os"), "firmware") == "efi" or "pflash" in _get(loader, "type") or _has(root, "os/nvram")


def _has(root, path):
    return root.find(path) is not None


def _disks(root, manifest):
    """Return the disks in the order in which the firmware tries them: without an order, libvirt starts the first."""
    drives = _drives(root)
    places = {slot: whole(_get(one.find("boot"), "order")) or math.inf for slot, one in drives.items()}
    stored = manifests.disks_of(manifest)
    return tuple(
        Disk(slot, _bus(drives[slot]), File(stored[slot]["name"]), stored[slot]["virtual_size"])
        for slot in sorted((slot for slot in drives if slot in stored), key=places.get)
    )


def _bus(drive):
    bus = _get(drive.find("target"), "bus")
    return bus if bus in _BUSES else "sata"


def _nic(element):
    """Return a NIC; its network is that of libvirt, a bridge or a device of the host, else its type, such as user."""
    source = element.find("source")
    names = (_get(source, name) for name in ("network", "bridge", "dev"))
    model = _get(element.find("model"), "type")
    models = (_MODELS.get(model, model),) if model else ()
    network = next(filter(None, names), element.get("type") or "")
    return Nic(network, models, _get(element.find("mac"), "address"))


# What is not carried over ---------------------------------------------------------------------------------------------


def _lost(root):
    """Yield all of a definition that has no counterpart."""
    machine = root.find("os/type")
    arch = _get(machine, "arch")
    yield from [f"architecture {arch}{_OTHERS.get(arch, '')}"] if arch not in ("", *_AMD64) else ()
    yield from [f"machine type {_get(machine, 'machine')}"] if _get(machine, "machine") else ()
    yield from _lost_of_firmware(root)
    model = _text(root, "cpu/model") or _get(root.find("cpu"), "mode")
    yield from [f"CPU model {model[:_LONGEST]}"] if model else ()
    yield from _parts(root.find("cpu"), {"model"}, "CPU ")
    yield from _parts(root.find("features"), _FEATURES, "feature ")
    yield from _parts(root, _KNOWN, "element ")
    for device in (one for part in root.findall("devices") for one in part if one.tag not in _DEVICES):
        yield from _lost_of_device(device)


def _lost_of_firmware(root):
    features = {one.get("name") for one in root.findall("os/firmware/feature") if one.get("enabled") == "yes"}
    if "secure-boot" in features or _get(root.find("os/loader"), "secure") == "yes":
        yield SECURE_BOOT
    yield from [NVRAM] if _is_uefi(root) else ()
    yield from _parts(root.find("os"), _OF_SYSTEM, "")
    boots = [one.get("dev") == "network" for one in root.findall("os/boot")]
    yield from ["start from the network"] if any(boots) or _has(root, "devices/interface/boot") else ()


def _lost_of_device(device):
    """Yield a device that the VM does not get, or what of a disk or NIC it does not get."""
    kind = device.get("device", "disk") if device.tag == "disk" else device.tag
    if kind in ("disk", "lun"):
        yield from _parts(device, _OF_DISK, f"of the disk {_get(device.find('target'), 'dev')}: ")
    elif kind == "interface" and device.get("type") not in _PASSED_THROUGH:
        yield from _parts(device, _OF_NIC, f"of the NIC {_get(device.find('mac'), 'address')}: ")
    elif kind == "tpm" and _get(device.find("backend"), "type") == "emulator":
        yield TPM
    elif kind == "console" and _get(device.find("target"), "type") == "serial":
        return  # A second name of the first serial port.
    elif kind != "input" or device.get("type") not in _INPUTS:
        yield _named(device, _NAMES.get(kind, kind if kind == "emulator" else f"device {kind}"))


def _parts(parent, known, begin):
    """Return the names of the parts of an element, without those that are known."""
    parts = [] if parent is None else [one for one in parent if one.tag not in known]
    return [_named(one, f"{begin}{_plain(one.tag)}") for one in parts]


def _plain(tag):
    """Return the name of an element, with the hypervisor that a namespace is for, such as qemu:commandline."""
    space, _brace, name = tag.rpartition("}")
    return f"{space.split('/')[-2] if space.count('/') > 1 else space}:{name}" if space else name


def _named(element, name):
    """Return the name of an element with the first path in it, else with its model, type or text."""
    parts = [*element.iter()]
    values = [value.strip() for one in parts for value in (one.text or "", *one.attrib.values())]
    paths = [value for value in values if value.startswith("/")]
    kind = element.get("type") if element.tag != "disk" else None
    words = (_get(element.find("target"), "name"), *map(element.get, ("model", "name", "state")), kind)
    detail = next(filter(None, (*paths[:1], *words)), "")
    return f"{name} ({detail[:_LONGEST]})" if detail else name
