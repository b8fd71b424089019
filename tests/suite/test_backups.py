# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of VMs of the real libvirt and QEMU: what counts, what is kept, and what comes back byte for byte."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task

pytestmark = pytest.mark.full

WEB, COPY = "pvg-backup-web", "pvg-backup-copy"


@pytest.fixture(name="place")
def _place():
    """A directory for backups that QEMU's user can enter, and no VM uses."""
    place = Path("/var/lib/pvg-backups")
    shutil.rmtree(place, ignore_errors=True)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def _task(label, place, check=False, **options):
    return Task(label, {"name": [WEB], "directory": str(place), **options}, check=check, about="backup")


def _present(label, place, check=False, **options):
    return _task(label, place, check, max_age="1h", **options)


def _restored(label, place, check=False, **options):
    return _task(label, place, check, state="restored", **{"backup": "newest", **options})


def _content(path, image_format):
    """The SHA-256 of what a guest reads on a disk."""
    raw = Path(f"{path}.read")
    subprocess.run(["qemu-img", "convert", "-U", "-f", image_format, "-O", "raw", str(path), str(raw)], check=True)
    digest = hashlib.sha256(raw.read_bytes()).hexdigest()
    raw.unlink()
    return digest


def _write(path, image_format, pattern):
    command = f"write -P {pattern} 1M 64k"
    subprocess.run(["qemu-io", "-f", image_format, "-c", command, str(path)], check=True, stdout=subprocess.DEVNULL)


def _vm(qemu, power):
    """A VM with two disks in two directories, a raw one among them, with content."""
    qemu.clean()
    elsewhere = qemu.folder_with()
    disks = [{"size": "16M"}, {"size": "8M", "format": "raw", "directory": elsewhere}]
    made = {**qemu.creation, "name": [WEB], "disks": disks, "state": "stopped"}
    answers = yield [Task("made", made)]
    assert not answers["made"].failed, answers["made"].msg
    found = {disk["slot"]: (disk["source"], disk["format"]) for disk in answers["made"].vm(WEB)["disks"]}
    for number, (path, image_format) in enumerate(found.values()):
        _write(path, image_format, 17 + number)
    if power == RUNNING:
        answers = yield [Task("start", {"name": [WEB], "state": "started"})]
        assert not answers["start"].failed, answers["start"].msg
    return found


def _bring(qemu, carry, power):
    steps = _vm(qemu, power)
    tasks = next(steps)
    while True:
        try:
            tasks = steps.send(carry(qemu, tasks, [WEB]))
        except StopIteration as end:
            return end.value


def _manifests(place):
    return [json.loads(one.read_text()) for one in sorted(place.glob("*/*/manifest.json"))]


def _worked(answers, **changed):
    for label, answer in answers.items():
        assert not answer.failed, (label, answer.msg)
    assert {label: answers[label].changed for label in changed} == changed


@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_backup_is_complete_and_comes_back_beside_the_vm(qemu, carry, place, power):
    disks = _bring(qemu, carry, power)
    before = {slot: _content(*disk) for slot, disk in disks.items()}
    tasks = [_present("checked", place, check=True), _present("made", place), _present("again", place)]
    answers = carry(qemu, tasks, [WEB])
    _worked(answers, checked=True, made=True, again=False)
    assert answers["checked"].diff == answers["made"].diff
    assert answers["made"].vm(WEB)["state"] == power
    (found,) = answers["again"].vm(WEB)["backups"]
    assert found["consistency"] == ("crash" if power == RUNNING else "stopped")
    (manifest,) = _manifests(place)
    assert not manifest["unfinished"]
    folder = place / manifest["birth"] / manifest["id"]
    names = {one["name"] for one in manifest["files"]} | {"manifest.json"}
    assert {one.name for one in folder.iterdir()} == names
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    new = {"new_name": COPY}
    tasks = [
        _restored("beside checked", place, check=True, **new),
        _restored("beside", place, **new),
        _restored("beside again", place, **new),
    ]
    answers = carry(qemu, tasks, [WEB, COPY])
    _worked(answers, **{"beside checked": True, "beside": True, "beside again": False})
    copy = answers["beside"].vm(COPY)
    assert (copy["state"], copy["autostart"]) == (STOPPED, False)
    restored = {disk["slot"]: (disk["source"], disk["format"]) for disk in copy["disks"]}
    assert {slot: _content(*disk) for slot, disk in restored.items()} == before
    assert {slot: disk[1] for slot, disk in restored.items()} == {slot: disk[1] for slot, disk in disks.items()}
    started = carry(qemu, [Task("start", {"name": [COPY], "state": "started"})], [WEB, COPY])
    _worked(started, start=True)
