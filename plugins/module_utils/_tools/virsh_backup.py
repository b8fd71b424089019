# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup jobs of libvirt: their XML, the process that begins one, and what virsh reports of it.

Facts (libvirt 9.0 and 11.3): the job runs in QEMU, and backup-begin returns as soon as all disks have their point in
time. When a job fails, libvirt removes the files of all disks.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET

from .._core.errors import CommandFailed, Timeout
from .._ports import unpiped
from .virsh import Answer, check_permitted, quoted
from .virsh_output import key_values

#: First libvirt version where no VM needs a special setting for backups.
SINCE = (7, 6)
#: Seconds for an answer of the agent, and for freezing all file systems of a guest.
_PING, FREEZE = 5, 60
_PAUSE, _LONGEST_PAUSE = 0.2, 5
#: What libvirt answers if there is no job.
_NO_JOB = ("no domain backup job present", "domain is not running", "not supported by the connection driver")
_NO_FILE_SYSTEM = re.compile(r"^(Froze|Thawed) 0 ", re.MULTILINE)
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


def agent_answers(virsh, uuid):
    """Return whether the agent in the guest answers."""
    request = ("qemu-agent-command", uuid, "--timeout", str(_PING), _PING_REQUEST)
    return virsh.batch([request])[0].error is None


def begin(virsh, uuid, xml, is_frozen):
    """Begin a job. Returns why the file systems were not frozen, empty if they were or should not be.

    Freezing, beginning and thawing are one process that goes on when this one is killed. It writes to files, because a
    pipe without a reader would end it between them. Raises CommandFailed if the job was not begun.
    """
    commands = [("backup-begin", uuid, xml)]
    if is_frozen:
        commands = [("domfsfreeze", uuid), *commands, ("domfsthaw", uuid)]
    answers = dict(zip((command[0] for command in commands), _in_one_process(virsh, commands)))
    begun = answers["backup-begin"]
    if is_frozen and answers["domfsthaw"].error and thaw(virsh, uuid):
        raise CommandFailed(("virsh", "domfsthaw", uuid), 1, answers["domfsthaw"].error)
    if begun.error:
        raise CommandFailed(("virsh", "backup-begin", uuid), 1, begun.error)
    if not is_frozen:
        return ""
    counts = (_NO_FILE_SYSTEM.search(answers[one].stdout) for one in ("domfsfreeze", "domfsthaw"))
    return answers["domfsfreeze"].error or ("no file system was frozen" if any(counts) else "")


def thaw(virsh, uuid):
    """Thaw the file systems of a guest. Returns why that failed, or an empty string; none may be frozen."""
    return _in_one_process(virsh, [("domfsthaw", uuid)])[0].error or ""


def _in_one_process(virsh, commands):
    """Return the Answer to each command. Raises Timeout if the process does not end."""
    for words in commands:
        check_permitted(words)
    mark = f"polyvirt-{os.urandom(8).hex()}"
    line = "; ".join(f"{' '.join(map(quoted, words))}; echo {mark}; echo --err {mark}" for words in commands)
    # With -q, virsh does not print how many file systems it has frozen.
    argv = [word for word in virsh.argv if word != "-q"]
    written = unpiped.run([*argv, line], limit=FREEZE * len(commands))
    if written is None:
        raise Timeout(f"'virsh {commands[0][0]}' did not end within {FREEZE * len(commands)} seconds.", waited=FREEZE)
    missing = ["virsh ended before its last command"] * len(commands)
    printed, errors = (found + missing[len(found) :] for found in (text.split(mark)[:-1] for text in written))
    return [Answer(text, "; ".join(_errors_in(error)) or None) for text, error in zip(printed, errors)]


def _errors_in(text):
    lines = [line.strip().removeprefix("error:").strip() for line in text.splitlines()]
    return [line for line in lines if line]


def has_no_job(answer):
    """Return whether an answer to ``backup-dumpxml`` says that the VM has no job. Raises CommandFailed if unknown."""
    if answer.error and not any(text in answer.error for text in _NO_JOB):
        raise CommandFailed(("virsh", "backup-dumpxml"), 1, answer.error)
    return bool(answer.error)


def running_files(answer):
    """Return the files that a running job writes, from an answer to ``backup-dumpxml``; empty if there is no job."""
    targets = [] if has_no_job(answer) else ET.fromstring(answer.stdout).findall("disks/disk/target")
    return {one.get("file") for one in targets if one.get("file")}


def is_over(virsh, uuid):
    """Return whether libvirt reports a job for ever, though it copies no disk any more.

    If libvirtd is killed after QEMU has completed all disks, and before it has stored that, the job remains until it is
    aborted. When a job ends in the usual way, it ends before that of its last disk, so it is read last here.
    """
    job = virsh.batch([("backup-dumpxml", uuid)])[0]
    if has_no_job(job):
        return False
    disks = [one for one in ET.fromstring(job.stdout).iterfind("disks/disk") if one.get("backup") != "no"]
    # With -q, virsh prints a missing block job as an empty text, and the progress of another one only with --raw.
    *disks, job = virsh.batch(
        [*(("blockjob", uuid, one.get("name"), "--raw") for one in disks), ("backup-dumpxml", uuid)]
    )
    return not any(one.error or one.stdout.strip() for one in disks) and not has_no_job(job)


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
            if has_no_job(job):
                return self._check_end(uuid, completed)
            if _without_time(progress) != last:
                since, last = self._clock.now(), _without_time(progress)
            elif is_over(self._virsh, uuid):
                raise CommandFailed(
                    ("virsh", "backup-begin", uuid),
                    1,
                    "the end of the backup job was lost",
                    remedy="Run the task again.",
                )
            elif self._clock.now() - since > self._limit:
                raise Timeout("the backup job makes no progress.", waited=self._limit)
            self._clock.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def until_gone(self, uuid):
        """Return when the VM has no job, however it has ended."""
        since = self._clock.now()
        while not has_no_job(self._virsh.batch([("backup-dumpxml", uuid)])[0]):
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
