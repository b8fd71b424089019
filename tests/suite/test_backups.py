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


def test_restore_in_place_keeps_identity_power_and_foreign_disks(qemu, carry, place):
    """The disk of others stays and is in ``kept``; own disks are replaced; a deleted VM comes back with its UUID."""
    disks = _bring(qemu, carry, STOPPED)
    before = {slot: _content(*disk) for slot, disk in disks.items()}
    foreign = qemu.storage / "pvg-foreign.raw"
    foreign.write_bytes(b"theirs" * 100_000)
    attached = {"disks": [{}, {}, {"slot": "vdc", "source": str(foreign), "format": "raw"}]}
    answers = carry(
        qemu,
        [
            Task("attach", {"name": [WEB], "state": "started", **attached}),
            _present("made", place),
        ],
        [WEB],
    )
    _worked(answers, attach=True, made=True)
    vm = answers["made"].vm(WEB)
    theirs = foreign.read_bytes()
    stop = carry(qemu, [Task("stop", {"name": [WEB], "state": "stopped", "stop_mode": "force"})], [WEB])
    _worked(stop, stop=True)
    for path, image_format in disks.values():
        _write(path, image_format, 99)
    start = carry(qemu, [Task("start", {"name": [WEB], "state": "started"})], [WEB])
    _worked(start, start=True)
    identity = qemu.virsh("domuuid", WEB).strip(), start["start"].vm(WEB)["mac_addresses"]
    rejected = carry(qemu, [_restored("without permission", place)], [WEB])["without permission"]
    assert (rejected.failed, rejected.changed) == (True, False)
    assert "replace: true" in rejected.msg
    tasks = [_restored("checked", place, check=True, replace=True), _restored("replaced", place, replace=True)]
    answers = carry(qemu, tasks, [WEB])
    _worked(answers, checked=True, replaced=True)
    assert answers["checked"].diff == answers["replaced"].diff
    after = answers["replaced"].vm(WEB)
    assert (after["state"], after["id"], after["mac_addresses"]) == (RUNNING, *identity)
    assert [one["path"] for one in after["kept"]] == [str(foreign)]
    assert foreign.read_bytes() == theirs
    restored = {disk["slot"]: (disk["source"], disk["format"]) for disk in after["disks"]}
    assert {slot: _content(*restored[slot]) for slot in before} == before
    assert not [path for path, _format in disks.values() if Path(path).exists() and path not in dict(restored.values())]
    gone = Task("gone", {"name": [WEB], "state": "absent", "stop_mode": "force"})
    answers = carry(qemu, [gone, _restored("back", place), _restored("back again", place)], [WEB])
    _worked(answers, gone=True, back=True, **{"back again": False})
    assert (answers["back"].vm(WEB)["state"], answers["back"].vm(WEB)["id"]) == (STOPPED, vm["id"] or identity[0])
    back = {disk["slot"]: (disk["source"], disk["format"]) for disk in answers["back"].vm(WEB)["disks"]}
    assert {slot: _content(*back[slot]) for slot in before} == before
    assert len(_manifests(place)) == 1


def _one_byte(folder):
    path = folder / "vda.qcow2"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _truncated(folder):
    path = folder / "vda.qcow2"
    path.write_bytes(path.read_bytes()[:-512])


def _without_disk(folder):
    (folder / "vdb.qcow2").unlink()


def _link(folder):
    (folder / "vdb.qcow2").rename(folder.parent / "moved")
    (folder / "vdb.qcow2").symlink_to(folder.parent / "moved")


def _backing(folder):
    path = folder / "vda.qcow2"
    size = path.stat().st_size
    path.unlink()
    base = ["-b", "/etc/passwd", "-F", "raw"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, str(path), "16M"], check=True)
    with path.open("r+b") as file:
        file.truncate(size)


def _outside(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0]["name"] = "../../../../../../etc/passwd"
    path.write_text(json.dumps(manifest))


def test_damaged_backups_do_not_count_and_are_not_restored(qemu, carry, place):
    """Each is reported, is not deleted, and a new one is created; only ``verify`` reads the content."""
    _bring(qemu, carry, STOPPED)
    _worked(carry(qemu, [_present("made", place)], [WEB]), made=True)
    (folder,) = place.glob("*/*")
    saved = folder.parent.parent.parent / "pvg-saved"
    shutil.copytree(place, saved)
    damages = {
        _one_byte: "differs from its digest",
        _truncated: "bytes instead of",
        _without_disk: "is missing",
        _link: "link",
        _backing: "names another file",
        _outside: "its manifest is not valid",
    }
    try:
        for damage, reason in damages.items():
            shutil.rmtree(place)
            shutil.copytree(saved, place)
            damage(folder)
            label = damage.__name__
            tasks = [
                _restored(f"{label} replace", place, backup=folder.name, replace=True),
                _restored(f"{label} beside", place, new_name=COPY),
                _present(f"{label} checked", place, check=True, verify=True),
                _present(f"{label} again", place, verify=True, keep_last=1),
            ]
            answers = carry(qemu, tasks, [WEB])
            for way in ("replace", "beside"):
                answer = answers[f"{label} {way}"]
                assert (answer.failed, answer.changed) == (True, False), (label, answer.result)
            assert reason in answers[f"{label} replace"].msg, answers[f"{label} replace"].msg
            checked, again = answers[f"{label} checked"], answers[f"{label} again"]
            assert (checked.failed, checked.changed) == (False, damage is not _one_byte), (label, checked.msg)
            _worked({label: again}, **{label: True})
            assert reason in str(again.result["warnings"]), (label, again.result["warnings"])
            assert folder.exists(), label
    finally:
        shutil.rmtree(saved)
