# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks from the creation of a VM to its deletion, and the calls of Vagrant that they make."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter as counted
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

from unit.module_utils._drivers.vagrant.in_process import BOX, World

SCRIPT = [{"inline": "true"}]


def test_vm_that_was_never_started_is_only_described(world):
    created = world.create()
    assert (created.vm["state"], created.vm["id"], created.changed) == ("stopped", None, True)
    assert (world.states(), created.calls) == ({}, [])
    for state in ("present", "stopped"):
        assert not world.create(state=state).vm["changed"]


def test_check_mode_writes_nothing(world):
    """Not even through Vagrant, which removes the id of a VM that its provider does not have any more."""
    world.create(state="started")
    world.vagrant.change(machines={})
    before = world.files()
    for state in ("present", "started", "stopped", "absent"):
        assert world.create(state=state, cpus=2, check=True).vm
        assert world.files() == before
    assert world.run(None, about="vm_info").vms
    assert world.files() == before


def test_other_box_or_os_type_needs_permission_to_recreate(world):
    world.vagrant.change(boxes=[{"name": name, "provider": "hyperv", "version": "0"} for name in (BOX, "me/other")])
    one, other = ({"os_type": box, "os_boxes": {box: {"hyperv": box}}} for box in (BOX, "me/other"))
    created = world.run(**one, cpus=2, state="started").vm
    assert (created["settings"]["os_type"], created["settings"]["box"]) == (BOX, BOX)
    for options in (one, {}):
        assert not world.run(**options).vm["changed"]
    for options in (other, {"box": "me/other"}):
        assert "allow_recreate" in world.run(**options).error
    recreated = world.run(box="me/other", allow_recreate=True, stop_mode="force").vm
    assert recreated["id"] != created["id"]
    assert (recreated["state"], recreated["cpus"], recreated["settings"]["box"]) == ("running", 2, "me/other")


def test_warning_about_os_without_updates_unless_the_vm_is_deleted(world):
    boxes = {"centos-7": {"hyperv": BOX}}
    for state, count in (("present", 1), ("absent", 0)):
        assert len(world.run(os_type="centos-7", os_boxes=boxes, state=state).warnings) == count


def _up_command(answer):
    return next(call for call in answer.calls if call[1] == "up")


def test_vagrant_keeps_an_existing_vm_that_does_not_start(world):
    """Vagrant would also destroy a VM that existed before."""
    new, kept = (
        _up_command(world.create(name, state="started", on_failure=on_failure, provisioners=SCRIPT))
        for name, on_failure in (("web", "rollback"), ("mail", "keep"))
    )
    assert new[3:-1] == ["--provider", "hyperv"]
    assert kept[3:-1] == ["--no-destroy-on-error", "--provider", "hyperv"]
    assert world.run(state="stopped", stop_mode="force").vm
    again = world.run(state="started")
    assert _up_command(again)[3:-1] == ["--no-destroy-on-error"]
    assert [call[1] for call in again.calls].count("ssh-config") == 1


def test_changed_provisioners_run_at_the_next_start(world):
    world.create(state="started", provisioners=SCRIPT)
    world.create(provisioners=[{"inline": "false"}])
    for is_needed in (True, False):
        answer = world.run(state="restarted", stop_mode="force")
        assert ("--provision" in _up_command(answer)) == is_needed


def test_provisioner_with_run_never_needs_no_start(world):
    world.create(state="started", provisioners=SCRIPT)
    wanted = {"provisioners": [*SCRIPT, {"name": "later", "inline": "false", "run": "never"}]}
    assert world.create(**wanted).vm["restart_required"] == []
    assert world.create().vm["restart_required"] == []
    assert world.run(state="stopped", stop_mode="force").vm
    assert "--provision" not in _up_command(world.run(state="started"))


def test_box_need_not_be_repeated_to_recreate_a_vm(world):
    world.create(state="started", linked_clone=True)
    message = world.run(linked_clone=False).error
    assert "allow_recreate" in message
    recreated = world.run(linked_clone=False, allow_recreate=True, stop_mode="force").vm
    assert (recreated["state"], recreated["settings"]["box"]) == ("running", BOX)


def test_omitted_cpus_and_memory_are_reported_from_the_provider(virtualbox_world):
    world = virtualbox_world
    identifier = world.create(state="started").vm["id"]
    world.virtualbox.run("controlvm", identifier, "poweroff")
    world.virtualbox.run("modifyvm", identifier, "--cpus", 2, "--memory", 256)
    world.virtualbox.run("startvm", identifier)
    vm = world.run(about="vm_info").vm
    assert (vm["cpus"], vm["memory_mib"], vm["restart_required"]) == (2, 256, [])
    assert not world.create().changed


def test_nic_of_another_type_keeps_only_its_mac(virtualbox_world):
    nat, mac = {"type": "nat"}, {"mac": "08:00:27:aa:bb:cc"}
    one, other = {"type": "hostonly", "address": "192.168.56.10", **mac}, {"type": "bridged", "source": "eth0"}
    for requested in (one, other, {"type": "hostonly"}):
        for is_new in (True, False):
            vm = virtualbox_world.create(networks=[nat, requested]).vm
            assert (vm["networks"], vm["changed"]) == ([nat, {**requested, **mac}], is_new)


@pytest.mark.parametrize("keep", [False, True])
def test_first_start_that_times_out_is_undone_unless_on_failure_is_keep(world, keep):
    world.vagrant.change(guests={"web": "silent"})
    assert "on_failure: keep" in world.create(state="started", on_failure="keep" if keep else "rollback").error
    assert (bool(world.states()), world.file.exists()) == (keep, keep)
    # Vagrant does not wait for a guest that does not answer.
    assert not keep or world.run(state="stopped", stop_mode="graceful_then_force").vm["state"] == "stopped"
    assert world.clock.now() == 0


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("BoxAddShortNotFound", "Set a box that exists"),
        ("ProviderNotUsable", "Install the provider"),
        ("ActiveMachineWithDifferentProvider", "Delete the VM first"),
        ("NoEnvironmentError", "Put a Vagrantfile at "),
        ("MachineNotFound", "Define it in "),
        ("VagrantError", "Vagrant reported nothing else"),
    ],
)
def test_failed_start_names_the_remedy(world, kind, remedy):
    world.vagrant.fails("up", kind)
    message = world.create(state="started").error
    assert message.startswith("web: vagrant up web")
    assert f"It went wrong. {remedy}" in message


def test_vm_that_vagrant_does_not_delete_is_an_error(world):
    assert world.create(state="started").vm
    answer = world.port.programs["vagrant"]
    world.port.programs["vagrant"] = lambda argv, *more: (0, "", "") if "destroy" in argv else answer(argv, *more)
    assert "Vagrant has not deleted it" in world.run(state="absent", stop_mode="force").error
    assert world.file.exists()


def test_failure_of_one_vm_leaves_the_others_running(world):
    world.vagrant.change(guests={"web": "silent"})
    answer = world.create(["web", "mail"], state="started")
    assert answer.error.startswith("web: ")
    assert [vm["failed"] for vm in answer.vms] == [True, False]
    assert world.states() == {"mail": "running"}


@pytest.mark.parametrize("state", ["started", "stopped", "paused", "absent"])
def test_task_waits_for_a_locked_vm_until_its_timeout(world, state):
    for busy, timeout in ((1, 300), (99, 2)):
        assert world.create(state="started").vm
        assert state != "started" or world.run(state="stopped", stop_mode="force").vm
        world.vagrant.is_busy(busy)
        answer = world.run(state=state, stop_mode="force", timeout=timeout)
        assert busy > 1 or answer.vm["changed"]
    assert "another process is already executing" in answer.error


def _records(world):
    return list(world.project.rglob("polyvirt.json"))


def test_failed_provisioning_is_repeated_at_the_next_start(world):
    """Vagrant itself records that a guest is provisioned before it does so, and never repeats it."""
    world.vagrant.change(guests={"web": "unfinished", "plain": "unfinished"})
    assert world.create("plain", state="started").failed
    assert world.create("plain", state="started").vm["restart_required"] == []
    failed = world.create(state="started", provisioners=SCRIPT)
    assert "non-zero exit status" in failed.error
    assert (failed.vms[0]["state"], _records(world)) == ("running", [])
    assert world.create(state="started", provisioners=SCRIPT).vm["restart_required"] == ["provisioners"]
    restarted = world.create(state="started", provisioners=SCRIPT, allow_restart=True, stop_mode="force")
    assert restarted.vm["restart_required"] == []
    assert "--provision" in _up_command(restarted)
    assert not world.create(state="started", provisioners=SCRIPT, allow_restart=True).vm["changed"]


def test_missing_ssh_record_is_replaced_by_a_call_of_vagrant(world):
    """A task may be killed between the start and its record."""
    assert world.create(state="started").vm
    (record,) = _records(world)
    record.unlink()
    vm = world.run(None, about="vm_info").vm
    assert (vm["ssh"]["user"], vm["ssh"]["host"]) == ("root", vm["addresses"][0]["address"])
    own = record.with_name("private_key")
    own.touch()
    assert world.run(None, about="vm_info").vm["ssh"]["key_file"] == str(own)


def test_guest_without_an_address_does_not_hide_others(world):
    world.create(["first", "second", "third"])
    assert world.vagrant.call("up").returncode == 0
    world.vagrant.change(guests={"first": "without an address"})
    answer = world.run(None, about="vm_info")
    users = {vm["name"]: vm["ssh"] and vm["ssh"]["user"] for vm in answer.vms}
    assert users == {"first": None, "second": "root", "third": "root"}
    # A guest without an address costs one more call.
    assert [call[1] for call in answer.calls] == ["status", "snapshot", "ssh-config", "ssh-config"]


def test_addresses_and_ssh_of_virtualbox_come_from_vboxmanage(virtualbox_world):
    virtualbox_world.create(state="started")
    vm, box = virtualbox_world.run(state="started").vm, virtualbox_world.virtualbox
    box.run("createvm", "--name", "somebody else's", "--register")
    for rule in (("delete", "ssh"), ("a web,tcp,,8080,,80",), ("ssh,tcp,,2200,,22",)):
        box.run("controlvm", vm["id"], "natpf1", *rule)
    for number, address in enumerate(("10.0.2.15", "192.0.2.7")):
        box.run("guestproperty", "set", vm["id"], f"/VirtualBox/GuestInfo/Net/{number}/V4/IP", address)
    seen = virtualbox_world.run(None, about="vm_info").vm
    assert (seen["ssh"]["host"], seen["ssh"]["port"]) == ("127.0.0.1", 2200)
    assert seen["addresses"] == [{"address": "192.0.2.7", "source": "agent"}]
    assert [call[1] for call in virtualbox_world.run(state="started").calls] == ["list"]


def test_virtualbox_without_vboxmanage_is_reached_by_the_forwarded_port(virtualbox_world):
    del virtualbox_world.port.programs["VBoxManage"]
    assert virtualbox_world.create(state="started").vm
    snapshot = {"about": "snapshot", "snapshot": "one"}
    assert virtualbox_world.run(**snapshot).vm["changed"]
    # Vagrant starts a VM after a restore.
    assert virtualbox_world.run(**snapshot, state="restored").vm["state"] == "running"
    seen = virtualbox_world.run(None, about="vm_info").vm
    assert (seen["addresses"], seen["ssh"]["host"], seen["ssh"]["port"]) == ([], "127.0.0.1", 2222)


def test_resumed_vm_runs_with_the_settings_of_its_last_start(virtualbox_world):
    wanted = {"shared_folders": [{"name": "src", "host_path": "/"}], "provisioners": SCRIPT}
    assert virtualbox_world.create(state="started", cpus=1).vm
    assert virtualbox_world.run(state="suspended", stop_mode="force").vm
    resumed = virtualbox_world.run(state="started", **wanted)
    assert "--provision" not in [word for call in resumed.calls for word in call]
    assert resumed.vm["restart_required"] == ["provisioners", "shared_folders.src"]
    restarted = virtualbox_world.run(state="restarted", stop_mode="force")
    assert restarted.vm["restart_required"] == []


def test_setting_cpus_to_the_number_of_the_box_needs_no_restart(virtualbox_world):
    assert virtualbox_world.create(state="started").vm
    requested = {"cpus": 1, "allow_restart": True, "stop_mode": "force"}
    for check in (True, False):
        done = virtualbox_world.run(check=check, **requested)
        assert ([step["verb"] for step in done.vm["steps"]], done.vm["restart_required"]) == (["configure"], [])


def test_vm_that_is_deleted_but_still_described_is_reported_as_changed(tmp_path):
    """The answer of vagrant destroy is lost: the files of the VM are deleted, its description still exists."""
    world = World(tmp_path, "virtualbox")
    created = world.create(state="started").vm
    run = world.port.run

    def killed_after_its_work(argv, writes=False, **more):
        done = run(argv, **more)
        if "destroy" not in argv:
            return done
        counted.note(doubtful=True)
        return Completed(tuple(argv), -9, "", "")

    world.port.run = killed_after_its_work
    outcome = world.run(state="absent", stop_mode="force")
    assert (outcome.failed, outcome.changed) == (True, True)
    assert "not as requested yet: delete. A request failed: " in outcome.msg and "vagrant destroy" in outcome.msg
    assert outcome.diff[0]["before"]["id"] == created["id"] and outcome.diff[0]["after"]["id"] is None
    world.port.run = run
    assert world.run(state="absent").changed


def test_start_that_never_ends_fails_although_the_vm_runs(virtualbox_world):
    """It is not known whether the guest was provisioned, so provisioners wait for a restart."""
    assert virtualbox_world.create(state="stopped", provisioners=SCRIPT).vm
    run = virtualbox_world.port.run

    def killed_after_its_work(argv, writes=False, **more):
        done = run(argv, **more)
        if "up" in argv:
            counted.note(doubtful=True)
            raise Timeout("'vagrant up' had not ended after 60 seconds and was killed.", waited=60)
        return done

    virtualbox_world.port.run = killed_after_its_work
    outcome = virtualbox_world.run(state="started")
    assert "had not ended" in outcome.error and outcome.vms[0]["state"] == "running"
    virtualbox_world.port.run = run
    assert virtualbox_world.run(state="started").vm["restart_required"] == ["provisioners"]
