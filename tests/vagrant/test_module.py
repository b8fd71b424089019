# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's life through the modules, and what may go wrong in it, on a Vagrant that only remembers."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

from vagrant import real
from vagrant.played import failed, told

USERS_OWN = 'Vagrant.configure("2") do |config|\n  config.vm.box = "polyvirt/fast"\nend\n'


def test_described_and_not_made_is_stopped_without_an_id(played):
    vm = told(played.make())
    assert (vm["state"], vm["id"], vm["changed"]) == ("stopped", None, True)
    assert played.words() == {}
    assert played.called() == []
    for state in ("present", "stopped"):
        assert not told(played.make(state=state))["changed"]


def test_a_life(played):
    states = []
    for state in ("started", "paused", "started", "stopped", "restarted", "absent"):
        more = {"stop_mode": "graceful_then_force"} if state == "stopped" else {}
        assert told(played.make(state=state, check=True, **more))["changed"]
        assert told(played.make(state=state, **more))["changed"]
        states.append(played.words().get("project_web"))
        if state != "restarted":
            assert not told(played.make(state=state))["changed"]
    assert states == ["running", "paused", "running", "off", "running", None]


def test_a_check_writes_nothing_wherever(played):
    """Not even through Vagrant, which forgets what its provider does not know any more."""
    played.make(state="started")
    played.vagrant.change(machines={})
    before = played.files()
    for state in ("present", "started", "stopped", "absent"):
        run = played.make(state=state, cpus=2, check=True)
        assert run.rc == 0, run.result
        assert played.files() == before
    played.run(None, about="vm_info")
    assert played.files() == before


def test_the_users_own_file_is_never_touched(played):
    own = played.project / "Vagrantfile"
    own.write_text(USERS_OWN, encoding="utf-8")
    before = played.files()["Vagrantfile"]
    for state in ("started", "stopped", "absent"):
        told(played.make(state=state, stop_mode="force"))
        assert played.files()["Vagrantfile"] == before
    # Neither by driving it as it is.
    for state in ("started", "stopped", "absent"):
        told(played.run("default", managed=False, state=state, stop_mode="force"))
        assert played.files()["Vagrantfile"] == before
    assert "Vagrantfile.polyvirt" not in played.files()


def test_an_adopted_machine_is_only_driven(played):
    (played.project / "Vagrantfile").write_text(USERS_OWN, encoding="utf-8")
    assert "managed: false" in failed(played.run("default", managed=False, cpus=2))
    assert "default" in failed(played.run("defualt", managed=False, state="started"))
    vm = told(played.run("default", managed=False, state="started"))
    assert [step["verb"] for step in vm["steps"]] == ["create"]
    assert not told(played.run("default", managed=False, state="started"))["changed"]


@pytest.mark.parametrize("damage", ["changed by hand", "somebody else's"])
def test_a_file_that_is_not_ours_is_not_overwritten(played, damage):
    played.make()
    file = played.project / "Vagrantfile.polyvirt"
    file.write_text(file.read_text(encoding="utf-8") + "# mine\n" if damage == "changed by hand" else USERS_OWN)
    before = played.files()
    for state in ("present", "absent"):
        message = failed(played.make(state=state, cpus=2))
        assert str(file) in message
        assert "managed: false" in message
    assert played.files() == before


def test_only_with_the_last_machine_go_the_file_and_a_folder_that_was_made_for_it(played):
    played.project.rmdir()
    played.make(["web", "db"])
    told(played.run("web", state="absent"))
    assert list(played.files()) == ["Vagrantfile.polyvirt"]
    told(played.run("db", state="absent"))
    assert not played.project.exists()
    assert not told(played.run("db", state="absent"))["changed"]


def test_a_folder_that_was_there_before_stays(played):
    played.make(state="started")
    told(played.run(state="absent", stop_mode="force"))
    assert played.project.is_dir()
    assert "Vagrantfile.polyvirt" not in played.files()


@pytest.mark.parametrize("lost", ["machine", "file", "folder of Vagrant"])
def test_what_is_half_gone_converges(played, lost):
    played.make(state="started")
    if lost == "machine":
        played.vagrant.change(machines={})
    elif lost == "file":
        (played.project / "Vagrantfile.polyvirt").unlink()
    else:
        shutil.rmtree(played.project / ".vagrant")
    assert told(played.run(state="absent", stop_mode="force"))["changed"]
    assert not told(played.run(state="absent"))["changed"]
    assert "Vagrantfile.polyvirt" not in played.files()
    # Of a machine that Vagrant was made to forget nobody knows whose it is.
    assert played.words() == ({"project_web": "running"} if lost == "folder of Vagrant" else {})


def _described(file):
    """What the managed file says, in whatever order."""
    machines = vagrantfile.description(file.read_text(encoding="ascii"))["machines"]
    return sorted(machines, key=lambda one: one["name"])


def test_what_a_lost_file_said_is_still_known(played):
    """Of the machine, and of the one beside it: its power is asked as ever, and the next work writes the file anew."""
    made = told(played.make(state="started", cpus=1))
    told(played.make("db", state="started"))
    file = played.project / "Vagrantfile.polyvirt"
    before = _described(file)
    file.unlink()
    assert "delete_disks" in failed(played.run(state="absent", stop_mode="force", delete_disks="none"))
    (seen,) = played.run(about="vm_info").result["vms"]
    assert (seen["id"], seen["state"]) == (made["id"], "running")
    assert "allow_recreate" in failed(played.run(box="polyvirt/other"))
    same = told(played.make(state="started", cpus=1))
    assert (same["changed"], same["id"]) == (False, made["id"])
    foretold = played.run(state="stopped", stop_mode="force", check=True)
    assert not file.exists()
    done = played.run(state="stopped", stop_mode="force")
    assert (foretold.result["changed"], foretold.result["diff"]) == (True, done.result["diff"])
    assert played.words() == {"project_web": "off", "project_db": "running"}
    assert told(played.run(state="started"))["state"] == "running"
    assert _described(file) == before


def test_machines_of_a_users_file_that_is_lost_are_not_told_as_gone(played):
    (played.project / "Vagrantfile").write_text(USERS_OWN, encoding="utf-8")
    told(played.run("default", managed=False, state="started"))
    (played.project / "Vagrantfile").unlink()
    for state in ("absent", "stopped", "present"):
        asked = played.run("default", managed=False, state=state, stop_mode="force")
        assert "default: there is no " in failed(asked)
    assert played.words() == {"project_default": "running"}


def test_changed_settings_wait_for_a_start_and_need_consent_for_one(played):
    played.make(state="started", cpus=1)
    vm = told(played.make(cpus=2))
    assert (vm["restart_required"], vm["state"]) == (["cpus"], "running")
    vm = told(played.make(cpus=2, allow_restart=True, stop_mode="force"))
    assert [step["verb"] for step in vm["steps"]] == ["kill", "start"]
    assert vm["restart_required"] == []


def test_another_box_needs_the_machine_rebuilt(played):
    boxes = [{"name": name, "provider": "hyperv", "version": "0"} for name in ("polyvirt/fast", "polyvirt/other")]
    played.vagrant.change(boxes=boxes)
    made = told(played.make(state="started", cpus=2))
    assert "allow_recreate" in failed(played.run(box="polyvirt/other"))
    vm = told(played.run(box="polyvirt/other", allow_recreate=True, stop_mode="force"))
    assert vm["id"] != made["id"]
    assert (vm["state"], vm["cpus"], vm["settings"]["box"]) == ("running", 2, "polyvirt/other")


def test_a_machine_is_told_to_vagrant_as_one_that_must_not_be_lost(played):
    """Vagrant removes a machine that does not come up, one that was there before as well."""
    played.make(state="started")
    assert "--no-destroy-on-error" not in _words_of_up(played)
    played.run(state="stopped", stop_mode="force")
    played.run(state="started")
    assert "--no-destroy-on-error" in _words_of_up(played)


def _words_of_up(played):
    return next(call.argv for call in played.shim.calls() if call.argv[1] == "up")


def test_changed_provisioners_run_at_the_next_start(played):
    played.make(state="started", provisioners=[{"inline": "true"}])
    played.make(provisioners=[{"inline": "false"}])
    played.run(state="restarted", stop_mode="force")
    assert "--provision" in _words_of_up(played)
    played.run(state="restarted", stop_mode="force")
    assert "--provision" not in _words_of_up(played)


def test_an_empty_list_says_nothing(played):
    scripts = [{"inline": "true", "args": [], "env": {}}]
    told(played.make(provisioners=scripts))
    assert not told(played.make(provisioners=scripts))["changed"]


def test_of_two_by_one_name_vagrant_would_make_one(played):
    scripts = [{"name": "a", "inline": "true"}, {"name": "a", "inline": "false"}]
    folders = [{"name": one, "host_path": str(played.project), "guest_path": "/srv"} for one in ("a", "b")]
    assert "two have the name 'a'" in failed(played.make(provisioners=scripts))
    assert "two have the guest_path '/srv'" in failed(played.make(shared_folders=folders))
    told(played.make(shared_folders=folders[:1]))
    # What is there already counts, in whatever way it is written.
    again = [{**folders[1], "guest_path": "/srv/"}]
    for check in (True, False):
        assert "two have the guest_path '/srv'" in failed(played.make(shared_folders=again, check=check))
    assert told(played.make(shared_folders=folders[1:], purge=["shared_folders"]))["changed"]


@pytest.mark.parametrize(
    ("provider", "second", "fits"),
    [
        ("virtualbox", {}, False),
        ("virtualbox", {"protocol": "udp"}, True),
        ("virtualbox", {"host_address": "127.0.0.1"}, True),
        ("virtualbox", {"host_port": 8081}, True),
        # What it has for each port of the host is one process.
        ("libvirt", {"host_address": "127.0.0.1"}, False),
        ("libvirt", {"host_port": 8081}, True),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_two_forwards_of_one_port(played, provider, second, fits, at_once):
    one = {"name": "a", "host_port": 8080, "guest_port": 80}
    both = [one, {**one, "name": "b", **second}]
    if not at_once:
        told(played.make(provider=provider, port_forwards=both[:1]))
    before = played.files()
    run = played.make(provider=provider, port_forwards=both[0 if at_once else 1 :])
    if fits:
        assert told(run)["changed"]
        return
    assert "web: port_forwards: two have the host_port" in failed(run)
    assert played.files() == before
    purge = played.make(provider=provider, port_forwards=both[1:], purge=["port_forwards"])
    assert told(purge)["settings"]["port_forwards"] == [{"protocol": "tcp", **both[1]}]


@pytest.mark.parametrize("state", ["present", "started"])
def test_a_card_of_another_type_leaves_behind_what_it_had_of_its_network(with_virtualbox, state):
    played, _box = with_virtualbox
    mac = "08:00:27:aa:bb:cc"
    host_only = {"type": "hostonly", "address": "192.168.56.10", "mac": mac}
    bridged = {"type": "bridged", "source": "eth0"}
    told(played.make(state=state, networks=[{"type": "nat"}, host_only]))
    for asked, gone, line in (
        (bridged, {"networks.1.address": "192.168.56.10"}, '"public_network", bridge: "eth0", mac:'),
        ({"type": "hostonly"}, {"networks.1.source": "eth0"}, '"private_network", type: "dhcp", mac:'),
    ):
        options = {"state": state, "networks": [{"type": "nat"}, asked], "_ansible_diff": True}
        check, run = played.run(check=True, **options), played.run(**options)
        assert told(check)["networks"] == told(run)["networks"] == [{"type": "nat"}, {**asked, "mac": mac}]
        assert check.result["diff"] == run.result["diff"]
        (diff,) = run.result["diff"]
        assert gone.items() <= diff["before"].items()
        assert not gone.keys() & diff["after"].keys()
        assert line in (played.project / "Vagrantfile.polyvirt").read_text(encoding="ascii")
        assert not told(played.run(**options))["changed"]


def test_an_address_is_the_same_however_it_is_written(with_virtualbox):
    played, _box = with_virtualbox
    for address, is_new in (("FD00:0:0::1", True), ("fd00::1", False), ("fd00:0::0:1", False), ("fd00::2", True)):
        vm = told(played.make(networks=[{"type": "nat"}, {"type": "hostonly", "address": address}]))
        assert vm["changed"] == is_new


@pytest.mark.parametrize("keep", [False, True])
def test_a_first_start_that_runs_out_of_time(played, keep):
    played.vagrant.change(guests={"web": "silent"})
    message = failed(played.make(state="started", on_failure="keep" if keep else "rollback"))
    assert "web" in message
    assert "on_failure: keep" in message
    assert bool(played.words()) == keep
    assert ("Vagrantfile.polyvirt" in played.files()) == keep


def test_a_guest_that_runs_and_is_not_set_up_is_a_failure(played):
    played.vagrant.change(guests={"web": "unfinished"})
    run = played.make(state="started")
    assert "non-zero exit status" in failed(run)
    assert run.result["vms"][0]["state"] == "running"


def test_a_failure_ends_its_machine_only(played):
    played.vagrant.change(guests={"web": "silent"})
    run = played.make(["web", "db"], state="started")
    assert "web" in failed(run)
    assert [vm["failed"] for vm in run.result["vms"]] == [True, False]
    assert played.words() == {"project_db": "running"}


def test_a_locked_machine_is_waited_for(played):
    played.make()
    played.vagrant.is_busy(2)
    assert told(played.run(state="started"))["state"] == "running"
    played.vagrant.is_busy(99)
    assert "another process is already executing" in failed(played.run(state="paused", timeout=2))
    played.vagrant.is_busy(0)


def test_paths_are_looked_at_before_anything_is_written(played):
    folder = {"name": "src", "host_path": "/nonexistent"}
    assert "shared_folders: /nonexistent" in failed(played.make(shared_folders=[folder]))
    assert "no file nosuch.sh" in failed(played.make(provisioners=[{"path": "nosuch.sh"}]))
    assert played.files() == {}
    (played.project / "here.sh").write_text("true\n", encoding="ascii")
    assert told(played.make(provisioners=[{"path": "here.sh"}]))["changed"]


def test_what_a_provider_has_no_word_for_is_refused_before_anything_is_written(played):
    assert "gui" in failed(played.make(gui=True))
    assert "No such" in failed(played.make(native={"No such": 1}))
    forward = {"name": "http", "host_port": 8080, "guest_port": 80}
    folder = {"name": "a", "host_path": str(played.project), "read_only": True}
    for options in (
        {"port_forwards": [forward]},
        {"networks": [{"type": "nat"}, {"type": "hostonly"}]},
        {"shared_folders": [folder]},
        {"native": {"vm.cloud_init": [[":user_data", {"inline": "x"}]]}},
    ):
        for check in (True, False):
            assert failed(played.make(check=check, **options)).startswith("web: The ")
    assert played.files() == {}


def test_what_is_unknown_or_missing_is_named(played):
    assert "box" in failed(played.run("new", state="started"))
    assert "wsl_distro" in failed(played.make(provider="wsl"))
    assert "wsl_distro" in failed(played.run("new", provider="wsl", os_type="debian-12"))
    played.make()
    assert "vagrant package" in failed(played.run("new", clone={"source": "web"}))
    assert "without a path" in failed(played.make(vagrantfile="../Vagrantfile"))
    assert "debian-12" in failed(played.run("new", os_type="debian-11000"))


def test_another_system_is_another_machine(played):
    boxes = {"oneos": {"hyperv": real.BOX}, "other": {"hyperv": "me/other"}}
    made = told(played.run(os_type="oneos", os_boxes=boxes, state="started"))
    assert (made["settings"]["os_type"], made["settings"]["box"]) == ("oneos", real.BOX)
    assert not told(played.run(os_type="oneos", os_boxes=boxes))["changed"]
    assert "allow_recreate" in failed(played.run(os_type="other", os_boxes=boxes))
    assert told(played.run())["settings"]["box"] == real.BOX


def test_machines_of_several_providers_are_not_restored_together(played):
    played.vagrant.change(usable=["hyperv", "vmware_desktop"])
    boxes = [{"name": "polyvirt/fast", "provider": one, "version": "0"} for one in ("hyperv", "vmware_desktop")]
    played.vagrant.change(boxes=boxes)
    for name, provider in (("web", "hyperv"), ("db", "vmware_desktop")):
        told(played.make(name, provider=provider, state="started"))
    both = ["web", "db"]
    assert played.run(both, about="snapshot", snapshot="one").rc == 0
    assert "one provider at a time" in failed(played.run(both, about="snapshot", snapshot="one", state="restored"))


def test_snapshots_through_vagrant_itself(played):
    played.make(state="started")
    taken = told(played.run(about="snapshot", snapshot="one"))
    assert [one["name"] for one in taken["snapshots"]] == ["one"]
    assert not told(played.run(about="snapshot", snapshot="one"))["changed"]
    assert "description" in failed(played.run(about="snapshot", snapshot="two", description="x"))
    assert "name each" in failed(played.run(about="snapshot", snapshot="one", state="absent", children=True))
    assert told(played.run(about="snapshot", snapshot="one", state="restored"))["changed"]
    assert told(played.run(about="snapshot", snapshot="one", state="absent"))["snapshots"] == []
