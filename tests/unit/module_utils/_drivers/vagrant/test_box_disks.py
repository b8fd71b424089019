# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks of a VM of VirtualBox are those of its box: what Vagrant's own files name, not what is in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from unit.module_utils._drivers.vagrant.test_foreign_disks import (
    WAYS,
    WithVirtualBox,
    _absent,
    _kept,
    _with_a_vm,
    check_that_a_disk_is_kept,
)


@pytest.fixture
def virtualbox(tmp_path):
    return _with_a_vm(WithVirtualBox(tmp_path))


@pytest.mark.parametrize("way", list(WAYS))
def test_disk_in_the_folder_of_the_vm_is_kept_on_every_way_to_delete(virtualbox, way):
    """VirtualBox creates new disks there by default, so the folder does not show who created a disk."""
    check_that_a_disk_is_kept(virtualbox, way, where=Path(virtualbox.own_disk()).parent)


def test_disk_in_the_folder_of_the_vm_that_a_snapshot_contains_needs_permission(virtualbox):
    path = virtualbox.attach("precious.vdi", where=Path(virtualbox.own_disk()).parent)
    virtualbox.hold()
    virtualbox.world.rejected(str(path), "delete_disks: all", state="absent")
    assert path.exists()


def test_disk_of_a_box_that_was_removed_is_kept(virtualbox, tmp_path):
    """Nothing says any more who created it."""
    shutil.rmtree(tmp_path / "home" / "boxes")
    own = Path(virtualbox.own_disk())
    answers = [_absent(virtualbox, check) for check in (True, False)]
    assert [_kept(one) for one in answers] == [[str(own)]] * 2
    assert own.exists()
    assert not virtualbox.world.file.exists()


def test_disk_that_the_vagrantfile_has_added_is_deleted(virtualbox):
    """Vagrant records the UUIDs of such disks. It also records a disk elsewhere that has the name of one."""
    paths = [
        virtualbox.attach("data.vdi", where=Path(virtualbox.own_disk()).parent, place=("1", "0")),
        virtualbox.attach("elsewhere.vdi"),
    ]
    virtualbox.record(paths)
    assert _kept(_absent(virtualbox, True)) == [str(paths[1])]
    done = _absent(virtualbox, False)
    assert (done.failed, _kept(done), [one.exists() for one in paths]) == (False, [str(paths[1])], [False, True])


def test_disk_of_a_linked_clone_of_the_box_is_deleted(virtualbox, tmp_path):
    """Vagrant records the VM from which it clones in the folder of the box."""
    own = Path(virtualbox.own_disk())
    base = virtualbox.attach("master.vdi")
    virtualbox.detach()
    virtualbox.also_of_another_vm(base)
    child = own.parent / "Snapshots" / "child.vdi"
    virtualbox.base_disk_on(child, base)
    assert _kept(_absent(virtualbox, True)) == [str(child)]
    (box,) = tmp_path.glob("home/boxes/*/0/virtualbox")
    (box / "master_id").write_text(f"{virtualbox.id_of('other')}\n", encoding="utf-8")
    done = _absent(virtualbox, False)
    assert (done.failed, _kept(done), child.exists(), base.exists()) == (False, [], False, True), done.msg


@pytest.mark.parametrize("is_own", [True, False])
def test_image_that_no_vm_has_below_a_disk_is_kept(virtualbox, is_own):
    """VirtualBox deletes it with the disk: the master VM of a linked clone was unregistered, for instance."""
    base, own = virtualbox.attach("base.vdi"), Path(virtualbox.own_disk())
    virtualbox.detach()
    child = (own.parent if is_own else virtualbox.pool) / "child.vdi"
    virtualbox.base_disk_on(child, base)
    virtualbox.record([child])
    answers = [_absent(virtualbox, check) for check in (True, False)]
    assert [one.failed for one in answers] == [is_own] * 2
    assert (base.exists(), own.exists()) == (True, is_own)
    if is_own:
        assert [f"{base} is deleted together with its VM" in one.msg for one in answers] == [True, True]
        assert not _absent(virtualbox, False, delete_disks="all").failed
        assert not base.exists()
    else:
        assert {str(base), str(child)} <= set(_kept(answers[1]))
