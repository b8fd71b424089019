# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a VM: what each task does to it, and what Vagrant is asked to do."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vagrant.played import BOX

SCRIPT, OTHER_SCRIPT = [{"inline": "true"}], [{"inline": "false"}]


def test_vm_that_was_never_started_is_only_described(world):
    created = world.create()
    assert (created.vm["state"], created.vm["id"], created.changed) == ("stopped", None, True)
    assert (world.states(), created.calls) == ({}, [])
    for state in ("present", "stopped"):
        assert not world.create(state=state).vm["changed"]


def test_every_state_is_reached_and_then_kept(world):
    for state, power in (
        ("started", "running"),
        ("paused", "paused"),
        ("started", "running"),
        ("stopped", "off"),
        ("restarted", "running"),
        ("absent", None),
    ):
        options = {"state": state, **({"stop_mode": "graceful_then_force"} if state == "stopped" else {})}
        assert world.create(check=True, **options).vm["changed"]
        assert world.create(**options).vm["changed"]
        assert world.states().get("web") == power
        if state != "restarted":
            assert not world.create(state=state).vm["changed"]


def test_check_mode_writes_nothing(world):
    """Not even through Vagrant, which forgets what its provider does not know any more."""
    world.create(state="started")
    world.vagrant.change(machines={})
    before = world.files()
    for state in ("present", "started", "stopped", "absent"):
        assert world.create(state=state, cpus=2, check=True).vm
        assert world.files() == before
    assert world.run(None, about="vm_info").vms
    assert world.files() == before


def test_changed_setting_waits_for_a_start_that_needs_permission(world):
    world.create(state="started", cpus=1)
    waiting = world.create(cpus=2).vm
    assert (waiting["restart_required"], waiting["state"]) == (["cpus"], "running")
    restarted = world.create(cpus=2, allow_restart=True, stop_mode="force").vm
    assert [step["verb"] for step in restarted["steps"]] == ["kill", "start"]
    assert restarted["restart_required"] == []


def test_other_box_needs_permission_to_recreate(world):
    world.vagrant.change(boxes=[{"name": name, "provider": "hyperv", "version": "0"} for name in (BOX, "me/other")])
    created = world.create(state="started", cpus=2).vm
    assert "allow_recreate" in world.run(box="me/other").error
    recreated = world.run(box="me/other", allow_recreate=True, stop_mode="force").vm
    assert recreated["id"] != created["id"]
    assert (recreated["state"], recreated["cpus"], recreated["settings"]["box"]) == ("running", 2, "me/other")


def test_other_system_is_another_box(world):
    boxes = {"oneos": {"hyperv": BOX}, "other": {"hyperv": "me/other"}}
    created = world.run(os_type="oneos", os_boxes=boxes, state="started").vm
    assert (created["settings"]["os_type"], created["settings"]["box"]) == ("oneos", BOX)
    assert not world.run(os_type="oneos", os_boxes=boxes).vm["changed"]
    assert "allow_recreate" in world.run(os_type="other", os_boxes=boxes).error
    assert world.run().vm["settings"]["box"] == BOX


def test_system_without_updates_is_warned_about_unless_it_is_removed(world):
    boxes = {"centos-7": {"hyperv": BOX}}
    for state, count in (("present", 1), ("absent", 0)):
        assert len(world.run(os_type="centos-7", os_boxes=boxes, state=state).warnings) == count


# Starting -------------------------------------------------------------------------------------------------------------


def _words_of_up(answer):
    return next(call for call in answer.calls if call[1] == "up")


@pytest.mark.parametrize(
    ("options", "is_kept"), [({}, False), ({"on_failure": "keep"}, True)], ids=["rolled back", "kept"]
)
def test_vagrant_removes_only_new_vms_that_do_not_start(world, options, is_kept):
    first = _words_of_up(world.create(state="started", **options))
    assert first[3:5] == (["--no-destroy-on-error", "--provider"] if is_kept else ["--provider", "hyperv"])
    world.run(state="stopped", stop_mode="force")
    again = _words_of_up(world.run(state="started"))
    assert "--no-destroy-on-error" in again
    assert "--provider" not in again


def test_changed_provisioners_run_at_the_next_start(world):
    world.create(state="started", provisioners=SCRIPT)
    world.create(provisioners=OTHER_SCRIPT)
    assert "--provision" in _words_of_up(world.run(state="restarted", stop_mode="force"))
    assert "--provision" not in _words_of_up(world.run(state="restarted", stop_mode="force"))


def test_new_vm_is_created_with_the_provider_of_its_description(world):
    world.vagrant.change(usable=["hyperv", "vmware_desktop"])
    world.create(state="started", provider="vmware_desktop")
    assert world.states() == {"web": "running"}
    assert (world.project / ".vagrant" / "machines" / "web" / "vmware_desktop" / "id").exists()


@pytest.mark.parametrize("state", ["present", "started"])
def test_nic_of_another_type_loses_what_it_had_of_its_network(virtualbox_world, state):
    mac = "08:00:27:aa:bb:cc"
    host_only = {"type": "hostonly", "address": "192.168.56.10", "mac": mac}
    bridged = {"type": "bridged", "source": "eth0"}
    assert virtualbox_world.create(state=state, networks=[{"type": "nat"}, host_only]).vm
    for asked, gone, line in (
        (bridged, {"networks.1.address": "192.168.56.10"}, '"public_network", bridge: "eth0", mac:'),
        ({"type": "hostonly"}, {"networks.1.source": "eth0"}, '"private_network", type: "dhcp", mac:'),
    ):
        options = {"state": state, "networks": [{"type": "nat"}, asked]}
        planned, done = virtualbox_world.run(check=True, **options), virtualbox_world.run(**options)
        assert planned.vm["networks"] == done.vm["networks"] == [{"type": "nat"}, {**asked, "mac": mac}]
        assert planned.diff == done.diff
        (diff,) = done.diff
        assert gone.items() <= diff["before"].items()
        assert not gone.keys() & diff["after"].keys()
        assert line in virtualbox_world.file.read_text(encoding="ascii")
        assert not virtualbox_world.run(**options).vm["changed"]


def test_address_is_the_same_however_it_is_written(virtualbox_world):
    for address, is_new in (("FD00:0:0::1", True), ("fd00::1", False), ("fd00:0::0:1", False), ("fd00::2", True)):
        networks = [{"type": "nat"}, {"type": "hostonly", "address": address}]
        assert virtualbox_world.create(networks=networks).vm["changed"] == is_new


def test_empty_keys_of_a_provisioner_change_nothing(world):
    scripts = [{**SCRIPT[0], "args": [], "env": {}}]
    assert world.create(provisioners=scripts).changed
    assert not world.create(provisioners=scripts).vm["changed"]


@pytest.mark.parametrize("keep", [False, True])
def test_first_start_that_times_out_is_undone_unless_it_is_kept(world, keep):
    world.vagrant.change(guests={"web": "silent"})
    message = world.create(state="started", on_failure="keep" if keep else "rollback").error
    assert message.startswith("web: ")
    assert "on_failure: keep" in message
    assert (bool(world.states()), world.file.exists()) == (keep, keep)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("BoxAddShortNotFound", "Name a box that exists"),
        ("ProviderNotUsable", "Install the provider"),
        ("ActiveMachineWithDifferentProvider", "Remove the machine first"),
        ("NoEnvironmentError", "Put a Vagrantfile at "),
        ("MachineNotFound", "Describe it in "),
        ("VagrantError", "What Vagrant says is all that is known"),
    ],
)
def test_failed_start_names_the_remedy(world, kind, remedy):
    world.vagrant.fails("up", kind)
    message = world.create(state="started").error
    assert message.startswith("web: ")
    assert "It went wrong." in message
    assert remedy in message


def test_failure_of_one_vm_leaves_the_others_running(world):
    world.vagrant.change(guests={"web": "silent"})
    answer = world.create(["web", "mail"], state="started")
    assert answer.error.startswith("web: ")
    assert [vm["failed"] for vm in answer.vms] == [True, False]
    assert world.states() == {"mail": "running"}


def test_locked_vm_is_waited_for_until_the_deadline(world):
    world.create()
    world.vagrant.is_busy(2)
    assert world.run(state="started").vm["state"] == "running"
    world.vagrant.is_busy(99)
    assert "another process is already executing" in world.run(state="paused", timeout=2).error


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_locked_vm_is_waited_for_with_force_too(world, state):
    assert world.create(state="started").vm
    world.vagrant.is_busy(1)
    assert world.run(state=state, stop_mode="force").vm["changed"]
    assert set(world.states().values()) <= {"off"}


# Guests that were not set up ------------------------------------------------------------------------------------------


def _notes(world):
    return list(world.project.rglob("polyvirt.json"))


def test_guest_that_was_not_set_up_is_set_up_by_the_next_start(world):
    """Vagrant itself records that it has set up a guest before it does, and never comes back to it."""
    world.vagrant.change(guests={"web": "unfinished"})
    failed = world.create(state="started", provisioners=SCRIPT)
    assert "non-zero exit status" in failed.error
    assert (failed.vms[0]["state"], _notes(world)) == ("running", [])
    assert world.create(state="started", provisioners=SCRIPT).vm["restart_required"] == ["provisioners"]
    restarted = world.create(state="started", provisioners=SCRIPT, allow_restart=True, stop_mode="force")
    assert restarted.vm["restart_required"] == []
    assert "--provision" in _words_of_up(restarted)
    assert not world.create(state="started", provisioners=SCRIPT, allow_restart=True).vm["changed"]


def test_guest_without_provisioners_needs_no_second_start(world):
    world.vagrant.change(guests={"web": "unfinished"})
    assert world.create(state="started").failed
    assert world.create(state="started").vm["restart_required"] == []


def test_ssh_is_asked_for_again_where_the_note_is_missing(world):
    """A task may be killed between the start and its note."""
    assert world.create(state="started").vm
    for note in _notes(world):
        note.unlink()
    vm = world.run(None, about="vm_info").vm
    assert vm["ssh"]["user"] == "root"
    assert vm["ssh"]["host"] == vm["addresses"][0]["address"]


def test_guest_without_an_address_hides_no_other(world):
    names = ["first", "second", "third"]
    world.describe(names)
    assert world.vagrant.call("up").returncode == 0
    world.vagrant.change(guests={"first": "without an address"})
    answer = world.run(None, about="vm_info")
    users = {vm["name"]: vm["ssh"] and vm["ssh"]["user"] for vm in answer.vms}
    assert users == {"first": None, "second": "root", "third": "root"}
    # One that is silent costs one call more.
    assert [call[1] for call in answer.calls] == ["status", "snapshot", "ssh-config", "ssh-config"]
