# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``disks[].directory``: a new disk is created there, belongs to the VM as its others do, and is never moved."""

from __future__ import annotations

import os
import uuid
from itertools import product
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT

from suite.answer import Task

NAME = "pvc-elsewhere"
RUNS = ("check", "real", "again")
pytestmark = pytest.mark.core


def _disks(platform, *directories):
    """One disk in each of these directories; an empty text is the directory of the other files."""
    disks = [{"slot": slot, "size": platform.disk_size} for slot in platform.slots]
    return [{**disk, **({"directory": one} if one else {})} for disk, one in zip(disks, directories)]


def _carried(platform, carry, options):
    return list(carry(platform, [Task(run, options, run == "check") for run in RUNS], [NAME]).values())


def _worked(platform, check, real, again):
    assert not real.failed, real.msg
    assert (check.failed, check.changed, check.diff) == (False, True, real.diff), check.msg
    assert [call.argv for call in check.calls if platform.is_write(call)] == []
    assert (again.failed, again.changed, again.truth) == (False, False, real.truth), again.msg


def _is_rejected(platform, carry, words, **options):
    before, left = platform.truth([NAME]), platform.files()
    for check in (True, False):
        label = f"rejected {check}"
        answer = carry(platform, [Task(label, {**platform.consent, "name": [NAME], **options}, check)], [NAME])[label]
        assert (answer.failed, answer.changed, answer.truth) == (True, False, before), answer.msg
        assert [word for word in words if word not in answer.msg] == [], answer.msg
    assert platform.files() == left


@pytest.fixture(name="elsewhere")
def _elsewhere(platform):
    """Another directory; None if the platform does not have the option."""
    platform.clean()
    return platform.folder_with() if "disks.directory" in platform.traits().fields else None


@pytest.mark.parametrize("is_late", [False, True], ids=["with the VM", "later"])
def test_disk_in_another_directory(platform, carry, elsewhere, is_late):
    if elsewhere is None:
        return
    if is_late:
        made = Task("made", {**platform.creation, "name": [NAME], "disks": _disks(platform, "")})
        assert not carry(platform, [made], [NAME])["made"].failed
    new = platform.consent if is_late else platform.creation
    both = {**new, "name": [NAME], "disks": _disks(platform, "", elsewhere)}
    _worked(platform, *_carried(platform, carry, both))
    (file,) = platform.in_folder(elsewhere)
    first, second = platform.slots[:2]
    at = f"disks.{second}.directory"
    _is_rejected(
        platform, carry, (at, elsewhere, "never moved"), disks=[{"slot": second, "directory": _other(platform)}]
    )
    at = f"disks.{first}.directory"
    _is_rejected(platform, carry, (at, elsewhere, "never moved"), disks=[{"slot": first, "directory": elsewhere}])
    platform.folder_with("somebody.txt")
    gone = Task("gone", {"name": [NAME], "state": "absent", "stop_mode": "force"})
    answer = carry(platform, [gone], [NAME])["gone"]
    assert (answer.failed, answer.vm(NAME)["state"], answer.vm(NAME)["kept"]) == (False, ABSENT, []), answer.msg
    assert platform.in_folder(elsewhere) == ["somebody.txt"], file


def _other(platform):
    """A directory that is not compared with the others by its text only, and does not have to exist."""
    return f"{platform.folder_with()}-not"


def test_foreign_file_or_missing_directory_is_found_before_anything_is_created(platform, carry, elsewhere):
    if elsewhere is None:
        return
    missing = _other(platform)
    first, second = platform.slots[:2]
    new = {**platform.creation, "disks": _disks(platform, "", missing)}
    _is_rejected(platform, carry, (f"disks.{second}.directory", missing, "does not exist"), **new)
    made = Task("made", {**platform.creation, "name": [NAME], "disks": _disks(platform, elsewhere)})
    gone = Task("gone", {"name": [NAME], "state": "absent"})
    assert not carry(platform, [made], [NAME])["made"].failed
    (file,) = platform.in_folder(elsewhere)
    assert not carry(platform, [gone], [NAME])["gone"].failed
    platform.folder_with(file)
    taken = {**platform.creation, "disks": _disks(platform, elsewhere)}
    _is_rejected(platform, carry, (f"disks.{first}", file, "already exists"), **taken)


def _with_backup(folder):
    """Put the manifest of a backup into a directory; returns the directory of that backup."""
    os.makedirs(backup := os.path.join(folder, str(uuid.UUID(int=1)), "20270131T120000Z-0a1b2c3d"))
    Path(backup, "manifest.json").touch()
    return backup


def test_new_disk_is_in_no_directory_of_the_system_or_of_backups(platform, carry, tmp_path):
    """Each option for the directory of disks, on each platform whose files are on this host."""
    platform.clean()
    given = platform.options("vm")
    options = [one for one in ("disks.directory", "storage_path") if one in {*platform.traits().fields, *given}]
    if not options or not os.path.isabs(platform.storage):
        return
    os.symlink("/run", link := f"{tmp_path}/link")
    system, stored = "a directory of the operating system ({})", f"a directory with backups of VMs ({tmp_path}/store)"
    places = {link: system.format("/run"), _with_backup(f"{tmp_path}/store"): stored, f"{tmp_path}/store": stored}
    places.update({path: system.format(f"/{path.split('/')[1]}") for path in ("/dev", "/proc/self", "/sys")})
    for option, (place, reason) in product(options, places.items()):
        about = option.replace(".", f".{platform.slots[0]}.")
        new = {"storage_path": place} if option == "storage_path" else {"disks": _disks(platform, place)}
        _is_rejected(platform, carry, [f"{about}: {place} is in {reason}"], **{**platform.creation, **new})


def test_disk_that_is_in_such_a_directory_remains(platform, carry, elsewhere):
    if elsewhere is None or not os.path.isabs(elsewhere):
        return
    made = {**platform.creation, "name": [NAME], "disks": _disks(platform, elsewhere)}
    assert not carry(platform, [Task("made", made)], [NAME])["made"].failed
    _with_backup(elsewhere)
    tasks = [Task("again", made), Task("started", {"name": [NAME], "state": "started"})]
    tasks += [Task("stopped", {"name": [NAME], "state": "stopped", "stop_mode": "force"})]
    answers = carry(platform, tasks, [NAME])
    assert [(one.failed, one.changed) for one in answers.values()] == [(False, False), (False, True), (False, True)]
    more = _disks(platform, elsewhere, elsewhere)
    _is_rejected(platform, carry, [f"is in a directory with backups of VMs ({elsewhere})"], disks=more)
    gone = Task("gone", {"name": [NAME], "state": "absent", "stop_mode": "force"})
    assert carry(platform, [gone], [NAME])["gone"].vm(NAME)["kept"] == []


def test_source_and_directory_exclude_each_other(platform, carry, elsewhere):
    if elsewhere is None:
        return
    disk = {"slot": platform.slots[1], "source": f"{elsewhere}/a.qcow2", "directory": elsewhere}
    new = {**platform.creation, "disks": [*_disks(platform, ""), disk]}
    _is_rejected(platform, carry, (f"disks.{platform.slots[1]}", "source and directory", "Remove one"), **new)


def test_disk_is_not_created_below_a_pool_that_is_not_mounted(qemu, carry):
    """Its file system would hide the disk as soon as the pool is started."""
    qemu.clean()
    (folder := qemu.storage / "pvg-mount").mkdir(exist_ok=True)
    qemu.virsh("pool-define-as", "pvg-mount", "fs", "--source-dev", "/dev/null", "--target", str(folder))
    try:
        new = {**qemu.creation, "name": ["pvg-below"], "disks": [{"size": "8M", "directory": str(folder)}]}
        elsewhere = {**new, "disks": [{"size": "8M"}]}
        more = {"name": ["pvg-below"], "disks": [{"slot": "vdb", "size": "8M", "directory": str(folder)}]}
        tasks = [Task(f"new {check}", new, check) for check in (True, False)]
        tasks += [Task("elsewhere", elsewhere), *(Task(f"more {check}", more, check) for check in (True, False))]
        answers = carry(qemu, tasks, ["pvg-below"])
    finally:
        qemu.virsh("pool-undefine", "pvg-mount")
    assert not answers.pop("elsewhere").failed
    for label, answer in answers.items():
        assert (answer.failed, answer.changed) == (True, False), label
        assert "would be below the mount point of the pool pvg-mount. Start that pool" in answer.msg
    assert list(folder.iterdir()) == []
    folder.rmdir()


def test_disk_that_is_not_found_is_named_when_its_vm_is_deleted(qemu, carry):
    qemu.clean()
    (disk,) = carry(qemu, [Task("make", {**qemu.creation, "name": ["pvg-below"]})])["make"].vm("pvg-below")["disks"]
    os.rename(disk["source"], hidden := f"{disk['source']}.hidden")
    gone = {"name": ["pvg-below"], "state": "absent", "stop_mode": "force"}
    answers = carry(qemu, [Task("check", gone, True), Task("run", gone)], ["pvg-below"])
    os.remove(hidden)
    for answer in answers.values():
        assert not answer.failed, answer.msg
        assert f"the disk {disk['source']} was not found" in str(answer.result["warnings"])
