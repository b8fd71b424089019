# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that VirtualBox creates, or has registered, and cannot open; and files that a task moves."""

from __future__ import annotations

import os
import shutil

import pytest

from unit.module_utils._drivers.vbox.in_process import (
    MIB,
    SMALL,
    InProcess,
    Killed,
    info,
    killed_after,
    observed,
    rejected,
    several,
    snapshot,
    task,
)

TIB = 1 << 40


# Sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image_format", "size", "most"),
    [(None, 3072 * TIB, "16376G"), ("vmdk", 17 * TIB, "16376G"), ("vhd", 2 * TIB, "2047G")],
)
def test_size_that_virtualbox_cannot_open_is_rejected(vbox, image_format, size, most):
    disk = {"size": size, **({"format": image_format} if image_format else {})}
    rejected(vbox, "disks.SATA 0.size", most, "Set a size of at most", config={**SMALL, "disks": {"#0": disk}})
    task(vbox).succeeded()
    rejected(vbox, "disks.SATA 1.size", most, config={"disks": {"SATA 1": disk}})
    assert len(vbox.registered()) == 1


def test_disk_does_not_grow_beyond_what_virtualbox_can_open(vbox):
    task(vbox, config={**SMALL, "disks": {"#0": {"size": MIB, "format": "vhd"}}}).succeeded()
    task(vbox, config={"disks": {"SATA 0": {"size": 2 * TIB}}}).refused("disks.SATA 0.size", "vhd", "2047G")


def test_large_vdi_is_created(vbox):
    task(vbox, config={**SMALL, "disks": {"#0": {"size": 3 * TIB}}}).succeeded()
    assert observed(vbox).config["disks"]["SATA 0"]["size"] == 3 * TIB


class Larger(InProcess):
    """VirtualBox creates each disk with a size of 3 PiB, so it is broken."""

    def run_program(self, argv, **more):
        return super().run_program(
            [str(3 << 30) if before == "--size" else word for before, word in zip(("", *argv), argv)], **more
        )


@pytest.mark.parametrize("is_new", [True, False])
def test_broken_disk_leaves_nothing(vbox, is_new):
    """VirtualBox reports neither that it has created a broken image, nor that it has not deleted the file."""
    more = {"config": SMALL}
    if not is_new:
        task(vbox).succeeded()
        more = {"config": {"disks": {"SATA 1": {"size": 2 * MIB}}}}
    before = (vbox.files(), vbox.registered(), vbox.run("list", "vms"))
    mark = None if is_new else observed(vbox).mark
    task(vbox, **more, commands=Larger(vbox)).failed_late("VirtualBox cannot open")
    assert (vbox.files(), vbox.registered(), vbox.run("list", "vms")) == before
    assert is_new or observed(vbox).mark == mark
    task(vbox, **more).succeeded()


def test_vm_of_others_gets_no_record_of_a_broken_disk(vbox):
    vbox.make("web")
    task(vbox, config={"disks": {"SATA 1": {"size": 2 * MIB}}}, commands=Larger(vbox)).failed_late()
    assert observed(vbox).mark is None


def test_broken_disk_is_deleted_with_its_vm(vbox):
    task(vbox).succeeded()
    disk = observed(vbox).config["disks"]["SATA 0"]["source"]
    broken = f"{vbox.machines}/web/broken.vdi"
    vbox.run("createmedium", "disk", "--filename", broken, "--size", 3 << 30)
    vbox.attach(broken)
    task(vbox, state="absent", delete_disks="all").succeeded()
    assert [path for path in (disk, broken) if os.path.exists(path)] == []


def test_file_that_others_create_at_the_path_of_a_new_disk_remains(vbox):
    task(vbox).succeeded()
    path = vbox.machines / "web" / "web-SATA-1.vdi"
    disk = {"disks": {"SATA 1": {"size": 2 * MIB}}}
    task(vbox, config=disk, before={"createmedium": lambda: path.write_bytes(b"precious")}).failed_late()
    assert path.read_bytes() == b"precious"
    rejected(vbox, f"{path} already exists", config=disk)
    task(vbox, state="absent").succeeded()
    assert path.read_bytes() == b"precious"


# Replaced files ---------------------------------------------------------------------------------------------------


def replaced(vbox, path):
    """Put another disk in the place of an image."""
    shutil.copy(vbox.disk("other.vdi"), path)
    return path


@pytest.fixture(name="disk")
def _disk(vbox):
    task(vbox).succeeded()
    return observed(vbox).config["disks"]["SATA 0"]["source"]


def test_vm_with_a_replaced_disk_is_not_started(vbox, disk):
    uuid = next(iter(observed(vbox).mark["disks"]))
    replaced(vbox, disk)
    words = ("disks.SATA 0", disk, "does not match", f"VBoxManage internalcommands sethduuid {disk} {uuid}")
    rejected(vbox, *words, state="started", config={"cpus": 1})
    task(vbox, config={"disks": {"SATA 0": {"size": 8 * MIB}}}).refused("size cannot be read", "list --long hdds")
    task(vbox, "copy", config={}, clone={"source": "web", "linked": False}).refused("clone.source", "does not match")


def test_vm_with_a_replaced_disk_below_a_snapshot_is_not_started(vbox, disk):
    snapshot(vbox, "s").succeeded()
    replaced(vbox, disk)
    task(vbox, state="started", config={"cpus": 1}).refused("disks.SATA 0", disk, "does not match")


@pytest.mark.parametrize("option", ["image", "source"])
def test_replaced_image_is_not_used_before_virtualbox_forgets_the_other(vbox, option):
    with vbox.staying_daemon():
        image = vbox.disk("image.vdi")
        vbox.run("showmediuminfo", "disk", image)
        replaced(vbox, image)
        more = {"image": {"source": image, "linked": False}}
        if option == "source":
            more = {"config": {**SMALL, "disks": {"#0": {"source": image}}}}
        done = task(vbox, **more, check=True).refused(image, "does not match", "VBoxManage closemedium disk ")
        vbox.run(*done.outcome.msg.partition("VBoxManage ")[2].rstrip(".").split())
        task(vbox, **more).succeeded()


def test_file_in_the_place_of_a_detached_disk_is_not_attached(vbox):
    """The disk is recorded, but the file is another one."""
    task(vbox, config={**SMALL, "disks": {"#0": {"size": MIB}, "#1": {"size": 2 * MIB}}}).succeeded()
    path = observed(vbox).config["disks"]["SATA 1"]["source"]
    task(vbox, config={"disks": {"SATA 1": None}}).succeeded()
    replaced(vbox, path)
    task(vbox, config={"disks": {"SATA 1": {"size": 2 * MIB}}}).refused(path, "already exists")


@pytest.mark.parametrize("same_image", [True, False])
def test_disk_of_a_user_at_an_unfinished_vm_is_not_taken_for_its_own(vbox, same_image):
    """A task was killed before it created the disk, and a user has attached another one there."""
    image, other = vbox.image(), vbox.disk()
    with pytest.raises(Killed):
        task(vbox, image=image, commands=killed_after(InProcess, 4)(vbox))
    (listed,) = info(vbox, "web")["vms"]
    vbox.attach(other, 0, listed["id"])
    words = ("web", other, "SATA 0", "was not created for it", "--medium none")
    rejected(vbox, *words, image=image if same_image else vbox.image("ignores"))
    assert os.path.exists(other)
    vbox.attach("none", 0, listed["id"])
    task(vbox, image=image).succeeded()
    assert os.path.exists(other)


# Moved files ------------------------------------------------------------------------------------------------------


@pytest.fixture(name="paths")
def _paths(vbox):
    """(ISO image, disk) of a user in the directory of the VM b; there is a second VM."""
    for name in ("b", "e"):
        task(vbox, name).succeeded()
    (vbox.machines / "b" / "media").mkdir()
    iso, disk = f"{vbox.machines}/b/media/a.iso", f"{vbox.machines}/b/a.vdi"
    shutil.copy(vbox.iso(), iso)
    shutil.copy(vbox.disk(), disk)
    return iso, disk


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("option", ["iso", "source", "image", "new"])
def test_file_that_another_vm_of_the_task_moves_is_rejected(vbox, paths, option, is_first):
    iso, disk = paths
    moved = ("b", "present", {"config": {"groups": ("/again",)}})
    user = {
        "iso": ("e", "present", {"config": {"iso": iso}}),
        "source": ("e", "present", {"config": {"disks": {"SATA 1": {"source": disk}}}}),
        "image": ("f", "present", {"config": SMALL, "creation": {"image": {"source": disk, "linked": False}}}),
        "new": ("f", "present", {"config": {**SMALL, "iso": iso}}),
    }[option]
    for check in (True, False):
        done = several(vbox, *((moved, user) if is_first else (user, moved)), check=check)
        if option == "image" and not is_first:
            assert not done.outcome.failed  # The image is copied before the directory is moved.
            continue
        remedy = "List f before b" if option == "image" else "Change groups in a task before this one, then use the new"
        done.refused("move", remedy)
    assert option == "image" or observed(vbox, name="b").config["groups"] == ("/",)


def test_files_that_others_have_are_moved_with_the_directory(vbox, paths):
    """VirtualBox knows their new paths."""
    iso, disk = paths
    task(vbox, "e", config={"iso": iso, "disks": {"SATA 1": {"source": disk}}}).succeeded()
    several(
        vbox, ("b", "present", {"config": {"groups": ("/again",)}}), ("e", "present", {"config": {"cpus": 1}})
    ).succeeded()
    assert observed(vbox, name="e").config["cdroms"]["IDE 0"]["source"] == f"{vbox.machines}/again/b/media/a.iso"


def test_directory_that_cannot_be_listed_prevents_no_other_change(vbox, monkeypatch):
    """Somebody else's files in it matter only if it moves."""
    task(vbox).succeeded()
    private, listdir = str(vbox.machines / "web" / "private"), os.listdir
    os.mkdir(private)

    def denied(path="."):
        if path == private:
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", denied)
    task(vbox, state="started", config={"cpus": 2}).succeeded()
    task(vbox, state="stopped", stop_mode="force").succeeded()
    task(vbox, config={"groups": ("/again",)}, state="started").refused(private, "")
