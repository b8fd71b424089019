# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the privileges of a task's account, and those that its plan needs."""

from __future__ import annotations

import re
from itertools import takewhile

from ..._core.errors import Refused
from ..._core.model import SUSPENDED
from ..._core.pattern import Pattern
from ..._tools import proxmox_values as values
from ..._tools.proxmox_errors import grant_remedy
from .settings.architecture import NAMES
from .settings.devices import ROOT, STEMS
from .settings.networks import check_bridge_privilege, check_nic

#: Paths on which a privilege applies to the VMs below.
_VM_PATHS = ("/vms", "/pool")
#: The privilege without which an account does not see a VM.
AUDIT = "VM.Audit"
#: {verb on an existing VM: privileges}. One of the privileges is enough.
_FOR_VERBS = {
    **dict.fromkeys(("start", "stop", "kill", "pause", "resume", "suspend", "reset"), ("VM.PowerMgmt",)),
    "delete": ("VM.Allocate",),
    "snapshot": ("VM.Snapshot",),
    "drop_snapshot": ("VM.Snapshot",),
    "edit_snapshot": ("VM.Snapshot",),
    "restore": ("VM.Snapshot", "VM.Snapshot.Rollback"),
    **dict.fromkeys(("backup", "drop_backup", "edit_backup"), ("VM.Backup",)),
    "restore_backup": ("VM.Allocate",),
}
#: (pattern of options, privileges), as in check_vm_modify_config_perm of the server. One of the privileges is enough.
#: Only root@pam may set options that are not listed.
_FOR_OPTIONS = (
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
    (r"boot|bootdisk|vmstatestorage|virtiofs\d+|efidisk0|tpmstate0|unused\d+", ("VM.Config.Disk",)),
)
#: Values (KEY=VALUE) that pass a device of the node to the VM, which only root@pam may set.
_REAL_DEVICE = Pattern(r"hostpci\d+=(?!.*mapping=)|usb\d+=(?!.*mapping=)(?!(host=)?spice)|serial\d+=(?!socket)")
#: {stem of an option: (kind of the mapped resource, its sub-key)}.
_MAPPINGS = {
    "cpu": ("cpu", "cputype"), "hostpci": ("pci", "mapping"), "usb": ("usb", "mapping"), "virtiofs": ("dir", "dirid"),
}  # fmt: skip
_RANDOM_NUMBERS = "/dev/hwrng"
_NEW_VOLUME = Pattern(r"([^:/]+):\d+(?:\.\d+)?")


class Permissions:
    """The privileges of the account, read once for all paths. A path is read again if its result is not certain."""

    def __init__(self, tool):
        self._tool = tool
        self._granted = None
        #: {path: its privileges} of paths that were read on their own.
        self._by_path = {}

    @property
    def granted(self):
        """{path: {privilege: whether it applies to the paths below, too}}; paths without privileges are missing."""
        if self._granted is None:
            self._granted = self._tool.get("/access/permissions")
        return self._granted

    @property
    def sees_vms(self):
        """Whether the account has the privilege to see VMs, on any path."""
        return any(AUDIT in held and _applies_to_vms(path, held[AUDIT]) for path, held in self.granted.items())

    @property
    def sees_all_vms(self):
        """Whether the account sees each VM, unless its path has the role NoAccess."""
        return self.holds_for_all_vms(AUDIT)

    def holds_for_all_vms(self, privilege):
        return bool(self.granted.get("/vms" if "/vms" in self.granted else "/", {}).get(privilege))

    def has(self, path, privilege, is_visible=True):
        """Whether the account has a privilege on ``path``.

        ``is_visible``: the account can see the object at ``path``, so it has privileges there. Then a path that is
        missing in ``granted`` inherits them. Other paths may be missing because of the role NoAccess, so they are read.
        """
        if privilege in self.granted.get(path, ()):
            return True
        nearest = next((ancestor for ancestor in _parents(path) if ancestor in self.granted), None)
        if is_visible and path not in self.granted and nearest and self.granted[nearest].get(privilege):
            return True
        if path not in self._by_path:
            self._by_path[path] = self._tool.get("/access/permissions", path=path).get(path) or {}
        return privilege in self._by_path[path]

    def check(self, label, path, *privileges, is_visible=True):
        """Raise Refused if the account has none of ``privileges`` on ``path``."""
        if not any(self.has(path, privilege, is_visible) for privilege in privileges):
            raise Refused(
                f"{label}: {self._tool.api.who} lacks the privilege {' or '.join(privileges)} on {path}.",
                grant_remedy(path),
            )

    def check_after(self, label, old, new, *privileges):
        """Raise Refused if the account has none of ``privileges`` on a VM that has left pool ``old`` for ``new``.

        An empty name is no pool. What the former pool does not give, the account has by another path.
        """
        for one in privileges:
            by_old = old and self.has(f"/pool/{old}", one) and not self.holds_for_all_vms(one)
            if not by_old or (new and self.has(f"/pool/{new}", one)):
                return
        path, names = f"/pool/{new}" if new else "/vms", " or ".join(privileges)
        raise Refused(
            f"{label}: pool: {self._tool.api.who} has the privilege {names} on the VM only by its pool '{old}', and"
            f" lacks it on {path}.",
            grant_remedy(path),
        )

    def check_upload(self, label, storage, downloading=None):
        """Raise Refused if the account may not store a file, or let the node ``downloading`` download it."""
        self.check(label, f"/storage/{storage}", "Datastore.AllocateTemplate")
        if downloading and not all(self.has("/", one) for one in ("Sys.Audit", "Sys.Modify")):
            self.check(label, f"/nodes/{downloading}", "Sys.AccessNetwork", is_visible=False)


def _applies_to_vms(path, propagates):
    """Whether a privilege on ``path`` applies to VMs; on a path above them only if it propagates."""
    return propagates if path in ("/", *_VM_PATHS) else path.startswith(_VM_PATHS)


def _parents(path):
    """The paths above ``path``, the nearest first."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def no_visible_vm(who):
    """(message, remedy) if an account can see no VM at all, so it is unknown which exist."""
    return (
        f"{who} sees no VM: it has the privilege {AUDIT} nowhere, so an existing VM looks like a missing one.",
        grant_remedy("/vms"),
    )


def check_verb(driver, plan, one):
    """Raise Refused if the account may not carry out a step on an existing VM."""
    label, vm, step = plan.after.name, plan.before, one.step
    needed, permissions, path = _FOR_VERBS.get(step.verb), driver.permissions, f"/vms/{vm.id}"
    if needed and vm.id:
        permissions.check(label, path, *needed)
        earlier = takewhile(lambda step: step is not one.step, plan.steps)
        for moved in (change for step in earlier for change in step.changes if change.kind == "pool"):
            permissions.check_after(label, moved.old, moved.new, *needed)
    if vm.id and (step.verb == "suspend" or (step.verb == "kill" and vm.power == SUSPENDED)):
        permissions.check(label, path, "VM.Config.Disk")


class NewVmPrivileges:
    """Checks privileges on a VM that does not exist yet: on its pool, or on its id."""

    def __init__(self, driver, config, vmid=None):
        self._driver, self._vmid, self._pool = driver, vmid, config.get("pool")

    def check_name(self, label):
        """Raise Refused if another VM may have the name, which the account does not see. An id is known to be free.

        Who names a pool means the VM of this name in the pool.
        """
        permissions = self._driver.permissions
        if self._vmid or permissions.sees_all_vms or (self._pool and permissions.has(f"/pool/{self._pool}", AUDIT)):
            return
        raise Refused(
            f"{label}: {self._driver.tool.api.who} does not see all VMs, so a VM of this name may exist: it lacks the"
            f" privilege {AUDIT} on /vms.",
            f"Set the id of the new VM, or a pool on which it has {AUDIT}. {grant_remedy('/vms')}",
        )

    def check(self, label, *privileges):
        permissions = self._driver.permissions
        if self._pool and any(permissions.has(f"/pool/{self._pool}", privilege) for privilege in privileges):
            return
        # An id can have permissions of its own, even if no VM has this id.
        path = f"/vms/{self._vmid or self._driver.resources.next_vmid}"
        permissions.check(label, path, *privileges, is_visible=False)


class ExistingVmPrivileges:
    """Checks privileges on an existing VM."""

    def __init__(self, driver, vmid):
        self._permissions, self._path = driver.permissions, f"/vms/{vmid}"

    def check(self, label, *privileges):
        self._permissions.check(label, self._path, *privileges)


def check_options(driver, label, privileges, node, options, removed=(), current=None):
    """Raise Refused if the account may not set ``options`` to their values, or may not remove ``removed``.

    ``current`` is {option: its value before} of an existing VM; None for the call that creates one.
    """
    is_new, current, permissions = current is None, current or {}, driver.permissions
    for key in removed:
        text = current.get(key, "")
        for needed in _needed_for_option(driver, label, key, text):
            privileges.check(label, *needed)
        if values.stem(key) == "net":
            check_bridge_privilege(driver, label, node, values.parse(key, text))
        elif values.stem(key) in STEMS:
            check_mapping(driver, label, key, text)
    for key, text in sorted(options.items()):
        for needed in _needed_for_option(driver, label, key, text, is_new):
            privileges.check(label, *needed)
        if values.stem(key) == "net":
            check_nic(driver, label, node, values.parse(key, text))
        elif (storage := _storage_of_new_volume(key, text)) is not None:
            permissions.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
        if key == "startup":
            permissions.check(label, "/", "Sys.Modify")
        check_mapping(driver, label, key, text, current.get(key, ""))


def check_mapping(driver, label, key, text, current=""):
    """Raise Refused if the account may not use the mapped resource of a value; ``current`` is the value before."""
    mapping = _mapping_of(key, text)
    if mapping and mapping != _mapping_of(key, current):
        driver.permissions.check(label, mapping, "Mapping.Use", is_visible=False)


def _mapping_of(key, text):
    """The path of the mapped resource that the value of an option uses; None if it uses none."""
    if values.stem(key) == "rng" and values.parse(key, text).get("source") == _RANDOM_NUMBERS:
        return "/mapping/hwrng"
    kind, name = _MAPPINGS.get(values.stem(key), (None, None))
    used = values.parse(key, text).get(name, "") if kind else ""
    if kind == "cpu":
        used = used.partition("custom-")[2]
    return f"/mapping/{kind}/{used}" if used else None


def _needed_for_option(driver, label, key, text, is_new=False):
    """Groups of privileges to set an option: one of each is needed. Raises Refused if only root@pam may set it."""
    if values.bus_of(key):
        drive = values.parse(key, text)
        # Recorded (cloud_init_rights): the creation of a VM asks for none of these.
        seed = [("VM.Config.Cloudinit",)] if values.is_seed(drive) else []
        optical = bool(seed) or values.is_cdrom(drive)
        return [] if is_new else [*seed, ("VM.Config.CDROM" if optical else "VM.Config.Disk",)]
    found = next((privileges for pattern, privileges in _FOR_OPTIONS if re.fullmatch(pattern, key)), None)
    if driver.tool.api.who != ROOT and (found is None or _REAL_DEVICE.match(f"{key}={text}")):
        if values.stem(key) in STEMS:
            raise _root_only(driver, label, key, values.parse(key, text).get("host", text))
        what = " to a device of the node" if found else ""
        option = f"architecture: {NAMES[text]}" if key == "arch" else f"native: '{key}'"
        raise Refused(
            f"{label}: {option} can be set{what} only by {ROOT} itself; no token may, and the task runs as"
            f" {driver.tool.api.who}.",
            f"Remove it from the task, set it on the node (qm set), or log in as {ROOT} with its password.",
        )
    return [found or ("VM.Config.Options",)]


def _root_only(driver, label, key, device):
    return Refused(
        f"{label}: only {ROOT} itself may set or remove the device {device} of the node ({key}); no token may, and the"
        f" task runs as {driver.tool.api.who}.",
        f"Use a mapping of the device (devices[].mapping), or log in as {ROOT} with its password.",
    )


def _storage_of_new_volume(key, text):
    """The storage that needs space for a new volume; None if an option creates none, or only the cloud-init drive."""
    if values.bus_of(key) is None and not key.startswith(("efidisk", "tpmstate")):
        return None
    found = _NEW_VOLUME.fullmatch(values.parse(key, text).get("file", ""))
    return found[1] if found else None
