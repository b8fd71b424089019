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
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.needed import is_half_made
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.project import ProjectVm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.provider_vm import ProviderVm
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant_folder import CreatedVm

from unit.module_utils._drivers.vagrant.in_process import Killed, World
from unit.module_utils._drivers.vagrant.test_foreseen import MADE

#: Places inside of `vagrant up`, in their order.
INSIDE = ("volume", "id", "nic", "boot")
#: Those at which nothing has run yet.
NEVER_RAN = INSIDE[:3]
BEGUN = "machines/web/polyvirt-first-start.json"


@pytest.fixture(name="world")
def _world(libvirt_world):
    return libvirt_world


def _started(world, **more):
    return world.create(state="started", provider=world.variables["VAGRANT_DEFAULT_PROVIDER"], **more)


def killed(world, place):
    """Kill the task that starts a new VM at a place inside of `vagrant up`."""
    world.vagrant.change(interrupt=place)
    with pytest.raises(Killed):
        _started(world)


def _killed_at_up(world, when):
    """Kill the task before or after the process `vagrant up`."""
    answered = world.port.programs["vagrant"]

    def dies_at_up(argv, environment):
        if argv[1] != "up":
            return answered(argv, environment)
        if when == "after":
            answered(argv, environment)
        raise Killed

    world.port.programs["vagrant"] = dies_at_up
    with pytest.raises(Killed):
        _started(world)
    world.port.programs["vagrant"] = answered


def _machines(world):
    return world.vagrant.state()["machines"]


def _disk(world):
    (machine,) = _machines(world).values()
    return Path(machine["disks"][0]["path"])


def _records(world):
    """Those of first starts that a task has begun."""
    return list(world.project.glob(f".vagrant/{BEGUN}"))


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox", "hyperv"])
@pytest.mark.parametrize("place", ["before", *INSIDE, "after"])
def test_next_task_completes_a_first_start_that_was_killed(tmp_path, provider, place):
    world = World(tmp_path, provider, virsh=provider == "libvirt")
    if place in INSIDE:
        killed(world, place)
    else:
        _killed_at_up(world, place)
    foreseen, again = _started(world, check=True), _started(world)
    assert (foreseen.failed, again.failed) == (False, False), (foreseen.msg, again.msg)
    assert again.vm["state"] == "running"
    assert world.clock.now() < 600, "vagrant up hung"
    assert not _started(world).changed
    if provider != "virtualbox":
        assert [one["state"] for one in _machines(world).values()] == ["running"]
    if place in NEVER_RAN and provider == "libvirt":
        assert all(one["nics"] for one in _machines(world).values())


@pytest.mark.parametrize("place", INSIDE)
def test_vm_that_was_killed_is_deleted_on_request(world, place):
    killed(world, place)
    done = world.run(state="absent", stop_mode="force")
    assert not done.failed, done.msg
    assert not _machines(world)
    assert not world.file.exists()


@pytest.mark.parametrize("place", ["id", "nic"])
def test_half_made_vm_is_not_made(world, place):
    killed(world, place)
    assert world.run(about="vm_info").vms[0]["id"] is None
    assert not world.run(state="stopped").changed


def test_vm_on_which_something_was_written_is_not_created_again(world):
    """A user attached a NIC and started it by hand: the task starts this VM, or says what to do."""
    killed(world, "nic")
    before = list(_machines(world))
    _disk(world).write_bytes(bytes(1 << 20))
    assert _started(world).vm["state"] == "running"
    assert list(_machines(world)) == before


def test_vm_without_a_nic_that_may_have_run_is_rejected_with_both_ways_out(world):
    killed(world, "id")
    _disk(world).write_bytes(bytes(1 << 20))
    before = list(_machines(world))
    world.rejected("has no NIC", "state: absent", "virsh attach-interface", **MADE)
    assert list(_machines(world)) == before
    with world.vagrant.registry.open() as state:
        state["machines"][before[0]]["nics"] = 1
    assert _started(world).vm["state"] == "running"


@pytest.mark.parametrize("begun", [True, False])
def test_half_made_vm_needs_a_record(begun):
    """Without the record that a task has begun its first start, a VM is not ours to undo."""
    created = CreatedVm("web", "libvirt", "u", "/f", None, None, None, False)
    project_vm = ProjectVm("web", {"name": "web", "provider": "libvirt"}, created, {}, begun)
    assert is_half_made(project_vm, ProviderVm("stopped", nics=0, is_unwritten=True)) == begun


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
    assert is_half_made(project_vm, found) == is_half
    provisioned = replace(project_vm, created=replace(created, is_provisioned=True))
    assert not is_half_made(provisioned, found)


def test_record_of_a_task_that_holds_the_lock_remains(world):
    """That task creates the VM: if it is killed, its record is needed."""
    world.vagrant.is_busy(1000)
    assert _started(world, timeout=20, on_failure="keep").failed
    assert _records(world)


def test_first_start_by_another_task_is_not_undone(world):
    """The other task has created the VM, and starts it between the plan and the step of this one."""
    killed(world, "nic")
    (identifier,) = _machines(world)
    answered = world.port.programs["virsh"]

    def starts_first(argv, environment):
        if len([call for call in world.port.calls if call[0] == "virsh"]) == 2:
            _disk(world).write_bytes(bytes(1 << 20))
        return answered(argv, environment)

    world.port.programs["virsh"] = starts_first
    rejected = _started(world)
    world.port.programs["virsh"] = answered
    assert list(_machines(world)) == [identifier]
    assert rejected.failed


def test_disk_of_others_with_the_name_of_a_new_vm_is_not_deleted(world):
    """Only a record that the first start has begun makes a left-over disk ours."""
    path = Path(world.virsh.pool) / "project_web.img"
    path.parent.mkdir()
    path.write_bytes(b"precious")
    world.rejected("project_web.img' already", **MADE)
    assert path.read_bytes() == b"precious"
    assert not _records(world)


def test_name_that_is_taken_after_a_killed_first_start_is_foreseen(world):
    """Vagrant had not done anything when the task was killed; then a VM of another project gets the name."""
    _killed_at_up(world, "before")
    assert _started(world, project_dir=world.elsewhere("project")).vm
    before = _machines(world)
    world.rejected("libvirt has a VM 'project_web' already", **MADE)
    assert _machines(world) == before


def _give_volume_to_shop(world):
    """Attach the left-over volume to a VM of the user, as his only copy of something."""
    volume = Path(world.virsh.pool) / "project_web.img"
    volume.write_bytes(b"precious")
    disk = {"path": str(volume), "target": "vdb", "device": "disk", "alias": ""}
    with world.vagrant.registry.open() as state:
        (machine,) = (one for one in state["machines"].values() if one["name"] == "shop_web")
        machine["disks"].append(disk)


@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
def test_left_over_volume_that_another_vm_uses_is_kept(world, when):
    assert _started(world, project_dir=world.elsewhere("shop")).vm
    killed(world, "volume")
    if when == "before the plan":
        _give_volume_to_shop(world)
        world.rejected("project_web.img' already", **MADE)
    else:
        answered, lists = world.port.programs["virsh"], []

        def gives(argv, environment):
            if "vol-list" in str(argv):
                lists.append(argv)
                # The first list is that of the plan.
                if len(lists) == 2:
                    _give_volume_to_shop(world)
            return answered(argv, environment)

        world.port.programs["virsh"] = gives
        assert "project_web.img' already" in _started(world).error
    assert (Path(world.virsh.pool) / "project_web.img").read_bytes() == b"precious"


def test_record_of_a_copied_project_does_not_count(world, tmp_path):
    killed(world, "volume")
    (record,) = _records(world)
    record.write_text(record.read_text(encoding="ascii").replace(str(world.project), str(tmp_path)), encoding="ascii")
    assert "has a volume" in _started(world).error


def test_failed_first_start_leaves_no_record(world):
    world.vagrant.change(boxes=[])
    assert _started(world, on_failure="keep").failed
    assert not _records(world)


def test_complete_first_start_leaves_no_record(world):
    assert _started(world).vm
    assert not _records(world)
