# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: VMs of the provider VirtualBox, which are read and changed with VBoxManage by their ids.

One process reads all of them.
"""

from __future__ import annotations

import os

from ..._core.errors import CommandFailed, PolyvirtError
from ..._core.frozen import replace
from ..._core.model import RUNNING, STOPPED, SUSPENDED, UNKNOWN, Address, Snapshot
from ..._core.units import MIB
from ..._ports import files
from ..._tools import vboxmanage_long
from ..._tools import vboxmanage_output as output
from ..._tools.vboxmanage import is_not_found
from ..._tools.vboxmanage_file import descriptions_in, settings_in
from ..._tools.vboxmanage_output import state
from .provider_vm import Drive, ProviderVm

#: The name of Vagrant's own port forward on the first NIC.
_SSH_RULE = "ssh"
_GUEST = "/VirtualBox/GuestInfo/Net/"
#: Addresses of guests behind NAT begin with this; the host cannot connect to them.
_BEHIND_NAT = "10.0.2."


class InVirtualBox:
    """The VMs of one user."""

    def __init__(self, tool):
        self._tool = tool

    def observe(self, ids, facets, begun=()):
        """{id: ProviderVm} of those that exist; ``begun`` are ids of VMs that may never have been started."""
        listed, media = self._listed_with_media() if "files" in facets else (self._listed(), ())
        names = {one.uuid: one.name or one.uuid for one in listed}
        return {
            one.uuid: replace(
                self._provider_vm(one, facets),
                drives=_drives(one, media, names) if one.machine else (),
                is_unwritten=_never_started(one) if one.uuid in begun else None,
            )
            for one in listed
            if one.uuid in ids
        }

    def _listed(self):
        return vboxmanage_long.vms(self._tool.read("list", "--long", "vms"), descriptions_in)

    def _listed_with_media(self):
        """The same, and all hard disks of the user, by the same process."""
        more, vms = vboxmanage_long.split_before_vms(self._tool.read("list", "--multiple", "--long", "hdds", "vms"))
        return vboxmanage_long.vms(vms, descriptions_in), output.media(more)

    def _provider_vm(self, listed, facets):
        if listed.machine is None:
            return ProviderVm(UNKNOWN, reason=f"VirtualBox cannot read {listed.file}")
        power, busy, reason = state(listed.machine.values["VMState"])
        rules = [rule for nic in listed.machine.nics for rule in nic.forwards if rule.name == _SSH_RULE]
        return ProviderVm(
            power,
            busy=busy,
            reason=reason,
            addresses=self._addresses(listed.uuid) if power == RUNNING and "addresses" in facets else (),
            ssh=(rules[0].host_address or "127.0.0.1", rules[0].host_port) if rules and power == RUNNING else None,
            snapshots=tuple(_snapshots(listed)) if "snapshots" in facets else (),
            running={"cpus": int(listed.machine.values["cpus"]), "memory": int(listed.machine.values["memory"]) * MIB},
            nics=sum(one.type != "none" for one in listed.machine.nics),
        )

    def _addresses(self, identifier):
        """Addresses that the Guest Additions report; empty if the guest does not have them."""
        try:
            properties = output.properties(self._tool.read("guestproperty", "enumerate", identifier))
        except PolyvirtError:
            return ()
        found = [one.value for key, one in properties.items() if key.startswith(_GUEST) and key.endswith("/V4/IP")]
        return tuple(Address(one, "agent") for one in sorted(found) if one and not one.startswith(_BEHIND_NAT))

    def find_vm(self, name, is_begun=False):
        """What has this name already: a VM, or None; VirtualBox has no volumes (see InLibvirt)."""
        return f"VM '{name}'" if any(one.name == name for one in self._listed()) else None

    def console(self, identifier):
        """The ConsoleLog of a VM."""
        from ..._core.results.console import console_log  # Only info modules need it.

        file = next((settings_in(one.file) for one in self._listed() if one.uuid == identifier), None)
        return console_log(file.serial_files.values() if file else (), files)

    # Changing -------------------------------------------------------------------------------------------------------

    def drives(self, identifier):
        """([Drive] of a VM now, None: to attach drives again, VirtualBox needs nothing else)."""
        listed, media = self._listed_with_media()
        found = [_drives(one, media, {}) for one in listed if one.uuid == identifier and one.machine]
        return (found[0] if found else ()), None

    def users(self, identifier, drive):
        """Names of the other VMs that use a drive; the list of all disks has them."""
        return drive.used_by

    def is_spared(self, drive, to_delete):
        """Whether to detach a drive before ``vagrant destroy``: VirtualBox deletes all disks that only this VM uses."""
        return drive.role == "disk" and drive.slot is not None and not drive.ours and drive.path not in to_delete

    def detach(self, identifier, drives):
        """Detach disks from a VM that is off."""
        for one in drives:
            self._attach(identifier, one, "none")

    def attach_again(self, identifier, drives, _state):
        """Undo ``detach``."""
        for one in drives:
            self._attach(identifier, one, one.path)

    def _attach(self, identifier, drive, medium):
        controller, port, device = drive.slot
        slot = ("--storagectl", controller, "--port", str(port), "--device", str(device))
        self._tool.run("storageattach", identifier, *slot, "--type", "hdd", "--medium", medium)

    def delete_files(self, paths):
        """VirtualBox has deleted what was attached. Returns the files that are left."""
        return [path for path in paths if files.exists(path)]

    def shut_down(self, name, identifier):
        self._turn_off(identifier, "controlvm", identifier, "acpipowerbutton")

    def power_off(self, name, identifier, power):
        """Power off without the guest."""
        arguments = ("discardstate", identifier) if power == SUSPENDED else ("controlvm", identifier, "poweroff")
        self._turn_off(identifier, *arguments)

    def _turn_off(self, identifier, *arguments):
        """An error is ignored if the VM is off or stopping: the guest may be faster, or the step was sent twice."""
        try:
            self._tool.run(*arguments)
        except CommandFailed:
            now = self.observe([identifier], frozenset()).get(identifier)
            if now is None or (now.power != STOPPED and now.busy != "stopping"):
                raise

    def take_snapshot(self, name, identifier, arguments):
        description = ["--description", arguments["description"]] if arguments["description"] else []
        existing = [
            one.name for listed in self._listed() if listed.uuid == identifier for one in listed.machine.snapshots
        ]
        if arguments["name"] not in existing:  # The step may have been sent before.
            self._tool.run("snapshot", identifier, "take", arguments["name"], *description)

    def delete_snapshots(self, name, identifier, arguments):
        for snapshot in arguments["ids"]:
            try:
                self._tool.run("snapshot", identifier, "delete", snapshot)
            except CommandFailed as error:
                if not is_not_found(error.stderr, "snapshot"):
                    raise

    def restore_snapshot(self, name, identifier, arguments):
        self._tool.run("snapshot", identifier, "restore", arguments["id"])


def _snapshots(listed):
    in_file = _snapshots_in_file(listed.file)
    for one in listed.machine.snapshots:
        more = in_file.get(one.uuid)
        yield Snapshot(
            name=one.name,
            id=one.uuid,
            parent=one.parent,
            power=RUNNING if more and more.online else STOPPED,
            description=more.description if more else one.description,
            created=more.created if more else None,
            current=one.is_current,
        )


def _snapshots_in_file(path):
    """{UUID: TakenSnapshot} from the settings file, which has more about snapshots than the list."""
    file = settings_in(path)
    return file.snapshots if file else {}


def _never_started(listed):
    """Whether a VM was certainly never started: VirtualBox writes a log at each start."""
    folder = listed.machine.values.get("LogFldr") if listed.machine else None
    is_off = folder is not None and state(listed.machine.values["VMState"])[0] == STOPPED
    return is_off and not files.exists(os.path.join(folder, "VBox.log"))


def _drives(listed, media, names):
    """The disks of a VM and of its snapshots, each by the first of its images that this VM uses, and its media.

    VirtualBox also deletes images below that no VM uses, such as the disk of a master VM that was unregistered.
    """
    folder = os.path.join(os.path.dirname(listed.file), "")
    by_id, by_path = {one.uuid: one for one in media}, {one.location: one for one in media}
    slots = {one.medium: (one.controller, one.port, one.device) for one in listed.machine.slots}
    found = {}
    for medium in (one for one in media if listed.uuid in one.users):
        first = medium
        while first.parent in by_id and listed.uuid in by_id[first.parent].users:
            first = by_id[first.parent]
        is_direct = first is medium and medium.location in slots
        known = found.get(first.location)
        found[first.location] = Drive(
            slots[first.location] if is_direct else known and known.slot,
            first.location,
            "disk",
            used_by=_others(listed.uuid, first, by_id, names),
            held_by="" if is_direct else "a snapshot",
            id=first.uuid if first.location.startswith(folder) else "",
            based_on=frozenset(user for one in output.chain(by_id, first)[1:] for user in one.users),
        )
    for first in list(found.values()):
        for one in output.unused_below(by_id, by_path[first.path]):
            held_by = "a disk that is based on it"
            found[one.location] = Drive(None, one.location, "disk", held_by=held_by, below=first.path)
    media_files = [path for path in slots if path not in by_path and path not in ("none", "emptydrive")]
    return (*found.values(), *(Drive(slots[path], path, "medium") for path in media_files))


def _others(own, medium, by_id, names):
    """Names of other VMs that use an image, or an image based on it; the path of such an image without a VM."""
    found, images = set(), [medium]
    while images:
        image = images.pop()
        found |= {names.get(user, user) for user in image.users if user != own}
        below = [by_id[one] for one in image.children if one in by_id]
        found |= {one.location for one in below if not one.users}
        images += below
    return tuple(sorted(found))
