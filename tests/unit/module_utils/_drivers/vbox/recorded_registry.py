# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry recorded from VBoxManage 7.2.22: three VMs, one of them a linked clone, and an unfinished one.

Calls that would change it are only recorded. In the recordings, the folder of the registry is replaced by that of the
test, which gets the settings files.
"""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import VBoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from unit.module_utils._tools.vbox_recordings import recorded

_RECORDED_AT = "/registry"
_FILES = {"web": "g/web/web", "linked": "linked/linked", "half": "half/half", "run": "run/run"}


class Commands:
    """Answers commands that only read with the recordings; all others are added to ``calls`` and print nothing."""

    def __init__(self, folder):
        self.folder, self.calls, self.reads = str(folder), [], []
        for name, path in _FILES.items():
            file = folder / "machines" / f"{path}.vbox"
            file.parent.mkdir(parents=True)
            file.write_text(self._recording(f"settings-{name}"), encoding="utf-8")

    def _recording(self, name):
        return recorded(name).replace(_RECORDED_AT, self.folder)

    def find(self, name, hint=None):
        return name

    def run(self, argv, stdin=None, timeout=60, environment=None, writes=False):
        command = tuple(argv[1:])
        if command == ("--version",):
            return Completed(tuple(argv), 0, "7.2.22r170000\n", "")
        if command[0] == "list":
            self.reads.append(command)
            text = self._recording("list-multiple")
            return Completed(tuple(argv), 0, text if "--multiple" in command else text[text.index("Name:      ") :], "")
        if command[0] in ("guestproperty", "showmediuminfo"):
            self.reads.append(command)
            return Completed(tuple(argv), 0, "", "")
        if command[2:3] == ("showvminfo",):
            return Completed(tuple(argv), 0, self._recording("snapshot-showvminfo"), "")
        self.calls.append(command)
        return Completed(tuple(argv), 0, "", "")


def driver_on(folder, **more):
    """(driver, its commands) on the recorded registry."""
    commands = Commands(folder)
    return VBoxDriver(VBoxManage(commands), commands, more), commands


def recorded_vm(driver, name, *facets):
    """One VM of the registry, as the driver observes it."""
    (vm,) = driver.observe([Target(name=name)], frozenset(facets)).vms
    return vm
