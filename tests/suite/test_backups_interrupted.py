# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores of the real QEMU that were killed, and jobs of others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
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
    virsh,
    write,
)
from suite.belts import share
from suite.carry import carry_one
from suite.limits import wait_until

pytestmark = pytest.mark.full


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
    wait_until(lambda: virsh("domstate", WEB).strip() == "shut off", "libvirt notices that QEMU has ended", 120)


def _kill_libvirtd(meanwhile=lambda: None):
    """Kill libvirtd and start it again, as its service does; QEMU and a job in it go on."""
    os.kill(int(Path("/run/libvirtd.pid").read_text()), signal.SIGKILL)
    meanwhile()
    subprocess.run("setsid tini -s -- libvirtd </dev/null >/dev/null 2>&1 &", shell=True, check=True)
    answers = ["virsh", "-q", "list"]
    wait_until(
        lambda: not subprocess.run(answers, capture_output=True, check=False).returncode, "an answer of libvirtd"
    )


def _kill_libvirtd_before_it_stores_the_end():
    """QEMU has forgotten the jobs of all disks, as libvirtd has asked, but libvirtd was killed before it stored that.

    So libvirt reports a job for ever (seen with 9.0).
    """
    _kill_libvirtd(_dismiss_jobs)


def _dismiss_jobs(is_cancelled=False):
    (path,) = Path("/var/lib/libvirt/qemu").glob(f"domain-*-{WEB}/monitor.sock")
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(path))
        with monitor.makefile("rw") as lines:
            lines.readline()
            _ask_qemu(lines, "qmp_capabilities")
            for job in _ask_qemu(lines, "query-jobs") if is_cancelled else ():
                _ask_qemu(lines, "job-cancel", id=job["id"])
            wait_until(
                lambda: all(one["status"] == "concluded" for one in _ask_qemu(lines, "query-jobs")),
                "all jobs have ended",
                120,
            )
            for job in _ask_qemu(lines, "query-jobs"):
                _ask_qemu(lines, "job-dismiss", id=job["id"])


def _ask_qemu(lines, command, **arguments):
    lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    lines.flush()
    while True:  # Events come between.
        answer = json.loads(lines.readline())
        if "event" not in answer:
            return answer["return"]


@pytest.mark.parametrize("disturb", [_kill_qemu, _kill_libvirtd, _kill_libvirtd_before_it_stores_the_end])
def test_next_task_completes_what_a_killed_host_has_left(qemu, carry, shim, tmp_path, place, disturb):
    """The task is killed after the job began. Whether the job has ended before, makes no difference for the user."""
    # So large that its job is not over when libvirtd is killed; the result is the same if it is.
    (disk,) = bring(qemu, carry, STOPPED, disks=[{"size": "128M"}]).values()
    subprocess.run(["qemu-io", "-f", disk[1], "-c", "write -q -P 7 0 96M", disk[0]], check=True)
    assert_worked(carry(qemu, [powered("started")], [WEB]), started=True)
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


def _attached(path):
    """Another VM gets the left file as its disk."""
    virsh("attach-disk", COPY, path, "vdz", "--config", "--subdriver", "qcow2")


def _replaced(path):
    """Somebody puts another file in the place of the left one."""
    Path(path).rename(f"{path}.moved")
    shutil.copyfile(f"{path}.moved", path)
    Path(f"{path}.moved").unlink()


@pytest.mark.parametrize("change", [_attached, _replaced])
def test_left_file_that_is_somebody_elses_by_now_is_kept(qemu, carry, shim, tmp_path, place, change):
    """The restore uses the next free name, and lists the file, in check mode and in the run."""
    bring(qemu, carry, STOPPED)
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    assert_worked(carry(qemu, [Task("other", {**qemu.creation, "name": [COPY]})], [COPY]), other=True)
    options = {"name": [WEB], "directory": str(place), "state": "restored", "backup": "newest", "replace": True}
    left = qemu.storage / f"{WEB}-vda-2.qcow2"
    calls = 0
    while not left.exists():
        shim.order(f"kill-after {(calls := calls + 1)}")
        assert carry_one(qemu, shim, tmp_path, options, "backup").rc == -9
        shim.forget()
    change(str(left))
    before = left.stat().st_ino, left.read_bytes()
    tasks = [Task("check", options, check=True, about="backup"), Task("run", options, about="backup")]
    for answer in carry(qemu, tasks, [WEB]).values():
        assert not answer.failed, answer.msg
        assert [one["path"] for one in answer.vm(WEB)["kept"]] == [str(left)]
    assert disks_of(answer.vm(WEB))["vda"][0] == str(qemu.storage / f"{WEB}-vda-3.qcow2")
    assert (left.stat().st_ino, left.read_bytes()) == before


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
    virsh("backup-begin", WEB, str(xml))
    yield lambda: virsh("domjobabort", WEB)
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
        qemu, [Task("same", {"name": [WEB], "state": "started"}), Task("tags", {"name": [WEB], "tags": ["a"]})], [WEB]
    )
    assert_worked(permitted, same=False, tags=True)
    assert not [one for answer in permitted.values() for one in answer.calls if "domjobinfo" in str(one.argv)]
    job()
    assert_worked(carry(qemu, [backing_up("made", place), powered("stopped")], [WEB]), made=True, stopped=True)


def test_job_that_never_ends_is_rejected_without_waiting(qemu, carry, place, job):
    """With the command that ends it. Nothing that libvirt does later would."""
    _kill_libvirtd(lambda: _dismiss_jobs(is_cancelled=True))
    tasks = [Task("stop", {"name": [WEB], "state": "stopped"}), backing_up("backup", place)]
    for task in tasks:
        for check in (True, False):
            answer = carry(qemu, [replace(task, check=check)], [WEB])[task.label]
            assert (answer.failed, answer.changed) == (True, False), answer.result
            assert "a backup job that never ends" in answer.msg
            assert f"Cancel it with virsh domjobabort {WEB}" in answer.msg
            assert answer.truth[WEB]["power"] == RUNNING
    job()
    assert_worked(carry(qemu, [backing_up("made", place), powered("stopped")], [WEB]), made=True, stopped=True)
