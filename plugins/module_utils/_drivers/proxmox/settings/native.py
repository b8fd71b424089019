# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the option native: settings by the server's own keys. For disks and NICs, only given sub-keys are set."""

from __future__ import annotations

import re
from contextlib import suppress

from ...._core.errors import ApiError, Refused
from ...._core.model import LIVE, NEXT_BOOT
from ...._core.pattern import Pattern
from ...._kit.settings import Setting, options_of_native
from ...._tools import proxmox_schema as schema
from ...._tools import proxmox_values as values
from .architecture import ARCHITECTURE
from .cloud_init import CLOUD_INIT
from .devices import STEMS, is_plain
from .disks import DISKS, LIMITS, check_limits, size_of_volume
from .firmware import FIRMWARE
from .hardware import HARDWARE, PLACE, cost_by_hotplug
from .iso import ISO
from .notes import NOTES

#: {key without its number: option of the module that sets it}.
_OPTIONS = {
    **options_of_native({**ARCHITECTURE, **HARDWARE, **NOTES, **PLACE, **FIRMWARE, **DISKS, **ISO, **CLOUD_INIT}),
    "efidisk": "firmware and secure_boot",
    "vmid": "id",
    "name": "name; with id and allow_rename: true, the VM gets that name",
    "storage": "storage",
}
#: {key: (option, what both set)}: the key is allowed only if the task does not set the option.
_CONFLICTS = {"cpu": ("nested_virtualization", "the CPU type"), "vga": ("display", "the graphics adapter")}
#: All other keys of the server, without their numbers.
_OTHER_KEYS = frozenset((
    "acpi", "affinity", "agent", "allow-ksm", "amd-sev", "args", "audio", "autostart", "balloon", "boot",
    "bootdisk", "cicustom", "citype", "ciupgrade", "cpu", "cpulimit", "cpuunits", "freeze", "hookscript", "hostpci",
    "hotplug", "hugepages", "intel-tdx", "ivshmem", "keephugepages", "keyboard", "kvm", "localtime", "machine",
    "migrate_downtime", "migrate_speed", "net", "numa", "parallel", "reboot", "rng", "scsihw", "serial", "shares",
    "smbios", "spice_enhancements", "startdate", "startup", "tablet", "tdf", "usb", "vcpus", "vga", "virtiofs",
    "vmgenid", "vmstatestorage", "watchdog", *values.BUSES,
))  # fmt: skip
_OF_DISKS = ("file", "size", "format", "serial", *(limit.name for limit in LIMITS.values()))
#: Sub-keys of disks and NICs that are set by an option of the module.
_SUB_OPTIONS = {
    "net": {"model": "networks", "macaddr": "networks", "bridge": "networks", "tag": "networks", "trunks": "networks"},
    "drive": {**dict.fromkeys(_OF_DISKS, "disks"), "media": "iso", "import-from": "image"},
}
#: Keys that are changed at once on a running VM, whatever its option hotplug is.
_LIVE_KEYS = frozenset({
    "hookscript", "migrate_downtime", "migrate_speed", "shares", "startup", "vmstatestorage", "cicustom", "citype",
    "ciupgrade", "cpuunits", "cpulimit",
})  # fmt: skip
#: {key without its number: feature of hotplug that is needed to change it on a running VM}.
_HOTPLUG_FEATURES = {"usb": "usb", "tablet": "usb", "vcpus": "cpu"}
_LIVE_OF_AGENT = frozenset({"fstrim_cloned_disks"})
_LIVE_OF_NIC = frozenset({"firewall", "rate", "link_down"})
_LIVE_OF_DISK = Pattern(r"(iops|mbps|bps|iops_rd|iops_wr|mbps_rd|mbps_wr|bps_rd|bps_wr)\w*|backup|replicate|shared")
_CUSTOM = "custom-"
_DEVICE = Pattern(r"(net|hostpci|usb)\d+")


def is_disk_or_nic(key):
    """Whether a key is a disk or a NIC. Sub-keys that the task does not set are not changed."""
    return values.bus_of(key) is not None or values.stem(key) == "net"


def _normalized(vm, requested, known):
    """The values as they will be stored. A value that means the same as the stored one is returned as stored.

    An empty value removes the setting. Raises Refused for keys that are set by another option.
    """
    for key, value in requested.items():
        _check_key(vm, key)
        _check_value(vm, key, value)
    found = vm.config.get("native") or {}
    stored = {key: _normalized_value(key, found.get(key), _text(value)) for key, value in requested.items()}
    # A disk or NIC that does not exist yet has no sub-keys to remove.
    return {key: text for key, text in stored.items() if text or found.get(key) or not is_disk_or_nic(key)}


#: Keys that identify a VM, or that the server sets itself.
_IDS = frozenset({"digest", "meta", "smbios", "vmgenid", "lock", "parent", "snaptime", "snapstate", "vmstate", "name"})
#: Options of new VMs, unless the task sets others.
DEFAULT_OPTIONS = {"scsihw": "virtio-scsi-single"}
#: Types of the display adapter that display.type sets.
_DISPLAYS = ("std", "qxl", "none")


def described_native(options):
    """{key: text} of the options that no option of the module sets, and that a new VM does not have."""
    others = {key: text for key, text in options.items() if values.stem(key) in _OTHER_KEYS - _IDS}
    others = {**dict.fromkeys(DEFAULT_OPTIONS, ""), **others}
    kept = {key: text or values.default(key) for key, text in others.items() if not _is_new(key, text)}
    return {key: text for key, text in kept.items() if as_native_option(key, text)}


def _is_new(key, text):
    """Whether a new VM has this value, too."""
    return not is_disk_or_nic(key) and values.same(key, text or None, DEFAULT_OPTIONS.get(key))


def as_native_option(key, text):
    """The text of a key as a task sets it: without the parts that options of the module set; empty if none are left."""
    parts = values.parse(key, text)
    if key == "vga" and set(parts) <= {"type", "memory"} and parts.get("type", "std") in _DISPLAYS:
        return ""
    if values.stem(key) in STEMS and is_plain(key, text):
        return ""
    if not is_disk_or_nic(key):
        return text
    taken = {*_SUB_OPTIONS["net" if values.stem(key) == "net" else "drive"]}
    if values.is_cdrom(parts):
        return ""
    return values.printed(key, {name: part for name, part in parts.items() if name not in taken})


def not_modelled(options):
    """{key: reason} of the keys of a VM that a task cannot describe."""
    known = {*_OPTIONS, *_OTHER_KEYS, *_IDS, "unused"}
    others = sorted(key for key in options if not {key, values.stem(key)} & known)
    secret = {"native.cipassword": "It is a secret, which is never written."} if "cipassword" in options else {}
    return {**{f"native.{key}": "This collection does not know the key." for key in others}, **secret}


def check_native(vm, config):
    """Raise Refused if native and other options of a task do not fit together."""
    requested = config.get("native") or {}
    for key in filter(is_disk_or_nic, requested):
        _check_device_exists(vm, key, config)
    for key, (option, what) in _CONFLICTS.items():
        if key in requested and option in config:
            raise Refused(f"{vm.name}: native: {key} and {option} both set {what}.", "Set only one of them.")
    devices = [key for key in requested if values.stem(key) in STEMS]
    if devices and "devices" in config:
        raise Refused(f"{vm.name}: native: {devices[0]} and devices both set devices.", "Set only one of them.")


def _check_device_exists(vm, key, config):
    """Raise Refused for sub-keys of a disk or NIC that the VM will not have."""
    is_nic = values.stem(key) == "net"
    option, place, first = ("networks", key[len("net") :], "0") if is_nic else ("disks", key, "scsi0")
    # Without these options, a new VM gets one disk and one NIC.
    default = {first: {}} if not vm.config and option not in config else {}
    entries = {**default, **(vm.config.get(option) or {}), **(config.get(option) or {})}
    if entries.get(place) is None:
        raise Refused(f"{vm.name}: native: the VM has no {key}.", f"Add it with {option}.")


def _normalized_value(key, found, requested):
    if is_disk_or_nic(key):
        return found if found and values.holds(key, found, requested) else values.merged(key, found, requested)
    return found if values.same(key, found, requested) else values.switched(key, requested)


def _text(value):
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _check_key(vm, key):
    stem = values.stem(key)
    option = _OPTIONS.get(key) or (_OPTIONS.get(stem) if stem != key else None)
    if option:
        raise Refused(f"{vm.name}: native: '{key}' cannot be set there.", f"Use the option {option}.")
    if stem not in _OTHER_KEYS:
        raise Refused(f"{vm.name}: native: '{key}' is not a known setting.", "See the options of qm set in its manual.")


def _check_value(vm, key, value):
    if isinstance(value, (dict, list)):
        raise Refused(
            f"{vm.name}: native: the value of '{key}' is a list or a mapping.", "Write it as qm set takes it."
        )
    if key == "vmgenid" and _text(value) == "1":
        raise Refused(
            f"{vm.name}: native: vmgenid '1' means a new id, so every run would change it.",
            "Set the id (a UUID), or 0 for none.",
        )
    if not is_disk_or_nic(key):
        return
    if value in (None, ""):
        option = "networks" if values.stem(key) == "net" else "disks, cdroms or cloud_init"
        raise Refused(f"{vm.name}: native: '{key}' cannot be removed there.", f"Use the option {option}.")
    taken = _SUB_OPTIONS["net" if values.stem(key) == "net" else "drive"]
    for name in values.requested_parts(key, value):
        if name in taken:
            raise Refused(
                f"{vm.name}: native: {name} of '{key}' cannot be set there.", f"Use the option {taken[name]}."
            )


def changed_sub_keys(old, new, key):
    """{sub-key: new value, or None to remove it} of the differences between two values of a key."""
    before, after = values.parse(key, old or ""), values.parse(key, new)
    return {name: after.get(name) for name in [*before, *after] if before.get(name) != after.get(name)}


def _cost(vm, change):
    if change.key in _LIVE_KEYS or (change.key in _LIVE_UNLESS and not _LIVE_UNLESS[change.key](change)):
        return LIVE
    feature = _HOTPLUG_FEATURES.get(values.stem(change.key))
    if feature:
        return cost_by_hotplug(feature, vm)
    if is_disk_or_nic(change.key):
        changed = changed_sub_keys(change.old, change.new, change.key)
        if values.stem(change.key) == "net":
            return LIVE if set(changed) <= _LIVE_OF_NIC else cost_by_hotplug("network", vm)
        return LIVE if all(_LIVE_OF_DISK.fullmatch(name) for name in changed) else NEXT_BOOT
    return NEXT_BOOT


def _waits_with_agent(change):
    """Whether a change of the agent waits: all but one of its sub-keys do (vmconfig_update_agent)."""
    if not change.old or not change.new:
        return True
    return not set(changed_sub_keys(change.old, change.new, change.key)) <= _LIVE_OF_AGENT


def _adds_or_removes_balloon(change):
    """Whether the change adds or removes the balloon device: with 0 there is none."""
    return "0" in (change.old, change.new)


def _plugs_memory_or_cpus(change):
    """Whether hotplug of memory or CPUs is on before or after the change, which needs other devices."""
    return any({"memory", "cpu"} & set(values.hotplugged(text)) for text in (change.old, change.new))


def _write(update, change):
    if not is_disk_or_nic(change.key):
        update.set(change.key, change.new)
        return
    update.merge(change.key, changed_sub_keys(change.old, change.new, change.key))


def check_values(driver, label, node, keys, options):
    """Check the values of ``keys``, which native sets; ``options`` are all options of the VM after the change."""
    check_limits(label, filter(values.bus_of, keys), options)
    for key in keys:
        text = options.get(key) or ""
        found = schema.wrong_value(key, text)
        if found and driver.release()[0] <= schema.NEWEST:
            raise Refused(f"{label}: native: {key}: '{found[0]}' is not valid.", f"Allowed: {found[1]}.")
        if key == "cpu":
            _check_model(driver, label, node, values.parse("cpu", text).get("cputype"))
        elif key == "machine":
            _check_iommu(label, values.parse("machine", text))
        elif key == "boot":
            _check_order(label, values.parse("boot", text).get("order", ""), options)
        elif key == "hotplug":
            _check_memory_hotplug(label, text, options)
        elif key == "cicustom":
            _check_documents(driver, label, node, text)
        elif key == "bootdisk":
            _check_order(label, text, options)
        elif key == "vmstatestorage" and text:
            driver.resources.choose_storage(label, node, "images", text)


def _check_memory_hotplug(label, text, options):
    if "memory" in values.hotplugged(text) and options.get("numa") != "1":
        raise Refused(
            f"{label}: native: hotplug: a VM with hotplug of memory and without NUMA does not start.",
            "Set native: {numa: 1} as well.",
        )


def _check_iommu(label, machine):
    if machine.get("viommu") == "intel" and "q35" not in machine.get("type", ""):
        raise Refused(
            f"{label}: native: machine: viommu=intel needs the machine q35, and it is {machine.get('type') or 'pc'}.",
            "Set native: {machine: 'q35,viommu=intel'}, or viommu=virtio.",
        )


def _check_documents(driver, label, node, text):
    """Raise NotFound for a document that is missing: the server would store its name and not start the VM."""
    for volume in values.parse("cicustom", text).values():
        # An account may name a document that it may not list.
        with suppress(Refused):
            size_of_volume(driver, f"{label}: native: cicustom", node, volume)


def _check_model(driver, label, node, model):
    """Raise Refused for an unknown CPU model. Only accounts with Sys.Audit on /nodes see which custom ones exist."""
    if not model or (model.startswith(_CUSTOM) and not driver.permissions.has("/nodes", "Sys.Audit")):
        return
    try:
        known = [entry["name"] for entry in driver.tool.get(f"/nodes/{node}/capabilities/qemu/cpu")]
    except (ApiError, Refused):
        return
    if known and model not in known:
        similar = [name for name in known if name.lower().startswith(model[:3].lower())] or known
        raise Refused(
            f"{label}: native: cpu: node '{node}' has no CPU model '{model}'.",
            f"Models: {', '.join(sorted(similar)[:12])}; custom ones begin with {_CUSTOM}.",
        )


def _check_order(label, order, options):
    for device in filter(None, re.split(r"[;, ]+", order)):
        if device not in options or not (values.bus_of(device) or _DEVICE.fullmatch(device)):
            bootable = sorted(key for key in options if values.bus_of(key) or _DEVICE.fullmatch(key))
            raise Refused(
                f"{label}: native: boot: the VM has no device '{device}'.", f"Its devices: {', '.join(bootable)}."
            )


#: {key: function of a change}: it is made at once on a running VM, unless the function returns True.
_LIVE_UNLESS = {"agent": _waits_with_agent, "balloon": _adds_or_removes_balloon, "hotplug": _plugs_memory_or_cpus}

NATIVE = {"native": Setting(cost=_cost, normalize=_normalized, write=_write)}
