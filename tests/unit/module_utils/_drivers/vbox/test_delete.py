# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletion of VMs: everything that belongs to them is deleted; files that somebody else created or uses remain."""

from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import File, Step
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, configure, driver_of, observed, snapshot, task
from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm

TWO_DISKS = {**SMALL, "disks": {"#0": {"size": 2 * MIB}, "#1": {"size": 2 * MIB}}}
LINKED = ("clonevm", "web", "--snapshot", "base", "--options", "link", "--name", "copy", "--register")


def is_deleted(vbox, *kept):
    """Assert that no VM and only these images remain. Return whether all files of the VM are deleted."""
    assert vbox.run("list", "vms") == ""
    assert (vbox.registered(), [path for path in kept if not os.path.exists(path)]) == (sorted(kept), [])
    return vbox.files() == []


# Files ------------------------------------------------------------------------------------------------------------


def test_copies_of_older_settings_are_deleted(vbox):
    """VirtualBox keeps a copy when it converts a settings file; without the VM, nothing would delete this copy."""
    task(vbox, "w.b").succeeded()
    uuid = observed(vbox, name="w.b").id
    # Two copies of VirtualBox, and files of the user.
    versions = {"w.b-1.16-linux.vbox": ("1.16-linux", uuid), "w.b-1.9-windows.vbox": ("1.9-windows", uuid)}
    others = {
        "w.b-1.0-backup.vbox": ("1.19-linux", uuid),
        "w.b-1.2-other.vbox": ("1.2-other", "5a1f5c2e-0f43-4b52-9d5e-3f0a1f6f7a11"),
        "w.b-1.16-linux.vbox.txt": ("1.16-linux", uuid),
        "wib-1.16-linux.vbox": ("1.16-linux", uuid),
        "xw.b-1.16-linux.vbox": ("1.16-linux", uuid),
    }
    for name, (version, of) in {**versions, **others}.items():
        text = f'<VirtualBox version="{version}"><Machine uuid="{{{of}}}" name="w.b"/></VirtualBox>'
        (vbox.machines / "w.b" / name).write_text(text, encoding="ascii")
    task(vbox, "w.b", state="absent").succeeded()
    assert vbox.files() == sorted(f"w.b/{name}" for name in others)


@pytest.mark.parametrize(("delete_disks", "kept"), [("owned", True), ("all", False), ("none", True)])
def test_foreign_disk_is_kept_unless_delete_disks_is_all(vbox, delete_disks, kept):
    disk, iso = vbox.disk(), vbox.iso()

    task(vbox, config={**SMALL, "iso": iso, "disks": {"#0": {"size": MIB}, "#1": {"source": disk}}}).succeeded()
    own = observed(vbox).config["disks"]["SATA 0"]["source"]
    remaining = [own, disk] if delete_disks == "none" else [disk] if kept else []
    task(vbox, state="absent", delete_disks=delete_disks).succeeded()
    is_deleted(vbox, *remaining)
    assert os.path.exists(iso)


def test_own_disk_that_another_vm_uses_is_kept(vbox):
    task(vbox, config=TWO_DISKS).succeeded()
    disk = observed(vbox).config["disks"]["SATA 1"]["source"]
    task(vbox, config={"disks": {"SATA 1": None}}).succeeded()
    task(vbox, "other", config={**SMALL, "disks": {"SATA 0": {"source": disk}}}).succeeded()
    task(vbox, state="absent").succeeded()
    assert disk in vbox.registered()
    assert observed(vbox, name="other").config["disks"]["SATA 0"]["source"] == disk


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("is_own", [False, True])
def test_image_on_top_of_an_immutable_disk_is_deleted_with_the_vm(vbox, is_own, taken):
    """VirtualBox creates it. The disk below it is deleted only if it was created for the VM."""
    config = TWO_DISKS if is_own else {**SMALL, "disks": {"#0": {"size": MIB}, "#1": {"source": vbox.disk()}}}
    disk = task(vbox, config=config).succeeded().vm["disks"][1]["source"]
    vbox.attach("none")
    vbox.attach(disk, 1, "web", "--mtype", "immutable")
    if taken:
        snapshot(vbox, "s").succeeded()
        task(vbox, state="absent", delete_disks="none").refused("is to be kept", "delete_disks: all")
    check = task(vbox, state="absent", check=True).succeeded()
    done = task(vbox, state="absent").succeeded()
    assert (done.vm["kept"], check.vm["kept"]) == ([], [])
    assert (vbox.files(), vbox.registered()) == ([], [] if is_own else [disk])
    if not is_own:
        task(vbox, config=config).succeeded()


def test_files_of_the_vm_and_of_the_user_are_told_apart(vbox):
    task(vbox, config=TWO_DISKS, cloud_init={"user": "admin"}).succeeded()
    snapshot(vbox, "base").succeeded()
    vbox.run(*LINKED)
    vbox.attach(vbox.disk(), 5)
    found = observed(vbox, "files")
    folder = f"{vbox.machines}/web"
    expected = {
        f"{folder}/web-SATA-0.vdi": ("disk", True, (), True),
        f"{folder}/web-SATA-1.vdi": ("disk", True, (), True),
        f"{folder}/web.polyvirt-seed.iso": ("support", True, (), False),
        vbox.disk(): ("disk", False, (), False),
    }
    files = {file.path: file for file in found.files}
    assert {path: files[path] for path in expected} == {path: File(path, *rest) for path, rest in expected.items()}
    overlays = [file for path, file in files.items() if "/Snapshots/" in path]
    assert [(file.ours, file.used_by) for file in overlays] == [(True, ())] * 2
    assert len(files) == 6


# Snapshots and detached disks -------------------------------------------------------------------------------------


def test_foreign_disk_of_a_snapshot_is_not_deleted(vbox):
    disk = vbox.disk()
    task(vbox).succeeded()
    snapshot(vbox, "without").succeeded()
    task(vbox, config={"disks": {"SATA 1": {"source": disk}}}).succeeded()
    snapshot(vbox, "with").succeeded()
    snapshot(vbox, "without", state="restored").succeeded()
    before = vbox.registered()
    for check in (True, False):
        task(vbox, state="absent", check=check).refused("web", disk, "is to be kept", "delete_disks: all")
    assert vbox.registered() == before
    snapshot(vbox, "with", state="absent").succeeded()
    task(vbox, state="absent").succeeded()
    assert is_deleted(vbox, disk)


def test_foreign_disk_is_deleted_with_the_snapshots_on_request(vbox):
    disk = vbox.disk()
    task(vbox, config={**SMALL, "disks": {"#0": {"source": disk}}}).succeeded()
    snapshot(vbox, "with").succeeded()
    task(vbox, state="absent", delete_disks="all").succeeded()
    assert is_deleted(vbox)


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
def test_disk_that_a_snapshot_of_another_vm_needs_is_kept(vbox, delete_disks):
    """The disk is detached from the other VM, which still needs it to restore its snapshot."""
    task(vbox, config=TWO_DISKS).succeeded()
    disk = observed(vbox).config["disks"]["SATA 1"]["source"]
    task(vbox, config={"disks": {"SATA 1": None}}).succeeded()
    task(vbox, "other", config={**SMALL, "disks": {"SATA 0": {"size": MIB}, "SATA 1": {"source": disk}}}).succeeded()
    snapshot(vbox, "s", "other").succeeded()
    task(vbox, "other", config={"disks": {"SATA 1": None}}).succeeded()
    config = {"disks": {"SATA 1": {"source": disk}}}
    task(vbox, config=config).refused(f"{disk} must not be written to, because snapshots of other need it")
    task(vbox, state="absent", delete_disks=delete_disks).succeeded()
    assert (disk in vbox.registered(), os.path.exists(disk)) == (True, True)
    snapshot(vbox, "s", "other", state="restored").succeeded()
    assert observed(vbox, name="other").config["disks"]["SATA 1"]["source"] == disk


@pytest.fixture(name="detached")
def _detached(vbox):
    """The file of a disk that was detached from a VM after a snapshot, and has grown in between."""
    task(vbox, config=TWO_DISKS).succeeded()
    disk = observed(vbox).config["disks"]["SATA 1"]["source"]
    snapshot(vbox, "both").succeeded()
    task(vbox, config={"disks": {"SATA 1": {"size": 4 * MIB}}}).succeeded()
    task(vbox, config={"disks": {"SATA 1": None}}).succeeded()
    return disk


def test_vm_with_a_disk_detached_since_a_snapshot_is_deleted(vbox, detached):
    assert os.path.exists(detached)
    task(vbox, state="absent").succeeded()
    assert is_deleted(vbox)


def test_disk_detached_since_a_snapshot_cannot_be_used_by_another_vm(vbox, detached):
    """The disk belongs to the VM, because its snapshot has it. No other user is reported; no other VM may use it."""
    files = {file.path: file for file in observed(vbox, "files").files}
    assert (files[detached].ours, files[detached].used_by, files[detached].bound) == (True, (), False)
    config = {**SMALL, "disks": {"#0": {"source": detached}}}
    task(vbox, "other", config=config).refused(f"{detached} must not be written to, because snapshots of web need it")


def test_disk_attached_again_has_its_previous_size(vbox, detached):
    expected = {"slot": "SATA 1", "source": detached, "size": "4M", "format": "vdi"}
    assert configure(vbox, disks={"SATA 1": {"source": detached}}).vm["disks"][1] == expected
    assert len(vbox.registered()) == 4


def test_snapshot_is_deleted_with_a_disk_detached_since(vbox, detached):
    assert snapshot(vbox, "both", state="absent").succeeded().changed
    assert len(vbox.registered()) == 2
    assert detached in vbox.registered()


def test_snapshot_that_a_detached_disk_and_the_vm_need_is_not_deleted(vbox, detached):
    """VirtualBox can merge an image with only one child."""
    snapshot(vbox, "both", state="restored").succeeded()
    (unused,) = [path for path in vbox.registered() if path not in attached(vbox)]
    snapshot(vbox, "both", state="absent").refused("web", "both", unused, "closemedium disk")
    vbox.run("closemedium", "disk", unused, "--delete")
    snapshot(vbox, "both", state="absent").succeeded()
    assert len(vbox.registered()) == 2


def attached(vbox):
    """The images that VMs or snapshots use."""
    blocks = vbox.run("list", "--long", "hdds").split("\n\n")
    return [block.partition("Location:")[2].split("\n")[0].strip() for block in blocks if "In use by VMs:" in block]


# Changes by other clients -----------------------------------------------------------------------------------------


def test_vm_that_a_new_clone_needs_is_kept(vbox):
    """The running VM is stopped first, which gives other clients time."""
    task(vbox, state="started").succeeded()
    snapshot(vbox, "base").succeeded()
    done = task(vbox, state="absent", before={"poweroff": lambda: vbox.run(*LINKED)})
    done.failed_late("web", "is the backing file of disks of copy", "Nothing was deleted. Run the task again")
    assert "unregistervm" not in done.verbs
    assert (done.vm["state"], len(vbox.registered())) == ("running", 3)  # Nothing was deleted, so it is started again.


def test_vm_that_is_being_cloned_is_not_deleted(vbox):
    others = []
    task(vbox).succeeded()
    snapshot(vbox, "base").succeeded()
    clone = {"source": "web", "linked": True, "snapshot": "base"}
    before = {"clonevm": lambda: others.append(task(vbox, state="absent", timeout=1))}
    task(vbox, "copy", config={}, clone=clone, before=before).succeeded()
    (done,) = others
    done.refused("web", "another task is deleting or changing")


def test_partly_deleted_vm_is_reported(vbox):
    """A clone is created at the last moment: VirtualBox unregisters the VM, and then stops with an error."""
    task(vbox).succeeded()
    snapshot(vbox, "base").succeeded()
    done = task(vbox, state="absent", before={"unregistervm": lambda: vbox.run(*LINKED)})
    done.failed_late("web", "child media", "VBoxManage list hdds")
    assert (done.vm["state"], done.outcome.changed) == ("absent", True)


def test_vm_that_others_delete_first_is_no_error(vbox):
    task(vbox).succeeded()
    done = task(vbox, state="absent", before={"unregistervm": lambda: vbox.run("unregistervm", "web", "--delete")})
    assert (done.succeeded().vm["state"], is_deleted(vbox)) == ("absent", True)


def test_vm_that_others_delete_after_the_observation_is_no_error(vbox):
    vbox.make("web")
    done = task(vbox, state="absent", after={"list": lambda: vbox.run("unregistervm", "web", "--delete")})
    assert (done.succeeded().vm["state"], done.verbs, is_deleted(vbox)) == ("absent", [], True)


def test_vm_that_others_delete_after_it_was_powered_off_is_no_error(vbox):
    task(vbox, state="started").succeeded()
    uuid, began = observed(vbox).id, vbox.clock.now()
    after = {"poweroff": lambda: vbox.run("unregistervm", uuid, "--delete")}
    done = task(vbox, state="absent", stop_mode="force", after=after)
    assert (done.succeeded().vm["state"], done.changed, is_deleted(vbox)) == ("absent", True, True)
    assert vbox.clock.now() - began < 5


@pytest.mark.parametrize("lost", ["folder", "files"])
def test_vm_without_files_is_deleted(vbox, lost):
    """VirtualBox still has the VM registered, but cannot use it."""
    created = task(vbox).succeeded().vm
    folder = vbox.machines / "web"
    for path in folder.iterdir():
        path.unlink()
    if lost == "folder":
        folder.rmdir()
    found = observed(vbox)
    reason = f"inaccessible: {{{created['id']}}} {folder} contains no files any more"
    assert (found.power, found.reason) == ("unknown", reason)
    task(vbox, state="started").refused("state: absent")
    assert task(vbox, state="absent", check=True).succeeded().changed
    assert task(vbox, state="absent").succeeded().verbs == ["unregistervm"]
    assert (vbox.run("list", "vms"), task(vbox, state="absent").succeeded().changed) == ("", False)


def test_vm_without_files_is_detected_before_virtualbox_notices(tmp_path):
    """Until the daemon restarts, it lists the VM unchanged."""
    driver, commands = driver_on(tmp_path)
    shutil.rmtree(next(tmp_path.rglob("web.vbox")).parent)
    vm = recorded_vm(driver, "web", "files")
    assert (vm.power, vm.lost, vm.files) == ("unknown", True, ())
    with permits.also(things=[("vm", vm.id)]):
        driver.apply([(vm, [Step("delete")], permits.ANYTHING)])
    assert commands.calls == [("unregistervm", vm.id)]


def test_lost_vm_is_not_deleted_if_its_files_come_back(vbox):
    task(vbox).succeeded()
    folder = vbox.machines / "web"
    kept = folder.rename(vbox.folder / "kept")
    lost = observed(vbox)
    kept.rename(folder)
    with pytest.raises(Refused, match="its directory contains files again"):
        driver_of(vbox).apply([(lost, [Step("delete")], permits.ANYTHING)])
    assert observed(vbox).power == "stopped"


def test_deletion_waits_for_the_lock_of_another_client(vbox):
    task(vbox).succeeded()
    locked = {"unregistervm": "Cannot unregister the machine 'web' while it is locked"}
    task(vbox, state="absent", fails=locked).succeeded()
    assert is_deleted(vbox)
