# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of VMs of the real libvirt and QEMU: what counts, what is kept, and what comes back byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task
from suite.backup_tasks import (
    COPY,
    WEB,
    assert_worked,
    backing_up,
    bring,
    content,
    disks_of,
    guest_program,
    manifests,
    powered,
    raw_content,
    restoring,
    virsh,
    write,
)
from suite.limits import wait_until

pytestmark = pytest.mark.full


@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_backup_is_complete_and_comes_back_beside_the_vm(qemu, carry, place, power):
    disks = bring(qemu, carry, power)
    before = {slot: content(*disk) for slot, disk in disks.items()}
    tasks = [backing_up("checked", place, check=True), backing_up("made", place), backing_up("again", place)]
    answers = carry(qemu, tasks, [WEB])
    assert_worked(answers, checked=True, made=True, again=False)
    assert answers["checked"].diff == answers["made"].diff
    assert answers["made"].vm(WEB)["state"] == power
    (found,) = answers["again"].vm(WEB)["backups"]
    assert found["consistency"] == ("crash" if power == RUNNING else "stopped")
    (manifest,) = manifests(place)
    assert not manifest["unfinished"]
    folder = place / manifest["birth"] / manifest["id"]
    names = {one["name"] for one in manifest["files"]} | {"manifest.json"}
    assert {one.name for one in folder.iterdir()} == names
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    new = {"new_name": COPY}
    tasks = [
        restoring("beside checked", place, check=True, **new),
        restoring("beside", place, **new),
        restoring("beside again", place, **new),
    ]
    answers = carry(qemu, tasks, [WEB, COPY])
    assert_worked(answers, **{"beside checked": True, "beside": True, "beside again": False})
    copy = answers["beside"].vm(COPY)
    assert (copy["state"], copy["autostart"]) == (STOPPED, False)
    restored = disks_of(copy)
    assert {slot: content(*disk) for slot, disk in restored.items()} == before
    assert {Path(path).stat().st_mode & 0o777 for path, _format in (*disks.values(), *restored.values())} == {0o600}
    assert {slot: disk[1] for slot, disk in restored.items()} == {slot: disk[1] for slot, disk in disks.items()}
    started = carry(qemu, [Task("start", {"name": [COPY], "state": "started"})], [WEB, COPY])
    assert_worked(started, start=True)


@pytest.mark.guest
def test_restore_in_place_keeps_identity_power_and_foreign_disks(qemu, carry, place):
    """The disk of others stays and is in ``kept``; own disks are replaced; a deleted VM comes back with its UUID."""
    disks = bring(qemu, carry, STOPPED)
    before = {slot: content(*disk) for slot, disk in disks.items()}
    foreign = qemu.storage / "pvg-foreign.raw"
    foreign.write_bytes(b"theirs" * 100_000)
    attached = {"disks": [{}, {}, {"slot": "vdc", "source": str(foreign), "format": "raw"}]}
    answers = carry(
        qemu, [Task("attach", {"name": [WEB], "state": "started", **attached}), backing_up("made", place)], [WEB]
    )
    assert_worked(answers, attach=True, made=True)
    vm = answers["made"].vm(WEB)
    theirs = foreign.read_bytes()
    stop = carry(qemu, [Task("stop", {"name": [WEB], "state": "stopped", "stop_mode": "force"})], [WEB])
    assert_worked(stop, stop=True)
    for path, image_format in disks.values():
        write(path, image_format, 99)
    start = carry(qemu, [Task("start", {"name": [WEB], "state": "started"})], [WEB])
    assert_worked(start, start=True)
    identity = qemu.virsh("domuuid", WEB).strip(), start["start"].vm(WEB)["mac_addresses"]
    rejected = carry(qemu, [restoring("without permission", place)], [WEB])["without permission"]
    assert (rejected.failed, rejected.changed) == (True, False)
    assert "replace: true" in rejected.msg
    tasks = [restoring("checked", place, check=True, replace=True), restoring("replaced", place, replace=True)]
    answers = carry(qemu, tasks, [WEB])
    assert_worked(answers, checked=True, replaced=True)
    assert answers["checked"].diff == answers["replaced"].diff
    after = answers["replaced"].vm(WEB)
    assert (after["state"], after["id"], after["mac_addresses"]) == (RUNNING, *identity)
    assert [one["path"] for one in after["kept"]] == [str(foreign)]
    assert foreign.read_bytes() == theirs
    restored = disks_of(after)
    assert {slot: content(*restored[slot]) for slot in before} == before
    assert {Path(restored[slot][0]).stat().st_mode & 0o777 for slot in before} == {0o600}
    assert not [path for path, _format in disks.values() if Path(path).exists() and path not in dict(restored.values())]
    gone = Task("gone", {"name": [WEB], "state": "absent", "stop_mode": "force"})
    answers = carry(qemu, [gone, restoring("back", place), restoring("back again", place)], [WEB])
    assert_worked(answers, gone=True, back=True, **{"back again": False})
    assert (answers["back"].vm(WEB)["state"], answers["back"].vm(WEB)["id"]) == (STOPPED, vm["id"] or identity[0])
    back = disks_of(answers["back"].vm(WEB))
    assert {slot: content(*back[slot]) for slot in before} == before
    assert len(manifests(place)) == 1


def test_directory_is_none_of_images_and_may_be_beside_those_of_disks(qemu, carry, place):
    """Somebody may keep a disk directly in /srv. No image is searched for in the directories below."""
    place.mkdir()
    place.chmod(0o755)
    elsewhere = str(place)
    bring(qemu, carry, STOPPED, disks=[{"size": "16M"}, {"size": "8M", "directory": elsewhere}])
    for directory in ("/", elsewhere, "/var/lib/libvirt/images/backups"):
        answers = carry(qemu, [backing_up("checked", directory, check=True), backing_up("made", directory)], [WEB])
        for answer in answers.values():
            assert (answer.failed, answer.changed) == (True, False)
            assert f"directory: {directory} is in the directory of" in answer.msg, answer.msg
    below = f"{elsewhere}/backups"
    assert_worked(carry(qemu, [backing_up("made", below), backing_up("again", below)], [WEB]), made=True, again=False)
    qemu.clean()


@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_directory_of_a_running_vm_is_one_that_qemu_can_enter(qemu, carry, tmp_path, power):
    """QEMU itself writes the backup of a running VM; qemu-img that of a stopped one, as the user of the task."""
    bring(qemu, carry, power)
    place = tmp_path / "backups"
    answers = carry(qemu, [backing_up("checked", place, check=True), backing_up("made", place)], [WEB])
    assert [answer.failed for answer in answers.values()] == [power == RUNNING] * 2
    for answer in answers.values() if power == RUNNING else ():
        assert "directory: QEMU runs as user" in answer.msg, answer.msg
    assert place.exists() == (power == STOPPED)
    qemu.clean()


def _clone(qemu, _disk):
    """Another VM of this collection needs the disk."""
    return [Task("clone", {"name": [COPY], "clone": {"source": WEB, "linked": True}})]


def _attached(qemu, disk):
    """Another VM that is off has it as an ordinary disk, as somebody defined it with the platform's own tool."""
    qemu.virsh("define", "/dev/stdin", stdin=_DEFINITION.format(name=COPY, path=disk))
    return []


def _overlay(qemu, disk):
    """No VM has what needs it."""
    overlay = str(Path(disk).with_name("pvg-overlay.qcow2"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "qcow2", overlay], check=True)
    return []


_DEFINITION = (
    "<domain type='qemu'><name>{name}</name><memory>16384</memory><os><type>hvm</type></os><devices>"
    "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda'/></disk>"
    "</devices></domain>"
)


@pytest.mark.parametrize("needed_by", [_clone, _attached, _overlay])
def test_restore_in_place_keeps_what_others_need(qemu, carry, place, needed_by):
    """As a deletion of the VM: the former disk is kept, and check mode says the same."""
    disks = bring(qemu, carry, STOPPED)
    first = next(iter(disks.values()))
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    theirs = carry(qemu, needed_by(qemu, first[0]), [WEB, COPY])
    assert_worked(theirs)
    before = content(*first)
    tasks = [restoring("checked", place, check=True, replace=True), restoring("replaced", place, replace=True)]
    answers = carry(qemu, tasks, [WEB])
    assert_worked(answers, checked=True, replaced=True)
    assert answers["checked"].diff == answers["replaced"].diff
    checked, kept = ({one["path"] for one in answers[label].vm(WEB)["kept"]} for label in ("checked", "replaced"))
    assert first[0] in kept and checked == kept
    assert content(*first) == before
    assert {path for path, _format in disks.values() if Path(path).exists()} == kept


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


def _backing(folder):
    path = folder / "vda.qcow2"
    size = path.stat().st_size
    path.unlink()
    base = ["-b", "/etc/passwd", "-F", "raw"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, str(path), "16M"], check=True)
    with path.open("r+b") as file:
        file.truncate(size)


def _no_image(folder):
    """Its digest is right."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    disk = next(one for one in manifest["files"] if one["role"] == "disk")
    content = b"no image" + bytes(disk["size"] - 8)
    (folder / disk["name"]).write_bytes(content)
    disk["sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(manifest))


def _outside(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0]["name"] = "../../../../../../etc/passwd"
    path.write_text(json.dumps(manifest))


def test_damaged_backups_do_not_count_and_are_not_restored(qemu, carry, place):
    """Each is reported, is not deleted, and a new one is created; only ``verify`` reads the content."""
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    (folder,) = place.glob("*/*")
    saved = folder.parent.parent.parent / "pvg-saved"
    shutil.copytree(place, saved)
    damages = {
        _one_byte: "differs from its digest",
        _truncated: "bytes instead of",
        _without_disk: "is missing",
        _backing: "names another file",
        _no_image: "is not a qcow2 image",
        _outside: "its manifest is not valid",
    }
    try:
        for damage, reason in damages.items():
            shutil.rmtree(place)
            shutil.copytree(saved, place)
            damage(folder)
            label = damage.__name__
            tasks = [
                restoring(f"{label} replace", place, backup=folder.name, replace=True),
                restoring(f"{label} beside", place, new_name=COPY),
                backing_up(f"{label} checked", place, check=True, verify=True),
                backing_up(f"{label} again", place, verify=True, keep_last=1),
            ]
            answers = carry(qemu, tasks, [WEB])
            for way in ("replace", "beside"):
                answer = answers[f"{label} {way}"]
                assert (answer.failed, answer.changed) == (True, False), (label, answer.result)
                # Whose backup one with an invalid manifest is, only its directory says.
                is_known = way == "replace" or damage is not _outside
                assert not is_known or reason in answer.msg, (label, answer.msg)
            checked, again = answers[f"{label} checked"], answers[f"{label} again"]
            assert (checked.failed, checked.changed) == (False, damage is not _one_byte), (label, checked.msg)
            assert_worked({label: again}, **{label: True})
            assert reason in str(again.result["warnings"]), (label, again.result["warnings"])
            assert folder.exists(), label
    finally:
        shutil.rmtree(saved)


@pytest.mark.guest
def test_uefi_vm_comes_back_with_its_nvram(qemu, carry, place):
    bring(qemu, carry, STOPPED, firmware="uefi")
    assert_worked(carry(qemu, [powered("started"), powered("stopped")], [WEB]), started=True, stopped=True)
    (nvram,) = [qemu.storage / name for name in qemu.files() if ".nvram" in name]
    saved = nvram.read_bytes()
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    nvram.write_bytes(bytes(len(saved)))
    tasks = [restoring("replaced", place, replace=True), restoring("beside", place, new_name=COPY)]
    assert_worked(carry(qemu, tasks, [WEB, COPY]), replaced=True, beside=True)
    for name in (WEB, COPY):
        path = re.search(r"<nvram[^>]*>([^<]+)</nvram>", virsh("dumpxml", name, "--inactive"))[1]
        image_format = "qcow2" if path.endswith("qcow2") else "raw"
        assert content(path, image_format) == _content_of(saved, image_format, place)
    assert not nvram.exists() or nvram.read_bytes() == saved
    answers = carry(qemu, [powered("started"), powered("absent")], [WEB])
    assert_worked(answers, started=True, absent=True)


def test_uefi_vm_that_was_never_started_comes_back(qemu, carry, place):
    """libvirt creates its NVRAM at its first start, so the backup has none, and a copy has a file of its own."""
    bring(qemu, carry, STOPPED, firmware="uefi")
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    tasks = [restoring("beside", place, new_name=COPY), restoring("replaced", place, replace=True)]
    assert_worked(carry(qemu, tasks, [WEB, COPY]), beside=True, replaced=True)
    texts = (virsh("dumpxml", name, "--inactive") for name in (WEB, COPY))
    assert len({re.search(r"<nvram[^>]*>([^<]+)</nvram>", text)[1] for text in texts}) == 2


def test_backups_of_a_renamed_vm_are_restored_beside_it(qemu, carry, place):
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    virsh("domrename", WEB, _RENAMED)
    named = {"name": [_RENAMED], "new_name": COPY}
    tasks = [restoring("check", place, check=True, **named), restoring("run", place, **named)]
    answers = carry(qemu, tasks, [COPY])
    assert_worked(answers, check=True, run=True)
    assert answers["check"].diff == answers["run"].diff
    virsh("domrename", _RENAMED, WEB)


def _content_of(data, image_format, folder):
    path = folder / "saved"
    path.write_bytes(data)
    found = content(path, image_format)
    path.unlink()
    return found


_RENAMED = "pvg-backup-renamed"
#: Writes numbered records with checksums to two disks, always to the first one before, and each of them to the device.
_WRITER = """#!/bin/sh
number=0
while [ $number -lt 12000 ]; do
    number=$((number + 1))
    text=$(printf %08d $number)
    sum=$(echo $text | md5sum)
    for disk in vda vdb; do
        printf '%-511s\\n' "$text ${sum%% *}" | dd of=/dev/$disk bs=512 seek=$number conv=notrunc,fsync 2>/dev/null
    done
done
exec sleep 100000
"""


def _sectors(data):
    return [data[place : place + 512] for place in range(512, len(data), 512)]


def _records(data):
    """How many records are on a disk; they are whole, in order and without a gap, and nothing follows them."""
    sectors = _sectors(data)
    count = next(number for number, one in enumerate(sectors) if not one.strip(b"\0"))
    for number, one in enumerate(sectors[:count], 1):
        text = f"{number:08d}"
        assert one.decode().split() == [text, hashlib.md5(f"{text}\n".encode()).hexdigest()], number
    assert not any(one.strip(b"\0") for one in sectors[count:])
    return count


@pytest.mark.guest
def test_running_guest_comes_back_as_at_one_point_in_time(qemu, carry, place):
    """The guest writes to two disks all the time; a third one does not change."""
    with guest_program(qemu, _WRITER) as native:
        disks = [{"size": "8M"}, {"size": "8M", "format": "raw"}, {"size": "8M"}]
        made = bring(qemu, carry, STOPPED, disks=disks, native=native)
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -z 0 8M", made["vda"][0]], check=True)
        subprocess.run(["qemu-io", "-f", "raw", "-c", "write -z 0 8M", made["vdb"][0]], check=True)
        still = content(*made["vdc"])
        assert_worked(carry(qemu, [powered("started")], [WEB]), started=True)
        live = Path(made["vdb"][0])
        wait_until(lambda: live.read_bytes()[512 * 20 : 512 * 21].strip(b"\0"), "the guest writes", 120)
        # The last one may be half written now.
        before = sum(bool(one.strip(b"\0")) for one in _sectors(live.read_bytes())) - 1
        tasks = [backing_up("made", place), restoring("beside", place, new_name=COPY)]
        answers = carry(qemu, tasks, [WEB, COPY])
        assert_worked(answers, made=True, beside=True)
        back = disks_of(answers["beside"].vm(COPY))
        counts = [_records(raw_content(*back[slot])) for slot in ("vda", "vdb")]
        assert counts[0] - counts[1] in (0, 1), counts
        assert counts[1] >= before, (counts, before)
        assert content(*back["vdc"]) == still
        assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_restore_in_place_of_a_vm_with_snapshots(qemu, carry, place, kind):
    """The content is the newest one. The snapshots are lost, as the plan says, and nothing of them remains."""
    bring(qemu, carry, STOPPED, disks=[{"size": "16M"}])
    taken = Task("taken", {"name": [WEB], "snapshot": "s1", "kind": kind}, about="snapshot")
    answers = carry(qemu, [taken, Task("read", {"name": [WEB]})], [WEB])
    assert_worked(answers, taken=True)
    ((path, image_format),) = disks_of(answers["read"].vm(WEB)).values()
    write(path, image_format, 55)
    before = content(path, image_format)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    write(path, image_format, 99)
    tasks = [restoring("checked", place, check=True, replace=True), restoring("replaced", place, replace=True)]
    answers = carry(qemu, tasks, [WEB])
    assert_worked(answers, checked=True, replaced=True)
    for answer in answers.values():
        assert "Snapshots of the VM are lost: s1." in str(answer.vm(WEB)["steps"]), answer.vm(WEB)["steps"]
    ((path, image_format),) = disks_of(answers["replaced"].vm(WEB)).values()
    assert (content(path, image_format), virsh("snapshot-list", WEB, "--name").split()) == (before, [])
    assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)
    assert [one for one in qemu.files() if one != "elsewhere"] == []
