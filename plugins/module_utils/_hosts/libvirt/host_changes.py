# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the steps that prepare a host for libvirt, or remove what they added. Each one is recorded first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ..._core.errors import CommandFailed, Timeout
from ..._ports import files, host
from ..._ports.clock import Clock
from ..._tools import kvm_nesting, libvirt_daemons
from ..._tools.linux_packages import INSTALLATION
from . import host_record
from .host_reading import FORWARDING, GROUP, IMAGES, holds_disks
from .host_record import Record

_RECORD_FOLDER = host_record.PATH.rpartition("/")[0]
#: Seconds until the daemons answer, and between two attempts.
_START, _PAUSE = 60, 0.5


class Changes:
    """Makes the steps of host_plan.py; ``reader`` reads the host and its record."""

    def __init__(self, commands, virsh, reader):
        self._commands, self._virsh, self._reader = commands, virsh, reader
        self._clock = Clock()

    def make(self, step, requested):
        """Carry out one step; ``requested`` are the options of the task. Raises the error of a command."""
        verb = "add" if requested["state"] == "present" else "remove"
        if verb == "remove":
            self._complete_record()
        getattr(self, f"_{verb}_{step.key}")(step, requested)

    def _complete_record(self):
        """Store what an interrupted installation has added, before the removal begins."""
        record, whole = self._reader.record(), self._reader.whole_record()
        if whole != record:
            self._store(whole)

    # Each method has the key of a step (host_plan.py) in its name.

    def _add_packages(self, step, requested):
        record = self._record()
        if step.after:
            before = record.packages_before or tuple(sorted(self._reader.installed()))
            record = replace(record, packages_before=before)
            self._store(record)
            found = self._reader.package_files(requested["package_folder"])
            try:
                self._install(self._reader.manager, step.after, found)
            except CommandFailed as error:
                message = f"packages: {', '.join(step.after)} could not be installed: {error.stderr}"
                remedy = "Check the names, and the package sources of the host."
                raise CommandFailed(error.argv, error.rc, error.stderr, message, remedy) from error
        self._store(self._reader.completed(record))

    def _install(self, manager, names, found):
        if found is not None:
            self._run([*manager.install_files, *found], manager.environment, INSTALLATION)
            return
        if manager.update:
            # An index that cannot be refreshed may still be sufficient: the installation decides.
            with suppress(CommandFailed):
                self._run(manager.update, manager.environment, INSTALLATION)
        self._run([*manager.install, *names], manager.environment, INSTALLATION)

    def _add_daemons(self, step, requested):
        record = self._record()
        self._store(replace(record, started=True, units=(*record.units, *step.calls)))
        if not self._reader.has_systemd:
            files.make_folder(libvirt_daemons.RUN_FOLDER)
        for argv in libvirt_daemons.start_argvs(step.calls, self._reader.has_systemd):
            self._run(argv)
        end = self._clock.now() + _START
        while not self._reader.answers():
            if self._clock.now() > end:
                raise Timeout(
                    f"The daemon of libvirt did not answer within {_START} seconds after its start.",
                    _START,
                    "Its log is in the journal (journalctl -u libvirtd -u virtqemud) or /var/log/libvirt.",
                )
            self._clock.sleep(_PAUSE)

    def _add_users(self, step, requested):
        record = self._record()
        self._store(replace(record, users=(*record.users, *step.calls)))
        for user in step.calls:
            self._run(["usermod", "-a", "-G", GROUP, user])

    def _add_nested(self, step, requested):
        self._store(replace(self._record(), nested=True))
        files.make_folder(kvm_nesting.PATH.rpartition("/")[0])
        files.write_atomically(kvm_nesting.PATH, kvm_nesting.text(step.after).encode())

    def _add_networks(self, step, requested):
        self._store(replace(self._record(), networks=tuple(step.after)))

    def _add_pools(self, step, requested):
        self._store(replace(self._record(), pools=tuple(step.after)))

    def _remove_networks(self, step, requested):
        self._undefine("net", step.before)
        self._store(replace(self._record(), networks=()))

    def _remove_pools(self, step, requested):
        # Never pool-delete: the volumes are data.
        self._undefine("pool", step.before)
        self._store(replace(self._record(), pools=()))

    def _undefine(self, kind, names):
        active, defined = self._reader.names((f"{kind}-list", "--name"), (f"{kind}-list", "--all", "--name"))
        for name in names:
            if name in active:
                self._virsh.run(f"{kind}-destroy", name)
            if name in defined:
                self._virsh.run(f"{kind}-undefine", name)

    def _remove_users(self, step, requested):
        for user in set(step.before) - set(step.after):
            self._run(["gpasswd", "-d", user, GROUP])
        self._store(replace(self._record(), users=()))

    def _remove_nested(self, step, requested):
        files.remove(kvm_nesting.PATH)
        self._store(replace(self._record(), nested=False))

    def _remove_daemons(self, step, requested):
        record = self._record()
        if record.packages:
            # The network that the packages define would stay without its daemon.
            (active,) = self._reader.names(("net-list", "--name"))
            for name in active:
                self._virsh.run("net-destroy", name)
        if self._reader.has_systemd:
            if record.units:
                self._run(["systemctl", "disable", "--now", *record.units])
        else:
            for path in libvirt_daemons.DAEMONS.values():
                self._end(path)
        self._store(replace(record, stopped=True))

    def _end(self, path):
        if files.exists(path):
            self._commands.end(int(files.read(path)), libvirt_daemons.is_daemon)

    def _remove_packages(self, step, requested):
        manager = self._reader.manager
        self._run([*manager.remove, *step.before], manager.environment, INSTALLATION)

    def _remove_firewall(self, step, requested):
        for argv in self._reader.firewall_removal():
            self._run(argv)

    def _remove_folders(self, step, requested):
        for folder in step.before:
            paths = [f"{folder}/{name}" for name in files.entries(folder)] if holds_disks(folder) else [folder]
            for path in paths:
                if path != IMAGES:
                    files.remove_whole(path)

    def _remove_forwarding(self, step, requested):
        for path, value in zip(FORWARDING, step.after):
            host.write_kernel_value(path, value)

    def _remove_record(self, step, requested):
        files.remove(host_record.PATH)
        files.remove_empty_folder(_RECORD_FOLDER)

    def _record(self):
        """Return the record; a new one has the state of the host before the first change."""
        return self._reader.record() or Record(
            folders=self._reader.missing_folders(), forwarding=self._reader.forwarding()
        )

    def _store(self, record):
        files.make_folder(_RECORD_FOLDER)
        files.write_atomically(host_record.PATH, host_record.dump(record), mode=0o600)

    def _run(self, argv, environment=None, timeout=300):
        self._reader.run(argv, environment=environment, timeout=timeout, writes=True)
