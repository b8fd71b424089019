# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges of the account of a task, and those that its plan needs."""

from __future__ import annotations

import re

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import SUSPENDED
from ..._tools import proxmox_values as values
from .settings.networks import check_bridge_privilege

_OF_VMS = ("/vms", "/pool")
SEE = "VM.Audit"
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
_NEW_VOLUME = re.compile(r"([^:/]+):(\d+(?:\.\d+)?|cloudinit)")


class Rights:
    """Asks once for all paths, and once more for a single path where that leaves a doubt."""

    def __init__(self, tool):
        self._tool = tool
        self._known = None
        self._asked = {}

    @property
    def known(self):
        """{path: {privilege: whether it holds for the paths below, too}}; paths without any are missing."""
        if self._known is None:
            self._known = self._tool.get("/access/permissions")
        return self._known

    @property
    def sees_vms(self):
        """Whether there is any VM that the account could see."""
        return any(SEE in held and _reaches_vms(path, held[SEE]) for path, held in self.known.items())

    def has(self, path, privilege, is_visible=True):
        """``is_visible``: the account sees what is at ``path``, so it has a privilege there.

        Then a path that is not in ``known`` has no rights of its own. Of others, the role NoAccess may be the reason.
        """
        if privilege in self.known.get(path, ()):
            return True
        above = next((one for one in _above(path) if one in self.known), None)
        if is_visible and path not in self.known and above and self.known[above].get(privilege):
            return True
        if path not in self._asked:
            self._asked[path] = self._tool.get("/access/permissions", path=path).get(path) or {}
        return privilege in self._asked[path]

    def check(self, label, path, *privileges, is_visible=True):
        """Raise Refused if none of ``privileges`` is held on ``path``."""
        if not any(self.has(path, privilege, is_visible) for privilege in privileges):
            raise Refused(
                f"{label}: {self._tool.api.who} lacks the privilege {' or '.join(privileges)} on {path}.",
                remedy_on(path),
            )


def _reaches_vms(path, propagates):
    """Whether a privilege on ``path`` is one on VMs: above them it must hold for the paths below, too."""
    return propagates if path in ("/", *_OF_VMS) else path.startswith(_OF_VMS)


def _above(path):
    """The paths above one, the nearest first."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def remedy_on(path):
    return (
        f"Give it a role that has it: pveum acl modify {path}; a token needs it beside its user, unless it was created"
        " without privilege separation."
    )


def sees_nothing(who):
    """(message, remedy) if an account sees no VM at all, so that it is unknown which exist."""
    return (
        f"{who} sees no VM: it has the privilege {SEE} nowhere, so an existing VM looks like a missing one.",
        "Give it a role with VM.Audit: pveum acl modify /vms; a token with privilege separation needs its own role.",
    )


def check_verb(driver, label, vm, step):
    """Raise Refused for a step on an existing VM that the account may not carry out."""
    needed, rights, path = _OF_VERBS.get(step.verb), driver.observer.rights, f"/vms/{vm.id}"
    if needed and vm.id:
        rights.check(label, path, *needed)
    if vm.id and (step.verb == "suspend" or (step.verb == "kill" and vm.power == SUSPENDED)):
        rights.check(label, path, "VM.Config.Disk")


class NewVm:
    """Checks privileges on a VM that does not exist yet: on its number, or on the pool that it will be in."""

    def __init__(self, driver, config, vmid=None):
        self._driver, self._vmid, self._pool = driver, vmid, config.get("pool")

    def check(self, label, *privileges):
        rights = self._driver.observer.rights
        if self._pool and any(rights.has(f"/pool/{self._pool}", one) for one in privileges):
            return
        # Single numbers may have rights of their own, whether or not a VM has them.
        path = f"/vms/{self._vmid or self._driver.places.next_number}"
        rights.check(label, path, *privileges, is_visible=False)


class ExistingVm:
    """The same on one that exists."""

    def __init__(self, driver, vmid):
        self._rights, self._path = driver.observer.rights, f"/vms/{vmid}"

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
            check_bridge_privilege(driver, label, node, values.parse(key, text))
        elif (storage := _allocated_on(key, text)) is not None:
            driver.observer.rights.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
        if key == "startup":
            driver.observer.rights.check(label, "/", "Sys.Modify")


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
