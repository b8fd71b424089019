# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Privileges and free space that a plan needs, checked before the first step."""

from __future__ import annotations

import re

from ..._lifecycle.errors import ApiError, Refused
from ..._lifecycle.model import SUSPENDED
from ..._lifecycle.units import human_size
from ..._tools import proxmox_values as values

_ROOT = "root@pam"
#: For verbs on an existing VM: one of these is needed.
_OF_VERBS = {
    **dict.fromkeys(("start", "stop", "kill", "pause", "resume", "suspend", "reset"), ("VM.PowerMgmt",)),
    "delete": ("VM.Allocate",),
    "snapshot": ("VM.Snapshot",),
    "drop_snapshot": ("VM.Snapshot",),
    "restore": ("VM.Snapshot", "VM.Snapshot.Rollback"),
}
#: For options: one of these is needed (check_vm_modify_config_perm). Only root@pam may set what is not listed.
_OF_OPTIONS = (
    (r"memory|balloon|shares|allow-ksm", ("VM.Config.Memory",)),
    (r"cores|sockets|cpu|cpulimit|cpuunits|vcpus|numa\d*", ("VM.Config.CPU",)),
    (r"net\d+", ("VM.Config.Network",)),
    (
        r"ciuser|cipassword|cicustom|citype|ciupgrade|sshkeys|ipconfig\d+|nameserver|searchdomain",
        ("VM.Config.Cloudinit", "VM.Config.Network"),
    ),
    (
        r"acpi|hotplug|kvm|machine|scsihw|smbios1|tablet|vga|watchdog|audio0|rng0|serial\d+|usb\d+|hostpci\d+",
        ("VM.Config.HWType",),
    ),
    (
        r"agent|autostart|bios|description|keyboard|localtime|migrate_\w+|name|onboot|ostype|protection|reboot|startdate"
        r"|startup|tdf|template|tags",
        ("VM.Config.Options",),
    ),
    (r"freeze", ("VM.PowerMgmt",)),
    (r"boot|bootdisk|vmstatestorage|virtiofs\d+|efidisk0|tpmstate0", ("VM.Config.Disk",)),
)
#: Devices of the node itself, which only root@pam may give away.
_REAL_DEVICE = re.compile(r"hostpci\d+=(?!.*mapping=)|usb\d+=(?!.*mapping=)(?!(host=)?spice)|serial\d+=(?!socket)")
#: Kinds of storages that allocate the whole size of a disk at once; the others grow with what is written.
_THICK = frozenset({"lvm"})
_BRIDGES_SINCE = (8, 0)
_NEW_VOLUME = re.compile(r"([^:/]+):(\d+(?:\.\d+)?|cloudinit)")


def check_verb(driver, label, vm, step):
    """Raise Refused for a step on an existing VM that the account may not carry out."""
    needed, rights, path = _OF_VERBS.get(step.verb), driver.eyes.rights, f"/vms/{vm.id}"
    if needed and vm.id:
        rights.check(label, path, *needed)
    if vm.id and (step.verb == "suspend" or (step.verb == "kill" and vm.power == SUSPENDED)):
        rights.check(label, path, "VM.Config.Disk")


def check_snapshots(driver, label, sight):
    """Raise Refused where a storage of the VM has no snapshots."""
    if not driver.tool.get(f"{sight.path}/feature", feature="snapshot").get("hasFeature", 1):
        raise Refused(
            f"{label}: not all of its disks are on storages with snapshots (raw files and LVM have none).",
            "Move them first: disks[].storage, to a storage such as LVM-thin, ZFS or Ceph, or with format qcow2.",
        )


class NewVm:
    """Checks privileges on a VM that does not exist yet: on its number, or on the pool that it will be in."""

    def __init__(self, driver, config, vmid=None):
        self._driver, self._vmid, self._pool = driver, vmid, config.get("pool")

    def check(self, label, *privileges):
        rights = self._driver.eyes.rights
        if self._pool and any(rights.has(f"/pool/{self._pool}", one) for one in privileges):
            return
        # Single numbers may have rights of their own, whether or not a VM has them.
        path = f"/vms/{self._vmid or self._driver.places.next_number}"
        rights.check(label, path, *privileges, is_visible=False)


class ExistingVm:
    """The same on one that exists."""

    def __init__(self, driver, vmid):
        self._rights, self._path = driver.eyes.rights, f"/vms/{vmid}"

    def check(self, label, *privileges):
        self._rights.check(label, self._path, *privileges)


def check_options(driver, label, subject, node, options, gone=()):
    """Raise Refused for options that the account may not set to these values, or remove."""
    for key in gone:
        subject.check(label, *_privileges(driver, label, key, ""))
    for key, text in sorted(options.items()):
        if not values.is_seed(values.parse(key, text) if values.bus_of(key) else {}):
            subject.check(label, *_privileges(driver, label, key, text))
        if values.stem(key) == "net":
            check_bridge(driver, label, node, values.parse(key, text))
        elif (storage := _allocated_on(key, text)) is not None:
            driver.eyes.rights.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
        if key == "startup":
            driver.eyes.rights.check(label, "/", "Sys.Modify")


def _privileges(driver, label, key, text):
    if values.bus_of(key):
        return ("VM.Config.CDROM",) if values.is_cdrom(values.parse(key, text)) else ("VM.Config.Disk",)
    found = next((privileges for pattern, privileges in _OF_OPTIONS if re.fullmatch(pattern, key)), None)
    if driver.tool.api.who != _ROOT and (found is None or _REAL_DEVICE.match(f"{key}={text}")):
        what = " to a device of the node" if found else ""
        raise Refused(
            f"{label}: native: '{key}' can be set{what} only by {_ROOT} itself; no token may, and the task runs as"
            f" {driver.tool.api.who}.",
            f"Remove it from the task, set it on the node (qm set), or log in as {_ROOT} with its password.",
        )
    return found or ("VM.Config.Options",)


def _allocated_on(key, text):
    """The storage on which a new volume is requested; None where none is."""
    if values.bus_of(key) is None and not key.startswith(("efidisk", "tpmstate")):
        return None
    found = _NEW_VOLUME.fullmatch(values.parse(key, text).get("file", ""))
    return found[1] if found else None


def check_bridge(driver, label, node, card):
    """Raise Refused for a bridge that the account may not use. Those of SDN zones are left to the server."""
    bridge, rights = card.get("bridge"), driver.eyes.rights
    if not bridge:
        return
    path = f"/sdn/zones/localnetwork/{bridge}" + (f"/{card['tag']}" if card.get("tag") else "")
    if rights.has(path, "SDN.Use", is_visible=False) or driver.release() < _BRIDGES_SINCE:
        return
    known = driver.tool.get(f"/nodes/{node}/network", type="any_bridge")
    if any(one["iface"] == bridge and one.get("type") in ("bridge", "OVSBridge") for one in known):
        rights.check(label, path, "SDN.Use", is_visible=False)


def check_pool_change(driver, label, vmid, pools):
    rights = driver.eyes.rights
    rights.check(label, f"/vms/{vmid}", "VM.Allocate")
    for pool in filter(None, pools):
        rights.check(label, f"/pool/{pool}", "Pool.Allocate")


def check_quorum(driver, label):
    """Raise Refused where the cluster takes no changes; who may not ask learns it from the server."""
    try:
        told = driver.places.quorate
    except (ApiError, Refused):
        return
    if not told:
        raise Refused(
            f"{label}: the cluster has no quorum, so it takes no changes.",
            "Bring back the missing nodes: pvecm status.",
        )


def check_space(driver, label, node, wanted):
    """``wanted`` is {storage: bytes} of new disks and growth. Raise Refused for what cannot fit.

    A storage that allocates what is written only may promise more than it has: that is a warning.
    """
    driver.places.reserve(label, node, wanted)
    for storage, size in sorted(wanted.items()):
        free, all_wanted = driver.places.free(node, storage), driver.places.reserved(node, storage)
        if free is None or all_wanted <= free:
            continue
        others = f" ({human_size(all_wanted)} with the other VMs of the task)" if all_wanted > size else ""
        found = f"{label}: disks: storage '{storage}' on node '{node}' has {human_size(max(free, 0))} free, and"
        if free <= 0 or driver.places.kind_of(storage) in _THICK:
            raise Refused(
                f"{found} {human_size(size)} are needed{others}.", "Free space on it, or set storage to another one."
            )
        driver.tool.warn(f"{found} the disks may take up to {human_size(size)}{others}: it is over-provisioned.")
