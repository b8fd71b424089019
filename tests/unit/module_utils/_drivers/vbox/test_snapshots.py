# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: created once, deleted and restored by their ids, and not deleted if a linked clone needs them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, configure, info, observed, rejected, snapshot, task

LOOKS_LIKE_A_SNAPSHOT = "one\n   Name: x (UUID: 11111111-2222-3333-4444-555555555555)\nend"


def names(done):
    return [one["name"] for one in done.succeeded().vm["snapshots"]]


def test_description_that_looks_like_a_snapshot_is_none(vbox):
    """As after pasting the output of VBoxManage, with the snapshots of the VM itself."""
    task(vbox).succeeded()
    snapshot(vbox, "s", description=LOOKS_LIKE_A_SNAPSHOT).succeeded()
    pasted = vbox.run("list", "--long", "vms")
    snapshot(vbox, "t", description=pasted).succeeded()
    found = observed(vbox, "snapshots").snapshots
    assert [(one.name, one.description) for one in found] == [("s", LOOKS_LIKE_A_SNAPSHOT), ("t", pasted)]
    assert found[1].parent == found[0].id
    assert snapshot(vbox, "x", state="absent").writes == []
    assert names(snapshot(vbox, "s", state="absent")) == ["t"]


def test_snapshot_that_others_create_first_is_no_error(vbox):
    task(vbox).succeeded()
    lock = {"take": "The object is not ready"}
    done = snapshot(vbox, "s", fails=lock, before={"take": lambda: vbox.run("snapshot", "web", "take", "s")})
    assert (done.verbs, names(done)) == (["snapshot take"], ["s"])


def test_failed_deletion_of_a_snapshot_is_an_error(vbox):
    task(vbox).succeeded()
    snapshot(vbox, "s").succeeded()
    snapshot(vbox, "s", state="absent", fails={"delete": "The disk is full"}).failed("The disk is full")


@pytest.mark.parametrize("running", [False, True])
def test_restored_vm_has_the_settings_of_its_snapshot(vbox, running):
    """Values that are not part of a snapshot remain: description, os_type, tags, fleet, groups, and the mark."""
    state = "started" if running else "present"
    old = {"description": "old", "tags": ("old",), "fleet": "old", "os_type": "Debian_64"}
    new = {"description": "new", "tags": ("new",), "fleet": "new", "os_type": "Fedora_64"}
    task(vbox, state=state, config={**SMALL, **old, "tpm": True}).succeeded()
    snapshot(vbox, "s").succeeded()
    now = {**new, "memory": 24 * MIB, "tpm": False, "disks": {"SATA 1": {"size": MIB}}}
    task(vbox, config=now, allow_restart=True).succeeded()
    mark = observed(vbox).mark
    check = snapshot(vbox, "s", state="restored", allow_restart=True, check=True).succeeded()
    done = snapshot(vbox, "s", state="restored", allow_restart=True).succeeded()
    assert (check.writes, check.outcome.diff) == ([], done.outcome.diff)
    found = observed(vbox)
    config = {key: found.config[key] for key in ("memory", "tpm", *new)}
    assert config == {**new, "memory": 16 * MIB, "tpm": True}
    assert check.vm["settings"] == done.vm["settings"]
    assert list(found.config["disks"]) == ["SATA 0"]
    assert (found.mark, found.power) == (mark, "running" if running else "stopped")
    assert found.snapshots[0].power == ("running" if running else "stopped")


@pytest.mark.parametrize("later", [False, True])
def test_disk_that_is_newer_than_the_restored_snapshot_is_attached_again(vbox, later):
    """The same task as before adds it; with ``later``, another snapshot needs its file."""
    task(vbox).succeeded()
    snapshot(vbox, "s").succeeded()
    second = {"disks": {"SATA 1": {"size": MIB}}}
    disk = task(vbox, config=second).succeeded().vm["disks"][1]
    if later:
        snapshot(vbox, "t").succeeded()
    snapshot(vbox, "s", state="restored").succeeded()
    larger = {"disks": {"SATA 1": {"size": 2 * MIB}}}
    rejected(vbox, "web: disks.SATA 1.size: ", "is not attached, and has 1M", config=larger)
    check = task(vbox, config=second, check=True).succeeded()
    done = configure(vbox, **second)
    assert (done.verbs, done.vm["disks"][1]) == (["storageattach"], disk)
    assert (check.writes, check.outcome.diff) == ([], done.outcome.diff)
    task(vbox, state="absent").succeeded()
    assert (vbox.files(), vbox.registered()) == ([], [])


def test_task_waits_for_a_lock_while_it_reads_a_snapshot(vbox):
    task(vbox).succeeded()
    snapshot(vbox, "s").succeeded()
    task(vbox, config={"memory": 24 * MIB}).succeeded()
    vbox.is_busy("The machine '{}' is already locked for a session (or being unlocked)")
    assert snapshot(vbox, "s", state="restored").succeeded().vm["memory_mib"] == 16


def test_other_error_while_a_snapshot_is_read_is_reported(vbox):
    task(vbox).succeeded()
    snapshot(vbox, "s").succeeded()
    with pytest.raises(CommandFailed, match="out of memory"):
        snapshot(vbox, "s", state="restored", fails={"showvminfo": "out of memory"})


def test_current_snapshot_with_a_child_is_not_deleted(vbox):
    task(vbox).succeeded()
    for name in ("first", "second"):
        snapshot(vbox, name).succeeded()
    snapshot(vbox, "first", state="restored").succeeded()
    words = ("'first' is the current snapshot and has the child 'second'", "children: true")
    snapshot(vbox, "first", state="absent").refused(*words)


# Snapshots that other images need ---------------------------------------------------------------------------------


@pytest.fixture(name="source")
def _source(vbox):
    """A VM with two snapshots, the second a child of the first; a linked clone needs the first."""
    task(vbox, "source").succeeded()
    for name in ("first", "second"):
        snapshot(vbox, name, "source").succeeded()
    link(vbox, "first")


def link(vbox, snapshot_name):
    task(vbox, "clone", config={}, clone={"source": "source", "snapshot": snapshot_name, "linked": True}).succeeded()


def test_snapshot_that_a_clone_needs_is_not_deleted(vbox, source):
    before = info(vbox, "source")["vms"], vbox.files()
    snapshot(vbox, "first", "source", state="absent").refused("'first' is needed by clone", "Delete clone first")
    snapshot(vbox, "first", "source", state="absent", children=True).refused("'first' is needed by clone")
    task(vbox, "source", state="absent").refused("needed by clone", "Delete clone first")
    assert (info(vbox, "source")["vms"], vbox.files()) == before


def test_snapshot_below_the_one_that_a_clone_needs_is_deleted(vbox, source):
    """The snapshot is merged into its child, so a clone of the child keeps its content."""
    task(vbox, "clone", state="absent").succeeded()
    link(vbox, "second")
    assert names(snapshot(vbox, "first", "source", state="absent")) == ["second"]
    snapshot(vbox, "second", "source", state="absent").refused("'second' is needed by clone")


def test_snapshot_that_a_foreign_image_needs_is_not_deleted(vbox, source):
    """The clone was unregistered, and its image is still known."""
    vbox.run("unregistervm", "clone")
    snapshot(vbox, "first", "source", state="absent").refused("'first' is needed by", "/clone/Snapshots/")
    task(vbox, "source", state="absent").refused("is needed by", "/clone/Snapshots/")


def test_snapshot_of_a_disk_that_two_vms_have_is_rejected(vbox):
    disk = task(vbox).succeeded().vm["disks"][0]["source"]
    vbox.make("other")
    vbox.attach(disk, 0, "other")
    for name, user in (("web", "other"), ("other", "web")):
        rejected(vbox, f"{name}: {disk} is also a disk of '{user}'", name=name, snapshot={"name": "s"})
    vbox.attach("none", 0, "other")
    assert names(snapshot(vbox, "s")) == ["s"]


def test_space_of_the_disks_is_that_of_the_images_that_are_written(vbox):
    task(vbox, config={**SMALL, "disks": {"SATA 0": {"size": MIB}}}).succeeded()
    assert observed(vbox).counters.disk_used is None
    snapshot(vbox, "s").succeeded()
    before = observed(vbox, "counters").counters.disk_used
    with open(vbox.values()["SATA-0-0"], "ab") as image:
        image.write(b"written by the guest" * 1000)
    assert observed(vbox, "counters").counters.disk_used >= before + 16384
