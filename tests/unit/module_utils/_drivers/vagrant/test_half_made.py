# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed before, inside and after the first start of a VM: the next one completes it, whatever was left.

What nothing has run on is created again; a VM that may have run is never deleted without being asked to.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.project import ProjectVm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.provider_vm import ProviderVm
from ansible_collections.polyvirt.core.plugins.module_utils._ports.clock import call_timeout
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant_folder import CreatedVm

from unit.module_utils._drivers.vagrant.in_process import Killed, World

MADE = {"state": "started", "box": "polyvirt/fast"}
#: Places inside of `vagrant up`, in their order.
INSIDE = ("volume", "id", "nic", "boot")
#: Those at which nothing has run yet.
NEVER_RAN = INSIDE[:3]
BEGUN = "machines/web/polyvirt-first-start.json"


def _world(tmp_path, provider):
    return World(tmp_path, provider, virsh=provider == "libvirt")


def _killed(world, place, **more):
    world.vagrant.change(interrupt=place)
    with pytest.raises(Killed):
        world.run(provider=world.variables["VAGRANT_DEFAULT_PROVIDER"], **MADE, **more)
    world.port.kill_at = None


def _killed_at_up(world, when):
    """Kill the task before or after the process `vagrant up`."""
    with pytest.raises(Killed):
        for number in range(1, 60):
            world.port.kill_at = None
            calls = world.port.calls = []
            answered = world.port.programs["vagrant"]

            def watched(argv, environment, answered=answered, calls=calls):
                if argv[1] == "up" and when == "before":
                    raise Killed
                done = answered(argv, environment)
                if argv[1] == "up":
                    world.port.programs["vagrant"] = answered
                    raise Killed
                return done

            world.port.programs["vagrant"] = watched
            try:
                world.run(provider=world.variables["VAGRANT_DEFAULT_PROVIDER"], **MADE)
            finally:
                world.port.programs["vagrant"] = answered
            assert number == 0, "vagrant up was not called"


def _machines(world):
    return world.vagrant.state()["machines"]


def _disk(world):
    (machine,) = _machines(world).values()
    return Path(machine["disks"][0]["path"])


def _again(world, **more):
    return world.run(provider=world.variables["VAGRANT_DEFAULT_PROVIDER"], **{**MADE, **more})


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox", "hyperv"])
@pytest.mark.parametrize("place", ["before", *INSIDE, "after"])
def test_next_task_completes_a_first_start_that_was_killed(tmp_path, provider, place):
    world = _world(tmp_path, provider)
    if place in INSIDE:
        _killed(world, place)
    else:
        _killed_at_up(world, place)
    foreseen = _again_in_check_mode(world)
    again = _again(world)
    assert (foreseen.failed, again.failed) == (False, False), (foreseen.msg, again.msg)
    assert again.vm["state"] == "running"
    assert world.clock.now() < 600, "vagrant up hung"
    assert not _again(world).changed
    if provider != "virtualbox":
        assert [one["state"] for one in _machines(world).values()] == ["running"]
    if place in NEVER_RAN and provider == "libvirt":
        assert all(one["nics"] for one in _machines(world).values())


def _again_in_check_mode(world):
    return world.run(provider=world.variables["VAGRANT_DEFAULT_PROVIDER"], check=True, **MADE)


@pytest.mark.parametrize("place", ["volume", "id", "nic", "boot"])
def test_vm_that_was_killed_is_deleted_on_request(tmp_path, place):
    world = _world(tmp_path, "libvirt")
    _killed(world, place)
    done = world.run(state="absent", stop_mode="force")
    assert not done.failed, done.msg
    assert not _machines(world)
    assert not world.file.exists()


@pytest.mark.parametrize("place", ["id", "nic"])
def test_half_made_vm_is_not_made(tmp_path, place):
    world = _world(tmp_path, "libvirt")
    _killed(world, place)
    assert world.run(about="vm_info").vms[0]["id"] is None
    assert not world.run(state="stopped").changed


def test_vm_on_which_something_was_written_is_not_created_again(tmp_path):
    """A user attached a NIC and started it by hand: the task starts this VM, or says what to do."""
    world = _world(tmp_path, "libvirt")
    _killed(world, "nic")
    before = list(_machines(world))
    _disk(world).write_bytes(bytes(1 << 20))
    assert _again(world).vm["state"] == "running"
    assert list(_machines(world)) == before


@pytest.mark.parametrize("check", [True, False])
def test_vm_without_a_nic_that_may_have_run_is_rejected_with_both_ways_out(tmp_path, check):
    world = _world(tmp_path, "libvirt")
    _killed(world, "id")
    _disk(world).write_bytes(bytes(1 << 20))
    before = list(_machines(world))
    rejected = world.run(provider="libvirt", check=check, **MADE)
    assert "has no NIC" in rejected.error
    assert "state: absent" in rejected.error
    assert "virsh attach-interface" in rejected.error
    assert (list(_machines(world)), rejected.changed) == (before, False)
    with world.vagrant.registry.open() as state:
        state["machines"][before[0]]["nics"] = 1
    assert _again(world).vm["state"] == "running"


def _is_half_made(project_vm, found):
    from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.needed import is_half_made

    return is_half_made(project_vm, found)


@pytest.mark.parametrize("begun", [True, False])
def test_half_made_vm_needs_a_record(begun):
    """Without the record that a task has begun its first start, a VM is not ours to undo."""
    created = CreatedVm("web", "libvirt", "u", "/f", None, None, None, False)
    project_vm = ProjectVm("web", {"name": "web", "provider": "libvirt"}, created, {}, begun)
    assert _is_half_made(project_vm, ProviderVm("stopped", nics=0, is_unwritten=True)) == begun


@pytest.mark.parametrize(
    ("change", "is_half"),
    [
        ({}, True),
        ({"power": "running", "nics": 0}, True),
        ({"power": "running"}, False),
        ({"is_unwritten": False}, False),
        ({"is_unwritten": None}, False),
        ({"power": "suspended"}, False),
    ],
)
def test_half_made_vm_is_idle_and_unwritten(change, is_half):
    created = CreatedVm("web", "libvirt", "u", "/f", None, None, None, False)
    project_vm = ProjectVm("web", {"name": "web", "provider": "libvirt"}, created, {}, True)
    found = ProviderVm(**{"power": "stopped", "nics": 1, "is_unwritten": True, **change})
    assert _is_half_made(project_vm, found) == is_half
    provisioned = replace(project_vm, created=replace(created, is_provisioned=True))
    assert not _is_half_made(provisioned, found)


def test_vm_started_by_hand_is_not_created_again(tmp_path):
    world = _world(tmp_path, "libvirt")
    assert world.create(provider="libvirt").vm
    world.vagrant.change(interrupt="nic")
    with pytest.raises(BaseException, match=r"\A\Z"):
        world.vagrant.call("up", "web")
    before = list(_machines(world))
    assert _again(world).vm["state"] == "running"
    assert list(_machines(world)) == before


def test_record_of_a_task_that_holds_the_lock_remains(tmp_path):
    """That task creates the VM: if it is killed, its record is needed."""
    world = _world(tmp_path, "libvirt")
    world.vagrant.is_busy(1000)
    assert world.run(provider="libvirt", timeout=20, on_failure="keep", **MADE).failed
    assert list(world.project.glob(f".vagrant/{BEGUN}"))


def test_first_start_by_another_task_is_not_undone(tmp_path):
    """The other task has created the VM, and starts it between the plan and the step of this one."""
    world = _world(tmp_path, "libvirt")
    _killed(world, "nic")
    (identifier,) = _machines(world)
    answered = world.port.programs["virsh"]

    def starts_first(argv, environment):
        if len([call for call in world.port.calls if call[0] == "virsh"]) == 2:
            _disk(world).write_bytes(bytes(1 << 20))
        return answered(argv, environment)

    world.port.programs["virsh"] = starts_first
    rejected = world.run(provider="libvirt", **MADE)
    world.port.programs["virsh"] = answered
    assert list(_machines(world)) == [identifier]
    assert rejected.failed


def test_foreign_disk_of_a_half_made_vm_is_kept(tmp_path):
    world = _world(tmp_path, "libvirt")
    _killed(world, "nic")
    (identifier, machine), path = next(iter(_machines(world).items())), Path(world.virsh.pool) / "precious.qcow2"
    path.write_bytes(b"precious")
    disk = {"path": str(path), "target": "vdb", "device": "disk", "alias": ""}
    with world.vagrant.registry.open() as state:
        state["machines"][identifier]["disks"] = [*machine["disks"], disk]
    assert _again(world).vm["state"] == "running"
    assert path.read_bytes() == b"precious"


def test_disk_of_others_with_the_name_of_a_new_vm_is_not_deleted(tmp_path):
    """Only a record that the first start has begun makes a left-over disk ours."""
    world = _world(tmp_path, "libvirt")
    path = Path(world.virsh.pool) / "project_web.img"
    path.parent.mkdir()
    path.write_bytes(b"precious")
    for check in (True, False):
        assert "has a volume 'project_web' already" in world.run(provider="libvirt", check=check, **MADE).error
    assert path.read_bytes() == b"precious"
    assert not list(world.project.glob(f".vagrant/{BEGUN}"))


def test_name_that_is_taken_after_a_killed_first_start_is_foreseen(tmp_path):
    """Vagrant had not done anything when the task was killed; then a VM of another project gets the name."""
    world = _world(tmp_path, "libvirt")
    _killed_at_up(world, "before")
    other = tmp_path / "elsewhere" / "project"
    other.mkdir(parents=True)
    assert _again(world, project_dir=str(other)).vm
    before = _machines(world)
    for check in (True, False):
        rejected = _again(world, check=check)
        assert "libvirt has a VM 'project_web' already" in rejected.error
        assert not rejected.changed
    assert _machines(world) == before


def _give_volume_to(world, name):
    """Attach the left-over volume to a VM of the user, as his only copy of something."""
    volume = Path(world.virsh.pool) / "project_web.img"
    volume.write_bytes(b"precious")
    disk = {"path": str(volume), "target": "vdb", "device": "disk", "alias": ""}
    with world.vagrant.registry.open() as state:
        (machine,) = (one for one in state["machines"].values() if one["name"] == name)
        machine["disks"].append(disk)
    return volume


@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
def test_left_over_volume_that_another_vm_uses_is_kept(tmp_path, when):
    world = _world(tmp_path, "libvirt")
    other = tmp_path / "elsewhere" / "shop"
    other.mkdir(parents=True)
    assert _again(world, project_dir=str(other)).vm
    _killed(world, "volume")
    if when == "before the plan":
        volume = _give_volume_to(world, "shop_web")
        for check in (True, False):
            assert "has a volume 'project_web' already" in _again(world, check=check).error
    else:
        answered, lists, volume = world.port.programs["virsh"], [], Path(world.virsh.pool) / "project_web.img"

        def gives(argv, environment):
            if "vol-list" in str(argv):
                lists.append(argv)
                # The first list is that of the plan.
                if len(lists) == 2:
                    _give_volume_to(world, "shop_web")
            return answered(argv, environment)

        world.port.programs["virsh"] = gives
        assert "has a volume 'project_web' already" in _again(world).error
    assert volume.read_bytes() == b"precious"


def test_record_of_a_copied_project_does_not_count(tmp_path):
    world = _world(tmp_path, "libvirt")
    _killed(world, "volume")
    (record,) = world.project.glob(f".vagrant/{BEGUN}")
    record.write_text(record.read_text(encoding="ascii").replace(str(world.project), str(tmp_path)), encoding="ascii")
    assert "has a volume" in _again(world).error


def test_failed_first_start_leaves_no_record(tmp_path):
    world = _world(tmp_path, "libvirt")
    world.vagrant.change(boxes=[])
    assert world.run(provider="libvirt", on_failure="keep", **MADE).failed
    assert not list(world.project.glob(f".vagrant/{BEGUN}"))


def test_complete_first_start_leaves_no_record(tmp_path):
    world = _world(tmp_path, "libvirt")
    assert _again(world).vm
    assert not list(world.project.glob(f".vagrant/{BEGUN}"))


def test_first_start_has_a_limit():
    """No call of Vagrant runs longer than call_timeout, which has a default."""
    assert call_timeout(None) == 3600
