# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that two projects share, snapshots of other programs, triggers, and VMs of the user's own Vagrantfile."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.delete import destroy
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, files, permits

from unit.module_utils._drivers.vagrant.in_process import BOX, World, users_file

MADE = {"state": "started", "box": BOX, "provider": "libvirt"}


@pytest.fixture(name="world")
def _world(libvirt_world):
    return libvirt_world


# Names --------------------------------------------------------------------------------------------------------------


def test_name_of_a_vm_of_another_project_is_foreseen(world):
    assert world.run(**MADE).vm
    world.rejected("libvirt has a VM 'project_web' already", project_dir=world.elsewhere("project"), **MADE)
    assert world.run(project_dir=world.elsewhere("shop"), **MADE).vm


def _two_projects(world, **more):
    """VMs that libvirt would both call project_web_x."""
    other = {"name": "x", "project_dir": world.elsewhere("project_web")}
    return [{"name": "web_x", **MADE}, {**other, **MADE, **more}]


def test_two_projects_of_one_task_cannot_give_one_name(world):
    entries = _two_projects(world)
    for check in (True, False):
        rejected = world.run_all(entries, check)
        assert "the VM of libvirt: project_web_x is used by web_x" in rejected.msg
        assert (rejected.failed, rejected.changed, world.states()) == (True, False, {})


@pytest.mark.parametrize("native", [{"default_prefix": "own-"}, {"random_hostname": True}])
def test_two_projects_with_other_names_are_no_conflict(world, native):
    done = world.run_all(_two_projects(world, native=native), True)
    assert not done.failed, done.msg


def test_name_at_virtualbox_is_foreseen_if_the_task_sets_it(virtualbox_world):
    world = virtualbox_world
    world.virtualbox.run("createvm", "--name", "shop", "--ostype", "Debian_64", "--register")
    made = {**MADE, "provider": "virtualbox"}
    world.rejected("virtualbox has a VM 'shop' already", native={"name": "shop"}, **made)
    assert world.run(native={"name": "other"}, **made).vm


def test_names_cost_two_processes_per_task(world):
    entries = [{"name": name, **MADE} for name in ("web", "www", "wiki")]
    done = world.run_all(entries, True)
    assert not done.failed, done.msg
    assert len([call for call in done.calls if call[0] == "virsh"]) == 2


# Snapshots of other programs ----------------------------------------------------------------------------------------


def test_external_snapshot_of_another_program_is_foreseen(world):
    assert world.run(**MADE).vm
    with world.vagrant.registry.open() as state:
        for machine in state["machines"].values():
            machine["external"] = ["theirs"]
    world.rejected("snapshot 'theirs'", state="absent", stop_mode="force")
    assert world.states() == {"web": "running"}


def test_double_fails_at_an_external_snapshot_as_vagrant_does(world):
    assert world.run(**MADE).vm
    with world.vagrant.registry.open() as state:
        for machine in state["machines"].values():
            machine["external"] = ["theirs"]
    done = world.vagrant.call("destroy", "-f", "web")
    assert (done.returncode, world.states()) == (1, {"web": "shutoff"})


# Triggers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("TriggersBadExitCodes", "A script exited with an unacceptable exit code 1.", "A trigger in the Vagrantfile"),
        ("UIExpectsTTY", "Vagrant requires a TTY. Please run Vagrant\nwith TTY.", "it asks a question"),
    ],
)
@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_trigger_that_prevents_a_deletion_has_changed_nothing(tmp_path, provider, kind, text, message):
    world = World(tmp_path, provider, virsh=provider == "libvirt")
    assert world.run(**{**MADE, "provider": provider}).vm
    assert world.run(state="stopped", stop_mode="force").vm
    world.vagrant.fails("destroy", kind, text)
    failed = world.run(state="absent")
    assert message in failed.error
    assert "TTY" not in failed.error
    assert not failed.changed
    assert world.run(state="absent").changed


@pytest.mark.parametrize(("kind", "is_certain"), [("TriggersBadExitCodes", True), ("VagrantError", False)])
def test_trigger_leaves_no_doubt_about_the_deletion(world, kind, is_certain):
    """After any other error, Vagrant may have deleted something."""
    assert world.run(**MADE).vm
    world.vagrant.fails("destroy", kind, "It went wrong.")
    driver = world.driver(vagrantfile=None, managed=True, executable="vagrant", provider="libvirt")
    before = change_counter.count()
    with permits.granted(permits.ANYTHING), pytest.raises(PolyvirtError):
        destroy(driver, driver.project_vm("web"))
    assert (change_counter.count() == before) == is_certain


@pytest.mark.parametrize(("command", "options"), [("up", {"state": "started"}), ("halt", {"state": "stopped"})])
def test_question_of_a_trigger_is_named_in_all_commands(tmp_path, command, options):
    world = World(tmp_path)
    assert world.create(state="stopped" if command == "up" else "started").vm
    world.vagrant.fails(command, "UIExpectsTTY", "Vagrant requires a TTY. Please run Vagrant\nwith TTY.")
    failed = world.run(stop_mode="force", **options)
    assert "it asks a question" in failed.error
    assert "trigger" in failed.error


# VMs of the user's own Vagrantfile -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [{"box": BOX}, {"image": "debian-13"}])
def test_source_of_a_vm_in_the_users_own_file_is_rejected(world, option):
    """It says how to create a VM, and the file says that: a VM that exists is never adopted in silence."""
    world.vagrant.write(users_file("web"), "Vagrantfile")
    assert world.run(managed=False, state="started").vm
    world.rejected(*option, managed=False, **option)


@pytest.mark.parametrize("adopt", [True, False])
def test_managed_vm_is_not_created_over_one_of_the_users_own_file(world, adopt):
    world.vagrant.write(users_file("web"), "Vagrantfile")
    assert world.run(managed=False, state="started").vm
    world.rejected("another Vagrantfile describes", adopt=adopt, **MADE)


@pytest.mark.parametrize("more", [{}, {"native": {"host": "kvm2"}}], ids=["here", "on another host"])
def test_memory_beyond_that_of_the_host_is_foreseen(tmp_path, monkeypatch, more):
    world, read = World(tmp_path, "libvirt", virsh=True), files.read
    text = b"MemTotal: 1048576 kB\nSwapTotal: 0 kB\n"
    monkeypatch.setattr(files, "read", lambda path: text if path == "/proc/meminfo" else read(path))
    made = {"box": BOX, "provider": "libvirt", "state": "stopped", **more}
    done = world.run(memory="2G", check=True, **made)
    assert ["is more than the RAM of the hypervisor" in one for one in done.warnings] == [True] * (not more)
    assert world.run(memory="9G", check=True, **made).failed == (not more)
