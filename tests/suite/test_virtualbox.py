# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that only VirtualBox can run: VMs by name and UUID, port forwards, guests that ignore the power button."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import parse_size

from platforms.virtualbox import reading as virtualbox_told
from platforms.virtualbox.double import vdi
from suite.answer import Task
from suite.carry import carry_one
from suite.described import entry_of
from suite.limits import wait_until
from suite.scenarios.snapshots import snapshot

pytestmark = pytest.mark.full

WRITTEN = 0x44
#: The slot of a second disk, from which the VM does not boot.
DATA = "SATA 1"


def _one(box, carry, options, names):
    return carry(box, [Task("one", options)], names)["one"]


def test_force_stops_a_guest_that_ignores_everything(box, shim, tmp_path):
    """Nobody waits for it, and its disks are whole: the one it was booted from starts it again."""
    box.clean()
    name = f"{box.prefix}deaf"
    box.bring({name: STOPPED})
    added = carry_one(box, shim, tmp_path, {"name": [name], "disks": [{"slot": DATA, "size": box.disk_size}]})
    assert added.rc == 0, added.result
    box.write(name, WRITTEN, DATA)
    disks = [Path(file) for file in box.disks_of(box.truth([name])[name]).values()]
    contents = [vdi.read([file], parse_size(box.disk_size, "disks")) for file in disks]
    box.move(name, RUNNING)
    box.wait_for_guests([name])
    run = carry_one(box, shim, tmp_path, {"name": [name], "state": "stopped", "stop_mode": "force"})
    assert run.rc == 0, run.result
    assert not [call for call in run.calls if "acpipowerbutton" in call.argv]
    machine = box.truth([name])[name]
    assert machine["power"] == STOPPED
    assert box.holds(machine, WRITTEN, DATA)
    assert [vdi.read([file], parse_size(box.disk_size, "disks")) for file in disks] == contents
    again = carry_one(box, shim, tmp_path, {"name": [name], "state": "started"})
    assert again.rc == 0, again.result
    box.wait_for_guests([name])
    assert box.truth([name])[name]["power"] == RUNNING


@pytest.mark.core
def test_two_vms_with_one_name(box, carry):
    """Refused with both ids; by its id each is hit alone."""
    box.clean()
    name, other = f"{box.prefix}twin", f"{box.prefix}other"
    box.bring({name: STOPPED, other: STOPPED})
    first, second = (box.ids()[one] for one in (name, other))
    box.define_twin(second, name)
    task = {"name": [name], "state": "started"}
    answer = _one(box, carry, task, [])
    assert (answer.failed, answer.changed) == (True, False)
    assert first in answer.msg
    assert second in answer.msg
    answer = _one(box, carry, {"id": second, "state": "started"}, [])
    assert not answer.failed, answer.msg
    assert [box.box.state(uuid) for uuid in (first, second)] == ["poweroff", "running"]


def test_ssh_forward_port_is_chosen_once(box, carry):
    """All modules report the chosen port; a second run and a restart keep it, and no two VMs have the same."""
    box.clean()
    names = [f"{box.prefix}ssh{number}" for number in range(3)]
    made = {**box.creation, "name": names, "networks": [{"type": "nat"}], "state": "started"}
    tasks = [
        Task("make", made),
        Task("again", made),
        Task("restart", {"name": names, "state": "restarted", "stop_mode": "force"}),
        Task("info", {"name": names}, about="vm_info"),
    ]
    answers = carry(box, tasks, names)
    for answer in answers.values():
        assert not answer.failed, answer.msg
    assert not answers["again"].changed
    ways = [{name: answer.vm(name)["ssh"] for name in names} for answer in answers.values()]
    assert ways[1:] == ways[:-1]
    assert {(way["host"], way["scope"]) for way in ways[0].values()} == {("127.0.0.1", "host")}
    assert len({way["port"] for way in ways[0].values()}) == len(names)


def test_base_vm_of_linked_clones_is_not_deleted(box, carry):
    """VirtualBox itself would delete a part of the VM before it fails."""
    box.clean()
    source, clone = f"{box.prefix}source", f"{box.prefix}clone"
    box.bring({source: STOPPED})
    box.write(source, WRITTEN)
    box.take_snapshot(source, "base")
    linked = {"name": [clone], "clone": {"source": source, "snapshot": "base", "linked": True}}
    made = _one(box, carry, linked, [source, clone])
    assert not made.failed, made.msg
    answer = _one(box, carry, {"name": [source], "state": "absent", "delete_disks": "all"}, [source, clone])
    assert (answer.failed, answer.changed) == (True, False)
    assert clone in answer.msg
    assert answer.truth == made.truth
    gone = _one(box, carry, {"name": [clone], "state": "absent"}, [source, clone])
    assert not gone.failed, gone.msg
    assert box.holds(gone.truth[source], WRITTEN)


def test_snapshots_that_virtualbox_cannot_merge_remain(box, carry):
    """The current snapshot with a child, or the base of a linked clone: the task fails before anything is deleted."""
    box.clean()
    name, clone = f"{box.prefix}kept", f"{box.prefix}clone"
    box.bring({name: STOPPED})
    linked = {"name": [clone], "clone": {"source": name, "snapshot": "second", "linked": True}}
    tasks = [
        *(snapshot(taken, [name], taken) for taken in ("first", "second", "third")),
        snapshot("restore", [name], "second", "restored"),
        snapshot("current", [name], "second", "absent"),
        Task("clone", linked),
        snapshot("with clone", [name], "second", "absent", children=True),
        Task("clone goes", {"name": [clone], "state": "absent"}),
        snapshot("all", [name], "second", "absent", children=True),
    ]
    answers = carry(box, tasks, [name])
    for label, words in (("current", ("third", "children: true")), ("with clone", (clone, "is needed by"))):
        answer = answers.pop(label)
        assert (answer.failed, answer.changed) == (True, False)
        assert [word for word in words if word not in answer.msg] == [], answer.msg
        assert not any(box.is_write(call) for call in answer.calls), label
    for label, answer in answers.items():
        assert (answer.failed, answer.changed) == (False, True), f"{label}: {answer.msg}"
    assert set(box.snapshots(name)) == {"first"}


def test_vm_with_unreadable_settings(box, carry):
    """The VM is reported with its id and file; a second VM with its name is not created."""
    box.clean()
    name = f"{box.prefix}broken"
    box.bring({name: STOPPED})
    box.spoil(name)
    answer = _one(box, carry, {**box.creation, "name": [name]}, [])
    assert (answer.failed, answer.changed) == (True, False)
    assert f"{name}.vbox" in answer.msg
    assert len(box.box.run("list", "vms").splitlines()) == 1


def test_settings_that_cannot_start_on_this_host(box, carry):
    """The guest uses these settings, and VirtualBox accepts them on every host."""
    box.clean()
    name = f"{box.prefix}nested"
    box.bring({name: STOPPED})
    tasks = [
        Task(f"{value} {run}", {"name": [name], "nested_virtualization": value}, run == "check")
        for value in (True, False)
        for run in ("check", "real", "again")
    ]
    answers = carry(box, tasks, [name])
    for value in (True, False):
        check, real, again = (answers[f"{value} {run}"] for run in ("check", "real", "again"))
        assert not real.failed, real.msg
        assert (check.changed, check.diff, again.changed) == (True, real.diff, False)
        assert virtualbox_told.value(real.truth[name]["stored"], "nested-hw-virt") == ("on" if value else "off")


def test_stored_settings_of_a_uefi_vm_are_the_same_after_its_first_start(box, carry):
    box.clean()
    name = f"{box.prefix}uefi"
    tasks = [
        Task("create", {**box.creation, "name": [name], "firmware": "uefi"}),
        Task("start", {"name": [name], "state": "started"}),
        Task("stop", {"name": [name], "state": "stopped", "stop_mode": "force"}),
    ]
    answers = carry(box, tasks, [name])
    assert answers["stop"].truth[name]["stored"] == answers["create"].truth[name]["stored"]


@pytest.mark.core
@pytest.mark.parametrize("platform_name", ["virtualbox_double"], indirect=True)
@pytest.mark.parametrize("options", [{"state": "absent"}, {"state": "present", "cpus": 2}])
def test_daemon_with_another_registry_than_that_of_the_task(platform, carry, tmp_path, monkeypatch, options):
    """VirtualBox ignores VBOX_USER_HOME of a task while its daemon runs: it would change the VM of another registry."""
    platform.clean()
    name, others = f"{platform.prefix}registry", tmp_path / "others"
    platform.bring({name: STOPPED})
    program = shutil.copy(shutil.which("sleep"), tmp_path / "VBoxSVC")
    monkeypatch.setenv("VBOX_USER_HOME", str(tmp_path / "own"))
    tasks = [Task(label, {**options, "name": [name]}, label == "check") for label in ("check", "run")]
    with subprocess.Popen([program, "600"], env={**os.environ, "VBOX_USER_HOME": str(others)}) as daemon:
        wait_until(lambda: Path(f"/proc/{daemon.pid}/comm").read_text() == "VBoxSVC\n", lambda: "it runs")
        answers = carry(platform, tasks, [name])
        daemon.kill()
    for answer in answers.values():
        assert (answer.failed, answer.changed) == (True, False)
        assert f"{tmp_path / 'own'}, but VirtualBox uses {others}" in answer.msg, answer.msg
        assert answer.truth[name]["power"] == STOPPED
    assert not carry(platform, tasks[:1], [name])["check"].failed


@pytest.mark.core
@pytest.mark.parametrize("platform_name", ["virtualbox_double"], indirect=True)
def test_copy_of_older_settings_that_another_vm_has_in_its_drive(platform, carry):
    """It is deleted with its VM, although no option names it: check mode compares it with what other VMs have."""
    platform.clean()
    name, other = f"{platform.prefix}upgraded", f"{platform.prefix}reader"
    created = carry(platform, [Task("create", {**platform.creation, "name": [name, other]})], [name])["create"]
    assert not created.failed, created.msg
    copy = platform.storage / name / f"{name}-1.16-linux.vbox"
    text = f'<VirtualBox version="1.16-linux"><Machine uuid="{{{platform.ids()[name]}}}"/></VirtualBox>'
    copy.write_bytes(text.encode().ljust(64 << 10))
    slot = ("--storagectl", "IDE", "--port", "1", "--device", "1", "--type", "dvddrive")
    platform.box.call("storagectl", other, "--name", "IDE", "--add", "ide")
    platform.box.run("storageattach", other, *slot, "--medium", copy)
    tasks = [Task(label, {"name": [name], "state": "absent"}, label == "check") for label in ("check", "run")]
    for answer in carry(platform, tasks, [name]).values():
        assert (answer.failed, answer.changed) == (True, False)
        assert f"{copy}" in answer.msg and other in answer.msg, answer.msg
        assert answer.truth[name] and copy.exists()
    platform.box.run("storageattach", other, *slot, "--medium", "none")
    for answer in carry(platform, tasks, [name]).values():
        assert not answer.failed, answer.msg
    assert not copy.parent.exists()


@pytest.mark.core
@pytest.mark.parametrize("platform_name", ["virtualbox_double"], indirect=True)
def test_clone_does_not_trace_packets_to_the_file_of_its_source(platform, carry, tmp_path):
    """VirtualBox empties it at each start. Another VM with that file cannot be started beside the first one."""
    platform.clean()
    names = [f"{platform.prefix}{name}" for name in ("traced", "copy", "other")]
    carry(platform, [Task("create", {**platform.creation, "name": [names[0], names[2]]})], names)
    packets = tmp_path / "packets"
    for name in (names[0], names[2]):
        platform.box.run("modifyvm", name, "--nictrace1", "on", "--nictracefile1", packets)
    options = {"name": [names[1]], "clone": names[0]}
    for answer in carry(platform, [Task("check", options, True), Task("run", options)], names).values():
        assert (answer.failed, answer.changed) == (False, True), answer.msg
        assert f"the clone does not have what leads out of '{names[0]}': trace of NIC 1 ({packets})." in str(
            answer.result["warnings"]
        )
    answers = carry(platform, [Task(name, {"name": [name], "state": "started"}) for name in names], names)
    assert [answers[name].failed for name in names] == [False, False, True]
    assert str(packets) in answers[names[2]].msg


def test_vm_whose_name_ends_with_a_space_is_described_and_deleted_by_its_id(box, carry):
    """VirtualBox accepts such a name, and no task does."""
    box.clean()
    name = f"{box.prefix}blank"
    box.bring({name: STOPPED})
    uuid = box.ids()[name]
    box.box.run("modifyvm", uuid, "--name", f"{name} ")
    described = _one_info(box, carry, {"describe": True, "id": uuid})
    assert [one["name"] for one in described.vms] == [f"{name} "]
    entry = entry_of(described.vms[0]["task"])
    assert (entry["id"], "name" in entry) == (uuid, False)
    absent = {"id": uuid, "state": "absent", "delete_disks": "all"}
    tasks = [Task("check", entry, check=True), Task("run", entry), Task("absent", absent)]
    answers = carry(box, tasks)
    assert [(one.failed, one.changed) for one in answers.values()] == [(False, False)] * 2 + [(False, True)]
    assert box.all_ids() == {}


def _one_info(box, carry, options):
    return carry(box, [Task("info", options, about="vm_info")])["info"]
