# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs belong to the managed file and which to the user's own Vagrantfile, and projects with lost files."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

from unit.module_utils._drivers.vagrant.in_process import BOX, FILE, users_file


def test_users_file_is_never_written(world):
    world.vagrant.write(users_file(), "Vagrantfile")
    before, adopted = world.files()["Vagrantfile"], {"name": "default", "managed": False, "stop_mode": "force"}
    assert "managed: false" in world.run(**adopted, cpus=2).error
    unknown = world.run("defualt", managed=False, state="started").error
    assert unknown == "defualt: the VM does not exist. Did you mean default? Existing VMs: default."
    for state, verbs in (("started", ["create"]), ("started", []), ("stopped", ["kill"]), ("absent", ["delete"])):
        assert world.create("web", state=state, stop_mode="force").vm
        assert [step["verb"] for step in world.run(**adopted, state=state).vm["steps"]] == verbs
        assert world.files()["Vagrantfile"] == before
    assert not world.file.exists()
    assert world.run(**adopted, state="started").vm
    for name, states in ((None, ["running"]), ("default", ["running"]), ("defualt", [])):
        assert [vm["state"] for vm in world.run(name, about="vm_info", managed=False).vms] == states
    (world.project / "Vagrantfile").unlink()
    for state in ("absent", "stopped"):
        assert "default: Vagrant created it from " in world.run(**adopted, state=state).error
    assert world.states() == {"default": "running"}


@pytest.mark.parametrize(("name", "text"), [("web", "{}# changed by hand\n"), ("default", users_file())])
def test_file_changed_or_written_by_hand_is_never_written(world, name, text):
    assert world.create(state="started", provisioners=[{"inline": "true"}]).vm
    world.file.write_text(text.format(world.file.read_text(encoding="ascii")), encoding="ascii")
    before = world.files()
    for state in ("present", "absent"):
        message = world.create(state=state, cpus=2).error
        assert str(world.file) in message
        assert "managed: false" in message
    assert world.files() == before
    for state in ("started", "stopped", "started"):
        assert not world.run(name, managed=False, vagrantfile=FILE, state=state, stop_mode="force").failed
    assert world.files()[FILE] == before[FILE]


@pytest.mark.parametrize("is_new", [True, False])
def test_file_and_its_created_folder_are_deleted_with_the_last_vm(world, is_new):
    if is_new:
        world.project.rmdir()
    world.create(["web", "mail"], state="started")
    for name in ("web", "mail"):
        assert world.file.exists()
        assert world.run(name, state="absent", stop_mode="force").vm["changed"]
    assert (world.project.exists(), world.file.exists()) == (not is_new, False)
    assert not world.run("mail", state="absent").vm["changed"]


def test_shared_data_directory_of_vagrant_is_never_removed(world, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    world.project.rmdir()
    precious = tmp_path / "shared" / "precious"
    precious.parent.mkdir()
    precious.write_text("x", encoding="ascii")
    world.variables["VAGRANT_DOTFILE_PATH"] = "~/shared"
    assert world.create(state="started").vm
    assert world.run(state="absent", stop_mode="force").vm
    assert (precious.exists(), world.project.exists()) == (True, False)


def test_results_do_not_contain_values_of_variables(world):
    variables = {"PROXY": "hush 2", "PLAIN": "1"}
    options = {"provisioners": [{"inline": "true", "env": {"TOKEN": "hush 1"}}], "environment": variables}
    changed = {**options, "environment": {**variables, "PROXY": "hush 3"}}
    answers = [world.create(**options, state="started"), world.create(**options), world.create(**changed, check=True)]
    answers += [world.create(**changed), world.run(about="vm_info")]
    changes = [(answer.failed, answer.changed) for answer in answers]
    assert changes == [(False, is_changed) for is_changed in (True, False, True, True, False)]
    assert "hush" not in str(answers)
    assert answers[2].diff == answers[3].diff
    before, after = (answers[3].diff[0][moment] for moment in ("before", "after"))
    assert "another" in after["environment.PROXY"]
    assert set(before) == set(after) == {"environment.PROXY"}


@pytest.mark.parametrize("lost", ["vm", "file", "folder of Vagrant"])
def test_partly_deleted_vm_is_deleted(world, lost):
    world.create(state="started")
    if lost == "vm":
        world.vagrant.change(machines={})
    elif lost == "file":
        world.file.unlink()
    else:
        shutil.rmtree(world.project / ".vagrant")
    assert world.run(state="absent", stop_mode="force").vm["changed"]
    assert not world.run(state="absent").vm["changed"]
    assert not world.file.exists()
    # The owner of a VM that Vagrant no longer knows is unknown.
    assert world.states() == ({"web": "running"} if lost == "folder of Vagrant" else {})


@pytest.mark.parametrize("state", ["absent", "started"])
def test_lost_folder_is_restored_by_the_next_task_that_writes(world, tmp_path, state):
    """Vagrant's data directory is elsewhere, and Vagrant does not work in a directory that does not exist."""
    world.variables["VAGRANT_DOTFILE_PATH"] = str(tmp_path / "elsewhere")
    assert world.create(state="started").vm
    shutil.rmtree(world.project)
    assert world.run(state="restarted" if state == "started" else state, stop_mode="force").vm["changed"]
    assert (world.states(), world.file.exists()) == (({"web": "running"}, True) if state == "started" else ({}, False))


def test_lost_file_is_restored_by_the_next_task_that_writes(world):
    """All VMs of the file are written again from their records."""

    def described():
        machines = vagrantfile.description(world.file.read_text(encoding="ascii"))["machines"]
        return {one["name"]: one for one in machines}

    created = world.create(state="started", cpus=1).vm
    assert world.create("mail", state="started").vm
    before = described()
    world.file.unlink()
    assert "delete_disks" in world.run(state="absent", stop_mode="force", delete_disks="none").error
    assert "allow_recreate" in world.run(box="me/other").error
    for about, options in (("vm_info", {}), ("vm", {"box": BOX, "state": "started", "cpus": 1})):
        seen = world.run(about=about, **options)
        assert (seen.changed, seen.vm["id"], seen.vm["state"]) == (False, created["id"], "running")
    planned = world.run(state="stopped", stop_mode="force", check=True)
    assert not world.file.exists()
    done = world.run(state="stopped", stop_mode="force")
    assert (planned.changed, planned.diff) == (True, done.diff)
    assert world.states() == {"web": "off", "mail": "running"}
    assert world.run(state="started").vm["state"] == "running"
    assert described() == before


def test_vm_of_the_users_file_is_not_that_of_the_same_name_in_the_managed_file(world):
    """Both files use one data directory. A VM that was started by hand from the managed file belongs to that file."""
    world.create("web")
    world.vagrant.write(users_file("web"), "Vagrantfile")
    assert world.run("web", managed=False, state="started").vm
    for options in ({"cpus": 2}, {"state": "started"}):
        assert "another Vagrantfile" in world.create("web", **options).error
    world.create("mail")
    assert world.vagrant.call("up", "mail").returncode == 0
    seen = {vm["name"]: vm["state"] for vm in world.run(None, about="vm_info").vms}
    assert seen == {"mail": "running", "web": "stopped"}
    planned, done = (world.run("web", state="absent", check=check).vm["steps"] for check in (True, False))
    assert planned == done
    assert world.states() == {"web": "running", "mail": "running"}


def test_vm_of_the_managed_file_is_not_that_of_the_same_name_in_the_users_file(world):
    assert world.create("web", state="started").vm
    world.vagrant.write(users_file("web"), "Vagrantfile")
    for check in (True, False):
        assert "another Vagrantfile" in world.run("web", managed=False, state="started", check=check).error
        done = world.run("web", managed=False, state="absent", stop_mode="force", check=check)
        assert not done.vm["changed"]
    assert world.states() == {"web": "running"}
    assert [vm["state"] for vm in world.run(None, about="vm_info", managed=False).vms] == ["absent"]
    # With managed: false, the managed file can be used like a file of the user.
    own = {"managed": False, "vagrantfile": FILE}
    assert world.run("web", state="stopped", stop_mode="force", **own).vm["changed"]


def test_two_managed_files_share_a_data_directory_of_vagrant(world):
    world.project.rmdir()
    other = {"vagrantfile": "Other"}
    assert world.create("web", state="started").vm
    assert world.create("mail", state="started", **other).vm
    for options, name in (({}, "web"), (other, "mail")):
        assert [vm["name"] for vm in world.run(None, about="vm_info", **options).vms] == [name]
    assert world.run("web", state="absent", stop_mode="force").vm
    assert world.run("mail", **other).vm["state"] == "running"


def test_name_that_is_a_prefix_of_the_index_id_of_another_vm_is_rejected(world, tmp_path):
    """Vagrant would change the other VM instead, in whatever project of the user it is."""
    assert world.create("db", state="started").vm
    file = tmp_path / "home" / "data" / "machine-index" / "index"
    listed = json.loads(file.read_text(encoding="ascii"))
    listed["machines"]["db" + 30 * "0"] = {"name": "mail", "vagrantfile_path": "/srv/post", "vagrantfile_name": None}
    file.write_text(json.dumps(listed), encoding="ascii")
    for options in ({"state": "absent"}, {"state": "restarted"}, {"state": "stopped", "stop_mode": "force"}):
        for check in (True, False):
            answer = world.run("db", check=check, **options)
            assert "mail in /srv/post" in answer.error
            assert "halt" not in [call[1] for call in answer.calls]
    assert "ssh-config" not in [call[1] for call in world.run(about="vm_info", name=None).calls]
    assert world.states() == {"db": "running"}
    assert not world.run("db", state="started").vm["changed"]
    listed["machines"]["dadadada" + 24 * "0"] = listed["machines"].pop("db" + 30 * "0")
    file.write_text(json.dumps(listed), encoding="ascii")
    # Vagrant is not called to delete a VM that was never started.
    assert "mail in /srv/post" in world.create("dadadada", state="started").error
    assert world.create("dadadada").vm
    assert world.run("dadadada", state="absent").vm["changed"]
    assert world.create("web", state="started").vm


@pytest.mark.parametrize("known_by", ["record", "list of Vagrant", "file of Vagrant"])
@pytest.mark.parametrize("managed", [True, False])
def test_vm_belongs_to_the_original_of_a_copied_project(world, tmp_path, managed, known_by):
    """A copy of a project contains the ids of its VMs; tasks in the copy must not change these VMs."""
    world.vagrant.write(users_file("web"), "Vagrantfile")
    own = {} if managed else {"managed": False}
    assert world.run("web", state="started", **own, **({"box": BOX} if managed else {})).vm
    if known_by != "record":
        (world.project / ".vagrant" / "machines" / "web" / "hyperv" / "polyvirt.json").unlink(missing_ok=True)
    if known_by == "file of Vagrant":
        shutil.rmtree(tmp_path / "home")
    original, copy = world.project, tmp_path / "copy"
    shutil.copytree(original, copy)
    world.project = copy
    message = world.run("web", state="started", **own).error
    assert f"{copy} is a copy of {original}" in message
    assert not world.run("web", state="absent", **own).failed
    assert world.states() == {"web": "running"}
    world.project = original
    assert world.run("web", state="absent", stop_mode="force", **own).vm["changed"]
    assert world.states() == {}


@pytest.mark.parametrize("has_record", [True, False])
def test_moved_project_keeps_its_vm(world, tmp_path, has_record):
    assert world.create(state="started").vm
    if not has_record:
        (world.project / ".vagrant" / "machines" / "web" / "hyperv" / "polyvirt.json").unlink()
    world.project = world.project.rename(tmp_path / "moved")
    assert world.run(state="stopped", stop_mode="force").vm["changed"]
    (tmp_path / "project").mkdir()
    assert world.run(state="started").vm["changed"]
    assert world.run(state="absent", stop_mode="force").vm["changed"]
    assert world.states() == {}


@pytest.mark.parametrize("has_record", [True, False])
def test_project_at_the_path_of_a_bind_mount_is_no_copy(world, tmp_path, monkeypatch, has_record):
    """realpath does not resolve a bind mount, unlike the link that represents it here."""
    assert world.create(state="started").vm
    if not has_record:
        (world.project / ".vagrant" / "machines" / "web" / "hyperv" / "polyvirt.json").unlink()
    mounted = tmp_path / "mounted"
    mounted.symlink_to(world.project)
    monkeypatch.setattr("os.path.realpath", os.path.abspath)
    world.project = mounted
    for state in ("stopped", "started"):
        assert world.run(state=state, stop_mode="force").vm["changed"]
    assert world.run(state="absent", stop_mode="force").vm["changed"]
    assert world.states() == {}


def test_missing_vagrantfile_of_the_user_is_reported(world):
    expected = [f"vagrantfile: {world.project}/Vagrantfile does not exist."]
    for about in ("vm_info", "snapshot_info"):
        answer = world.run(None, about=about, managed=False)
        assert (answer.vms, answer.warnings) == ([], expected)
    assert world.run(about="vm_info").warnings == []
    assert world.run(managed=False, state="absent").warnings == expected


def test_vagrantfile_in_small_letters_is_the_projects_file(world, tmp_path):
    """Vagrant's list of VMs does not name the file if no other one is set."""
    world.vagrant.write(users_file("web"), "vagrantfile")
    assert world.run(managed=False, state="started").vm["changed"]
    index = tmp_path / "home" / "data" / "machine-index" / "index"
    listed = json.loads(index.read_text(encoding="ascii"))
    for machine in listed["machines"].values():
        machine["vagrantfile_name"] = None
    index.write_text(json.dumps(listed), encoding="ascii")
    assert [vm["state"] for vm in world.run(None, about="vm_info", managed=False).vms] == ["running"]
    assert world.run(managed=False, state="absent", stop_mode="force").vm["changed"]
    assert world.states() == {}
