# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry recorded from VBoxManage 7.2.22: three VMs, one of them a linked clone, and an unfinished one.

What would change it is only noted. The recorded folder is put where the test has one, with its settings files.
"""

from __future__ import annotations

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
            file.write_text(self._told(f"settings-{name}"), encoding="utf-8")

    def _told(self, name):
        return recorded(name).replace(_RECORDED_AT, self.folder)

    def find(self, name, hint=None):
        return name

    def run(self, argv, stdin=None, timeout=60, environment=None, writes=False):
        words = tuple(argv[1:])
        if words[0] == "list":
            self.reads.append(words)
            text = self._told("list-multiple")
            return Completed(tuple(argv), 0, text if "--multiple" in words else text[text.index("Name:      ") :], "")
        if words[0] in ("guestproperty", "showmediuminfo"):
            self.reads.append(words)
            return Completed(tuple(argv), 0, "", "")
        if words[2:3] == ("showvminfo",):
            return Completed(tuple(argv), 0, self._told("snapshot-showvminfo"), "")
        self.calls.append(words)
        return Completed(tuple(argv), 0, "", "")


def driver_on(folder, **more):
    """(driver, its commands) on the recorded registry."""
    commands = Commands(folder)
    return VBoxDriver(VBoxManage(commands), commands, **more), commands


def found(driver, name, *facets, native=()):
    """One VM of the registry, as the driver observes it."""
    from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Target

    (vm,) = driver.observe([Target(name=name)], frozenset(facets)).vms
    return vm
