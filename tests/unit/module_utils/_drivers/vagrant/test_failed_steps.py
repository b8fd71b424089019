# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deletion or a first start that fails: what a user has attached is kept, and a running VM is running again."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_virtualbox import InVirtualBox

from unit.module_utils._drivers.vagrant.test_foreign_disks import WithLibvirt, WithVirtualBox, _with_a_vm
from unit.module_utils._drivers.vagrant.test_half_made import killed


@pytest.mark.parametrize("has_foreign_disk", [False, True])
@pytest.mark.parametrize("kind", [WithLibvirt, WithVirtualBox], ids=lambda kind: kind.provider)
def test_vm_that_vagrant_does_not_destroy_is_running_again(kind, has_foreign_disk, tmp_path):
    platform = _with_a_vm(kind(tmp_path))
    if has_foreign_disk:
        platform.attach("precious.qcow2")
    before = platform.attached()
    assert platform.world.run(state="started").vm
    platform.world.vagrant.fails("destroy", "TriggersBadExitCodes", "A script exited with an unacceptable exit code 1.")
    failed = platform.world.run(state="absent", stop_mode="force")
    assert "A trigger in the Vagrantfile" in failed.error
    state = platform.world.run(about="vm_info").vm["state"]
    assert (failed.vms[0]["state"], state, platform.attached()) == ("running", "running", before)


def test_disk_that_a_user_attaches_during_a_first_start_that_fails_is_kept(tmp_path):
    """Vagrant itself would delete the new VM with everything that it has by then."""
    platform, attached = WithLibvirt(tmp_path), []
    platform.world.vagrant.change(guests={"web": "silent"})
    answered = platform.world.port.programs["vagrant"]

    def attach_meanwhile(argv, environment):
        answer = answered(argv, environment)
        if "up" in argv:
            attached.append(platform.attach("precious.qcow2"))
        return answer

    platform.world.port.programs["vagrant"] = attach_meanwhile
    failed = platform.world.create(state="started", provider="libvirt")
    assert "on_failure: keep" in failed.error
    assert ([path.exists() for path in attached], platform.world.states()) == ([True], {})


def test_disks_are_attached_again_if_one_of_them_cannot_be_detached(tmp_path):
    platform = _with_a_vm(WithVirtualBox(tmp_path))
    platform.attach("first.vdi")
    platform.attach("second.vdi", place=("1", "0"))
    before, answered, detached = platform.attached(), platform.world.port.programs["VBoxManage"], []

    def fails_after_the_first(argv, environment):
        if "storageattach" in argv and argv[-1] == "none":
            detached.append(argv[argv.index("--device") - 1 :])
            if detached[0] != detached[-1]:
                return 1, "", "VBoxManage: error: No space left on device"
        return answered(argv, environment)

    platform.world.port.programs["VBoxManage"] = fails_after_the_first
    failed = platform.world.run(state="absent")
    assert "No space left" in failed.error
    assert (len(detached) > 1, platform.attached()) == (True, before)


def test_disk_that_a_user_attached_to_a_half_made_vm_with_a_snapshot_is_not_deleted(tmp_path):
    """VirtualBox does not detach it from the snapshot, so the VM cannot be created again."""
    platform = WithVirtualBox(tmp_path)
    killed(platform.world, "nic")
    path = platform.attach("precious.vdi")
    platform.hold()
    rejected = platform.world.create(state="started", provider="virtualbox")
    assert path.exists()
    assert f"{path} would be deleted with the VM" in rejected.error
    assert f"{path} is deleted together with its VM" in platform.world.run(state="absent").error
    assert not platform.world.run(state="absent", delete_disks="all").failed
    assert not path.exists()


def test_snapshot_of_a_half_made_vm_that_was_taken_after_the_plan_keeps_its_disks(tmp_path, monkeypatch):
    platform = WithVirtualBox(tmp_path)
    killed(platform.world, "nic")
    path, drives, calls = platform.attach("precious.vdi"), InVirtualBox.drives, []

    def held_late(tool, identifier):
        calls.append(identifier)
        if len(calls) == 2:  # The first call is a check of the plan.
            platform.hold()
        return drives(tool, identifier)

    monkeypatch.setattr(InVirtualBox, "drives", held_late)
    assert f"{path} would be deleted with the VM" in platform.world.run(state="started").error
    assert path.exists()


@pytest.mark.parametrize("is_created_before", [True, False])
def test_error_of_a_first_start_is_reported_even_if_the_new_vm_cannot_be_deleted(tmp_path, is_created_before):
    platform = WithLibvirt(tmp_path)
    if is_created_before:
        assert platform.world.create(provider="libvirt").vm
    platform.world.vagrant.change(guests={"web": "silent"})
    platform.world.vagrant.fails("destroy", "VagrantError", "It went wrong.")
    failed = platform.world.create(state="started", provider="libvirt")
    assert "Timed out while waiting for the machine to boot" in failed.error
    assert "It went wrong" not in failed.error
    # The rollback of a VM that this task created deletes it.
    assert (list(platform.world.states()), failed.changed) == (["web"] * is_created_before, is_created_before)


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize("kind", [WithLibvirt, WithVirtualBox], ids=lambda kind: kind.provider)
def test_start_of_a_half_made_vm_with_a_disk_of_others_is_foreseen(tmp_path, kind, is_held):
    """The half-made VM is deleted first. VirtualBox does not detach a disk from a snapshot."""
    platform, is_rejected = kind(tmp_path), is_held and kind is WithVirtualBox
    killed(platform.world, "nic")
    path = platform.attach("precious.qcow2")
    if is_held:
        platform.hold()
    foreseen, done = (platform.world.run(state="started", check=check) for check in (True, False))
    assert (foreseen.failed, done.failed) == (is_rejected, is_rejected)
    assert (foreseen.msg, foreseen.changed) == (done.msg, done.changed)
    assert ("cannot be detached" in done.msg) == is_rejected
    assert path.exists()
