# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VirtualBox driver on the double in this process: no program is started, and the clock is simulated.

These tests use the double only through this module.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from unittest import mock

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import VBoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net
from ansible_collections.polyvirt.core.plugins.module_utils._ports import writes as counted
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from platforms.virtualbox import double_registry, tasks
from platforms.virtualbox.double.failures import NeverEnds
from platforms.virtualbox.guests import disk_image
from unit.module_utils._engine.world import FakeClock

MIB, SMALL, ENGINE = tasks.MIB, tasks.SMALL, tasks.ENGINE
Killed, killed_after = tasks.Killed, tasks.killed_after
_NOW, _SECONDS_OF_A_CALL = 1_700_000_000, 0.05
_IN_MEMORY = "/dev/shm"


class VirtualBox(double_registry.VirtualBox):
    """A registry with its own clock, which advances while a task sleeps and with each call.

    ``listening`` are the TCP ports of the host that other programs use.
    """

    def __init__(self, folder, **more):
        self.clock, self.listening = FakeClock(), set()
        self._ports = mock.patch.object(net, "is_free", lambda host, port, protocol: port not in self.listening)
        super().__init__(folder, **more)

    def __enter__(self):
        self._ports.start()
        return self

    def close(self):
        self._ports.stop()

    def now(self):
        return _NOW + self.clock.now()

    def call(self, *words):
        self.clock.sleep(_SECONDS_OF_A_CALL)
        return super().call(*words)

    def image(self, guest="obeys"):
        """A raw disk image; VMs created from it have this guest."""
        path = self.folder / f"{guest}.img"
        path.write_bytes(disk_image(guest))
        return {"source": str(path), "linked": False}

    def disk(self, name="user.vdi", size=2):
        """The path of a disk image that no task has created and VirtualBox does not know."""
        path = str(self.folder / name)
        if not os.path.exists(path):
            image_format = os.path.splitext(name)[1][1:].upper()
            self.run("createmedium", "disk", "--filename", path, "--size", size, "--format", image_format)
            self.run("closemedium", "disk", path)
        return path

    def files(self):
        """Paths of all files in the folder of VMs."""
        return sorted(str(path.relative_to(self.machines)) for path in self.machines.rglob("*") if path.is_file())

    def registered(self, kind="hdds"):
        """Paths of the images that VirtualBox knows."""
        lines = self.run("list", kind).splitlines()
        return sorted(line.partition(":")[2].strip() for line in lines if line.startswith("Location:"))

    def values(self, name="web"):
        """What showvminfo reports about a VM: {key: value}."""
        lines = self.run("showvminfo", name, "--machinereadable").splitlines()
        pairs = (line.partition("=") for line in lines)
        return {key.strip('"'): value.strip('"') for key, _equals, value in pairs}


@contextmanager
def virtualbox(**more):
    """A VirtualBox in its own directory, in memory if possible."""
    where = _IN_MEMORY if os.path.isdir(_IN_MEMORY) else None
    with tempfile.TemporaryDirectory(prefix="polyvirt-vbox-", dir=where) as folder, VirtualBox(folder, **more) as box:
        yield box


class InProcess(Commands):
    """The driver's port to programs. VBoxManage is the double; the program that creates ISO images is simulated here.

    ``before`` and ``after`` are {word: function}: called just before or after the first call with that word, to act as
    another client. ``fails`` is {word: text}: the first call with that word does nothing and fails with the text.
    """

    def __init__(self, box, before=None, after=None, fails=None):
        self._box, self.calls = box, []
        self._before, self._after, self._fails = dict(before or {}), dict(after or {}), dict(fails or {})

    def find(self, name_or_path, hint=None):
        return name_or_path

    def run(self, argv, stdin=None, timeout=60, environment=None, writes=False):
        if os.path.basename(argv[0]) != "VBoxManage":
            return _make_iso(argv)
        self.calls.append(tuple(argv[1:]))
        for word in self._before.keys() & set(argv):
            self._before.pop(word)()
        for word in self._fails.keys() & set(argv):
            return Completed(tuple(argv), 1, "", f"VBoxManage: error: {self._fails.pop(word)}\n")
        completed = Completed(tuple(argv), *self._call(argv[1:], timeout))
        for word in self._after.keys() & set(argv):
            self._after.pop(word)()
        if writes and completed.rc == 0:
            counted.note()
        return completed

    def _call(self, words, timeout):
        try:
            return self._box.call(*words)
        except NeverEnds:
            self._box.clock.sleep(timeout)
            raise Timeout(f"'VBoxManage {' '.join(words)}' did not finish within {timeout} seconds.", timeout) from None


def _make_iso(argv):
    path, folder = argv[argv.index("-o") + 1], argv[-1]
    content = b"\0" * 32769 + b"CD001"
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            content += file.read()
    with open(path, "wb") as file:
        file.write(content.ljust(65536, b"\0"))
    return Completed(tuple(argv), 0, "", "")


def task(box, *names, commands=None, before=None, after=None, fails=None, **more):
    """Run one task (see ``virtualbox.tasks.task``)."""
    commands = commands or InProcess(box, before, after, fails)
    return tasks.task(box, *names, commands=commands, clock=box.clock, **more)


def several(box, *entries, check=False):
    """Run one task with several entries (see ``virtualbox.tasks.several``)."""
    return tasks.several(box, *entries, check=check, commands=InProcess(box), clock=box.clock)


def snapshot(box, snapshot_name, name="web", state="present", **more):
    """Run one task about a snapshot; ``more`` as in ``task``, and ``children``, ``description``, ``power``."""
    fields = {key: more.pop(key) for key in ("children", "description", "power") if key in more}
    return task(box, name, snapshot={"name": snapshot_name, "state": state, **fields}, **more)


def driver_of(box, commands=None, **settings):
    commands = commands or InProcess(box)
    return VBoxDriver(VBoxManage(commands, str(box.executable), clock=box.clock), commands, settings)


def observed(box, *facets, name="web", **settings):
    """One VM as the driver observes it."""
    (vm,) = driver_of(box, **settings).observe([Target(name=name)], frozenset({"power", "config", *facets})).vms
    return vm


def info(box, *names, commands=None):
    """What ``vbox_vm_info`` returns."""
    return report_vms(driver_of(box, commands), {"name": list(names) or None})
