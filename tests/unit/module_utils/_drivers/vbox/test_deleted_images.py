# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox decides which images it deletes with a VM: none that the plan does not list."""

from __future__ import annotations

import os
import shutil
from functools import partial
from itertools import chain, repeat

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import DELETE, FILE, Claim

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, driver_of, observed, snapshot, task


def on_base(vbox):
    """The paths of an image of a user that no VM has, and of a differencing image on top of it."""
    base, child = vbox.disk("golden.vdi"), str(vbox.folder / "child.vdi")
    vbox.run("createmedium", "disk", "--filename", child, "--diffparent", base)
    return base, child


def paths_of(kept):
    return [one["path"] for one in kept]


def unregistered_source(vbox):
    """The path of the disk of a VM that somebody has unregistered, below the disk of the linked clone ``copy``."""
    task(vbox).succeeded()
    disk = observed(vbox).config["disks"]["SATA 0"]["source"]
    snapshot(vbox, "base").succeeded()
    task(vbox, "copy", config={}, clone={"source": "web", "linked": True, "snapshot": "base"}).succeeded()
    overlay = next(path for path in vbox.registered() if "/web/Snapshots/" in path)
    vbox.run("unregistervm", "web")
    vbox.run("closemedium", "disk", overlay)
    return disk


def test_base_of_a_linked_clone_remains_whoever_unregistered_its_vm(vbox):
    """VirtualBox deletes it with the last disk that is based on it, although no VM has it."""
    disk = unregistered_source(vbox)
    check = task(vbox, "copy", state="absent", check=True).succeeded()
    done = task(vbox, "copy", state="absent").succeeded()
    assert paths_of(done.vm["kept"]) == paths_of(check.vm["kept"]) == [disk]
    assert (vbox.registered(), os.path.exists(disk)) == ([disk], True)


@pytest.mark.parametrize("delete_disks", ["owned", "none", "all"])
def test_image_below_a_disk_of_a_user_is_deleted_on_request_only(vbox, delete_disks):
    base, child = on_base(vbox)
    task(vbox).succeeded()
    vbox.attach(child)
    done = task(vbox, state="absent", delete_disks=delete_disks).succeeded()
    kept = {base, child} - (set() if delete_disks != "all" else {base, child})
    assert set(paths_of(done.vm["kept"])) >= kept
    assert {path for path in (base, child) if os.path.exists(path)} == kept


def test_image_below_a_disk_in_a_snapshot_needs_permission(vbox):
    _base, child = on_base(vbox)
    task(vbox).succeeded()
    vbox.attach(child)
    snapshot(vbox, "s").succeeded()
    before = vbox.registered()
    task(vbox, state="absent").refused("is to be kept", "delete_disks: all")
    assert vbox.registered() == before


def test_disk_of_a_user_that_is_newer_than_the_snapshots_is_detached(vbox):
    task(vbox).succeeded()
    snapshot(vbox, "s").succeeded()
    vbox.attach(vbox.disk())
    done = task(vbox, state="absent").succeeded()
    assert (paths_of(done.vm["kept"]), vbox.registered()) == ([vbox.disk()], [vbox.disk()])


def without_logs(vbox):
    """The files of VMs. The real VirtualBox begins a log with each process of a VM."""
    return [path for path in vbox.files() if "/Logs/" not in path]


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
def test_disk_attached_after_the_plan_prevents_the_deletion(vbox, delete_disks):
    task(vbox, state="started").succeeded()
    before = without_logs(vbox)
    attached = {"poweroff": lambda: vbox.attach(vbox.disk())}
    done = task(vbox, state="absent", delete_disks=delete_disks, after=attached)
    done.failed_late(f"{vbox.disk()} was attached after the task was planned")
    assert (without_logs(vbox), os.path.exists(vbox.disk())) == (before, True)
    assert "unregistervm" not in done.verbs


def with_disk_of_a_user(vbox, **more):
    """Create a VM with a disk of its own, and one of a user."""
    disks = {"#0": {"size": MIB}, "#1": {"source": vbox.disk()}}
    task(vbox, config={**SMALL, "disks": disks}, **more).succeeded()


def test_disk_detached_after_the_plan_is_not_deleted(vbox):
    with_disk_of_a_user(vbox, state="started")
    detached = {"poweroff": lambda: vbox.attach("none")}
    done = task(vbox, state="absent", delete_disks="all", after=detached)
    done.failed_late(f"{vbox.disk()} was detached after the task was planned")
    assert (os.path.exists(vbox.disk()), "unregistervm" in done.verbs) == (True, False)


def test_disk_attached_while_others_are_detached_prevents_the_deletion(vbox):
    with_disk_of_a_user(vbox)
    other = vbox.disk("other.vdi")
    done = task(vbox, state="absent", after={"storageattach": lambda: vbox.attach(other, 2)})
    done.failed_late(f"{other} was attached after the task was planned")
    assert (os.path.exists(other), observed(vbox).config["disks"].keys()) == (True, {"SATA 0", "SATA 1", "SATA 2"})


def test_vm_keeps_its_disks_if_it_cannot_be_deleted(vbox):
    with_disk_of_a_user(vbox)
    before = observed(vbox).config["disks"]
    task(vbox, state="absent", fails={"unregistervm": "no space"}).failed_late()
    assert observed(vbox).config["disks"] == before


def test_vm_with_a_disk_of_a_user_runs_again_if_it_cannot_be_deleted(vbox):
    """Its disk was detached and attached again, so the VM is complete."""
    with_disk_of_a_user(vbox, state="started")
    task(vbox, state="absent", fails={"unregistervm": "no space"}).failed_late()
    assert observed(vbox).power == "running"


def test_vm_that_has_lost_a_disk_is_not_started_if_it_cannot_be_deleted(vbox):
    """The own disk, on top of an image that is kept, is deleted before the VM is unregistered."""
    unregistered_source(vbox)
    task(vbox, "copy", state="started").succeeded()
    done = task(vbox, "copy", state="absent", fails={"unregistervm": "no space"})
    assert (done.outcome.failed, "startvm" in done.verbs) == (True, False)
    assert observed(vbox, name="copy").power == "stopped"


def test_own_disk_on_an_image_that_is_kept_is_attached_again_if_it_cannot_be_deleted(vbox):
    """It was detached only because VirtualBox would delete the image below with it."""
    unregistered_source(vbox)
    before = observed(vbox, name="copy").config["disks"]
    done = task(vbox, "copy", state="absent", fails={"closemedium": "The medium is locked"})
    assert (done.outcome.failed, observed(vbox, name="copy").config["disks"]) == (True, before)


def test_image_in_the_place_of_an_own_one_is_kept(vbox):
    """The file has another UUID: somebody has put another disk there."""
    task(vbox).succeeded()
    own = observed(vbox).config["disks"]["SATA 0"]["source"]
    shutil.copy(vbox.disk(), own)
    done = task(vbox, state="absent").succeeded()
    assert (paths_of(done.vm["kept"]), os.path.exists(own)) == ([own], True)


def test_disk_that_a_user_attached_to_a_new_vm_remains_after_a_rollback(vbox):
    base, child = on_base(vbox)
    failing = {"fails": {"startvm": "no driver"}, "after": {"storageattach": once(lambda: vbox.attach(child))}}
    done = task(vbox, state="started", on_failure="rollback", image=vbox.image(), **failing)
    assert (done.outcome.failed, vbox.run("list", "vms")) == (True, "")
    assert [path for path in (base, child) if not os.path.exists(path)] == []


def once(action):
    """``action``, which is carried out only at the first call."""
    return partial(next, chain((action() for _once in range(1)), repeat(None)))


@pytest.mark.parametrize("is_base_known", [True, False])
def test_lost_file_is_needed_by_differencing_images_that_are_not_registered(vbox, is_base_known):
    """VirtualBox forgets them with their VM."""
    task(vbox).succeeded()
    base, child = on_base(vbox)
    os.rename(
        child, left := os.path.join(os.path.dirname(observed(vbox).config["disks"]["SATA 0"]["source"]), "left.vdi")
    )
    vbox.run("closemedium", "disk", child)
    if not is_base_known:
        vbox.run("closemedium", "disk", base)
    claims = driver_of(vbox).claims
    found = claims.held([Claim(FILE, claims.identity(base), DELETE, "", base)])
    assert [[claim.text for claim in one.claims] for one in found if one.name == left] == [[base]]
