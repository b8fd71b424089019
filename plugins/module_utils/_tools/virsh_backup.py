# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup jobs of libvirt: their XML, the process that begins one, and what virsh reports of it.

Facts (libvirt 9.0 and 11.3): the job runs in QEMU, and backup-begin returns as soon as all disks have their point in
time. When a job fails, libvirt removes the files of all disks.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

from .._core.errors import CommandFailed, Timeout
from .._ports import unpiped
from .virsh import quoted
from .virsh_output import key_values

#: First libvirt version where no VM needs a special setting for backups.
SINCE = (7, 6)
#: Seconds for an answer of the agent, and for freezing all file systems of a guest.
_PING, FREEZE = 5, 60
_PAUSE, _LONGEST_PAUSE = 0.2, 5
_PING_REQUEST = '{"execute":"guest-ping"}'


def backup_xml(targets):
    """Return the XML of a job: every disk of the VM by name, with its new file, or None if it is not included."""
    root = ET.Element("domainbackup", {"mode": "push"})
    disks = ET.SubElement(root, "disks")
    for slot, path in sorted(targets.items()):
        disk = ET.SubElement(disks, "disk", {"name": slot, "backup": "no" if path is None else "yes"})
        if path is not None:
            disk.set("type", "file")
            ET.SubElement(disk, "driver", {"type": "qcow2"})
            ET.SubElement(disk, "target", {"file": path})
    return ET.tostring(root, encoding="unicode")


def target_files(text):
    """Return the files that a running job writes, from ``backup-dumpxml``."""
    return {one.get("file") for one in ET.fromstring(text).findall("disks/disk/target") if one.get("file")}


def agent_answers(virsh, uuid):
    """Return whether the agent in the guest answers."""
    request = ("qemu-agent-command", uuid, "--timeout", str(_PING), _PING_REQUEST)
    return virsh.batch([request])[0].error is None


def begin(virsh, uuid, xml, is_frozen):
    """Begin a job. Returns why the file systems could not be frozen, empty if they were or should not be.

    Freezing, beginning and thawing are one process that goes on when this one is killed. It writes to files, because a
    pipe without a reader would end it between them. Raises CommandFailed if the job was not begun.
    """
    commands = [("backup-begin", uuid, xml)]
    if is_frozen:
        commands = [("domfsfreeze", uuid), *commands, ("domfsthaw", uuid)]
    answers = _in_one_process(virsh, commands, f"{xml}.out", f"{xml}.err")
    errors_of = dict(zip((command[0] for command in commands), answers))
    if errors_of.get("domfsthaw"):
        thaw(virsh, uuid, xml)
    if errors_of["backup-begin"]:
        raise CommandFailed(("virsh", "backup-begin", uuid), 1, errors_of["backup-begin"])
    return errors_of.get("domfsfreeze") or ""


def thaw(virsh, uuid, xml):
    """Thaw the file systems of a guest; no error if they are not frozen, or if no agent answers."""
    _in_one_process(virsh, [("domfsthaw", uuid)], f"{xml}.out", f"{xml}.err")


def _in_one_process(virsh, commands, out, err):
    """Return the error of each command, empty if it succeeded. Raises Timeout if the process does not end."""
    mark = f"polyvirt-{os.urandom(8).hex()}"
    line = "; ".join(f"{' '.join(map(quoted, words))}; echo --err {mark}" for words in commands)
    rc = unpiped.run([*virsh.argv, line], out, err, limit=FREEZE * len(commands))
    if rc is None:
        raise Timeout(f"'virsh {commands[0][0]}' did not end within {FREEZE * len(commands)} seconds.", waited=FREEZE)
    parts = unpiped.text_of(err).split(mark)[: len(commands)]
    parts += ["virsh ended before its last command"] * (len(commands) - len(parts))
    return ["; ".join(_errors_in(part)) for part in parts]


def _errors_in(text):
    lines = [line.strip().removeprefix("error:").strip() for line in text.splitlines()]
    return [line for line in lines if line]


def running_files(answer):
    """Return the files of the running job from an answer to ``backup-dumpxml``; None if there is no job."""
    return None if answer.error else target_files(answer.stdout)


class Waiting:
    """Waits for the end of a job. ``limit``: seconds without any progress after which it gives up."""

    def __init__(self, virsh, clock, limit):
        self._virsh, self._clock, self._limit = virsh, clock, limit

    def until_end(self, uuid):
        """Return when the job has ended. Raises CommandFailed if it failed, Timeout without progress."""
        since, last, pause = self._clock.now(), None, _PAUSE
        while True:
            job, progress, completed = self._virsh.batch(
                [
                    ("backup-dumpxml", uuid),
                    ("domjobinfo", uuid, "--rawstats"),
                    ("domjobinfo", uuid, "--completed", "--keep-completed", "--anystats"),
                ]
            )
            if job.error:
                return self._check_end(uuid, completed)
            if _without_time(progress) != last:
                since, last = self._clock.now(), _without_time(progress)
            elif self._clock.now() - since > self._limit:
                raise Timeout("the backup job makes no progress.", waited=self._limit)
            self._clock.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def until_gone(self, uuid):
        """Return when the VM has no job, however it has ended."""
        since = self._clock.now()
        while not self._virsh.batch([("backup-dumpxml", uuid)])[0].error:
            if self._clock.now() - since > self._limit:
                raise Timeout("the backup job does not end.", waited=self._limit)
            self._clock.sleep(_PAUSE)

    def _check_end(self, uuid, completed):
        found = key_values(completed.stdout) if not completed.error else {}
        if found.get("Job type") != "Completed":
            reason = found.get("Error message") or completed.error or "it was cancelled, or the VM was stopped"
            raise CommandFailed(("virsh", "backup-begin", uuid), 1, f"the backup job has failed: {reason.strip()}")


def _without_time(answer):
    lines = [line for line in answer.stdout.splitlines() if "time" not in line]
    return "\n".join(lines), answer.error
