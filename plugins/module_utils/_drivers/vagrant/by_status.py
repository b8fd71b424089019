# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of which only Vagrant itself can tell: one process for all of them, on a copy, for looking writes."""

from __future__ import annotations

from ..._lifecycle.errors import CommandFailed, Timeout, Unsupported
from ..._lifecycle.model import RUNNING, Snapshot
from ..._ports import files
from ..._tools import vagrant_folder, vagrant_output, vagrant_states
from ..._tools.vagrant import VagrantFailed, is_not_ready_for_ssh, is_snapshot_missing, is_snapshot_taken
from .provider_vm import ProviderVm

_PASSING = {"shutting_down": "stopping"}
#: Memory on its way to disk is the platform's own work; yet no call may hang for ever.
_LONG = 3600
#: Seconds that Vagrant gets to cut a machine off.
CUT = 60


def observe(vagrant_on, dotfile, facets):
    """({name: Status} of all machines that the Vagrantfile describes, {name: ProviderVm} of those that are made).

    ``vagrant_on(copy)`` speaks to the project with another such folder.
    """
    with files.private_folder() as folder:
        vagrant_folder.copy(files, dotfile, folder)
        vagrant = vagrant_on(folder)
        statuses = vagrant_output.statuses(vagrant.read("status"))
        taken = vagrant_output.snapshots(vagrant.read("snapshot", "list")) if "snapshots" in facets else {}
    provider_vms = {name: _provider_vm(status, taken.get(name, ())) for name, status in statuses.items()}
    return statuses, {name: provider_vm for name, provider_vm in provider_vms.items() if provider_vm}


def reached(vagrant_on, dotfile, names):
    """{name: Ssh}. Vagrant ends at the first machine that has no address yet, so it is asked about the others again."""
    found, left = {}, list(names)
    with files.private_folder() as folder:
        vagrant_folder.copy(files, dotfile, folder)
        while left:
            try:
                rows, is_ready = vagrant_on(folder).read("ssh-config", *left), True
            except VagrantFailed as error:
                rows, is_ready = error.rows, not is_not_ready_for_ssh(error)
            found.update(vagrant_output.ssh_configs(rows))
            left = [] if is_ready else [name for name in left if name not in found][1:]
    return found


def _provider_vm(status, snapshots):
    power, is_passing = vagrant_states.state(status.provider, status.state)
    if power == "absent":
        return None
    busy = _PASSING.get(status.state, status.state) if is_passing else None
    # Of snapshots Vagrant tells no more than their names, and whatever it restores it leaves running.
    return ProviderVm(
        power, busy, status.state, snapshots=tuple(Snapshot(name=one, power=RUNNING) for one in snapshots)
    )


class ByStatus:
    """What Vagrant's own commands can do to machines for which this collection has no tool of their provider."""

    def __init__(self, vagrant, stop_timeout):
        self._vagrant, self._stop_timeout = vagrant, stop_timeout

    def ask_to_stop(self, name, identifier):
        """Vagrant waits for the guest itself and cuts it off in the end; it is only told here how long to wait."""
        try:
            self._vagrant.run("halt", name, timeout=self._stop_timeout)
        except Timeout:
            self._vagrant.run("halt", "--force", name, timeout=CUT)

    def cut(self, name, identifier, power):
        raise Unsupported(
            f"{name}: Vagrant did not turn it off in time, and there is no other tool for its provider here.",
            f"Turn it off with the provider's own program; it is {identifier} there.",
        )

    def take(self, name, identifier, arguments):
        try:
            self._vagrant.run("snapshot", "save", name, arguments["name"], timeout=_LONG)
        except CommandFailed as error:
            if not is_snapshot_taken(error):
                raise

    def drop(self, name, identifier, arguments):
        for snapshot in arguments["names"]:
            try:
                self._vagrant.run("snapshot", "delete", name, snapshot, timeout=_LONG)
            except CommandFailed as error:
                if not is_snapshot_missing(error):
                    raise

    def restore(self, name, identifier, arguments):
        self._vagrant.run("snapshot", "restore", name, arguments["name"], "--no-provision", timeout=_LONG)
