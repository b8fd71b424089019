# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: VMs for which this host has no tool of their provider: ``vagrant`` itself reads and changes them.

One process reads all VMs, from a copy of Vagrant's folder, because its read commands write to it.
"""

from __future__ import annotations

from ..._core.errors import CommandFailed, Timeout, Unsupported
from ..._core.model import RUNNING, Snapshot
from ..._ports import files
from ..._tools import vagrant_folder, vagrant_output, vagrant_states
from ..._tools.vagrant import VagrantFailed, is_existing_snapshot, is_not_ready_for_ssh, is_snapshot_missing
from .provider_vm import ProviderVm

_BUSY = {"shutting_down": "stopping"}
#: Timeout in seconds of commands that may save or restore memory, or delete a VM.
LONG = 3600
#: Timeout in seconds of powering off with Vagrant, if there is no other tool.
POWER_OFF = 60


def observe(vagrant_on, dotfile, facets):
    """({name: Status} of all VMs in the Vagrantfile, {name: ProviderVm} of those that are created).

    ``vagrant_on(copy)`` returns a Vagrant that uses another dotfile folder.
    """
    with files.private_folder() as folder:
        vagrant_folder.copy(files, dotfile, folder)
        vagrant = vagrant_on(folder)
        statuses = vagrant_output.statuses(vagrant.read("status"))
        snapshots = vagrant_output.snapshots(vagrant.read("snapshot", "list")) if "snapshots" in facets else {}
    provider_vms = {name: _provider_vm(status, snapshots.get(name, ())) for name, status in statuses.items()}
    return statuses, {name: provider_vm for name, provider_vm in provider_vms.items() if provider_vm}


def ssh_configs(vagrant_on, dotfile, names):
    """{name: Ssh}. Vagrant stops at the first VM without an address, so it is called again for the VMs after it."""
    found, remaining = {}, list(names)
    with files.private_folder() as folder:
        vagrant_folder.copy(files, dotfile, folder)
        while remaining:
            try:
                rows, is_ready = vagrant_on(folder).read("ssh-config", *remaining), True
            except VagrantFailed as error:
                rows, is_ready = error.rows, not is_not_ready_for_ssh(error)
            found.update(vagrant_output.ssh_configs(rows))
            remaining = [] if is_ready else [name for name in remaining if name not in found][1:]
    return found


def _provider_vm(status, snapshots):
    power, is_temporary = vagrant_states.state(status.provider, status.state)
    if power == "absent":
        return None
    busy = _BUSY.get(status.state, status.state) if is_temporary else None
    # Vagrant reports only the names of snapshots. After a restore, it starts the VM.
    return ProviderVm(
        power, busy, status.state, snapshots=tuple(Snapshot(name=one, power=RUNNING) for one in snapshots)
    )


class InVagrant:
    """Vagrant's own commands, for VMs for which this host has no tool of their provider."""

    def __init__(self, vagrant, stop_timeout):
        self._vagrant, self._stop_timeout = vagrant, stop_timeout

    def shut_down(self, name, identifier):
        """Vagrant waits for the guest to shut down, and then powers the VM off; ``stop_timeout`` limits the wait."""
        try:
            self._vagrant.run("halt", name, timeout=self._stop_timeout)
        except Timeout:
            self._vagrant.run("halt", "--force", name, timeout=POWER_OFF)

    def power_off(self, name, identifier, power):
        raise Unsupported(
            f"{name}: Vagrant did not power it off in time, and this host has no other tool for its provider.",
            f"Power it off with the provider's own program; its id there is {identifier}.",
        )

    def take_snapshot(self, name, identifier, arguments):
        try:
            self._vagrant.run("snapshot", "save", name, arguments["name"], timeout=LONG)
        except CommandFailed as error:
            if not is_existing_snapshot(error):
                raise

    def delete_snapshots(self, name, identifier, arguments):
        for snapshot in arguments["names"]:
            try:
                loses = ("snapshot", identifier, snapshot)
                self._vagrant.run("snapshot", "delete", name, snapshot, timeout=LONG, loses=loses)
            except CommandFailed as error:
                if not is_snapshot_missing(error):
                    raise

    def restore_snapshot(self, name, identifier, arguments):
        words = ("snapshot", "restore", name, arguments["name"], "--no-provision")
        self._vagrant.run(*words, timeout=LONG, loses=("state", identifier))
