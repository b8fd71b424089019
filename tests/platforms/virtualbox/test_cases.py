# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The twenty-five cases of README.md, by their numbers, on the real VirtualBox."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from platforms.virtualbox.tasks import MIB, SMALL, task
from suite.limits import scaled

pytestmark = pytest.mark.rotated(6)

BUTTON, CUT = "controlvm acpipowerbutton", "controlvm poweroff"
TEXT = 'one "two" \\three\\\n\nfour ü'
BEHIND_NAT = {**SMALL, "networks": {"0": {"type": "nat"}}, "ssh_forward": False}


def verbs_of(done):
    """The verbs without emergencystop, which follows a hung poweroff; some 1 of 100 calls of VBoxManage hang."""
    return [verb for verb, line in zip(done.verbs, done.writes) if "emergencystop" not in line]


def made(box, **more):
    """Run a task that creates the VM web; returns its UUID."""
    return task(box, **more).succeeded().vm["id"]


def with_guest(box, guest):
    """Create the VM web with a running guest; returns its UUID."""
    uuid = box.make("web", guest)
    box.run("startvm", uuid, "--type", "headless")
    if guest != "crashes":
        box.wait_for_guest(uuid)
    return uuid


def did_nothing(done):
    assert (done.succeeded().changed, done.writes) == (False, [])


def rules_of(box, uuid):
    lines = box.run("showvminfo", uuid, "--machinereadable").splitlines()
    return sorted(line.partition('="')[2].rstrip('"') for line in lines if line.startswith("Forwarding("))


def test_01_vm_is_created_once(box):
    done = task(box, config={**SMALL, "description": "d", "boot_order": ("disk",)}).succeeded()
    assert [done.verbs.count(verb) for verb in ("createvm", "modifyvm")] == [1, 1]
    did_nothing(task(box, config={**SMALL, "description": "d", "boot_order": ("disk",)}))


def test_02_check_mode_writes_nothing(box):
    made(box)
    done = task(box, config={"memory": 20 * MIB}, check=True).succeeded()
    assert (done.changed, done.writes) == (True, [])


def test_03_cpus_of_a_running_vm_need_allow_restart(box):
    uuid = made(box, state="started")
    task(box, config={"cpus": 2}).refused("web", "allow_restart")
    assert box.state(uuid) == "running"


def test_04_a_rule_and_a_cable_are_changed_while_it_runs(box):
    uuid = made(box, state="started", config=BEHIND_NAT)
    changed = {"port_forwards": {"web": {"host_port": 8089, "guest_port": 80}}, "native": {"cableconnected1": "off"}}
    assert sorted(task(box, config=changed).succeeded().verbs) == ["controlvm natpf1", "controlvm setlinkstate1"]
    assert box.state(uuid) == "running"
    did_nothing(task(box, config=changed))


def test_05_running_vm_is_not_changed(box):
    made(box, state="started")
    done = task(box, state="started", config={})
    did_nothing(done)
    assert {call[0] for call in done.calls} <= {"--version", "list", "guestproperty"}


def test_06_suspended_vm_is_restored(box):
    uuid = made(box, state="started")
    box.run("controlvm", uuid, "savestate")
    assert task(box, state="started", config={}).succeeded().verbs == ["startvm"]
    assert box.state(uuid) == "running"


def test_07_paused_vm_is_resumed(box):
    uuid = made(box, state="started")
    box.run("controlvm", uuid, "pause")
    assert task(box, state="started", config={}).succeeded().verbs == ["controlvm resume"]
    assert box.state(uuid) == "running"


def test_08_crashed_guest_is_powered_off(box):
    uuid = with_guest(box, "crashes")
    box.wait_for(uuid, "gurumeditation", 60)
    done = task(box, state="stopped", config={}, stop_mode="graceful").succeeded()
    assert (done.changed, verbs_of(done)) == (True, [CUT])


def test_09_guest_is_shut_down_by_its_power_button(box):
    with_guest(box, "obeys")
    assert set(task(box, state="stopped", config={}, stop_mode="graceful").succeeded().verbs) == {BUTTON}


def test_10_guest_that_ignores_the_button_is_powered_off_only_with_force(box):
    uuid = with_guest(box, "ignores")
    gently = task(box, state="stopped", config={}, stop_mode="graceful", stop_timeout=2)
    assert (gently.outcome.failed, gently.verbs, box.state(uuid)) == (True, [BUTTON], "running")
    assert "still running" in gently.outcome.msg
    then = task(box, state="stopped", config={}, stop_mode="graceful_then_force", stop_timeout=2).succeeded()
    assert verbs_of(then) == [BUTTON, CUT]


def test_11_guest_that_stops_meanwhile(box):
    uuid = made(box, state="started")
    before = {"acpipowerbutton": lambda: box.run("controlvm", uuid, "poweroff")}
    assert task(box, state="stopped", config={}, stop_mode="graceful", before=before).succeeded().verbs == [BUTTON]


def test_12_aborted_is_stopped(box):
    uuid = made(box, state="started")
    for process in box.processes("VBoxHeadless"):
        os.kill(process, signal.SIGKILL)
    box.wait_for(uuid, "aborted")
    did_nothing(task(box, state="stopped", config={}))
    assert task(box, state="started", config={}).succeeded().verbs == ["startvm"]


def test_13_vm_that_others_read_is_changed(box):
    uuid = made(box)
    with read_all_the_time(box, uuid):
        for memory in (20, 24, 28):
            answer = task(box, config={"memory": memory * MIB}, timeout=scaled(120)).succeeded()
            assert answer.vm["memory_mib"] == memory


@contextmanager
def read_all_the_time(box, uuid):
    """A context with readers in the background; each locks the stopped VM for a moment."""
    is_over = threading.Event()

    def read():
        with suppress(AssertionError):  # A call that hangs is recorded as a fault of VirtualBox.
            while not is_over.is_set():
                box.call("showvminfo", uuid, "--machinereadable")

    readers = [threading.Thread(target=read) for _number in range(2)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        is_over.set()
        for reader in readers:
            reader.join()


def test_14_start_of_a_running_vm_does_not_fail(box):
    uuid = made(box)
    before = {"startvm": lambda: box.run("startvm", uuid, "--type", "headless")}
    assert task(box, state="started", config={}, before=before).succeeded().vm["state"] == "running"


def test_15_failed_start_reports_the_error_of_virtualbox(box):
    made(box)
    box.run("modifyvm", "web", "--nic1", "intnet", "--intnet1", "lan")
    done = task(box, state="started", config={})
    assert done.outcome.failed
    assert "web: VBoxManage startvm" in done.outcome.msg
    assert "Cannot attach to 'lan' in driverless mode" in done.outcome.msg
    assert [noise for noise in ("Waiting for", "%...", "Context", "Details") if noise in done.outcome.msg] == []
    assert done.vm["state"] == "stopped"


def test_16_a_name_that_is_hard_to_quote(box, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    name = 'n"q\\b ü €'
    states = ("present", "started", "paused", "suspended", "started", "restarted", "stopped")
    for state in states:
        done = task(box, name, state=state, config=SMALL if state == "present" else {}).succeeded()
        assert (done.changed, done.vm["name"]) == (True, name)
        assert [call for call in done.calls if name in call] == []
    assert task(box, name, state="absent").succeeded().changed
    assert box.run("list", "vms") == ""


def test_17_texts_of_several_lines(box):
    config, snapshot = {**SMALL, "description": TEXT}, {"name": 's "1"', "description": TEXT}
    made(box, config=config)
    assert task(box, snapshot=snapshot).succeeded().changed
    task(box, snapshot={"name": "second"}).succeeded()
    did_nothing(task(box, config=config))
    again = task(box, snapshot=snapshot)
    did_nothing(again)
    first, second = again.vm["snapshots"]
    assert [(one["name"], one["description"]) for one in (first, second)] == [('s "1"', TEXT), ("second", "")]
    assert (first["parent"], second["parent"]) == (None, first["id"])


def test_18_a_complete_list_of_rules(box):
    rules = {name: {"host_port": port, "guest_port": port} for name, port in (("a", 2001), ("b", 2002))}
    uuid = made(box, config={**BEHIND_NAT, "port_forwards": rules})
    wanted = {"b": {"host_port": 2222, "guest_port": 2002}, "c": {"host_port": 2003, "guest_port": 3}}
    done = task(box, config={"port_forwards": wanted}, purge=frozenset({"port_forwards"})).succeeded()
    (line,) = done.writes
    assert line.startswith("modifyvm ")
    assert line.rindex(" delete ") < line.index("b,tcp")
    assert rules_of(box, uuid) == ["b,tcp,,2222,,2002", "c,tcp,,2003,,3"]
    did_nothing(task(box, config={"port_forwards": wanted}, purge=frozenset({"port_forwards"})))


def test_18_chosen_port_differs_from_other_rules(box):
    uuid = made(box, config={**BEHIND_NAT, "port_forwards": {"a": {"guest_port": 1}}})
    (chosen,) = (int(rule.split(",")[3]) for rule in rules_of(box, uuid))
    others = {"b": {"host_port": chosen, "guest_port": 2}}
    task(box, config={"port_forwards": others}, purge=frozenset({"port_forwards"})).succeeded()
    task(box, config={"port_forwards": {"a": {"guest_port": 1}}}).succeeded()
    ports = {rule.split(",")[0]: int(rule.split(",")[3]) for rule in rules_of(box, uuid)}
    assert ports["b"] == chosen
    assert ports["a"] not in (chosen, 0)


def test_19_rules_belong_to_the_nic_of_their_block(box):
    uuid = box.make("web")
    box.run("modifyvm", uuid, "--nic2", "nat", "--natpf1", "one,tcp,,2101,,1", "--natpf2", "two,tcp,,2102,,2")
    wanted = {"two": {"host_port": 2202}}
    done = task(box, config={"port_forwards": wanted}).succeeded()
    assert "--natpf2 delete two" in done.writes[0]
    assert rules_of(box, uuid) == ["one,tcp,,2101,,1", "two,tcp,,2202,,2"]
    did_nothing(task(box, config={"port_forwards": wanted}))


def test_20_two_snapshots_with_one_name(box):
    made(box)
    ids = [box.run("snapshot", "web", "take", "s1").partition("UUID: ")[2].strip() for _number in range(2)]
    task(box, snapshot={"name": "s1", "state": "absent"}).refused("s1", *ids)
    left = task(box, snapshot={"name": ids[1], "state": "absent"}).succeeded().vm["snapshots"]
    assert [one["id"] for one in left] == ids[:1]


def test_21_a_snapshot_with_two_children(box):
    made(box)
    for name in ("a", "b", "c"):
        box.run("snapshot", "web", "take", name)
        box.run("snapshot", "web", "restore", "a")
    task(box, snapshot={"name": "a", "state": "absent"}).refused("a", "children")
    done = task(box, snapshot={"name": "a", "state": "absent", "children": True}).succeeded()
    assert (done.verbs, done.vm["snapshots"]) == (["snapshot delete"] * 3, [])


def test_22_vm_that_ran_runs_again(box):
    uuid = made(box, state="started")
    task(box, snapshot={"name": "s"}).succeeded()
    done = task(box, snapshot={"name": "s", "state": "restored"}, allow_restart=True).succeeded()
    assert verbs_of(done) == [CUT, "snapshot restore", "startvm"]
    assert box.state(uuid) == "running"


def test_23_a_disk_with_snapshots_grows_on_top(box):
    uuid = made(box)
    base = task(box).vm["disks"][0]["source"]
    box.run("snapshot", uuid, "take", "s")
    (line,) = task(box, config={"disks": {"#0": {"size": 4 * MIB}}}).succeeded().writes
    assert line.startswith("modifymedium disk ")
    assert "Capacity:       2 MBytes" in box.run("showmediuminfo", "disk", base)
    did_nothing(task(box, config={"disks": {"#0": {"size": 4 * MIB}}}))
    task(box, config={"disks": {"#0": {"size": 3 * MIB}}}).refused("4M", "3M")


def test_23_disk_size_of_a_vm_that_is_started_at_once_is_reported(box):
    made(box)
    box.run("snapshot", "web", "take", "s")
    done = task(box, state="started", config={"disks": {"#0": {"size": 4 * MIB}}}).succeeded()
    assert (done.vm["state"], done.vm["disks"][0]["size"]) == ("running", "4M")


def test_24_base_vm_of_linked_clones(box):
    made(box)
    box.run("snapshot", "web", "take", "base")
    task(box, "copy", config={}, clone={"source": "web", "snapshot": "base", "linked": True}).succeeded()
    task(box, state="absent", delete_disks="all").refused("copy")
    assert len(box.run("list", "vms").splitlines()) == 2


def test_25_unreadable_vm_is_not_created_again(box):
    uuid = made(box)
    box.close()
    (box.machines / "web" / "web.vbox").unlink()
    task(box).refused(uuid, "web.vbox")
    assert len(box.run("list", "vms").splitlines()) == 1


#: Calls that fail with exit code 0: {state of the VM: calls}.
QUIET = {
    "off": [("discardstate", "web"), ("modifyvm", "web", "--nic40", "nat"), ("guestproperty", "wait", "web", "x",
            "--timeout", "10")],
    "running": [("controlvm", "web", "nic2", "nat"), ("controlvm", "web", "autostart-enabled", "on"),
                ("controlvm", "web", "addencpassword", "x", "/nonexistent")],
    "saved": [("modifyvm", "web", "--nic3", "nat")],
}  # fmt: skip


@pytest.mark.parametrize("state", QUIET)
def test_failure_with_exit_code_0_is_found(box, state):
    made(box, state="stopped" if state == "off" else "started")
    if state == "saved":
        box.run("controlvm", "web", "savestate")
    tool = VBoxManage(Commands(), str(box.executable))
    for words in QUIET[state]:
        with pytest.raises(CommandFailed) as caught:
            tool.run(*words)
        assert caught.value.rc == 0, words
