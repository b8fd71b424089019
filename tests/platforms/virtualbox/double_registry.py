# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of VirtualBox, with the interface of the real one: if that is not available, and for older versions."""

from __future__ import annotations

import json
import time

from platforms import warm
from platforms.virtualbox.double import commands

from .registry import Registry


class VirtualBox(Registry):
    """A registry in ``folder``; the output depends on ``version``."""

    #: Its clock: the seconds since 1970.
    now = staticmethod(time.time)

    def __init__(self, folder, version="7.2.22_Debianr175245"):
        super().__init__(folder)
        self.machines.mkdir(parents=True, exist_ok=True)
        self.write_executable(warm.script("platforms.virtualbox.double", self.folder))
        self._change(version=version)

    def call(self, *words):
        """Run one command without a process, because most calls of a test only prepare it."""
        return commands.call(str(self.folder), [str(word) for word in words], self.now)

    def is_busy(self, *texts):
        """The next calls that lock a stopped VM fail with these messages; {} is replaced by the VM's name."""
        self._change(busy=list(texts))

    def ends_while_cloning(self, times):
        """The daemon ends during each of the next ``times`` calls of clonevm."""
        self._change(ends=times)

    def has_networks(self, **names):
        """Set the host's networks: names of its ``bridgedifs``, ``hostonlyifs`` and ``natnets``."""
        self._change(networks=names)

    def is_on_arm(self, is_so=True):
        """The host has an Arm CPU."""
        self._change(architecture="ARM" if is_so else "x86")

    def has_leases(self, leases):
        """Set the DHCP leases of host-only networks: {MAC: (address, state)}."""
        self._change(leases=leases)

    def set_value(self, uuid, key, value):
        """Set a value of a VM in any state, also one that VBoxManage changes only while the VM is off."""
        self.run("--version")
        file = self.folder / "registry.json"
        data = json.loads(file.read_text(encoding="utf-8"))
        data["machines"][uuid]["config"]["values"][key] = value
        file.write_text(json.dumps(data), encoding="utf-8")

    def typed(self, uuid):
        """The scan codes that the guest of a VM has got, one text for each call."""
        data = json.loads((self.folder / "registry.json").read_text(encoding="utf-8"))
        return data["machines"][uuid].get("typed", [])

    def _change(self, **values):
        self.run("--version")
        file = self.folder / "registry.json"
        file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")
