# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pending changes of a running VM: which are applied at once, which wait, and which fail at a device."""

from __future__ import annotations

import re

from . import bridges, drives, propertystring, vm_apply, vm_options
from .errors import ApiError
from .schema import split_list

_FAST = re.compile(
    r"description|hookscript|lock|migrate_downtime|migrate_speed|name|onboot|protection|shares|startup|tags"
    r"|vmstatestorage|cicustom|cipassword|citype|ciupgrade|ciuser|nameserver|searchdomain|sshkeys|ipconfig\d+"
    # The recorded calls show this for this option, too.
    r"|hotplug"
)
#: Options of which the value in the present cloud-init drive is recorded. A password is none of them.
_CLOUDINIT = re.compile(r"name|cicustom|citype|ciupgrade|ciuser|nameserver|searchdomain|sshkeys|ipconfig\d+|net\d+")
_NET = re.compile(r"net\d+")
_PLUGGABLE_DRIVE = re.compile(r"(?:scsi|virtio)\d+")
_USB = re.compile(r"usb\d+")
_THROTTLE = re.compile(r"(?:bps|iops|mbps)(?:_\w+)?")
#: Keys of a disk that need a new start; all others are changed at once (vmconfig_update_disk).
_OF_START = ("aio", "discard", "iothread", "queues", "product", "cache", "ssd", "vendor", "ro")
#: The only key of the agent that does not need one (vmconfig_update_agent).
_LIVE_OF_AGENT = {"fstrim_cloned_disks"}
#: Guests whose USB devices can be changed while they run.
_USB_GUESTS = {"l26", "win8", "win10", "win11"}
_DEFAULT = "network,disk,usb"


class _Waits(Exception):
    """The change is only possible at the next cold start."""


def apply_live(world, machine, changed, user=None):
    """Apply the changes that are possible. Those that fail at a device stay pending; returns {option: error} of them.

    ``changed`` are the options of this call: earlier pending changes are not tried again, unless they concern no device
    (live_devices; vmconfig_hotplug_pending in QemuServer.pm).
    """
    errors = {}
    config = machine.config
    features = _features(config.current.get("hotplug", "1"))
    for key in sorted(key for key in config.deletes if key in changed):
        _try(errors, key, lambda key=key: _delete(world, machine, config, key, features, user))
    for key in sorted(key for key in config.pending if key in changed or _FAST.fullmatch(key)):
        _try(errors, key, lambda key=key: _set(world, machine, config, key, features))
    machine.write(config)
    return errors


def _try(errors, key, change):
    try:
        change()
    except _Waits:
        pass
    except ApiError as error:
        errors[key] = f"hotplug problem - {error}\n"


def _features(text):
    if text == "0":
        return set()
    return set(split_list(_DEFAULT if text == "1" else text))


def _delete(world, machine, config, key, features, user):
    old = config.current.get(key)
    if _NET.fullmatch(key):
        _need("network", features)
        world.effect(machine.vmid, f"UNPLUG {key}")
    elif drives.is_drive(key):
        _unplug_disk(world, machine, config, key, features)
        vm_apply.detach(world, machine, config, key, config.deletes[key], user)
    elif key in ("cpuunits", "cpulimit"):
        _tell_cgroup(world, machine, key)
    elif key == "balloon":
        if old == "0":
            raise _Waits
        world.effect(machine.vmid, "QMP balloon")
    else:
        _plain(world, machine, key, features)
    config.current.pop(key, None)
    del config.deletes[key]
    if _CLOUDINIT.fullmatch(key):
        config.record_cloudinit(key, old, None)


def _set(world, machine, config, key, features):
    old, new = config.current.get(key), config.pending[key]
    if _NET.fullmatch(key):
        _set_card(world, machine, key, (old, new), features)
    elif drives.is_drive(key):
        _set_drive(world, machine, config, key, features)
    elif key in ("cpuunits", "cpulimit"):
        _tell_cgroup(world, machine, key)
    elif key == "balloon":
        # A change from or to 0 adds or removes the device.
        if "0" in (old, new):
            raise _Waits
        world.effect(machine.vmid, "QMP balloon")
    elif key == "agent":
        _check_agent(world, old, new)
    else:
        _plain(world, machine, key, features)
    config.current[key] = new
    del config.pending[key]
    if _CLOUDINIT.fullmatch(key):
        config.record_cloudinit(key, old, new)


def _plain(world, machine, key, features):
    """Options without a device, and those with a simple device."""
    if key == "hotplug" and _plugs_memory_or_cpus(machine.config):
        raise _Waits
    if _FAST.fullmatch(key):
        return
    if _USB.fullmatch(key):
        _need("usb", features)
        if machine.config.current.get("ostype") not in _USB_GUESTS:
            raise _Waits
    elif key == "vcpus":
        _need("cpu", features)
    elif key == "memory":
        _need("memory", features)
        if machine.config.current.get("numa") != "1":
            raise _Waits
    elif key == "tablet":
        # Recorded is only that it waits without any feature.
        _need("usb", features)
    else:
        raise _Waits
    _plug(world, machine, key)


def _plugs_memory_or_cpus(config):
    """Whether one of these is on before or after the change: it needs other devices (vmconfig_hotplug_pending)."""
    text = f"{config.current.get('hotplug')} {config.pending.get('hotplug')}"
    return "memory" in text or "cpu" in text


def _need(feature, features):
    if feature not in features:
        raise _Waits


def _plug(world, machine, key):
    if world.faults.hotplug_fails:
        raise ApiError(f"error on hotplug device '{key}'")
    world.effect(machine.vmid, f"PLUG {key}")


def _tell_cgroup(world, machine, key):
    world.effect(machine.vmid, "CGSHARES" if key == "cpuunits" else "CGQUOTA")


def _check_agent(world, old, new):
    rules = world.schema.properties_of("agent")
    before, after = (propertystring.parse(text or "0", rules) for text in (old, new))
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    if not old or changed - _LIVE_OF_AGENT:
        raise _Waits


def _set_card(world, machine, key, change, features):
    rules = world.schema.properties_of(key)
    old, new = (propertystring.parse(text, rules) if text else None for text in change)
    has_bridges = old and old.get("bridge") and new.get("bridge")
    if has_bridges and not _differs(old, new, ("model", "macaddr", "queues", "mtu")):
        # Also without the hotplug feature, because no device is added or removed (ASSUMED).
        bridges.check(world, machine, new)
        _relink(world, machine, old, new)
        return
    _need("network", features)
    try:
        bridges.check(world, machine, new)
    except ApiError as error:
        # The cause is only in the log of the node.
        script = "network script /usr/libexec/qemu-server/pve-bridge-hotplug failed with status"
        code = 512 if isinstance(error, bridges.NoBridge) else 65280
        raise ApiError(f"VM {machine.vmid} qmp command 'netdev_add' failed - {script} {code}") from error
    if old:
        world.effect(machine.vmid, f"UNPLUG {key}")
    _plug(world, machine, key)


def _differs(old, new, keys):
    return any(old.get(key) != new.get(key) for key in keys)


def _relink(world, machine, old, new):
    if _differs(old, new, ("bridge", "tag", "trunks", "firewall")):
        for effect in ("LINK", "TAP", "LINK"):
            world.effect(machine.vmid, effect)
    elif _differs(old, new, ("rate",)):
        world.effect(machine.vmid, "RATE")
    elif _differs(old, new, ("link_down",)):
        world.effect(machine.vmid, "LINK")


def _set_drive(world, machine, config, key, features):
    new = drives.parse(world.schema, key, config.pending[key])
    if key not in config.current:
        _need_drive_plug(key, features)
        _plug(world, machine, key)
        return
    old = drives.parse(world.schema, key, config.current[key])
    if drives.is_cdrom(old) != drives.is_cdrom(new):
        raise ApiError("unable to change media type")
    if drives.is_cdrom(old):
        world.effect(machine.vmid, f"MEDIUM {key}")
        if new["file"] == "none" and drives.is_cloudinit(old):
            vm_apply.detach(world, machine, config, key, forced=False)
    elif old["file"] == new["file"]:
        _retune(world, machine, key, old, new)
    else:
        _need("disk", features)
        _unplug_disk(world, machine, config, key, features)
        vm_apply.detach(world, machine, config, key, forced=False)
        _need_drive_plug(key, features)
        _plug(world, machine, key)


def _retune(world, machine, key, old, new):
    if _differs(old, new, _OF_START):
        raise _Waits
    if any(_THROTTLE.fullmatch(name) and _differs(old, new, (name,)) for name in {*old, *new}):
        world.effect(machine.vmid, f"THROTTLE {key}")


def _need_drive_plug(key, features):
    if not _PLUGGABLE_DRIVE.fullmatch(key):
        raise _Waits
    _need("disk", features)


def _unplug_disk(world, machine, config, key, features):
    _need_drive_plug(key, features)
    if key in vm_options.boot_devices(config.current):
        raise ApiError(f"can't unplug bootdisk '{key}'")
    world.effect(machine.vmid, f"UNPLUG {key}")
