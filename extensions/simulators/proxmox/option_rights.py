# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges that single options of a VM need (check_vm_modify_config_perm and its neighbours in API2/Qemu.pm).

Most options need a privilege by their name, which is checked before all else. Drives and devices need one by their
value: of an existing VM, also by the value that is replaced or removed, and only after its lock was checked. A creation
asks no privilege on the VM for its drives (cloud_init_rights).
"""

from __future__ import annotations

import re

from . import drives, privileges, propertystring
from .errors import ApiError

# ASSUMED for single options that no recording has: the groups are from the server's documentation.
#: {privileges: options that need one of them}. Only root@pam may set other options.
_GROUPS = {
    ("VM.Config.Memory",): r"memory|balloon|shares|allow-ksm",
    ("VM.Config.CPU",): r"cores|sockets|cpu|cpulimit|cpuunits|vcpus|smp|numa\d*",
    ("VM.Config.Network",): r"net\d+",
    ("VM.Config.Cloudinit", "VM.Config.Network"): r"cicustom|cipassword|citype|ciuser|ciupgrade|sshkeys|ipconfig\d+"
    r"|nameserver|searchdomain",
    ("VM.Config.HWType",): r"acpi|hotplug|kvm|machine|scsihw|smbios1|tablet|vga|watchdog|audio0|rng0",
    ("VM.Config.Options",): r"agent|autostart|bios|description|keyboard|localtime|migrate_downtime|migrate_speed|name"
    r"|onboot|ostype|protection|reboot|startdate|startup|tdf|template",
    ("VM.PowerMgmt",): r"freeze",
    ("VM.Config.Disk",): r"boot|bootdisk|vmstatestorage|virtiofs\d+",
}
#: Options of which the value matters.
_BY_VALUE = re.compile(r"(?:hostpci|serial|unused|usb)\d+|cdrom|tags")
_NIC = re.compile(r"net\d+")
_MAPPED = (("pci", "hostpci", "mapping"), ("usb", "usb", "mapping"), ("dir", "virtiofs", "dirid"))


def check_names(call, vmid, keys, pool=None):
    """Check the privileges that options need by their names. ``pool`` is that of a new VM."""
    if call.user.is_root:
        return
    for key in sorted(keys):
        if drives.is_drive(key) or _BY_VALUE.fullmatch(key):
            continue
        if key == "vmstate":
            privileges.check_vm(call, vmid, ["VM.Config.Disk", "VM.PowerMgmt"], pool=pool)
            continue
        wanted = next((held for held, pattern in _GROUPS.items() if re.fullmatch(pattern, key)), None)
        if wanted is None:
            raise ApiError(f"only root can set '{key}' config")
        privileges.check_vm(call, vmid, wanted, any_of=True, pool=pool)
        if key == "startup":
            call.world.access.require(call.user, "/", ["Sys.Modify"])


def check_new(call, options, pool=None):
    """Check what a creation or a restore sets; ``options`` are the parameters."""
    if call.user.is_root:
        return
    check_names(call, call.vmid, options, pool)
    for key, value in sorted(options.items()):
        if not drives.is_drive(key):
            _check_device(call, key, value, pool)
        if _NIC.fullmatch(key):
            check_bridge(call, key, value)
    check_cpu_model(call, options.get("cpu"))


def check_changed(call, old, options, deletes):
    """Check the values of an existing VM that are set, replaced or removed; ``old`` are its present options."""
    if call.user.is_root:
        return
    for key in deletes:
        if key in old:
            _check_value(call, key, old[key])
            if _NIC.fullmatch(key):
                check_bridge(call, key, old[key])
    for key, value in sorted(options.items()):
        for one in filter(None, (old.get(key), value)):
            _check_value(call, key, one)
        if _NIC.fullmatch(key) and key in old:
            check_bridge(call, key, old[key])
    check_cpu_model(call, options.get("cpu"), old.get("cpu"))


def _check_value(call, key, value):
    if drives.is_drive(key):
        drive = drives.parse(call.world.schema, key, value)
        if drives.is_cloudinit(drive):
            privileges.check_vm(call, call.vmid, ["VM.Config.Cloudinit"])
        privileges.check_vm(call, call.vmid, ["VM.Config.CDROM" if _is_optical(drive) else "VM.Config.Disk"])
    elif drives.is_unused(key):
        privileges.check_vm(call, call.vmid, ["VM.Config.Disk"])
    else:
        _check_device(call, key, value)


def _is_optical(drive):
    return drives.is_cdrom(drive) or drives.is_cloudinit(drive)


def _check_device(call, key, value, pool=None):
    if key == "tags":
        privileges.check_vm(call, call.vmid, ["VM.Config.Options"], pool=pool)
    if re.fullmatch(r"(?:hostpci|serial|usb)\d+", key):
        _check_real_device(call, key, value)
        privileges.check_vm(call, call.vmid, ["VM.Config.HWType"], pool=pool)
    check_mapping(call, key, value)


def _check_real_device(call, key, value):
    """Only root@pam may use, replace or remove devices of a node that have no mapping."""
    if call.user.is_root:
        return
    if key.startswith("hostpci") and "mapping=" not in value:
        raise ApiError(f"only root can set '{key}' config for non-mapped devices")
    if key.startswith("usb") and "mapping=" not in value and "spice" not in value.lower():
        raise ApiError(f"only root can set '{key}' config for real devices")
    if key.startswith("serial") and value != "socket":
        verb = "modify" if call.machine_or_none() else "set"
        raise ApiError(f"only root can {verb} '{key}' config for real devices")


def check_mapping(call, key, value):
    """Check the privilege on resource mappings that an option uses."""
    for kind, stem, part in _MAPPED:
        name = _part(call, key, value, part) if re.fullmatch(rf"{stem}\d+", key) else None
        if name:
            call.world.access.require(call.user, f"/mapping/{kind}/{name}", ["Mapping.Use"])
    if key == "rng0" and _part(call, key, value, "source") == "/dev/hwrng":
        call.world.access.require(call.user, "/mapping/hwrng", ["Mapping.Use"])


def _part(call, key, value, name):
    return propertystring.parse(value, call.world.schema.properties_of(key)).get(name)


def check_bridge(call, key, value):
    """Since 8.0, callers other than root need the right to use a bridge."""
    if call.world.schema.version < (8, 0):
        return
    card = propertystring.parse(value, call.world.schema.properties_of(key))
    if card.get("bridge"):
        path = f"/sdn/zones/localnetwork/{card['bridge']}"
        tags = [*([card["tag"]] if card.get("tag") else []), *_trunks(card.get("trunks"))]
        for one in [f"{path}/{tag}" for tag in tags] or [path]:
            call.world.access.require(call.user, one, ["SDN.Use"])


def _trunks(text):
    for part in filter(None, (text or "").split(";")):
        first, _dash, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def sees_bridge(call, bridge):
    """Whether a bridge is listed: with a privilege on it, or on one of its VLANs."""
    path, access = f"/sdn/zones/localnetwork/{bridge}", call.world.access
    paths = [path, *(right[0] for right in access.rights if right[0].startswith(f"{path}/"))]
    return call.world.schema.version < (8, 0) or any(
        access.may(call.user, one, ["SDN.Audit", "SDN.Use"], any_of=True) for one in paths
    )


def check_copied(call, options):
    """Check whether the caller may have a copy of these options: bridges, mappings, custom CPU models."""
    for key, value in sorted(options.items()):
        if _NIC.fullmatch(key):
            check_bridge(call, key, value)
        if re.fullmatch(r"(?:hostpci|usb)\d+", key):
            _check_real_device(call, key, value)
        check_mapping(call, key, value)
    check_cpu_model(call, options.get("cpu"))


def check_cpu_model(call, value, old=None):
    """Check the right to use a custom CPU model, unless it is unchanged (check_cpu_model_access)."""
    model, former = (_cpu_model(call, text) for text in (value, old))
    if model and model != former and model.startswith("custom-"):
        call.world.access.require(call.user, f"/mapping/cpu/{model.removeprefix('custom-')}", ["Mapping.Use"])


def _cpu_model(call, text):
    return propertystring.parse(text, call.world.schema.properties_of("cpu")).get("cputype") if text else None
