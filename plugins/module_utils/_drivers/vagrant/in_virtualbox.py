# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of the provider VirtualBox, which are read and changed with VBoxManage by their ids.

One process reads all of them.
"""

from __future__ import annotations

from ..._core.errors import CommandFailed, PolyvirtError
from ..._core.model import RUNNING, STOPPED, SUSPENDED, UNKNOWN, Address, Snapshot
from ..._core.units import MIB
from ..._kit.console import console_log
from ..._ports import files
from ..._tools import vboxmanage_long
from ..._tools import vboxmanage_output as output
from ..._tools.vboxmanage import is_not_found
from ..._tools.vboxmanage_file import descriptions_in, settings_in
from ..._tools.vboxmanage_states import state
from .provider_vm import ProviderVm

#: The name of Vagrant's own port forward on the first NIC.
_SSH_RULE = "ssh"
_GUEST = "/VirtualBox/GuestInfo/Net/"
#: Addresses of guests behind NAT begin with this; the host cannot connect to them.
_BEHIND_NAT = "10.0.2."


class InVirtualBox:
    """The VMs of one user."""

    def __init__(self, tool):
        self._tool = tool

    def observe(self, ids, facets):
        """{id: ProviderVm} of those that exist."""
        return {one.uuid: self._provider_vm(one, facets) for one in self._listed() if one.uuid in ids}

    def _listed(self):
        return vboxmanage_long.vms(self._tool.read("list", "--long", "vms"), descriptions_in)

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
        )

    def _addresses(self, identifier):
        """Addresses that the Guest Additions report; empty if the guest does not have them."""
        try:
            properties = output.properties(self._tool.read("guestproperty", "enumerate", identifier))
        except PolyvirtError:
            return ()
        found = [one.value for key, one in properties.items() if key.startswith(_GUEST) and key.endswith("/V4/IP")]
        return tuple(Address(one, "agent") for one in sorted(found) if one and not one.startswith(_BEHIND_NAT))

    def console(self, identifier):
        """The ConsoleLog of a VM."""
        file = next((settings_in(one.file) for one in self._listed() if one.uuid == identifier), None)
        return console_log(file.serial_files if file else (), files)

    # Changing -------------------------------------------------------------------------------------------------------

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
