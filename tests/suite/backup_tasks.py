# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks about backups of a VM of the real QEMU, its disks, and what they contain."""

from __future__ import annotations

import hashlib
import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

from suite.answer import Task
from suite.belts import share
from suite.carry import carry_one

WEB, COPY = "pvg-backup-web", "pvg-backup-copy"


def task_about(label, place, check=False, **options):
    return Task(label, {"name": [WEB], "directory": str(place), **options}, check=check, about="backup")


def backing_up(label, place, check=False, **options):
    return task_about(label, place, check, max_age="1h", **options)


def restoring(label, place, check=False, **options):
    return task_about(label, place, check, state="restored", **{"backup": "newest", **options})


def raw_content(path, image_format):
    """What a guest reads on a disk."""
    raw = Path(f"{path}.read")
    subprocess.run(["qemu-img", "convert", "-U", "-f", image_format, "-O", "raw", str(path), str(raw)], check=True)
    data = raw.read_bytes()
    raw.unlink()
    return data


def content(path, image_format):
    """The SHA-256 of what a guest reads on a disk."""
    return hashlib.sha256(raw_content(path, image_format)).hexdigest()


def write(path, image_format, pattern):
    command = f"write -P {pattern} 1M 64k"
    subprocess.run(["qemu-io", "-f", image_format, "-c", command, str(path)], check=True, stdout=subprocess.DEVNULL)


def bring(qemu, carry, power, **options):
    """Create a VM with two disks in two directories, a raw one among them, with content. Returns its disks."""
    qemu.clean()
    elsewhere = qemu.folder_with()
    disks = [{"size": "16M"}, {"size": "8M", "format": "raw", "directory": elsewhere}]
    made = {**qemu.creation, "name": [WEB], "disks": disks, "state": "stopped", **options}
    answers = carry(qemu, [Task("made", made)], [WEB])
    assert_worked(answers, made=True)
    found = disks_of(answers["made"].vm(WEB))
    for number, (path, image_format) in enumerate(found.values()):
        write(path, image_format, 17 + number)
    if power == RUNNING:
        assert_worked(carry(qemu, [powered("started")], [WEB]), started=True)
    return found


def _archived(name, content):
    """A program as the kernel reads it in an initrd (cpio, format newc)."""
    numbers = [0, 0o100755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    return _padded(b"070701" + b"".join(b"%08X" % one for one in numbers) + name + b"\0") + _padded(content)


def _padded(data):
    return data + bytes(-len(data) % 4)


@contextmanager
def guest_program(qemu, text):
    """The native settings of a VM with this shell script as the program of its guest."""
    initrd, native = Path("/var/lib/pvg-program.img"), qemu.kernel()
    first = Path(native["os/initrd"]).read_bytes()
    # The kernel reads a second archive only at a multiple of four.
    initrd.write_bytes(_padded(first) + _archived(b"sbin/guest", text.encode()) + _archived(b"TRAILER!!!", b""))
    try:
        yield {**native, "os/initrd": str(initrd)}
    finally:
        initrd.unlink()


def powered(state, **options):
    """A task that changes the power state."""
    return Task(state, {"name": [WEB], "state": state, "stop_mode": "force", **options})


def manifests(place):
    return [json.loads(one.read_text()) for one in sorted(place.glob("*/*/manifest.json"))]


def assert_worked(answers, **changed):
    for label, answer in answers.items():
        assert not answer.failed, (label, answer.msg)
    assert {label: answers[label].changed for label in changed} == changed


def _run(qemu, shim, folder, **options):
    return carry_one(qemu, shim, folder, {"name": [WEB], **options}, "backup")


def killed_at_calls(pytestconfig, qemu, shim, folder, prepare, options):
    """Yield after the task was killed at a call, and then run again, for two of its calls, or in a deep run for all."""
    prepare()
    shim.forget()
    whole = _run(qemu, shim, folder, **options)
    assert whole.rc == 0, whole.msg
    for number in share(pytestconfig, list(range(1, len(whole.calls) + 1)), 2):
        prepare()
        shim.order(f"kill-after {number}")
        killed = _run(qemu, shim, folder, **options)
        shim.forget()
        again = _run(qemu, shim, folder, **options)
        assert again.rc == 0, (number, killed.rc, again.msg)
        yield number, again


def disks_of(vm):
    """{slot: (path, format)} of the disks in the result of a VM."""
    return {disk["slot"]: (disk["source"], disk["format"]) for disk in vm["disks"]}


def virsh(*words):
    """The output of a command that must succeed."""
    return subprocess.run(["virsh", "-q", *words], check=True, capture_output=True, text=True).stdout
