# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a directory into which others have written: they get no power of the host, and check mode says so."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.answer import Task
from suite.backup_tasks import COPY, WEB, assert_worked, backing_up, bring, disks_of, restoring, virsh
from suite.scenarios.snapshots import snapshot

pytestmark = pytest.mark.full

SHARE = "<filesystem type='mount'><source dir='/'/><target dir='root'/></filesystem>"
LOG = "<serial type='pty'><log file='{}' append='off'/></serial>"


def _edit(place, change, **disk):
    """Change the definition in the only backup, and values of its disk vda, with the digests that fit."""
    (folder,) = place.glob("*/*")
    text = change((folder / "definition.xml").read_text())
    (folder / "definition.xml").write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    for one in manifest["files"]:
        if one["name"] == "definition.xml":
            one.update(size=len(text.encode()), sha256=hashlib.sha256(text.encode()).hexdigest())
        elif one.get("slot") == "vda":
            one.update(disk)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _both(label, place, **options):
    return [restoring(f"{label} checked", place, check=True, **options), restoring(label, place, **options)]


def _in_devices(part):
    return lambda text: text.replace("</devices>", f"{part}</devices>")


def test_definition_brings_no_power_of_the_host(qemu, carry, place, tmp_path):
    disks, log = bring(qemu, carry, STOPPED), tmp_path / "log"
    log.write_text("theirs")
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    _edit(place, _in_devices(SHARE + LOG.format(log)))
    before = virsh("dumpxml", WEB, "--inactive")
    answers = carry(qemu, _both("replaced", place, replace=True), [WEB])
    for answer in answers.values():
        assert (answer.failed, answer.changed) == (True, False)
        assert "has shared directory (/), log file" in answer.msg and "allow_host_access: true" in answer.msg
    assert virsh("dumpxml", WEB, "--inactive") == before
    answers = carry(qemu, _both("beside", place, new_name=COPY), [WEB, COPY])
    assert_worked(answers, **{"beside checked": True, "beside": True})
    for answer in answers.values():
        assert f"{COPY}: the restored VM does not have: shared directory (/), log file" in str(
            answer.result["warnings"]
        )
    assert "<filesystem" not in virsh("dumpxml", COPY, "--inactive")
    assert_worked(carry(qemu, [Task("gone", {"name": [WEB], "state": "absent"})], [WEB]), gone=True)
    answers = carry(qemu, _both("lost", place), [WEB])
    assert {answer.failed for answer in answers.values()} == {True}
    # libvirt would empty the log at the next start.
    answers = carry(qemu, _both("permitted", place, allow_host_access=True), [WEB])
    for answer in answers.values():
        assert (answer.failed, answer.changed) == (True, False)
        assert f"serial_log: {log} already exists" in answer.msg
    log = log.rename(tmp_path / "moved")
    answers = carry(qemu, _both("permitted", place, allow_host_access=True), [WEB])
    assert_worked(answers, **{"permitted checked": True, "permitted": True})
    assert "<source dir='/'/>" in virsh("dumpxml", WEB, "--inactive")
    assert (log.read_text(), set(disks)) == ("theirs", set(disks_of(answers["permitted"].vm(WEB))))


def test_emulator_is_always_that_of_the_host(qemu, carry, place, tmp_path):
    program = tmp_path / "emulator"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    program.chmod(0o755)
    bring(qemu, carry, STOPPED)
    own = virsh("dumpxml", WEB, "--inactive").partition("<emulator>")[2].partition("<")[0]
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    _edit(place, lambda text: text.replace(f"<emulator>{own}<", f"<emulator>{program}<"))
    assert_worked(
        carry(qemu, _both("replaced", place, replace=True), [WEB]), **{"replaced checked": True, "replaced": True}
    )
    assert f"<emulator>{own}<" in virsh("dumpxml", WEB, "--inactive")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("doubled", ["emulator", "devices", "source", "backingStore"])
def test_definition_with_an_element_twice_is_not_shown_to_libvirt(qemu, carry, place, doubled):
    """libvirt would read another one than the collection: of two emulators, it would run the second one's program."""
    bring(qemu, carry, STOPPED)
    program, calls = qemu.storage / "emulator", qemu.storage / "calls"
    program.write_text(f'#!/bin/sh\necho "$@" >>{calls}\nexec qemu-system-x86_64 "$@"\n')
    program.chmod(0o755)
    calls.touch()
    calls.chmod(0o666)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    emulator, own = f"<emulator>{program}</emulator>", virsh("dumpxml", WEB, "--inactive")
    _edit(place, {
        "emulator": _in_devices(emulator),
        "devices": lambda text: text.replace("</domain>", f"<devices>{emulator}</devices></domain>"),
        "source": lambda text: text.replace("<source ", "<source file='/etc/shadow'/><source ", 1),
        "backingStore": lambda text: text.replace("<source ", "<backingStore/><backingStore/><source ", 1),
    }[doubled])  # fmt: skip
    for label, options in (("replaced", {"replace": True}), ("beside", {"new_name": COPY})):
        for answer in carry(qemu, _both(label, place, **options), [WEB, COPY]).values():
            assert (answer.failed, answer.changed) == (True, False), answer.msg
            assert f"has two elements '{doubled}', and libvirt writes one" in answer.msg
    assert (calls.read_text(), virsh("dumpxml", WEB, "--inactive")) == ("", own)


@pytest.fixture(name="elsewhere")
def _elsewhere():
    """A directory without disks of VMs, which is not in memory as the directories of tests are."""
    with tempfile.TemporaryDirectory(dir="/var/lib") as folder:
        yield folder


def test_disk_is_only_created_where_disks_are(qemu, carry, place, elsewhere):
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    _edit(place, str, source=f"{elsewhere}/x")
    for label, options in (("replaced", {"replace": True}), ("beside", {"new_name": COPY})):
        for answer in carry(qemu, _both(label, place, **options), [WEB, COPY]).values():
            assert (answer.failed, answer.changed) == (True, False)
            assert f"has {elsewhere} for disk vda, where no VM has disks" in answer.msg
    assert os.listdir(elsewhere) == []
    given = {"new_name": COPY, "disk_directory": elsewhere}
    assert_worked(carry(qemu, _both("there", place, **given), [WEB, COPY]), **{"there checked": True, "there": True})
    qemu.clean()


@pytest.mark.parametrize("source", ["/dev/loop8", "/dev/shm/x.qcow2", "/tmp/x.qcow2"])
def test_disk_of_a_place_without_new_disks_is_restored_where_new_disks_are(qemu, carry, place, source):
    """Such as that of a VM with a block device: a file would be in the directory of the devices."""
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    _edit(place, str, source=source)
    answers = carry(qemu, _both("beside", place, new_name=COPY), [WEB, COPY])
    assert_worked(answers, **{"beside checked": True, "beside": True})
    new = f"/var/lib/libvirt/images/{COPY}-vda.qcow2"
    assert answers["beside"].vm(COPY)["disks"][0]["source"] == new
    for answer in answers.values():
        text = f"has {source} for disk vda, and new disks cannot be there. Its new file is in {os.path.dirname(new)}."
        assert text in str(answer.result["warnings"])
    assert_worked(carry(qemu, [Task("gone", {"name": [COPY], "state": "absent"})], [COPY]), gone=True)
    assert not os.path.exists(new)


@pytest.mark.parametrize(
    ("directory", "reason"),
    [
        ("/dev", "in a directory of the operating system (/dev)"),
        ("{place}", "in a directory with backups of VMs ({place})"),
        ("/etc/passwd", "not a directory"),
        ("/srv/pvg-missing", "does not exist"),
    ],
)
def test_directory_of_the_task_that_can_have_no_disks(qemu, carry, place, directory, reason):
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    before = qemu.files()
    given = {"disk_directory": directory.format(place=place)}
    answers = carry(qemu, _both("replaced", place, replace=True, **given), [WEB])
    answers.update(carry(qemu, _both("beside", place, new_name=COPY, **given), [WEB, COPY]))
    for answer in answers.values():
        assert (answer.failed, answer.changed) == (True, False)
        assert f": disk_directory: {given['disk_directory']}" in answer.msg.replace("the directory ", "")
        assert reason.format(place=place) in answer.msg
    assert qemu.files() == before


def test_disk_is_not_restored_below_a_mount_point_without_its_file_system(qemu, carry, place):
    disks = bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    (manifest,) = place.glob("*/*/manifest.json")
    (mount,) = {one["mount"] for one in json.loads(manifest.read_text())["files"] if one.get("slot")}
    assert Path(mount).is_mount() and str(qemu.storage).startswith(mount)
    _edit(place, lambda text: text, mount="/mnt/big")
    for answer in carry(qemu, _both("replaced", place, replace=True), [WEB]).values():
        assert (answer.failed, answer.changed) == (True, False)
        assert f"on the file system mounted at /mnt/big. Now it is on that of {mount}. Mount /mnt/big" in answer.msg
    answers = carry(qemu, _both("elsewhere", place, replace=True, disk_directory=str(qemu.storage)), [WEB])
    assert_worked(answers, **{"elsewhere checked": True, "elsewhere": True})
    assert set(disks_of(answers["elsewhere"].vm(WEB))) == set(disks)


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_directory_of_others_needs_a_permission(qemu, carry, place, mode):
    bring(qemu, carry, STOPPED)
    place.mkdir(exist_ok=True)
    place.chmod(mode)
    tasks = [backing_up("checked", place, check=True), backing_up("made", place)]
    for answer in carry(qemu, tasks, [WEB]).values():
        assert (answer.failed, answer.changed) == (True, False)
        assert f"other users can write to {place}, so" in answer.msg and f"chmod go-w {place}" in answer.msg
    assert list(place.iterdir()) == []
    allowed = {"allow_shared_directory": True}
    answers = carry(qemu, [backing_up("made", place, **allowed)], [WEB])
    assert_worked(answers, made=True)
    assert {answer.failed for answer in carry(qemu, _both("restored", place, replace=True), [WEB]).values()} == {True}
    place.chmod(0o755)
    (of_vm,) = place.iterdir()
    os.chown(of_vm, 12345, -1)  # As if it was copied with its owners.
    for answer in carry(qemu, _both("restored", place, replace=True), [WEB]).values():
        assert answer.failed and f"Run: chown -R root {of_vm}; chmod -R go-w {of_vm}." in answer.msg
    os.chown(of_vm, 0, -1)
    assert_worked(carry(qemu, [restoring("restored", place, replace=True)], [WEB]), restored=True)


def test_disk_that_a_snapshot_has_left_outlasts_the_restore_of_a_backup(qemu, carry, place):
    """No backup contains it. Once it is attached again by its path, a restore would lose it, and is rejected."""
    qemu.clean()
    own, made = f"{qemu.storage}/{WEB}-vdb.qcow2", {**qemu.creation, "name": [WEB], "disks": [{"size": "16M"}]}
    tasks = [Task("made", {**made, "state": "stopped"}), backing_up("saved", place), snapshot("taken", [WEB], "before")]
    tasks += [Task("added", {"name": [WEB], "disks": [{"slot": "vdb", "size": "8M"}]})]
    tasks += [snapshot("back", [WEB], "before", "restored")]
    assert_worked(carry(qemu, tasks, [WEB]), made=True, saved=True, taken=True, added=True, back=True)
    answers = carry(qemu, _both("replaced", place, replace=True), [WEB])
    assert_worked(answers, **{"replaced checked": True, "replaced": True})
    for answer in answers.values():
        assert own in [one["path"] for one in answer.vm(WEB)["kept"]], answer.vm(WEB)["kept"]
    assert Path(own).exists()
    attached = Task("attached", {"name": [WEB], "disks": [{"slot": "vdb", "source": own}]})
    assert_worked(carry(qemu, [attached], [WEB]), attached=True)
    for answer in carry(qemu, _both("replaced", place, replace=True), [WEB]).values():
        assert answer.failed and "does not contain disk vdb, which the VM has" in answer.msg, answer.msg
