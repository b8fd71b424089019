# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A definition that is copied to another host takes its record along, but not the files in it.

At a path in it, the new host can have a file of somebody else, which does not belong to the VM.
"""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from suite.answer import Task
from suite.test_proven_files import ABSENT_TASK, NAME, accepted, kept, rejected, seen

HERE = os.uname().nodename


def _mark(platform):
    return Definition(platform.virsh("dumpxml", "--inactive", NAME)).mark


def _moved(platform, carry, recorded, **more):
    """(disk, path of a file that only the record names). It was recorded on another host, or on none (None)."""
    platform.clean()
    accepted(platform, carry, {**platform.creation, "name": [NAME]})
    accepted(platform, carry, {"name": [NAME], "disks": [{"slot": "vdb", "size": "20M"}]})
    accepted(platform, carry, {"name": [NAME], "disks": [{"slot": "vdb", "state": "absent"}]})
    disk, theirs = (platform.storage / f"{NAME}-{slot}.qcow2" for slot in ("vda", "vdb"))
    assert (_mark(platform)["host"], _mark(platform)["disks"]) == (HERE, [str(disk), str(theirs)])
    definition = Definition(platform.virsh("dumpxml", "--inactive", NAME))
    mark = {**definition.mark, "host": recorded, **more}
    definition.set_mark({key: value for key, value in mark.items() if value is not None})
    file = platform.storage / "moved.xml"
    file.write_text(definition.text(), encoding="utf-8")
    platform.virsh("define", str(file))
    return disk, theirs


def test_file_recorded_on_this_host_is_deleted(qemu, carry):
    disk, detached = _moved(qemu, carry, HERE)
    assert kept(accepted(qemu, carry, ABSENT_TASK)) == set()
    assert (disk.exists(), detached.exists()) == (False, False)


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
@pytest.mark.parametrize(("recorded", "why"), [("old", "recorded on the host old"), (None, "recorded without a host")])
def test_recorded_path_that_is_not_attached_is_kept_and_named(qemu, carry, recorded, why, delete_disks):
    disk, theirs = _moved(qemu, carry, recorded)
    before, options = seen(theirs), {**ABSENT_TASK, "delete_disks": delete_disks}
    answers = carry(qemu, [Task("check", options, check=True), Task("run", options)], [NAME])
    for answer in answers.values():
        assert not answer.failed, answer.msg
        assert [(one["path"], one["reason"]) for one in answer.vm(NAME)["kept"]] == [(str(theirs), why)]
    assert (disk.exists(), seen(theirs)) == (False, before)


def test_next_change_adds_the_host_to_a_record(qemu, carry):
    disk, detached = _moved(qemu, carry, None)
    no_op = accepted(qemu, carry, {"name": [NAME], "cpus": qemu.creation.get("cpus", 1)})
    assert (no_op.changed, "host" in _mark(qemu)) == (False, False)
    accepted(qemu, carry, {"name": [NAME], "description": "moved"})
    assert (_mark(qemu)["host"], _mark(qemu)["disks"]) == (HERE, [str(disk), str(detached)])
    assert kept(accepted(qemu, carry, ABSENT_TASK)) == set()


def test_next_change_forgets_the_files_of_the_old_host(qemu, carry):
    disk, theirs = _moved(qemu, carry, "old")
    before = seen(theirs)
    accepted(qemu, carry, {"name": [NAME], "description": "moved"})
    assert (_mark(qemu)["host"], _mark(qemu)["disks"]) == (HERE, [str(disk)])
    assert kept(accepted(qemu, carry, ABSENT_TASK)) == set()
    assert seen(theirs) == before


@pytest.mark.parametrize("recorded", ["old", None])
def test_what_was_begun_on_another_host_is_no_leftover(qemu, carry, recorded):
    """A new disk would replace it, and a failed restore remove it."""
    theirs = qemu.storage / f"{NAME}-vdb.qcow2"
    _moved(qemu, carry, recorded, making=[str(theirs)])
    before = seen(theirs)
    rejected(qemu, carry, {"name": [NAME], "disks": [{"slot": "vdb", "size": "20M"}]}, NAME, "disks.vdb", "exists")
    assert seen(theirs) == before


@pytest.mark.parametrize("recorded", ["old", None])
def test_creation_that_was_begun_on_another_host_takes_no_file(qemu, carry, recorded):
    theirs = qemu.storage / f"{NAME}-vda.qcow2"
    disk, _detached = _moved(qemu, carry, recorded, unfinished=True, making=[str(theirs)], disks=[])
    qemu.virsh("detach-disk", NAME, "vda", "--config")
    before = seen(disk)
    creation = {**qemu.creation, "name": [NAME]}
    rejected(qemu, carry, creation, NAME, str(theirs), "already exists")
    assert seen(disk) == before
    assert kept(accepted(qemu, carry, ABSENT_TASK)) == {str(theirs)}
    assert seen(disk) == before


def test_file_of_a_record_in_a_copied_vm_conf_is_kept_and_named(ground, carry):
    """The double of an OpenBSD host: vm.conf has the records, and is copied to another host with the disks."""
    vmd, name = ground.open("vmm", "pvc-"), "pvc-moved"
    vmd.clean()
    tasks = [
        Task("create", {**vmd.creation, "name": [name], "disks": [{"size": "16M"}, {"size": "16M"}]}),
        Task("detach", {"name": [name], "disks": [{"slot": "disk1", "state": "absent"}]}),
    ]
    assert not any(one.failed for one in carry(vmd, tasks, [name]).values())
    text = vmd.config_file.read_text(encoding="latin-1")
    assert f'"host":"{HERE}"' in text
    vmd.config_file.write_text(text.replace(f'"host":"{HERE}"', '"host":"old"'), encoding="latin-1")
    disk, theirs = (vmd.storage / f"{name}-{slot}.qcow2" for slot in vmd.slots)
    before, absent = seen(theirs), {"name": [name], "state": "absent"}
    answers = carry(vmd, [Task("check", absent, check=True), Task("run", absent)], [name])
    for answer in answers.values():
        assert not answer.failed, answer.msg
        assert [one["path"] for one in answer.vm(name)["kept"]] == [str(theirs)]
    assert (disk.exists(), seen(theirs)) == (False, before)


def test_file_of_a_record_in_a_moved_settings_file_is_kept_and_named(box, carry):
    """VirtualBox has the record in the settings file, which is moved with the directory of the VM."""
    box.clean()
    name = "pvb-moved"
    creation, absent = {**box.creation, "name": [name]}, {"name": [name], "state": "absent"}
    assert not carry(box, [Task("create", creation)], [name])["create"].failed
    theirs, uuid = box.storage / "theirs.vdi", box.ids()[name]
    theirs.write_bytes(b"somebody's")
    mark = json.loads(box.box.run("getextradata", uuid, "polyvirt/mark").partition("Value: ")[2])
    assert mark["host"] == HERE
    moved = json.dumps({**mark, "host": "old", "making": [str(theirs)]})
    box.box.run("setextradata", uuid, "polyvirt/mark", moved)
    answers = carry(box, [Task("check", absent, check=True), Task("run", absent)], [name])
    for answer in answers.values():
        assert not answer.failed, answer.msg
        assert [one["path"] for one in answer.vm(name)["kept"]] == [str(theirs)]
    assert (answers["run"].truth[name], theirs.read_bytes()) == (None, b"somebody's")
