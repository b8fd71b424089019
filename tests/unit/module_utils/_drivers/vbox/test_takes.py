# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VirtualBox deletes with a call: it is part of the plan, and read again directly before the call."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, Plan, Step
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import DELETE, claims_of_steps
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.losses import permit_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.own_files import taken_with_vm

from unit.module_utils._drivers.vbox.in_process import driver_of, snapshot, task

LINKED = ("clonevm", "web", "--snapshot", "s1", "--options", "link", "--name", "copy", "--register")


class Planned:
    """A plan with one step for the VM ``web``, as the engine carries it out."""

    def __init__(self, vbox, verb, **arguments):
        self.driver = driver_of(vbox)
        (self.vm,) = self.driver.observe(None, frozenset({"files"})).vms[:1]
        ids = {one.name: one.id for one in self.vm.snapshots}
        arguments = {key: tuple(map(ids.get, value)) if key == "ids" else value for key, value in arguments.items()}
        arguments.update({"id": ids[arguments["id"]], "power": "stopped"} if "id" in arguments else {})
        after = self.vm.having(power=ABSENT) if verb == "delete" else self.vm
        self.plan = Plan(self.vm, after, segments=((Step(verb, arguments=arguments),),))
        claimed = claims_of_steps(self.plan, [], self.driver.claims)
        self.during, self.permit = claimed[0][1], permit_of(self.plan, claimed)

    def deleted(self):
        return sorted(os.path.basename(claim.text) for claim in self.during if claim.mode == DELETE)

    def apply(self):
        self.driver.apply([(self.vm, self.plan.steps, self.permit)])


def _image(vbox, path):
    return os.path.basename(next(one for one in vbox.registered() if path in one))


@pytest.fixture(name="snapshots")
def _snapshots(vbox):
    """The files of the differencing images: of s2, and the present one."""
    task(vbox).succeeded()
    found, seen = [], set(vbox.registered())
    for name in ("s1", "s2"):
        snapshot(vbox, name).succeeded()
        found += [os.path.basename(one) for one in sorted(set(vbox.registered()) - seen)]
        seen = set(vbox.registered())
    return found


def test_images_of_snapshots(vbox, snapshots):
    of_s2, present = snapshots
    assert Planned(vbox, "restore", id="s1").deleted() == [present]
    assert Planned(vbox, "drop_snapshot", names=("s2",), ids=("s2",)).deleted() == sorted(snapshots)
    # The disk itself is merged with the image above it, and remains.
    assert Planned(vbox, "drop_snapshot", names=("s1",), ids=("s1",)).deleted() == [of_s2]
    vbox.run(*LINKED)
    assert Planned(vbox, "restore", id="s1").deleted() == [present]


def test_base_of_a_linked_clone_is_not_lost(vbox, snapshots):
    """VirtualBox gives the image of the clone another base when it merges this one."""
    snapshot(vbox, "s3").succeeded()
    vbox.run(*[word.replace("s1", "s3") for word in LINKED])
    for name in ("s2", "s1"):
        assert Planned(vbox, "drop_snapshot", names=(name,), ids=(name,)).deleted() == []
        snapshot(vbox, name, state="absent").succeeded()
    snapshot(vbox, "s3", state="absent").failed("is needed by copy")


@pytest.mark.parametrize("verb", ["restore", "drop_snapshot"])
def test_snapshot_that_was_taken_after_the_plan(vbox, snapshots, verb):
    """Its image was not planned to be deleted: nothing is done, and the next plan has it."""
    arguments = {"id": "s1"} if verb == "restore" else {"names": ("s2",), "ids": ("s2",)}
    planned = Planned(vbox, verb, **arguments)
    vbox.run("snapshot", "web", "restore", "s1")  # Another client: it deletes the present image, and creates one.
    before = vbox.registered()
    if verb == "restore":
        with pytest.raises(Refused, match="a step was about to delete this file"):
            planned.apply()
        assert vbox.registered() == before
    else:
        planned.apply()
    Planned(vbox, "restore", id="s1").apply()


def test_several_snapshots_in_one_step(vbox, snapshots):
    planned = Planned(vbox, "drop_snapshot", names=("s1", "s2"), ids=("s1", "s2"))
    assert planned.deleted() == sorted(snapshots)
    planned.apply()
    assert len(vbox.registered()) == 1


def test_copy_of_older_settings_is_in_the_plan(vbox):
    task(vbox).succeeded()
    vm = Planned(vbox, "delete", files=(), kept={}).vm
    copy = vbox.machines / "web" / "web-1.16-linux.vbox"
    text = f'<VirtualBox version="1.16-linux"><Machine uuid="{{{vm.id}}}" name="web"/></VirtualBox>'
    planned = Planned(vbox, "delete", files=(*(one.path for one in vm.files),), kept={})
    copy.write_text(text, encoding="ascii")
    with pytest.raises(Refused, match=f"{copy}: a step was about to delete"):
        planned.apply()
    assert (copy.exists(), "web" in vbox.run("list", "vms")) == (True, True)
    planned = Planned(vbox, "delete", files=(*(one.path for one in vm.files),), kept={})
    assert copy.name in planned.deleted()
    planned.apply()
    assert vbox.files() == []


def test_files_of_the_vm_in_other_directories(vbox):
    """VirtualBox names those in the directory of the VM itself, some only when the VM ends."""
    task(vbox).succeeded()
    vbox_vm = driver_of(vbox).vbox_vm(Planned(vbox, "delete", files=(), kept={}).vm.id)
    for folder, taken in ((vbox_vm.folder, False), (vbox_vm.values["SnapFldr"], False), ("/srv/other", True)):
        path = os.path.join(folder, "x.nvram")
        values = {**vbox_vm.values, "NvramFile": path}
        assert taken_with_vm(replace(vbox_vm, machine=replace(vbox_vm.machine, values=values))) == [path] * taken


def test_disk_that_is_another_file_by_now(vbox):
    task(vbox).succeeded()
    vm = Planned(vbox, "delete", files=(), kept={}).vm
    (disk,) = [one.path for one in vm.files if one.role == "disk"]
    planned = Planned(vbox, "delete", files=(disk,), kept={})
    content = Path(disk).read_bytes()
    os.rename(disk, f"{disk}.old")
    Path(disk).write_bytes(content)
    with pytest.raises(Refused, match=f"{disk}: a step was about to delete this file"):
        planned.apply()
    assert Path(disk).exists()
