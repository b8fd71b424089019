# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many tasks at once on one platform: none fails, no change is lost, and no task changes another task's VM."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED

from suite.by_ansible import run_playbook
from suite.carry import carry_one
from suite.shim import Shim

PLAYS, HOSTS = 6, 5
WRITTEN = 0x33
MACHINE = "{{ inventory_hostname }}"
#: Requests of two identical tasks at the same moment: (options, state of the VM afterwards).
RACES = {
    "made and started": ({"state": "started", "description": "raced"}, RUNNING),
    "changed": ({"memory": "96M", "tags": ["raced"]}, RUNNING),
    "paused": ({"state": "paused"}, "paused"),
    "stopped": ({"state": "stopped", "stop_mode": "force"}, STOPPED),
    "removed": ({"state": "absent"}, ABSENT),
}


@pytest.fixture(name="template")
def _template(qemu, shim, tmp_path):
    """The name of a stopped VM that all tasks clone."""
    qemu.clean()
    name = f"{qemu.prefix}template"
    made = carry_one(qemu, shim, tmp_path, {**qemu.creation, "name": [name]})
    assert made.rc == 0, made.result
    qemu.write(name, WRITTEN)
    return name


def _task(platform, options, about="vm"):
    return {"name": MACHINE, f"{platform.family}_{about}": {**platform.options(about), **options}}


def _life(platform, template):
    """The tasks of a host: the whole life of a VM, and a clone that remains, linked for every second host."""
    own, clone = {"name": [MACHINE]}, f"{MACHINE}-clone"
    linked = "{{ inventory_hostname[-1] | int % 2 == 0 }}"
    return [
        _task(platform, {**platform.creation, **own, "state": "started"}),
        _task(platform, {**own, "snapshot": "s1"}, about="snapshot"),
        _task(platform, {"name": [clone], "clone": {"source": template, "linked": linked}, "memory": "96M"}),
        _task(platform, {**own, "memory": "64M", "tags": [MACHINE], "state": "stopped", "stop_mode": "force"}),
        _task(platform, {**own, "state": "absent", "stop_mode": "force"}),
    ]


@pytest.mark.deep("two tasks at once, below, and many at once on the simulated cluster")
def test_thirty_vms_created_and_deleted_at_once(qemu, template, shim, tmp_path):
    before = qemu.truth([template])
    contents = qemu.contents()
    plays = [[f"{qemu.prefix}many-{play}-{host}" for host in range(HOSTS)] for play in range(PLAYS)]
    folders = [tmp_path / str(play) for play in range(PLAYS)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(PLAYS) as pool:
        done = [
            pool.submit(run_playbook, qemu, folder, _life(qemu, template), hosts)
            for folder, hosts in zip(folders, plays)
        ]
        for play in done:
            play.result()
    clones = [f"{host}-clone" for hosts in plays for host in hosts]
    assert sorted(qemu.ids()) == sorted([*clones, template])
    truth = qemu.truth([*clones, template])
    assert truth[template] == before[template]
    _each_is_whole(qemu, template, {name: truth[name] for name in clones})
    own = {qemu.disks_of(truth[name])["vda"].rpartition("/")[2] for name in clones}
    left = qemu.contents()
    assert set(left) == own | set(contents)
    assert {name: left[name] for name in contents} == contents
    gone = carry_one(qemu, shim, tmp_path, {"name": clones, "state": "absent"})
    assert gone.rc == 0, gone.result
    assert (qemu.truth([template]), qemu.contents()) == (before, contents)


def _each_is_whole(platform, template, clones):
    base = set(platform.disks_of(platform.truth([template])[template]).values())
    identities = [platform.identities(machine) for machine in clones.values()]
    assert len(set.union(*identities)) == sum(len(own) for own in identities)
    for name, machine in clones.items():
        assert machine["power"] == STOPPED
        assert platform.settings(machine)["memory"] == 96 << 20
        assert platform.holds(machine, WRITTEN), name
        linked = int(name.removesuffix("-clone")[-1]) % 2 == 0
        assert platform.backing_files(machine) == (base if linked else set())


@pytest.mark.core
@pytest.mark.parametrize("clone", [False, True], ids=["made", "cloned"])
def test_two_tasks_with_the_same_request(qemu, template, tmp_path, clone):
    """Both tasks succeed, or one reports the reason of its failure; the VM is as requested in any case."""
    name = f"{qemu.prefix}raced"
    creation = {"clone": {"source": template}} if clone else {**qemu.creation, "disks": [{"size": "16M"}]}
    for asked, (options, power) in RACES.items():
        given = {**creation, "name": [name], **options} if asked == "made and started" else {"name": [name], **options}
        runs = _both(qemu, tmp_path, asked, given)
        said = [run.result["msg"] for run in runs if run.rc != 0]
        assert len(said) < len(runs), said
        assert [text for text in said if not ("another task" in text and "again" in text)] == [], asked
        machine = qemu.truth([name])[name]
        assert (ABSENT if machine is None else machine["power"]) == power, f"{asked}: {runs}"
        assert len([one for one in qemu.ids() if one == name]) == (machine is not None)
        if machine is not None:
            assert [path for path in qemu.disks_of(machine).values() if not os.path.exists(path)] == []
        if asked == "changed":
            assert qemu.settings(machine)["tags"] == ["raced"]
            assert qemu.settings(machine)["memory"] == 96 << 20
    assert [file for file in qemu.files() if file.startswith(name)] == []


#: Eight tasks, each with another option of one running VM: some change it now, some at its next start, some its record.
OPTIONS = [
    {"tags": ["raced"]},
    {"description": "by one of eight"},
    {"memory": "96M"},
    {"cpus": 2},
    {"owner": "team"},
    {"autostart": True},
    {"disks": [{"slot": "vdb", "size": "8M"}]},
    {"disks": [{"slot": "vdc", "size": "16M"}]},
]


def test_eight_tasks_change_one_running_vm(qemu, tmp_path):
    """Each change is there, or its task has failed and does not report it; libvirt stores a definition as a whole."""
    qemu.clean()
    name = f"{qemu.prefix}eight"
    (made,) = _at_once(qemu, tmp_path / "made", [{**qemu.creation, "name": [name], "state": "started"}])
    assert made.rc == 0, made.result
    runs = _at_once(qemu, tmp_path / "runs", [{"name": [name], **options} for options in OPTIONS])
    assert [run.result["msg"] for run in runs if run.rc != 0] == []
    checks = _at_once(qemu, tmp_path / "again", [{"name": [name], **options} for options in OPTIONS])
    assert [(run.rc, run.changed) for run in checks] == [(0, False)] * len(OPTIONS)
    machine = qemu.truth([name])[name]
    assert (machine["power"], sorted(qemu.disks_of(machine))) == (RUNNING, ["vda", "vdb", "vdc"])
    (gone,) = _at_once(qemu, tmp_path / "gone", [{"name": [name], "state": "absent", "stop_mode": "force"}])
    assert gone.rc == 0, gone.result
    assert [file for file in qemu.files() if file.startswith(name)] == []


@pytest.mark.parametrize("state", ["started", "stopped"])
def test_ten_tasks_add_one_disk(qemu, tmp_path, state):
    """What fails names the other task: the file is a disk of the VM by now, which nobody should move away."""
    qemu.clean()
    name = f"{qemu.prefix}ten"
    (made,) = _at_once(qemu, tmp_path / "made", [{**qemu.creation, "name": [name], "state": state}])
    assert made.rc == 0, made.result
    runs = _at_once(qemu, tmp_path / "runs", [{"name": [name], "disks": [{"slot": "vdb", "size": "8M"}]}] * 10)
    said = [run.result["msg"] for run in runs if run.rc != 0]
    assert len(said) < len(runs)
    assert [text for text in said if not ("another task" in text and "again" in text)] == []
    assert sorted(qemu.disks_of(qemu.truth([name])[name])) == ["vda", "vdb"]
    (gone,) = _at_once(qemu, tmp_path / "gone", [{"name": [name], "state": "absent", "stop_mode": "force"}])
    assert gone.rc == 0, gone.result
    assert [file for file in qemu.files() if file.startswith(name)] == []


def _at_once(platform, folder, tasks):
    """Run all tasks at the same time, each with its own directory and counted calls."""
    places = [folder / str(number) for number in range(len(tasks))]
    for place in places:
        place.mkdir(parents=True)
    with ThreadPoolExecutor(len(tasks)) as pool:
        runs = [
            pool.submit(carry_one, platform, Shim(place / "shim", platform.commands), place, options)
            for place, options in zip(places, tasks)
        ]
        return [run.result() for run in runs]


def _both(platform, folder, asked, options):
    with ThreadPoolExecutor(2) as pool:
        runs = []
        for number in range(2):
            place = folder / f"{asked} {number}"
            place.mkdir()
            shim = Shim(place / "shim", platform.commands)
            runs.append(pool.submit(carry_one, platform, shim, place, json.loads(json.dumps(options))))
        return [run.result() for run in runs]
