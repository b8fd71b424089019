# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges that a call needs: the checks of the schema, and those for single options."""

from __future__ import annotations

import re

from . import drives, propertystring, schema
from .errors import ApiError, Forbidden, ParameterError

# ASSUMED for single options: the groups are from the server's documentation.
#: {privileges: options that need one of them} (check_vm_modify_config_perm). Only root@pam may set other options, apart
#: from drives.
_GROUPS = {
    ("VM.Config.Memory",): r"memory|balloon|shares|allow-ksm",
    ("VM.Config.CPU",): r"cores|sockets|cpu|cpulimit|cpuunits|vcpus|smp|numa\d*",
    ("VM.Config.Network",): r"net\d+",
    ("VM.Config.Cloudinit", "VM.Config.Network"): r"cicustom|cipassword|citype|ciuser|ciupgrade|sshkeys|ipconfig\d+"
    r"|nameserver|searchdomain",
    ("VM.Config.HWType",): r"acpi|hotplug|kvm|machine|scsihw|smbios1|tablet|vga|watchdog|audio0|rng0|serial\d+|usb\d+"
    r"|hostpci\d+",
    ("VM.Config.Options",): r"agent|autostart|bios|description|keyboard|localtime|migrate_downtime|migrate_speed|name"
    r"|onboot|ostype|protection|reboot|startdate|startup|tdf|template|tags",
    ("VM.PowerMgmt",): r"freeze",
    ("VM.Config.Disk",): r"boot|bootdisk|vmstatestorage|virtiofs\d+",
    ("VM.Config.CDROM",): r"cdrom",
}
_ANY_CONFIG = re.compile(r"VM\.GuestAgent\.\w+")


def check_endpoint(world, user, endpoint, values):
    """Check the permissions that the schema requires for a method."""
    rule = world.schema.endpoints[endpoint].get("permissions") or {}
    check = rule.get("check")
    if check and not _holds(world, user, check, values):
        raise Forbidden(_named(world, user, check, values))


def _holds(world, user, check, values):
    kind = check[0]
    if kind in ("and", "or"):
        held = [_holds(world, user, part, values) for part in check[1:]]
        return all(held) if kind == "and" else any(held)
    if "require_param" in check and check[check.index("require_param") + 1] not in values:
        return False
    path = _path(check[1], values)
    return bool(path) and world.access.may(user, path, _aged(world, check[2]), "any" in check)


def _named(world, user, check, values):
    """The text about the missing privilege, or None if several alternatives exist."""
    if check[0] == "and":
        missing = next(part for part in check[1:] if not _holds(world, user, part, values))
        return _named(world, user, missing, values)
    if check[0] == "or":
        return None
    return f"{_path(check[1], values)}, {'|'.join(_aged(world, check[2]))}"


def _path(template, values):
    """The path of a check; it is empty, and the check fails, if the name of a pool has wrong characters."""
    path = re.sub(r"\{([^}]+)\}", lambda found: str(values.get(found.group(1), "")), template)
    return "" if path.startswith("/pool/") and not re.fullmatch(r"/pool/[A-Za-z0-9.\-_/]*", path) else path


def _aged(world, privileges):
    """Replace privileges for the guest agent by the one that existed before 9.0."""
    if world.schema.version >= (9, 0):
        return privileges
    return list(dict.fromkeys(_ANY_CONFIG.sub("VM.Monitor", name) for name in privileges))


def check_option(call, vmid, key, value=None, old=None):
    """Check whether the caller may set or delete this option of a VM."""
    _check_root_only(call, key, value)
    if re.fullmatch(r"(hostpci|usb)\d+", key):
        # Also what is replaced or removed must not be a device of the node.
        _check_root_only(call, key, old)
        _check_mapping(call, key, old)
    if key == "startup":
        call.world.access.require(call.user, "/", ["Sys.Modify"])
    wanted = [_privileges(call.world.schema, key, value if value is not None else old)]
    if key == "vmstate":
        wanted = [("VM.Config.Disk",), ("VM.PowerMgmt",)]
    for privileges in wanted:
        call.world.access.require(call.user, f"/vms/{vmid}", privileges, any_of=True)
    _check_mapping(call, key, value)


def _check_root_only(call, key, value):
    if call.user.is_root:
        return
    if key.startswith("hostpci") and value and "mapping=" not in value:
        raise ApiError(f"only root can set '{key}' config for non-mapped devices")
    if key.startswith("usb") and value and "mapping=" not in value and "spice" not in value.lower():
        raise ApiError(f"only root can set '{key}' config for real devices")
    if key.startswith("serial") and value not in (None, "socket"):
        verb = "modify" if call.machine_or_none() else "set"
        raise ApiError(f"only root can {verb} '{key}' config for real devices")
    is_known = drives.is_drive(key) or drives.is_unused(key) or key == "vmstate"
    if not is_known and not any(re.fullmatch(keys, key) for keys in _GROUPS.values()):
        raise ApiError(f"only root can set '{key}' config")


def _check_mapping(call, key, value):
    """Check the privilege on resource mappings that an option uses."""
    for kind, stem, part in (("pci", "hostpci", "mapping"), ("usb", "usb", "mapping"), ("dir", "virtiofs", "dirid")):
        name = _part(call, key, value, part) if value and re.fullmatch(rf"{stem}\d+", key) else None
        if name:
            call.world.access.require(call.user, f"/mapping/{kind}/{name}", ["Mapping.Use"])
    if key == "rng0" and value and _part(call, key, value, "source") == "/dev/hwrng":
        call.world.access.require(call.user, "/mapping/hwrng", ["Mapping.Use"])


def _part(call, key, value, name):
    return propertystring.parse(value, call.world.schema.properties_of(key)).get(name)


def _privileges(description, key, value):
    if drives.is_drive(key) or drives.is_unused(key):
        drive = drives.parse(description, key, value) if drives.is_drive(key) and value else None
        is_optical = drive and (drives.is_cdrom(drive) or drives.is_cloudinit(drive))
        return ("VM.Config.CDROM",) if is_optical else ("VM.Config.Disk",)
    return next((held for held, keys in _GROUPS.items() if re.fullmatch(keys, key)), ("VM.Config.Options",))


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


def check_devices(call, options):
    """Check whether the caller of a clone may use the source's bridges and custom CPU models."""
    for key, value in sorted(options.items()):
        if key.startswith("net") and key[3:].isdigit():
            check_bridge(call, key, value)
    check_cpu_model(call, options.get("cpu"))


def check_cpu_model(call, value, old=None):
    """Check the right to use a custom CPU model, unless it is unchanged (check_cpu_model_access)."""
    model, former = (_cpu_model(call, text) for text in (value, old))
    if model and model != former and model.startswith("custom-"):
        call.world.access.require(call.user, f"/mapping/cpu/{model.removeprefix('custom-')}", ["Mapping.Use"])


def _cpu_model(call, text):
    return propertystring.parse(text, call.world.schema.properties_of("cpu")).get("cputype") if text else None


def check_root_options(call, *names):
    """Check that only root@pam itself uses skiplock or one of these parameters."""
    for name in ("skiplock", *names):
        if call.get(name, "0") != "0" and not call.user.is_root:
            raise ParameterError.of({name: "Only root may use this option."})


def check_pool(call, pool):
    if pool is not None and pool not in call.world.cluster.pools:
        raise Forbidden(f"pool '{pool}' does not exist")


def check_space(call, storage_id):
    call.world.access.require(call.user, f"/storage/{storage_id}", ["Datastore.AllocateSpace"])


def may_access(call, volid, vmid=None):
    try:
        check_volume(call, volid, vmid)
    except ApiError:
        return False
    return True


def check_volume(call, volid, vmid=None, kind=None):
    """Check whether the caller may use an existing volume for a VM (check_volume_access in Storage.pm). ``kind`` is the
    content type that it must have.
    """
    access, user = call.world.access, call.user
    if volid.startswith("/"):
        if not user.is_root:
            raise ApiError("Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 1.")
        return
    wanted, (kind, owner) = kind, call.world.storages.parsed(volid)
    if wanted not in (None, kind):
        raise ApiError(f"unable to use volume {volid} - content type needs to be '{wanted}'")
    path = f"/storage/{volid.partition(':')[0]}"
    if access.may(user, path, ["Datastore.Allocate"]) or (owner is not None and owner == vmid):
        return
    if kind in ("iso", "vztmpl", "import"):
        access.require(user, path, ["Datastore.AllocateSpace", "Datastore.Audit"], any_of=True)
    elif kind == "backup" and owner is not None:
        access.require(user, path, ["Datastore.AllocateSpace"])
        access.require(user, f"/vms/{owner}", ["VM.Backup"])
    elif owner is not None:
        access.require(user, path, ["Datastore.Audit"])
        access.require(user, f"/vms/{owner}", ["VM.Config.Disk"])
    else:
        raise ApiError(f"missing privileges to access {volid}")


def option_keys(text):
    """The names in a ``delete`` or ``revert`` parameter."""
    return list(dict.fromkeys(schema.split_list(text)))
