# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option native: settings under Proxmox VE's own keys. Of disks and NICs only the sub-keys that are named."""

from __future__ import annotations

import re

from ...._lifecycle.errors import ApiError, Refused
from ...._lifecycle.model import LIVE, NEXT_BOOT, POWER_OFF, SUSPENDED
from ...._tools import proxmox_schema as schema
from ...._tools import proxmox_values as values

#: What has an option, by the key without its number.
_OPTIONS = {
    "cores": "cpus", "sockets": "cpus", "smp": "cpus", "memory": "memory", "bios": "firmware",
    "efidisk": "firmware and secure_boot", "tpmstate": "tpm", "ostype": "os_type", "description": "description",
    "tags": "tags", "onboot": "autostart", "protection": "protection", "template": "template",
    "ciuser": "cloud_init.user", "sshkeys": "cloud_init.ssh_authorized_keys", "ipconfig": "cloud_init.ip_config",
    "nameserver": "cloud_init.nameservers", "searchdomain": "cloud_init.search_domains",
    "cipassword": "cloud_init.password", "cdrom": "iso", "node": "node", "pool": "pool", "vmid": "id",
    "storage": "storage", "unused": "disks",
}  # fmt: skip
#: What may be set here while the option does not say it.
_TWICE = {"cpu": ("nested_virtualization", "the CPU type"), "vga": ("display", "the graphics adapter")}
#: All others that the server takes, by the key without its number.
_KNOWN = frozenset((
    "acpi", "affinity", "agent", "allow-ksm", "amd-sev", "arch", "args", "audio", "autostart", "balloon", "boot",
    "bootdisk", "cicustom", "citype", "ciupgrade", "cpu", "cpulimit", "cpuunits", "freeze", "hookscript", "hostpci",
    "hotplug", "hugepages", "intel-tdx", "ivshmem", "keephugepages", "keyboard", "kvm", "localtime", "machine",
    "migrate_downtime", "migrate_speed", "net", "numa", "parallel", "reboot", "rng", "scsihw", "serial", "shares",
    "smbios", "spice_enhancements", "startdate", "startup", "tablet", "tdf", "usb", "vcpus", "vga", "virtiofs",
    "vmgenid", "vmstatestorage", "watchdog", *values.BUSES,
))  # fmt: skip
#: Sub-keys of disks and NICs that have an option.
_SUB_OPTIONS = {
    "net": {"model": "networks", "macaddr": "networks", "bridge": "networks", "tag": "networks"},
    "drive": {"file": "disks", "size": "disks", "media": "iso", "format": "disks", "import-from": "image"},
}
#: Changed of a running VM at once, whatever its hotplug.
_LIVE = frozenset({
    "hookscript", "migrate_downtime", "migrate_speed", "shares", "startup", "vmstatestorage", "cicustom", "citype",
    "ciupgrade", "cpuunits", "cpulimit", "tablet",
})  # fmt: skip
#: Changed of a running VM where its hotplug has this feature.
_PLUGGED = {"usb": "usb", "vcpus": "cpu"}
_LIVE_OF_AGENT = frozenset({"freeze-fs", "fstrim_cloned_disks"})
_LIVE_OF_NIC = frozenset({"firewall", "rate", "link_down", "trunks"})
_LIVE_OF_DISK = re.compile(r"(iops|mbps|bps|iops_rd|iops_wr|mbps_rd|mbps_wr|bps_rd|bps_wr)\w*|backup|replicate|shared")
_CUSTOM = "custom-"
_DEVICE = re.compile(r"(net|hostpci|usb)\d+")


def is_part(key):
    """Whether a key is a disk or a NIC: the task sets some of its sub-keys, and the others stay."""
    return values.bus_of(key) is not None or values.stem(key) == "net"


def adjusted(vm, requested, config):
    """The values as they will be stored; those that mean what is stored already as they are stored.

    An empty one removes the setting. Raises Refused for what has an option.
    """
    for key, value in requested.items():
        _check_key(vm, key)
        _check_value(vm, key, value)
        if is_part(key):
            _check_there(vm, key, config)
    for key, (option, what) in _TWICE.items():
        if key in requested and option in config:
            raise Refused(f"{vm.name}: native: {key} and {option} both set {what}.", "Set only one of them.")
    found = vm.config.get("native") or {}
    settled_values = {key: _adjusted_value(key, found.get(key), _text(value)) for key, value in requested.items()}
    # A disk or NIC that is yet to be created has no sub-keys that could be removed.
    return {key: text for key, text in settled_values.items() if text or found.get(key) or not is_part(key)}


def _check_there(vm, key, config):
    """Refuse parts of a disk or NIC that will not be there."""
    is_card = values.stem(key) == "net"
    option, place, first = ("networks", key[len("net") :], "0") if is_card else ("disks", key, "scsi0")
    # A new VM gets one of each while nothing is said.
    unsaid = {first: {}} if not vm.config and option not in config else {}
    entries = {**unsaid, **(vm.config.get(option) or {}), **(config.get(option) or {})}
    if entries.get(place) is None:
        raise Refused(f"{vm.name}: native: the VM has no {key}.", f"Add it with {option}.")


def _adjusted_value(key, found, requested):
    if is_part(key):
        return found if found and values.holds(key, found, requested) else values.merged(key, found, requested)
    return found if values.same(key, found, requested) else values.switched(key, requested)


def _text(value):
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _check_key(vm, key):
    if key == "name":
        raise Refused(
            f"{vm.name}: native: 'name' cannot be set there: VMs are not renamed.",
            "Rename it in the web interface, and in its tasks.",
        )
    stem = values.stem(key)
    option = _OPTIONS.get(key) or (_OPTIONS.get(stem) if stem != key else None)
    if option:
        raise Refused(f"{vm.name}: native: '{key}' cannot be set there.", f"Use the option {option}.")
    if stem not in _KNOWN:
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
    if not is_part(key):
        return
    if value in (None, ""):
        option = "networks" if values.stem(key) == "net" else "disks"
        raise Refused(f"{vm.name}: native: '{key}' cannot be removed there.", f"Use the option {option}.")
    taken = _SUB_OPTIONS["net" if values.stem(key) == "net" else "drive"]
    for name in values.requested_parts(key, value):
        if name in taken:
            raise Refused(
                f"{vm.name}: native: {name} of '{key}' cannot be set there.", f"Use the option {taken[name]}."
            )


def differing_parts(old, new, key):
    """The sub-keys of a disk's or NIC's value that are to become others; None of those that are to go."""
    before, after = values.parse(key, old or ""), values.parse(key, new)
    return {name: after.get(name) for name in [*before, *after] if before.get(name) != after.get(name)}


def cost_of_native(vm, change):
    if vm.power == SUSPENDED:
        return POWER_OFF
    if change.key in _LIVE or (change.key in _LIVE_UNLESS and not _LIVE_UNLESS[change.key](change)):
        return LIVE
    feature = _PLUGGED.get(values.stem(change.key))
    if feature:
        return _by_hotplug(vm, feature)
    if is_part(change.key):
        named = differing_parts(change.old, change.new, change.key)
        if values.stem(change.key) == "net":
            return LIVE if set(named) <= _LIVE_OF_NIC else _by_hotplug(vm, "network")
        return LIVE if all(_LIVE_OF_DISK.fullmatch(name) for name in named) else NEXT_BOOT
    return NEXT_BOOT


def _by_hotplug(vm, feature):
    return LIVE if feature in vm.config.get("hotplug", ()) else NEXT_BOOT


def _is_other_agent(change):
    """Whether the guest gets another device: how the host uses it changes at once."""
    return not change.new or not set(differing_parts(change.old or "0", change.new, change.key)) <= _LIVE_OF_AGENT


def _adds_or_removes_balloon(change):
    """A balloon of 0 is no device at all."""
    return "0" in (change.old, change.new)


def _plugs_memory(change):
    """Memory that can be plugged has devices of its own."""
    return any("memory" in values.hotplugged(text) for text in (change.old, change.new))


def write_native(writing, change):
    if not is_part(change.key):
        writing.set(change.key, change.new)
        return
    writing.merge(change.key, differing_parts(change.old, change.new, change.key))


def check_values(driver, label, node, keys, options):
    """``keys`` are those of native, ``options`` all options of the VM as they will be."""
    for key in keys:
        text = options.get(key) or ""
        found = schema.wrong_value(key, text)
        if found and driver.release()[0] <= schema.NEWEST:
            raise Refused(f"{label}: native: {key}: '{found[0]}' is not valid.", f"Allowed: {found[1]}.")
        if key == "cpu":
            _check_model(driver, label, node, values.parse("cpu", text).get("cputype"))
        elif key == "boot":
            _check_order(label, values.parse("boot", text).get("order", ""), options)
        elif key == "bootdisk":
            _check_order(label, text, options)
        elif key == "vmstatestorage" and text:
            driver.places.choose_storage(label, node, "images", text)


def _check_model(driver, label, node, model):
    """Custom models are listed only for those who may see them, so an unknown one is left to the server."""
    if not model or model.startswith(_CUSTOM):
        return
    try:
        known = [one["name"] for one in driver.tool.get(f"/nodes/{node}/capabilities/qemu/cpu")]
    except (ApiError, Refused):
        return
    if known and model not in known:
        near = [name for name in known if name.lower().startswith(model[:3].lower())] or known
        raise Refused(
            f"{label}: native: cpu: node '{node}' has no CPU model '{model}'.",
            f"Models: {', '.join(sorted(near)[:12])}; custom ones begin with {_CUSTOM}.",
        )


def _check_order(label, order, options):
    for device in filter(None, re.split(r"[;, ]+", order)):
        if device not in options or not (values.bus_of(device) or _DEVICE.fullmatch(device)):
            bootable = sorted(key for key in options if values.bus_of(key) or _DEVICE.fullmatch(key))
            raise Refused(
                f"{label}: native: boot: the VM has no device '{device}'.", f"Its devices: {', '.join(bootable)}."
            )


#: Changed of a running VM at once, unless this is true of the change.
_LIVE_UNLESS = {"agent": _is_other_agent, "balloon": _adds_or_removes_balloon, "hotplug": _plugs_memory}
