# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of VMs of the real libvirt and QEMU: what counts, what is kept, and what comes back byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
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
    killed_at_calls,
    manifests,
    powered,
    raw_content,
    restoring,
    write,
)
from suite.belts import share
from suite.carry import carry_one
from suite.limits import scaled

pytestmark = pytest.mark.full


@pytest.fixture(name="place")
def _place():
    """A directory for backups that QEMU's user can enter, and no VM uses."""
    place = Path("/var/lib/pvg-backups")
    shutil.rmtree(place, ignore_errors=True)
    yield place
    shutil.rmtree(place, ignore_errors=True)


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
    assert {slot: disk[1] for slot, disk in restored.items()} == {slot: disk[1] for slot, disk in disks.items()}
    started = carry(qemu, [Task("start", {"name": [COPY], "state": "started"})], [WEB, COPY])
    assert_worked(started, start=True)


def test_restore_in_place_keeps_identity_power_and_foreign_disks(qemu, carry, place):
    """The disk of others stays and is in ``kept``; own disks are replaced; a deleted VM comes back with its UUID."""
    disks = bring(qemu, carry, STOPPED)
    before = {slot: content(*disk) for slot, disk in disks.items()}
    foreign = qemu.storage / "pvg-foreign.raw"
    foreign.write_bytes(b"theirs" * 100_000)
    attached = {"disks": [{}, {}, {"slot": "vdc", "source": str(foreign), "format": "raw"}]}
    answers = carry(
        qemu,
        [
            Task("attach", {"name": [WEB], "state": "started", **attached}),
            backing_up("made", place),
        ],
        [WEB],
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
    assert not [path for path, _format in disks.values() if Path(path).exists() and path not in dict(restored.values())]
    gone = Task("gone", {"name": [WEB], "state": "absent", "stop_mode": "force"})
    answers = carry(qemu, [gone, restoring("back", place), restoring("back again", place)], [WEB])
    assert_worked(answers, gone=True, back=True, **{"back again": False})
    assert (answers["back"].vm(WEB)["state"], answers["back"].vm(WEB)["id"]) == (STOPPED, vm["id"] or identity[0])
    back = disks_of(answers["back"].vm(WEB))
    assert {slot: content(*back[slot]) for slot in before} == before
    assert len(manifests(place)) == 1


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
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
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
                restoring(f"{label} replace", place, backup=folder.name, replace=True),
                restoring(f"{label} beside", place, new_name=COPY),
                backing_up(f"{label} checked", place, check=True, verify=True),
                backing_up(f"{label} again", place, verify=True, keep_last=1),
            ]
            answers = carry(qemu, tasks, [WEB])
            for way in ("replace", "beside"):
                answer = answers[f"{label} {way}"]
                assert (answer.failed, answer.changed) == (True, False), (label, answer.result)
            assert reason in answers[f"{label} replace"].msg, answers[f"{label} replace"].msg
            checked, again = answers[f"{label} checked"], answers[f"{label} again"]
            assert (checked.failed, checked.changed) == (False, damage is not _one_byte), (label, checked.msg)
            assert_worked({label: again}, **{label: True})
            assert reason in str(again.result["warnings"]), (label, again.result["warnings"])
            assert folder.exists(), label
    finally:
        shutil.rmtree(saved)


def test_backup_that_was_killed_is_completed_or_made_again(qemu, carry, shim, tmp_path, place, pytestconfig):
    """At each call of virsh and qemu-img: nothing counts that is not whole, and nothing remains of it."""
    bring(qemu, carry, RUNNING)
    options = {"directory": str(place), "max_age": "1h"}

    def prepare():
        shutil.rmtree(place, ignore_errors=True)

    for number, again in killed_at_calls(pytestconfig, qemu, shim, tmp_path, prepare, options):
        assert [one["unfinished"] for one in again.vm(WEB)["backups"]] == [""], number
        (manifest,) = manifests(place)
        folder = place / manifest["birth"] / manifest["id"]
        names = {one["name"] for one in manifest["files"]} | {"manifest.json"}
        assert {one.name for one in folder.iterdir()} == names, number
        assert again.vm(WEB)["state"] == RUNNING


def _kill_qemu():
    pid = Path(f"/run/libvirt/qemu/{WEB}.pid").read_text()
    os.kill(int(pid), signal.SIGKILL)
    _wait_until(lambda: _virsh("domstate", WEB).strip() == "shut off", "libvirt has not noticed that QEMU has ended")


def _wait_until(is_true, problem):
    deadline = time.monotonic() + scaled(120)
    while not is_true():
        assert time.monotonic() < deadline, problem
        time.sleep(0.2)


def _kill_libvirtd():
    """Kill libvirtd and start it again, as its service does; QEMU and a job in it go on."""
    os.kill(int(Path("/run/libvirtd.pid").read_text()), signal.SIGKILL)
    subprocess.run("setsid tini -s -- libvirtd </dev/null >/dev/null 2>&1 &", shell=True, check=True)
    answers = ["virsh", "-q", "list"]
    _wait_until(lambda: not subprocess.run(answers, capture_output=True, check=False).returncode, "no answer")


@pytest.mark.parametrize("disturb", [_kill_qemu, _kill_libvirtd])
def test_next_task_completes_what_a_killed_host_has_left(qemu, carry, shim, tmp_path, place, disturb):
    """The task is killed after the job began. Whether the job has ended before, makes no difference for the user."""
    bring(qemu, carry, RUNNING)
    options = {"name": [WEB], "directory": str(place), "max_age": "1h"}
    whole = carry_one(qemu, shim, tmp_path, options, "backup")
    begun = next(call.number for call in whole.calls if "backup-begin" in str(call.argv))
    shutil.rmtree(place)
    shim.order(f"kill-after {begun}")
    killed = carry_one(qemu, shim, tmp_path, options, "backup")
    shim.forget()
    assert (killed.rc, [one["unfinished"] for one in manifests(place)]) == (-9, [True])
    disturb()
    again = carry_one(qemu, shim, tmp_path, options, "backup")
    assert again.rc == 0, again.msg
    assert [one["unfinished"] for one in again.vm(WEB)["backups"]] == [""]
    (manifest,) = manifests(place)
    folder = place / manifest["birth"] / manifest["id"]
    assert {one.name for one in folder.iterdir()} == {one["name"] for one in manifest["files"]} | {"manifest.json"}
    expected = (STOPPED, "stopped") if disturb is _kill_qemu else (RUNNING, "crash")
    assert (again.vm(WEB)["state"], manifest["consistency"]) == expected


@pytest.mark.parametrize("power", [STOPPED, RUNNING])
def test_restore_that_was_killed_is_completed(qemu, carry, shim, tmp_path, place, pytestconfig, power):
    """Nothing remains of it, and the power state is that before the killed task."""
    disks = bring(qemu, carry, power)
    before = {slot: content(*disk) for slot, disk in disks.items()}
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    options = {"directory": str(place), "state": "restored", "backup": "newest", "replace": True}

    def prepare():
        vm = carry(qemu, [powered("stopped")], [WEB])["stopped"].vm(WEB)
        for disk in vm["disks"]:
            write(disk["source"], disk["format"], 99)
        if power == RUNNING:
            assert_worked(carry(qemu, [powered("started")], [WEB]), started=True)

    for number, again in killed_at_calls(pytestconfig, qemu, shim, tmp_path, prepare, options):
        restored = disks_of(again.vm(WEB))
        assert {slot: content(*disk) for slot, disk in restored.items()} == before, number
        assert again.vm(WEB)["state"] == power, number
    carry(qemu, [powered("absent")], [WEB])
    assert [one for one in qemu.files() if one != "elsewhere"] == []
    assert qemu.in_folder(str(Path(disks["vdb"][0]).parent)) == []


def test_restore_that_was_killed_gives_way_to_that_of_another_backup(qemu, carry, shim, tmp_path, place, pytestconfig):
    """Beside the VM: the files of the first one are removed, by the record of what it has begun."""
    disks = bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    (old,) = place.glob("*/*/manifest.json")
    manifest = json.loads(old.read_text())
    old.write_text(json.dumps({**manifest, "start": manifest["start"] - 86400}))
    write(*disks["vda"], 99)
    before = {slot: content(*disk) for slot, disk in disks.items()}
    assert_worked(carry(qemu, [backing_up("new", place)], [WEB]), new=True)
    options = {"directory": str(place), "state": "restored", "new_name": COPY}
    first = {**options, "name": [WEB], "backup": manifest["id"]}
    whole = carry_one(qemu, shim, tmp_path, first, "backup")
    assert whole.rc == 0, whole.msg
    # With its last call, the VM is complete.
    for number in share(pytestconfig, list(range(1, len(whole.calls) - 1)), 2):
        carry(qemu, [Task("gone", {"name": [COPY], "state": "absent"})], [COPY])
        shim.order(f"kill-after {number}")
        carry_one(qemu, shim, tmp_path, first, "backup")
        shim.forget()
        again = carry_one(qemu, shim, tmp_path, {**options, "name": [WEB], "backup": "newest"}, "backup")
        if again.rc != 0:
            assert "was not restored from" in again.msg, (number, again.msg)
            assert number >= len(whole.calls) - 3, number
            continue
        assert {slot: content(*disk) for slot, disk in disks_of(again.vm(COPY)).items()} == before, number
    carry(qemu, [Task("gone", {"name": [COPY], "state": "absent"})], [COPY])
    assert [one for one in qemu.files() if COPY in one] == []
    assert [one for one in qemu.in_folder(str(Path(disks["vdb"][0]).parent)) if COPY in one] == []


def _virsh(*words):
    return subprocess.run(["virsh", "-q", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(name="job")
def _job(qemu, carry, tmp_path):
    """A running VM with a job of somebody else, which ends only when it is aborted: a backup that nobody reads."""
    bring(qemu, carry, RUNNING)
    scratch = Path("/var/lib/pvg-scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    scratch.chmod(0o777)
    xml = tmp_path / "job.xml"
    xml.write_text(
        f"<domainbackup mode='pull'><server transport='unix' socket='{scratch}/socket'/><disks>"
        f"<disk name='vda' type='file'><scratch file='{scratch}/vda'/></disk><disk name='vdb' backup='no'/>"
        "</disks></domainbackup>"
    )
    _virsh("backup-begin", WEB, str(xml))
    yield lambda: _virsh("domjobabort", WEB)
    shutil.rmtree(scratch)


def test_what_a_running_job_forbids_waits_and_is_then_rejected(qemu, carry, place, job):
    """Check mode says the same. A task without changes reads no jobs, and one that the job permits is carried out."""
    at_most = {"timeout": 1}
    grow = {"name": [WEB], "disks": [{"size": "32M"}, {}]}
    about = {"name": [WEB], "snapshot": "s"}
    tasks = {
        "stop": Task("stop", {"name": [WEB], "state": "stopped", **at_most}),
        "delete": Task("delete", {"name": [WEB], "state": "absent", "stop_mode": "force", **at_most}),
        "grow": Task("grow", {**grow, **at_most}),
        "snapshot": Task("snapshot", {**about, **at_most}, about="snapshot"),
        "backup": backing_up("backup", place, **at_most),
    }
    for task in tasks.values():
        for check in (True, False):
            answer = carry(qemu, [replace(task, check=check)], [WEB])[task.label]
            assert (answer.failed, answer.changed) == (True, False), answer.result
            assert "is still busy (libvirt job: backup; virsh domjobabort pvg-backup-web cancels it)" in answer.msg
            assert answer.truth[WEB]["power"] == RUNNING
    permitted = carry(
        qemu,
        [Task("same", {"name": [WEB], "state": "started"}), Task("tags", {"name": [WEB], "tags": ["a"]})],
        [WEB],
    )
    assert_worked(permitted, same=False, tags=True)
    assert not [one for answer in permitted.values() for one in answer.calls if "domjobinfo" in str(one.argv)]
    job()
    assert_worked(carry(qemu, [backing_up("made", place), powered("stopped")], [WEB]), made=True, stopped=True)


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
        path = re.search(r"<nvram[^>]*>([^<]+)</nvram>", _virsh("dumpxml", name, "--inactive"))[1]
        image_format = "qcow2" if path.endswith("qcow2") else "raw"
        assert content(path, image_format) == _content_of(saved, image_format, place)
    assert not nvram.exists() or nvram.read_bytes() == saved
    answers = carry(qemu, [powered("started"), powered("absent")], [WEB])
    assert_worked(answers, started=True, absent=True)


def _content_of(data, image_format, folder):
    path = folder / "saved"
    path.write_bytes(data)
    found = content(path, image_format)
    path.unlink()
    return found


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


def test_running_guest_comes_back_as_at_one_point_in_time(qemu, carry, place, tmp_path):
    """The guest writes to two disks all the time; a third one does not change."""
    program = tmp_path / "sbin" / "guest"
    program.parent.mkdir()
    program.write_text(_WRITER)
    program.chmod(0o755)
    added = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=tmp_path, input=b"sbin/guest\n", capture_output=True, check=True
    ).stdout
    initrd = Path("/var/lib/pvg-writer.img")
    native = qemu.kernel()
    first = Path(native["os/initrd"]).read_bytes()
    # The kernel reads a second archive only at a multiple of four.
    initrd.write_bytes(first + bytes(-len(first) % 4) + added)
    try:
        disks = [{"size": "8M"}, {"size": "8M", "format": "raw"}, {"size": "8M"}]
        made = bring(qemu, carry, STOPPED, disks=disks, native={**native, "os/initrd": str(initrd)})
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -z 0 8M", made["vda"][0]], check=True)
        subprocess.run(["qemu-io", "-f", "raw", "-c", "write -z 0 8M", made["vdb"][0]], check=True)
        still = content(*made["vdc"])
        assert_worked(carry(qemu, [powered("started")], [WEB]), started=True)
        live = Path(made["vdb"][0])
        _wait_until(lambda: live.read_bytes()[512 * 20 : 512 * 21].strip(b"\0"), "the guest writes nothing")
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
    finally:
        initrd.unlink()


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
    assert (content(path, image_format), _virsh("snapshot-list", WEB, "--name").split()) == (before, [])
    assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)
    assert [one for one in qemu.files() if one != "elsewhere"] == []
