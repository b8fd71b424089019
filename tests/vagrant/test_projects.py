# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose machines and files are in a project: nothing of somebody else's is worked with, or lost."""

from __future__ import annotations

import json

from vagrant.played import failed, told

OWN = """\
Vagrant.configure("2") do |config|
  config.vm.box = "polyvirt/fast"
  config.vm.define "web" do |web|
  end
end
"""


def test_a_folder_for_vagrants_notes_that_the_task_names_is_never_removed(played, tmp_path, monkeypatch):
    played.project.rmdir()
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "precious").write_text("x", encoding="ascii")
    monkeypatch.setenv("VAGRANT_DOTFILE_PATH", str(shared))
    told(played.make(state="started"))
    told(played.run(state="absent", stop_mode="force"))
    assert (shared / "precious").exists()
    assert not played.project.exists()


def test_a_new_machine_leaves_the_environment_of_its_project_alone(played):
    played.make("web", environment={"A": "b"})
    told(played.make("db"))
    told(played.make("db", cpus=2))
    assert 'ENV["A"] = "b"' in (played.project / "Vagrantfile.polyvirt").read_text(encoding="ascii")


def test_what_variables_hold_is_in_no_result(played):
    script = {"inline": "true", "env": {"TOKEN": "hush 1"}}
    variables = {"PROXY": "hush 2", "PLAIN": "1"}
    asked = {
        "provisioners": [script],
        "environment": variables,
        "_ansible_inject_invocation": True,
        "_ansible_diff": True,
    }
    runs = [played.make(**asked, check=True), played.make(**asked, state="started"), played.make(**asked)]
    changed = {**asked, "environment": {**variables, "PROXY": "hush 3"}}
    runs += [played.make(**changed, check=True), played.make(**changed), played.run(about="vm_info")]
    assert [run.result["changed"] for run in runs] == [True, True, False, True, True, False]
    for run in runs:
        assert "hush" not in str(run.result)
        # The id is not blotted out, though a variable's value is in it.
        assert {vm["id"] is None or len(vm["id"]) > 30 for vm in run.result["vms"]} == {True}
    assert runs[3].result["diff"] == runs[4].result["diff"]
    (diff,) = runs[4].result["diff"]
    assert "another" in diff["after"]["environment"]["PROXY"]
    assert diff["after"]["environment"]["PLAIN"] == diff["before"]["environment"]["PLAIN"]


def test_a_machine_of_the_users_own_file_is_not_that_of_the_same_name_in_ours(played):
    """Both lie in one folder of Vagrant, and ours was described before theirs was made."""
    played.make("web")
    (played.project / "Vagrantfile").write_text(OWN, encoding="ascii")
    told(played.run("web", managed=False, state="started"))
    for state in ("present", "started"):
        assert "another Vagrantfile" in failed(played.make("web", state=state, cpus=2))
    assert (
        told(played.make("web", state="absent", check=True))["steps"]
        == told(played.make("web", state="absent"))["steps"]
    )
    assert played.words() == {"project_web": "running"}
    assert not (played.project / "Vagrantfile.polyvirt").exists()


def test_nor_is_it_seen_as_ours_where_vagrant_tells_of_both(played):
    played.make("web")
    (played.project / "Vagrantfile").write_text(OWN, encoding="ascii")
    told(played.run("web", managed=False, state="started"))
    played.make("db", state="started")
    seen = {vm["name"]: vm["state"] for vm in played.run(None, about="vm_info").result["vms"]}
    assert seen == {"db": "running", "web": "stopped"}


def test_nor_is_ours_that_of_the_users_own_file(played):
    told(played.make("web", state="started"))
    (played.project / "Vagrantfile").write_text(OWN, encoding="ascii")
    for check in (True, False):
        assert "another Vagrantfile" in failed(played.run("web", managed=False, state="started", check=check))
        assert not told(played.run("web", managed=False, state="absent", stop_mode="force", check=check))["changed"]
    assert played.words() == {"project_web": "running"}
    assert [vm["state"] for vm in played.run(None, about="vm_info", managed=False).result["vms"]] == ["absent"]
    # By its own file it may be driven as it is.
    own = {"managed": False, "vagrantfile": "Vagrantfile.polyvirt"}
    assert told(played.run("web", state="stopped", stop_mode="force", **own))["changed"]


def test_a_disk_that_is_to_be_kept_is_not_removed(played):
    told(played.make(state="started"))
    for options in ({"state": "absent"}, {"box": "polyvirt/other", "allow_recreate": True}):
        assert "delete_disks" in failed(played.run(delete_disks="none", stop_mode="force", **options))
    assert played.words() == {"project_web": "running"}


def test_a_machine_started_by_hand_with_our_file_is_ours(played):
    played.make("web")
    assert played.vagrant.call("up", "web").returncode == 0
    assert told(played.run("web", state="started"))["id"]


def test_a_name_that_vagrant_takes_for_another_machine_is_refused(played, tmp_path):
    """What begins the number of any machine of the user means that one, in whatever project it is."""
    told(played.make("db", state="started"))
    file = tmp_path / "home" / "data" / "machine-index" / "index"
    listed = json.loads(file.read_text(encoding="ascii"))
    listed["machines"]["db" + 30 * "0"] = {"name": "mail", "vagrantfile_path": "/srv/post", "vagrantfile_name": None}
    file.write_text(json.dumps(listed), encoding="ascii")
    before = played.words()
    for options in ({"state": "absent"}, {"state": "restarted"}, {"state": "stopped", "stop_mode": "force"}):
        for check in (True, False):
            message = failed(played.run("db", check=check, **options))
            assert "mail in /srv/post" in message
            assert "halt" not in played.called()
    assert played.words() == before
    assert not told(played.run("db", state="started"))["changed"]
    told(played.make("web", state="started"))


def test_a_disk_is_given_its_size_before_it_is_there(played):
    size = [{"size": "10G"}]
    told(played.make())
    assert told(played.run(disks=size))["disks"] == [{"slot": "primary", "size": 10 << 30}]
    assert told(played.run(disks=[{"size": "5G"}]))["changed"]
    told(played.make("web", state="started"))
    assert "would shrink" in failed(played.run(disks=[{"size": "4G"}]))
    told(played.make("db", state="started"))
    assert "before the machine's first start" in failed(played.run("db", disks=size))


def test_a_machine_that_the_users_file_has_not_is_not_asked_for_a_box(played):
    (played.project / "Vagrantfile").write_text(OWN, encoding="ascii")
    message = failed(played.run("wbe", managed=False, state="started"))
    assert message == "wbe: there is no such machine. Known machines: web."
