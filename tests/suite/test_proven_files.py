# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the real libvirt: only those that the record named are ours, and what others have open is left alone.

Each task runs in check mode and for real: the bytes and inodes of files of others, and the definition, stay the same.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task
from suite.carry import carry_one
from suite.scenarios.snapshots import snapshot

NAME, OTHER = "pvg-proven", "pvg-other"
_MARKER = b"somebody's data"


def image(path, image_format="qcow2", size="20M", *more):
    subprocess.run(["qemu-img", "create", "-q", "-f", image_format, *more, path, size], check=True)
    return path


def precious(path, image_format="qcow2"):
    """An image with data of somebody."""
    words = ["qemu-io", "-f", image_format, "-c", f"write -s {path}.data 1M 4k", image(path, image_format)]
    Path(f"{path}.data").write_bytes(_MARKER.ljust(4096))
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return path


def seen(*paths):
    """What must not change of files."""
    return [(path.stat().st_ino, path.read_bytes()) for path in map(Path, paths)]


def rejected(platform, carry, options, *words):
    """Assert that a task is rejected in check mode and in a run with the same message, and changes nothing."""
    before = platform.virsh("dumpxml", "--inactive", NAME)
    tasks = [Task("check", options, check=True), Task("run", options)]
    answers = carry(platform, tasks, [NAME])
    for answer in answers.values():
        assert answer.failed, answer.result
        assert not answer.changed
        assert all(word in answer.msg for word in words), answer.msg
    assert answers["check"].msg == answers["run"].msg
    assert platform.virsh("dumpxml", "--inactive", NAME) == before
    return answers["run"]


def accepted(platform, carry, options):
    answer = carry(platform, [Task("accepted", options)], [NAME])["accepted"]
    assert not answer.failed, answer.msg
    return answer


def kept(answer):
    return {one["path"] for one in answer.vm(NAME)["kept"]}


ABSENT_TASK = {"name": [NAME], "state": "absent", "stop_mode": "force"}


# Disks that others have attached ------------------------------------------------------------------------------------


@pytest.fixture(name="running", params=["created here", "foreign"])
def _running(request, qemu, carry):
    qemu.clean()
    if request.param == "foreign":
        qemu.bring({NAME: RUNNING})
    else:
        accepted(qemu, carry, {**qemu.creation, "name": [NAME], "state": "started"})
    return qemu


def hot_plug(platform, path):
    platform.virsh("attach-disk", NAME, str(path), "vdb", "--live", "--subdriver", "qcow2")


#: What tasks request of the slot.
REQUESTED = {
    "new disk of the same size": {"size": "20M"},
    "larger one": {"size": "40M"},
    "smaller one": {"size": "8M"},
    "another file": {"source": "{other}"},
}


@pytest.mark.parametrize("entry", REQUESTED.values(), ids=REQUESTED)
def test_hot_plugged_disk_of_others_is_not_taken(running, carry, entry):
    """It would be stored, recorded as created here, enlarged by the next run, and deleted with the VM."""
    path, other = precious(running.storage / "precious.qcow2"), image(running.storage / "other.qcow2")
    hot_plug(running, path)
    # A running guest that writes to it would change the file.
    before = seen(path)
    entry = {key: value.format(other=other) for key, value in entry.items()}
    task = {"name": [NAME], "disks": [{"slot": "vdb", **entry}]}
    rejected(running, carry, task, NAME, "disks.vdb", str(path), "detach", f"disks.vdb.source: {path}")
    assert seen(path) == before
    assert f"{NAME}-vdb.qcow2" not in running.files()


def test_hot_plugged_disk_can_be_kept_and_is_not_deleted_with_the_vm(running, carry):
    path = precious(running.storage / "precious.qcow2")
    hot_plug(running, path)
    before = seen(path)
    task = {"name": [NAME], "disks": [{"slot": "vdb", "source": str(path)}]}
    assert accepted(running, carry, task).changed
    assert not accepted(running, carry, task).changed
    assert str(path) in kept(accepted(running, carry, ABSENT_TASK))
    assert seen(path) == before


def test_disk_of_the_next_start_is_enlarged_while_the_vm_runs(running, carry):
    """blockresize knows only disks of the running VM. Another program may have the file open."""
    path = precious(running.storage / "precious.qcow2")
    running.virsh("attach-disk", NAME, str(path), "vdb", "--config", "--subdriver", "qcow2")
    options = {"name": [NAME], "disks": [{"slot": "vdb", "size": "40M"}]}
    with opened(path, "qcow2"):
        rejected(running, carry, options, NAME, "disks.vdb.size", str(path), "open in another program")
    tasks = [Task("check", options, check=True), Task("run", options), Task("again", options)]
    answers = carry(running, tasks, [NAME])
    assert [answer.failed for answer in answers.values()] == [False] * 3, answers["run"].msg
    assert [answer.changed for answer in answers.values()] == [True, True, False]
    assert answers["check"].diff == answers["run"].diff
    assert answers["run"].vm(NAME)["state"] == "running"
    info = subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True)
    assert json.loads(info.stdout)["virtual-size"] == 40 << 20


def test_disk_that_only_the_running_vm_has_at_a_slot_is_neither_enlarged_nor_detached(running, carry):
    """libvirt would enlarge the file that the running VM has there, not that of its definition."""
    path, other = precious(running.storage / "precious.qcow2"), image(running.storage / "other.qcow2")
    hot_plug(running, path)
    running.virsh("attach-disk", NAME, str(other), "vdb", "--config", "--subdriver", "qcow2")
    before = seen(path)
    for entry in ({"size": "40M"}, {"state": "absent"}):
        task = {"name": [NAME], "disks": [{"slot": "vdb", **entry}]}
        rejected(running, carry, task, NAME, "disks.vdb", str(path), "Restart")
    assert seen(path) == before


@pytest.mark.parametrize("is_equal", [True, False], ids=["equal", "different"])
def test_file_at_path_of_a_new_disk_is_not_taken(running, carry, is_equal):
    """Not even if it is equal to the new disk: there is no record that this collection has created it."""
    path = running.storage / f"{NAME}-vdb.qcow2"
    (image if is_equal else precious)(path)
    before = seen(path)
    rejected(running, carry, {"name": [NAME], "disks": [{"slot": "vdb", "size": "20M"}]}, NAME, "disks.vdb", "exists")
    assert seen(path) == before


# What is no regular file --------------------------------------------------------------------------------------------


def _device(path, _disk):
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 200))


@pytest.mark.parametrize("make", [_device, Path.symlink_to], ids=["a block device", "a link"])
def test_what_is_no_regular_file_is_never_removed(qemu, carry, tmp_path, request, make):
    """The definition calls it a file, and the user says all: a node in /dev, or a link to a volume, would be gone."""
    qemu.clean()
    accepted(qemu, carry, {**qemu.creation, "name": [NAME]})
    path, other = tmp_path / "attached", precious(tmp_path / "precious.qcow2")
    make(path, other)
    before = seen(other)
    qemu.virsh("attach-disk", NAME, str(path), "vdb", "--config", "--sourcetype", "file")
    options = {**ABSENT_TASK, "delete_disks": "all"}
    for answer in carry(qemu, [Task("check", options, check=True), Task("run", options)], [NAME]).values():
        reasons = {one["path"]: one["reason"] for one in answer.vm(NAME)["kept"]}
        assert reasons == {str(path): f"it is {request.node.callspec.id}, and only regular files are deleted"}
    assert (answer.truth[NAME], path.lstat() and seen(other)) == (None, before)


# Files that another program has open --------------------------------------------------------------------------------


@contextmanager
def opened(path, image_format, *options):
    """Another QEMU, as that of another host, has an image open."""
    command = ["qemu-io", *options, "-f", image_format, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        process.stdin.write(b"length\n")
        assert b"MiB" in process.stdout.readline()
        yield


@pytest.fixture(name="stopped", params=["qcow2", "raw", "base"])
def _stopped(request, qemu, carry, tmp_path):
    """(platform, its disk, the image that another program opens, its format). An overlay is where nobody looks."""
    qemu.clean()
    disk_format = "raw" if request.param == "raw" else "qcow2"
    creation = {**qemu.creation, "disks": [{"size": "16M", "format": disk_format}]}
    accepted(qemu, carry, {**creation, "name": [NAME]})
    disk = qemu.storage / f"{NAME}-vda.{disk_format}"
    if request.param != "base":
        return qemu, disk, disk, disk_format
    overlay = image(tmp_path / "overlay.qcow2", "qcow2", "16M", "-F", "qcow2", "-b", str(disk))
    return qemu, disk, overlay, "qcow2"


def test_file_that_another_program_has_open_is_left_alone(stopped, carry):
    platform, disk, image_of_others, image_format = stopped
    accepted(platform, carry, {**platform.creation, "name": [OTHER]})
    with opened(image_of_others, image_format):
        before = seen(disk)
        for mode in ("owned", "all"):
            options = {**ABSENT_TASK, "delete_disks": mode}
            rejected(platform, carry, options, NAME, str(disk), "open in another program", "delete_disks: none")
        grown = {"name": [NAME], "disks": [{"size": "32M"}]}
        rejected(platform, carry, grown, NAME, "disks.vda.size", str(disk), "open in another program")
        other = image(platform.storage / "attached", "raw")
        with opened(other, "raw"):
            attached = {"name": [NAME], "disks": [{"slot": "vdb", "source": str(other)}]}
            rejected(platform, carry, attached, NAME, "disks.vdb.source", str(other), "open in another program")
        assert seen(disk) == before
    answer = accepted(platform, carry, ABSENT_TASK)
    assert (answer.truth[NAME], disk.exists()) == (None, False)


def test_disk_that_another_program_writes_is_not_copied(stopped, carry, tmp_path):
    """qemu-img would fail half-way. A program that only reads it is no obstacle."""
    platform, disk, image_of_others, image_format = stopped
    place = tmp_path / "backups"
    clone = {"name": [OTHER], "clone": {"source": NAME}}
    backup = {"name": [NAME], "directory": str(place), "max_age": "1h"}
    linked = {"name": [OTHER], "clone": {"source": NAME, "linked": True}}
    is_written = image_of_others == disk  # Below an overlay it is only read.
    for options, about in ((clone, "vm"), (linked, "vm"), (backup, "backup")) if is_written else ():
        with opened(image_of_others, image_format):
            tasks = [Task("check", options, check=True, about=about), Task("run", options, about=about)]
            answers = carry(platform, tasks, [NAME, OTHER])
        for answer in answers.values():
            assert (answer.failed, answer.changed, answer.truth[OTHER]) == (True, False, None), answer.result
            assert f"{disk} is open in another program, so it cannot be " in answer.msg, answer.msg
        assert (OTHER in "".join(platform.files()), place.exists()) == (False, False)
    with opened(image_of_others, image_format, *(["-r"] if is_written else [])):
        for options, about in ((clone, "vm"), (backup, "backup")):
            tasks = [Task("check", options, check=True, about=about), Task("run", options, about=about)]
            answers = carry(platform, tasks, [NAME, OTHER])
            assert [answer.failed for answer in answers.values()] == [False, False], answers["run"].msg


@pytest.mark.parametrize("linked", [True, False])
def test_image_that_another_program_writes_is_not_copied(qemu, carry, linked):
    qemu.clean()
    path = image(qemu.storage / "written.qcow2")
    options = {"name": [NAME], "image": {"source": str(path), "linked": linked}, "memory": "64M", "networks": []}
    with opened(path, "qcow2"):
        answers = carry(qemu, [Task("check", options, check=True), Task("run", options)], [NAME])
    for answer in answers.values():
        assert (answer.failed, answer.changed, answer.truth[NAME]) == (True, False, None), answer.result
        assert f"image.source: {path} is open in another program, so it cannot be " in answer.msg, answer.msg
    accepted(qemu, carry, options)


def test_vm_whose_file_another_program_has_open_is_deleted_without_it(stopped, carry):
    """The remedy of the message."""
    platform, disk, image_of_others, image_format = stopped
    with opened(image_of_others, image_format):
        before = seen(disk)
        answer = accepted(platform, carry, {**ABSENT_TASK, "delete_disks": "none"})
        assert (answer.truth[NAME], kept(answer)) == (None, {str(disk)})
        assert seen(disk) == before


_LOCKS = """
import fcntl, struct, sys
file = open(sys.argv[1])
fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 201, 1, 0))
print("locked", flush=True)
sys.stdin.read()
"""


def test_lock_is_asked_again_after_the_vm_has_stopped(qemu, carry):
    """While it runs, the VM itself has locked its disk. It is running again when the task has failed."""
    qemu.clean()
    accepted(qemu, carry, {**qemu.creation, "name": [NAME], "state": "started"})
    disk = Path(qemu.disk_of(NAME))
    with subprocess.Popen([sys.executable, "-c", _LOCKS, disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        answer = carry(qemu, [Task("absent", ABSENT_TASK)], [NAME])["absent"]
        assert answer.failed
        assert "open in another program" in answer.msg, answer.msg
        assert disk.exists()
        assert answer.truth[NAME] is not None
    assert accepted(qemu, carry, ABSENT_TASK).truth[NAME] is None
    assert not disk.exists()


# Files that libvirt writes ------------------------------------------------------------------------------------------


def test_log_is_a_new_file_or_one_that_the_vm_has(qemu, carry):
    qemu.clean()
    qemu.bring({NAME: STOPPED})
    theirs, log = qemu.storage / "letter.txt", qemu.storage / "pvg-own.log"
    theirs.write_text("a letter", encoding="utf-8")
    qemu.log_console(NAME).write_text("booting", encoding="utf-8")
    before = seen("/etc/passwd", theirs)
    for path in ("/etc/passwd", str(theirs)):
        rejected(qemu, carry, {"name": [NAME], "serial_log": path}, NAME, "serial_log", path, "already exists")
    # Another device of the VM writes to it.
    console = str(qemu.log_console(NAME))
    rejected(qemu, carry, {"name": [NAME], "serial_log": console}, NAME, "serial_log", console, "also that of native")
    accepted(qemu, carry, {"name": [NAME], "serial_log": str(log)})
    log.write_text("booting", encoding="utf-8")
    accepted(qemu, carry, {"name": [NAME], "serial_log": ""})
    # Somebody else may have the path by now.
    rejected(qemu, carry, {"name": [NAME], "serial_log": str(log)}, NAME, "serial_log", str(log), "already exists")
    log.unlink()
    accepted(qemu, carry, {"name": [NAME], "serial_log": str(log)})
    log.write_text("booting", encoding="utf-8")
    answer = accepted(qemu, carry, ABSENT_TASK)
    assert (answer.truth[NAME], log.exists(), qemu.log_console(NAME).exists()) == (None, False, True)
    assert seen("/etc/passwd", theirs) == before


def test_log_of_a_restored_vm_is_deleted_with_it(qemu, carry, place):
    qemu.clean()
    log = qemu.storage / "pvg-own.log"
    accepted(qemu, carry, {**qemu.creation, "name": [NAME], "serial_log": str(log), "state": "started"})
    place = {"name": [NAME], "directory": str(place)}
    answers = carry(qemu, [Task("backup", {**place, "max_age": "1h"}, about="backup")], [NAME])
    assert not answers["backup"].failed, answers["backup"].msg
    qemu.virsh("destroy", NAME)
    qemu.virsh("undefine", NAME)
    log.unlink()
    restored = {**place, "state": "restored", "backup": "newest", "allow_host_access": True}
    answers = carry(qemu, [Task("restore", restored, about="backup")], [NAME])
    assert not answers["restore"].failed, answers["restore"].msg
    accepted(qemu, carry, {"name": [NAME], "state": "started"})
    assert log.exists()
    answer = accepted(qemu, carry, ABSENT_TASK)
    assert (log.exists(), str(log) in kept(answer)) == (False, False)


@pytest.mark.parametrize("what", ["NVRAM", "log"])
def test_file_that_appears_before_the_first_start_is_left_alone(qemu, carry, shim, tmp_path, what):
    """libvirt would write to NVRAM and empty a log. The creation is undone, but not what somebody has put there."""
    qemu.clean()
    path, log = qemu.storage / f"{NAME}.nvram", qemu.storage / "pvg-own.log"
    raw = {"nvram_format": "raw"} if "nvram_format" in qemu.traits().fields else {}
    options = (
        {**qemu.creation, "firmware": "uefi", **raw} if what == "NVRAM" else {**qemu.creation, "serial_log": str(log)}
    )
    options, path = {**options, "name": [NAME], "state": "started"}, path if what == "NVRAM" else log
    whole = carry_one(qemu, shim, tmp_path, options)
    assert (whole.rc, path.exists()) == (0, True), whole.msg
    assert not accepted(qemu, carry, ABSENT_TASK).truth[NAME] and not path.exists()
    stored = max(call.number for call in whole.calls if "define" in call.argv)
    shim.order(f"plant {stored} {path}")
    answer = carry_one(qemu, shim, tmp_path, options)
    shim.forget()
    assert answer.rc and str(path) in answer.msg, answer.msg
    assert (path.read_text(encoding="utf-8"), qemu.truth([NAME])[NAME], qemu.files()) == (
        "precious\n",
        None,
        [path.name],
    )
    path.unlink()  # The remedy.
    accepted(qemu, carry, options)
    assert not accepted(qemu, carry, ABSENT_TASK).truth[NAME] and not path.exists()


# Snapshots of VMs of others -------------------------------------------------------------------------------------------


def test_memory_file_of_a_snapshot_is_deleted_or_named(qemu, carry):
    """Of a VM that was not created here: its snapshots of this collection have a record, those of others are kept."""
    qemu.clean()
    qemu.bring({NAME: RUNNING})
    ours, theirs = qemu.storage / f"{NAME}.ours.memory", qemu.storage / "by-hand.memory"
    spec = ["--memspec", f"file={theirs}", "--diskspec", f"vda,file={qemu.storage}/by-hand.qcow2"]
    take = snapshot("take", [NAME], "ours", kind="external", include_memory=True)
    answer = carry(qemu, [take], [NAME])["take"]
    assert (answer.failed, ours.exists()) == (False, True), answer.msg
    qemu.virsh("snapshot-create-as", NAME, "theirs", *spec)
    before = seen(theirs)
    for name, expected in (("theirs", {str(theirs)}), ("ours", set())):
        for is_check in (True, False):
            task = snapshot("drop", [NAME], name, "absent", is_check)
            answer = carry(qemu, [task], [NAME])["drop"]
            assert (answer.failed, kept(answer)) == (False, expected), answer.msg
    assert (ours.exists(), seen(theirs)) == (False, before)
    answer = accepted(qemu, carry, ABSENT_TASK)
    # Its disk is that of somebody, as is what the guest has written since the snapshot.
    assert qemu.disk_of(NAME) in kept(answer)
