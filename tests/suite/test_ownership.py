# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of others are not deleted, and tasks use the right VM, whatever its name."""

from __future__ import annotations

import re
import subprocess
import uuid

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED

from suite.answer import Task

SOURCE, COPY = "pvg-source", "pvg-copy"
BESIDE = "pvc-beside"
#: Names with characters that are special for a shell or for a parser of a tool.
NAMES = (
    "pvc-two words", "pvc-;echo no", "pvc-'single'", 'pvc-"double"', "pvc-ü ñ 漢", "pvc-$HOME", "-pvc-dash",
    "pvc-1.5_b", "pvc-plain-1",
)  # fmt: skip


def _absent(name, **more):
    return Task(f"{name} absent {more}", {"name": [name], "state": "absent", "stop_mode": "force", **more})


def _paths(answer, name):
    return {kept["path"] for kept in answer.vm(name)["kept"]}


def test_deleting_a_copied_vm_keeps_the_disks_of_its_source(qemu, carry):
    qemu.clean()
    carry(qemu, [Task("make", {**qemu.creation, "name": [SOURCE]})])
    disk = qemu.disk_of(SOURCE)
    definition = qemu.virsh("dumpxml", SOURCE)
    definition = re.sub(r"<uuid>.*</uuid>", f"<uuid>{uuid.uuid4()}</uuid>", definition).replace(SOURCE, COPY, 1)
    qemu.virsh("define", "/dev/stdin", stdin=definition)
    # Also without the other VM: then only the mark does not match.
    qemu.virsh("undefine", SOURCE)
    for mode in ("owned", "none"):
        answer = carry(qemu, [_absent(COPY, delete_disks=mode)])[_absent(COPY, delete_disks=mode).label]
        assert (answer.failed, answer.vm(COPY)["state"], _paths(answer, COPY)) == (False, ABSENT, {disk})
        assert f"{SOURCE}-vda.qcow2" in qemu.files()
        qemu.virsh("define", "/dev/stdin", stdin=definition)


def test_files_of_other_vms_remain(qemu, carry):
    """A linked clone created by hand, a second VM with the same disk, an ISO image in two drives."""
    qemu.clean()
    medium = qemu.medium()
    disks = [{"size": size} for size in ("16M", "8M", "8M")]
    carry(qemu, [Task("make", {**qemu.creation, "name": [SOURCE], "iso": medium, "disks": disks})])
    below, shared, own = (str(qemu.storage / f"{SOURCE}-vd{letter}.qcow2") for letter in "abc")
    overlay = qemu.storage / "by-hand.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, overlay], check=True)
    qemu.define(COPY)
    other = qemu.virsh("dumpxml", COPY).replace(qemu.disk_of(COPY), shared)
    qemu.virsh("define", "/dev/stdin", stdin=other)
    task = _absent(SOURCE, delete_disks="all")
    answer = carry(qemu, [task], [SOURCE, COPY])[task.label]
    assert not answer.failed, answer.msg
    assert answer.truth[SOURCE] is None
    assert _paths(answer, SOURCE) == {below, shared, medium}
    assert {f"{SOURCE}-vda.qcow2", f"{SOURCE}-vdb.qcow2", "medium.iso", "by-hand.qcow2"} <= set(qemu.files())
    assert own.rpartition("/")[2] not in qemu.files()


@pytest.mark.core
def test_delete_disks(qemu, carry):
    """delete_disks none, owned and all, with a disk created by the collection and one that was only attached."""
    qemu.clean()
    for mode, left in (("none", {"own", "given"}), ("owned", {"given"}), ("all", set())):
        given = qemu.storage / f"given-{mode}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", given, "8M"], check=True)
        name = f"pvg-disks-{mode}"
        made = {**qemu.creation, "name": [name], "disks": [{"size": "8M"}, {"source": str(given)}]}
        task = _absent(name, delete_disks=mode)
        answer = carry(qemu, [Task("make", made), task], [name])[task.label]
        assert not answer.failed, answer.msg
        paths = {"own": qemu.disk_of(name), "given": str(given)}
        assert _paths(answer, name) == {paths[what] for what in left}
        assert {what for what, path in paths.items() if path.rpartition("/")[2] in qemu.files()} == left


@pytest.mark.real
@pytest.mark.core
def test_what_a_deletion_destroys_anyway_keeps_nothing(platform, carry):
    """Checkpoints, and the files that a platform puts on a disk for them: the name can be used again afterwards."""
    if not platform.has_snapshots:
        return  # Nothing is put on top of a disk.
    platform.clean()
    left = platform.files()
    made = {**platform.creation, **platform.to_exist, "name": ["pvc-owner", "pvc-pruned"], "fleet": "web"}
    taken = [
        Task(f"take {one}", {"name": made["name"], "snapshot": one, "include_memory": None}, about="snapshot")
        for one in ("first", "second")
    ]
    pruned = {
        **platform.creation,
        "name": ["pvc-owner"],
        "fleet": "web",
        "prune": True,
        "prune_max": 1,
        "prune_stop_mode": "force",
    }
    removed = [
        Task("prune check", pruned, check=True),
        Task("prune", pruned),
        Task("remove check", _absent("pvc-owner").options, check=True),
        Task("remove", _absent("pvc-owner").options),
    ]
    again = [Task("make again", made), Task("clear", {**_absent("pvc-owner").options, "name": made["name"]})]
    answers = carry(platform, [Task("make", made), *taken, *removed, *again], made["name"])
    assert [answer.msg for answer in answers.values() if answer.failed] == []
    for label in ("prune check", "prune", "remove check", "remove"):
        kept = [vm["kept"] for vm in answers[label].vms if vm["state"] == ABSENT]
        assert kept == [[]], (label, kept)
    assert answers["make again"].changed
    assert platform.files() == left


def test_strange_names(platform, carry):
    """VMs are created, started, found and deleted, in one task each, and no other VM is changed."""
    platform.clean()
    platform.bring({BESIDE: RUNNING})
    before = platform.truth([BESIDE])
    fault = platform.traits().name_fault
    names, refused = ([name for name in NAMES if bool(fault(name)) == bad] for bad in (False, True))
    tasks = [
        *(Task(f"refused {name}", {**platform.creation, "name": [name]}) for name in refused),
        Task("make", {**platform.creation, "name": names, "state": "started"}),
        Task("again", {**platform.creation, "name": names, "state": "started"}),
        Task("remove", {"name": names, "state": "absent", "stop_mode": "force"}),
    ]
    answers = carry(platform, tasks, [*names, BESIDE])
    for label, answer in answers.items():
        assert answer.failed == label.startswith("refused "), answer.msg
        assert answer.truth[BESIDE] == before[BESIDE]
    for name in refused:
        assert fault(name) in answers[f"refused {name}"].msg
    assert [answers["make"].truth[name]["power"] for name in names] == [RUNNING] * len(names)
    assert [vm["name"] for vm in answers["make"].vms] == names
    assert not answers["again"].changed
    assert [answers["remove"].truth[name] for name in names] == [None] * len(names)
    left = platform.files()
    assert not [name for name in names if any(file.startswith(name) for file in left)]


def test_name_that_the_tool_reads_as_the_id_of_another_vm(platform, carry):
    """Such as the domain id of a running VM, or its UUID."""
    platform.clean()
    platform.bring({BESIDE: RUNNING})
    number = platform.handle(BESIDE)
    platform.define_as(number)
    try:
        task = Task("start", {"name": [number], "state": "started"})
        answer = carry(platform, [task, _absent(number, delete_disks="all")], [BESIDE])
        assert answer["start"].vm(number)["changed"], answer["start"].msg
        assert answer["start"].vm(number)["id"] != platform.ids()[BESIDE]
        gone = answer[_absent(number, delete_disks="all").label]
        assert not gone.failed, gone.msg
        assert gone.truth[BESIDE]["power"] == RUNNING
        assert number not in platform.all_names()
    finally:
        platform.remove_by_name(number)


def test_id_in_another_spelling_selects_the_same_vm(platform, carry):
    platform.clean()
    platform.bring({BESIDE: STOPPED})
    another = platform.another_spelling(BESIDE)
    tasks = [
        Task("info", {"id": another}, about="vm_info"),
        Task("set", {"id": another, "description": "found"}),
        Task("remove", {"id": another, "state": "absent", "delete_disks": "all"}),
    ]
    answers = carry(platform, tasks, [BESIDE])
    assert [vm["name"] for vm in answers["info"].vms] == [BESIDE]
    assert (answers["set"].failed, answers["set"].changed) == (False, True), answers["set"].msg
    assert (answers["remove"].failed, answers["remove"].truth) == (False, {BESIDE: None}), answers["remove"].msg
