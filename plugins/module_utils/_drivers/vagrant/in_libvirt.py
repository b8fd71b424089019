# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of the provider libvirt, which are read and changed with virsh by their ids; one process reads all of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..._core.errors import CommandFailed
from ..._core.model import PAUSED, RUNNING, STOPPED, SUSPENDED, Address, Snapshot
from ..._core.units import KIB
from ..._kit.console import console_log
from ..._ports import files
from ..._tools import virsh as tool
from ..._tools import virsh_addresses
from ..._tools import virsh_output as output
from ..._tools.virsh_console import log_paths
from ..._tools.virsh_states import state
from .provider_vm import ProviderVm

_POWERS = {"running": RUNNING, "paused": PAUSED}
#: Timeout in seconds of snapshots, which may include memory.
_LONG = 3600


class InLibvirt:
    """The domains of one connection."""

    def __init__(self, virsh):
        self._virsh = virsh

    def observe(self, ids, facets):
        """{id: ProviderVm} of those that exist."""
        commands = {("saved",): ("list", "--all", "--uuid", "--with-managed-save")}
        for one in ids:
            commands.update({(one, key): words for key, words in _read_commands(one, facets).items()})
        answers = dict(zip(commands, self._virsh.batch(list(commands.values()))))
        saved = answers.pop(("saved",)).stdout.split()
        of_vm = {one: {key: answer for (other, key), answer in answers.items() if other == one} for one in ids}
        existing = [one for one in ids if not tool.is_not_found(of_vm[one]["power"].error)]
        snapshots = self._snapshots({one: of_vm[one] for one in existing}) if "snapshots" in facets else {}
        return {one: _provider_vm(of_vm[one], one in saved, snapshots.get(one, ())) for one in existing}

    def _snapshots(self, of_vm):
        """{id: [Snapshot]}; another process reads all of them."""
        listed = []
        for one, answers in of_vm.items():
            if answers["snapshots"].error:
                raise CommandFailed(("virsh", "snapshot-list", one), 1, answers["snapshots"].error)
            listed += [(one, name) for name in output.snapshots(answers["snapshots"].stdout)]
        commands = [("snapshot-dumpxml", one, "--snapshotname", name) for one, name in listed]
        snapshots = {}
        for (one, name), answer in zip(listed, self._virsh.batch(commands) if commands else ()):
            if not answer.error:
                current = of_vm[one]["current"].stdout.partition("\n")[0]
                snapshots.setdefault(one, []).append(_snapshot(ET.fromstring(answer.stdout), name == current))
        return snapshots

    def console(self, identifier):
        """The ConsoleLog of a VM."""
        definition = ET.fromstring(self._virsh.run("dumpxml", identifier))
        return console_log(log_paths(definition), files, "" if tool.is_local(self._virsh.uri) else self._virsh.uri)

    # Changing -------------------------------------------------------------------------------------------------------

    def shut_down(self, name, identifier):
        self._turn_off("shutdown", identifier)

    def power_off(self, name, identifier, power):
        """Power off without the guest."""
        self._turn_off("managedsave-remove" if power == SUSPENDED else "destroy", identifier)

    def _turn_off(self, command, identifier):
        """An error is ignored if the VM is off: the guest may shut down first, or the step was sent twice."""
        try:
            self._virsh.run(command, identifier)
        except CommandFailed:
            if self._virsh.run("domstate", identifier).strip() != "shut off":
                raise

    def take_snapshot(self, name, identifier, arguments):
        snapshot = ET.Element("domainsnapshot")
        ET.SubElement(snapshot, "name").text = arguments["name"]
        ET.SubElement(snapshot, "description").text = arguments["description"]
        text = ET.tostring(snapshot, encoding="unicode")
        try:
            self._virsh.run("snapshot-create", identifier, "/dev/stdin", stdin=text, timeout=_LONG)
        except CommandFailed as error:
            # The step may have been sent before, or another task created the snapshot at the same time.
            if "already exists" not in error.stderr:
                raise

    def delete_snapshots(self, name, identifier, arguments):
        for snapshot in arguments["names"]:
            try:
                self._virsh.run("snapshot-delete", identifier, "--snapshotname", snapshot, timeout=_LONG)
            except CommandFailed as error:
                if not tool.is_not_found(error.stderr, "snapshot"):
                    raise

    def restore_snapshot(self, name, identifier, arguments):
        self._virsh.run("snapshot-revert", identifier, "--snapshotname", arguments["name"], timeout=_LONG)


def _read_commands(one, facets):
    """{key of the answer: words of the virsh command} for the VM with the id ``one``."""
    commands = {"power": ("domstate", one, "--reason"), "info": ("dominfo", one)}
    commands.update(virsh_addresses.questions(one, thoroughly="addresses" in facets))
    if "snapshots" in facets:
        commands["snapshots"] = ("snapshot-list", one, "--name")
        commands["current"] = ("snapshot-current", one, "--name")
    return commands


def _provider_vm(answers, saved, snapshots):
    power, busy, reason = state(answers["power"], saved)
    addresses = tuple(Address(*row) for row in virsh_addresses.reported(answers)) if power == RUNNING else ()
    return ProviderVm(power, busy, reason, addresses, snapshots=tuple(snapshots), running=_running(answers["info"]))


def _running(answer):
    info = output.key_values(answer.stdout)
    kib = info.get("Max memory", "").partition(" ")[0]
    return {"cpus": int(info["CPU(s)"]), "memory": int(kib) * KIB} if kib.isdigit() and "CPU(s)" in info else {}


def _snapshot(root, is_current):
    return Snapshot(
        name=root.findtext("name"),
        parent=root.findtext("parent/name"),
        power=_POWERS.get(root.findtext("state"), STOPPED),
        description=root.findtext("description") or "",
        created=int(root.findtext("creationTime") or 0) or None,
        current=is_current,
    )
