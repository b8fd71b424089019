# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of libvirt with a VM that is backed up, and its clock."""

from __future__ import annotations

import shlex
import subprocess
import xml.etree.ElementTree as ET

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh

_NO_JOB = Answer("", "Domain backup job id not found: no domain backup job present")
COMPLETED = "Job type:         Completed   \nOperation:        Backup      \n"


class Clock:
    """Advances only by sleeping; ``time`` is set by the fixture."""

    def now(self):
        return Clock.time

    def sleep(self, seconds):
        Clock.time += seconds


class Guest(FakeVirsh):
    """A VM with an agent and one disk. A job lasts for ``polls`` questions, and ends as ``completed`` says.

    ``errors`` are those of commands by name; after the command ``killed``, virsh ends.
    """

    argv = ("virsh", "-q")

    def __init__(self, definition):
        super().__init__({("dumpxml", UUID, "--inactive", "--security-info"): definition})
        self.file_systems, self.is_over = 1, False
        self.errors, self.killed, self.polls, self.completed = {}, None, 3, COMPLETED
        self.is_frozen, self.has_agent, self.job, self.calls, self.progress = False, True, None, [], 0

    def batch(self, requests, timeout=None):
        return [self._asked(words) for words in requests]

    def _asked(self, words):
        if words[0] == "qemu-agent-command":
            return Answer("{}", None) if self.has_agent else Answer("", "Guest agent is not responding")
        if words[0] == "backup-dumpxml":
            return self._running_job()
        if words[0] == "blockjob":
            # virsh -q prints neither a missing job nor, without --raw, the progress of one.
            is_shown = not self.is_over and "--raw" in words
            return Answer(" type=Backup\n cur=1\n end=2\n" if is_shown else "", None)
        if "--completed" in words:
            return Answer(self.completed, None)
        self.progress += 1
        return Answer(f"operation: 9\ndisk_processed: {self.progress}\ntime_elapsed: {Clock.time}\n", None)

    def _running_job(self):
        if self.job is None:
            return _NO_JOB
        text, self.polls = self.job, self.polls - 1
        if self.polls < 0:
            self.job = None
            return _NO_JOB
        return Answer(text, None)

    def run(self, *words, stdin=None, timeout=None):
        if words[0] == "domjobabort":
            self.calls.append(words[0])
            if self.job is None:
                raise CommandFailed(("virsh", *words), 1, "Requested operation is not valid: no job is active on it")
            self._remove_targets()
            self.job = None
            return ""
        return super().run(*words, stdin=stdin, timeout=timeout)

    def run_unpiped(self, argv, limit):
        """What unpiped.run does: every command, until virsh is killed."""
        assert limit > 0
        assert "-q" not in argv
        out = err = ""
        for command in argv[-1].split("; "):
            words = shlex.split(command)
            if words[0] == "echo":
                out, err = (out, f"{err}{words[-1]}\n") if "--err" in words else (f"{out}{words[-1]}\n", err)
                continue
            err += self._carried_out(words)
            if words[0] in ("domfsfreeze", "domfsthaw"):
                out += f"{'Froze' if words[0] == 'domfsfreeze' else 'Thawed'} {self.file_systems} filesystem(s)\n"
            if words[0] == self.killed:
                break
        return out, err

    def _carried_out(self, words):
        self.calls.append(words[0])
        if words[0] in self.errors:
            return f"error: {self.errors[words[0]]}\n"
        if words[0] == "backup-begin":
            with open(words[2], encoding="utf-8") as file:
                self.job = self.xml = file.read()
            for target in ET.fromstring(self.job).iterfind("disks/disk/target"):
                subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", target.get("file"), "1M"], check=True)
        else:
            self.is_frozen = words[0] == "domfsfreeze"
        return ""

    def _remove_targets(self):
        for target in ET.fromstring(self.job).iterfind("disks/disk/target"):
            subprocess.run(["rm", "-f", target.get("file")], check=True)
