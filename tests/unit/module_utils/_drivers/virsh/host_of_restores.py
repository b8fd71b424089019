# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of libvirt for restores, which counts the calls that change something."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import SAVED, UUID, StoringVirsh, failed, machine_xml

_POWERS = {"destroy": STOPPED, "start": RUNNING, "suspend": PAUSED, "resume": RUNNING}
_STATES = {STOPPED: "shut off", RUNNING: "running", PAUSED: "paused"}


class Killed(BaseException):
    """The task is killed: no error of this collection, so nothing is undone."""


class Host(StoringVirsh):
    """libvirt with the VM m1, and perhaps an ``other`` one.

    The task is killed after ``kill_at`` calls that change something, also of qemu-img.
    """

    def __init__(self, folder):
        super().__init__(UUID, machine_xml(("/var/lib/libvirt/images/m1.qcow2", str(folder / "m1-vda.raw"))))
        self.stored.find_or_add("devices/disk/driver").set("type", "raw")
        self.power, self.calls, self.kill_at, self.errors, self.other = STOPPED, 0, None, {}, None

    def count(self):
        self.calls += 1
        if self.kill_at == self.calls:
            raise Killed

    def batch(self, requests, timeout=None):
        no_job = failed("Domain backup job id not found: no domain backup job present")
        return [
            no_job if words[0] == "backup-dumpxml" else Answer(self.run(*words, timeout=timeout), None)
            for words in requests
        ]

    def run(self, *words, stdin=None, timeout=None):
        if words[0] in self.errors and self.errors[words[0]](stdin):
            raise CommandFailed(("virsh", *words), 1, "XML error: it is rejected")
        if self.other and words[:2] == ("dumpxml", self.other.uuid):
            return self.other.text()
        answer = _STATES[self.power] if words[0] == "domstate" else super().run(*words, stdin=stdin, timeout=timeout)
        if self.other and words[0] == "list" and words != SAVED:
            answer += f"{self.other.uuid} {self.other.name}\n"
        self.power = _POWERS.get(words[0], self.power)
        if words[0] in _POWERS:
            self.running = None if self.power == STOPPED else self.running or Definition(self.stored.text())
        if words[0] in (*_POWERS, "define"):
            self.count()
        return answer

    def disk(self):
        """The content of the disk that the VM has now."""
        with open(self.stored.drives("disk")[0].find("source").get("file"), "rb") as file:
            return file.read(8)
