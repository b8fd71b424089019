# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power states: start and stop, VMs that do not start, and changes by other clients."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target

from unit.module_utils._drivers.vbox.in_process import (
    MIB,
    SMALL,
    InProcess,
    driver_of,
    info,
    observed,
    rejected,
    snapshot,
    task,
)
from unit.module_utils._tools.vbox_recordings import recorded

BUTTON, POWER_OFF, END_PROCESS = "controlvm acpipowerbutton", "controlvm poweroff", "startvm"
STARTING = "Invalid machine state: Starting (must be Running, Paused or Stuck)"


def running(vbox, guest="ignores"):
    """A running VM with a guest that has booted."""
    uuid = vbox.make("web", guest)
    vbox.run("startvm", uuid, "--type", "headless")
    vbox.wait_for_guest(uuid)
    return uuid


def stopped(vbox, **more):
    return task(vbox, state="stopped", config={}, **more)


def test_guest_that_ignores_the_power_button_is_powered_off_on_request_only(vbox):
    running(vbox)
    done = stopped(vbox, stop_mode="graceful", stop_timeout=20).failed_late("still running")
    assert set(done.verbs) == {BUTTON}
    done = stopped(vbox, stop_mode="graceful_then_force", stop_timeout=20).succeeded()
    assert (set(done.verbs[:-1]), done.verbs[-1]) == ({BUTTON}, POWER_OFF)


@pytest.mark.parametrize(("mode", "command"), [("graceful", "acpipowerbutton"), ("force", "poweroff")])
def test_guest_that_shuts_down_first_is_no_error(vbox, mode, command):
    uuid = running(vbox, "obeys")
    done = stopped(vbox, stop_mode=mode, before={command: lambda: vbox.run("controlvm", uuid, "poweroff")}).succeeded()
    assert (len(done.verbs), done.vm["state"]) == (1, "stopped")


def hang():
    """A call that never ends; the port to programs kills it at its timeout."""
    raise Timeout("it did not finish", waited=60)


@pytest.mark.parametrize("hangs", [True, False])
def test_failed_power_off_ends_the_process_of_the_vm(vbox, hangs):
    """The command for it is startvm --type emergencystop."""
    running(vbox)
    done = stopped(vbox, **({"before": {"poweroff": hang}} if hangs else {"fails": {"poweroff": STARTING}})).succeeded()
    assert (done.verbs, done.writes[-1]) == ([POWER_OFF, END_PROCESS], "startvm --type emergencystop")
    assert (done.vm["state"], done.vm["reason"]) == ("stopped", "aborted")


def test_vm_that_cannot_be_powered_off_is_an_error(vbox):
    running(vbox)
    stopped(vbox, fails={"poweroff": STARTING, "emergencystop": STARTING}).failed("Invalid machine state")
    assert observed(vbox).power == "running"


@pytest.mark.parametrize("command", ["poweroff", "startvm"])
def test_transient_lock_is_no_reason_to_end_the_process(vbox, command):
    running(vbox)
    if command == "startvm":
        stopped(vbox).succeeded()
    done = task(vbox, state="started" if command == "startvm" else "stopped", config={},
                fails={command: "The object is not ready"}).succeeded()  # fmt: skip
    assert set(done.verbs) == {"startvm" if command == "startvm" else POWER_OFF}
    assert (len(done.verbs), "emergencystop" in str(done.writes)) == (2, False)


def test_vm_that_others_start_first_is_no_error(vbox):
    uuid = task(vbox).succeeded().vm["id"]
    done = task(
        vbox, state="started", before={"startvm": lambda: vbox.run("startvm", uuid, "--type", "headless")}
    ).succeeded()
    assert (done.vm["state"], done.verbs) == ("running", ["startvm"])


@pytest.mark.parametrize(("start_type", "text", "remedy"), [
    ("headless", "The VM session was aborted (VERR_VM_DRIVER_NOT_INSTALLED)", "kernel module vboxdrv"),
    ("headless", "VT-x is being used by another hypervisor (VERR_VMX_IN_VMX_ROOT_MODE)", "Another hypervisor (KVM)"),
    ("headless", "Nonexistent host networking interface, name ''", "to an existing interface"),
    ("headless", "Locking of attached media failed", "stop that VM"),
    ("headless", "The virtual machine 'web' has terminated unexpectedly during startup", "VBoxHardening.log"),
    ("gui", "The virtual machine 'web' has terminated unexpectedly during startup", "start_type: headless"),
    ("gui", "something else", "Check Logs/VBox.log"),
])  # fmt: skip
def test_failed_start_is_explained(vbox, start_type, text, remedy):
    task(vbox).succeeded()
    done = task(vbox, state="started", start_type=start_type, fails={"startvm": text})
    done.failed_late("web: VBoxManage startvm", text, remedy)
    assert (done.vm["state"], done.verbs) == ("stopped", ["startvm"])


def test_vm_that_is_deleted_while_it_is_stopped_is_an_error(vbox):
    vm = task(vbox, state="started").succeeded().vm

    def delete():
        vbox.run("controlvm", vm["id"], "poweroff")
        vbox.run("unregistervm", vm["id"], "--delete")

    done = task(vbox, state="started", config={"cpus": 2}, allow_restart=True, before={"poweroff": delete})
    assert (done.outcome.failed, "Unexpected" in done.outcome.msg) == (True, False)


def test_vm_state_is_unknown_if_its_settings_are_lost_while_it_is_stopped(vbox):
    running(vbox)
    settings = vbox.machines / "web" / "web.vbox"
    done = stopped(vbox, stop_mode="graceful", after={"acpipowerbutton": lambda: settings.write_text("x")})
    assert (done.outcome.failed, done.vm["state"]) == (True, "unknown")
    assert f"{settings} is not readable" in done.vm["reason"]


# Calls of an observation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [4, 12, None])
def test_observation_is_two_calls_and_one_for_each_running_vm(vbox, named):
    names = [f"many{number:02}" for number in range(12)]
    for number, name in enumerate(names):
        uuid = vbox.make(name)
        if number < 4:
            vbox.run("startvm", uuid)
    commands, config = InProcess(vbox), {"memory": 16 * MIB, "description": "", "tags": ()}
    if named:
        vms = task(vbox, *names[:named], config=config, commands=commands).succeeded().vms
    else:
        vms = info(vbox, commands=commands)["vms"]
    assert sorted(call[0] for call in commands.calls) == ["--version", *["guestproperty"] * 4, "list"]
    assert ([vm["name"] for vm in vms], [vm["state"] for vm in vms].count("running")) == (names[:named], 4)


def test_light_observation_reads_only_the_list_of_vms(vbox):
    """The observation of a task that waits for a guest."""
    running(vbox)
    done = stopped(vbox, stop_mode="graceful", stop_timeout=9)
    assert {call for call in done.calls if call[0] == "list"} == {
        ("list", "--multiple", "--long", "systemproperties", "hdds", "dhcpservers", "vms"),
        ("list", "--long", "vms"),
    }


# The teleporter: a VM that receives the state of a running VM from another host ---------------------------------------

TELEPORTER = "web: its teleporter is enabled"
TURN_OFF = "VBoxManage modifyvm web --teleporter off"


def with_teleporter(vbox):
    uuid = vbox.make("web", "ignores")
    vbox.run("modifyvm", uuid, "--teleporter", "on")
    return uuid


def test_vm_that_would_wait_for_another_host_is_not_started(vbox):
    with_teleporter(vbox)
    for config in ({}, {"memory": 32 * MIB}):
        rejected(vbox, TELEPORTER, TURN_OFF, state="started", config=config)
    assert vbox.values()["VMState"] == "poweroff"


def test_vm_with_teleporter_is_changed_while_it_is_off_and_resumed(vbox):
    """Only a start without saved memory would wait."""
    uuid = running(vbox)
    task(vbox, state="suspended", config={}).succeeded()
    vbox.set_value(uuid, "teleporterenabled", "on")
    task(vbox, state="started", config={}).succeeded()
    task(vbox, state="stopped", config={"memory": 32 * MIB}, allow_restart=True).succeeded()


@pytest.mark.parametrize("asked", [{"state": "stopped", "stop_mode": "force"}, {"state": "absent"}, "restore"], ids=str)
def test_saved_state_that_a_user_has_adopted_is_not_deleted(vbox, tmp_path, asked):
    uuid, theirs = running(vbox), tmp_path / "theirs.sav"
    theirs.write_text("memory", encoding="ascii")
    if asked == "restore":
        snapshot(vbox, "s").succeeded()
    task(vbox, state="stopped", config={}, stop_mode="force").succeeded()
    vbox.run("adoptstate", uuid, str(theirs))

    def ask(check=False):
        if asked == "restore":
            return snapshot(vbox, "s", state="restored", power="as_taken", check=check)
        return task(vbox, check=check, **{"config": {}, "delete_disks": "all", **asked})

    for check in (True, False):
        ask(check).refused(f"delete the file of its saved state, {theirs}", "VBoxManage discardstate")
    assert (theirs.read_text(encoding="ascii"), vbox.values()["VMState"]) == ("memory", "saved")
    vbox.run("discardstate", uuid)
    ask().succeeded()


def test_vm_that_would_wait_for_another_host_is_not_stopped_to_be_restarted(vbox):
    uuid = with_teleporter(vbox)
    vbox.run("modifyvm", uuid, "--teleporter", "off")
    task(vbox, state="started").succeeded()
    vbox.set_value(uuid, "teleporterenabled", "on")  # As on a VM that came from another host.
    task(vbox, state="started", config={"memory": 32 * MIB}, allow_restart=True).refused(TELEPORTER)
    assert vbox.values()["VMState"] == "running"


def test_snapshot_without_memory_is_not_restored_if_the_start_would_wait(vbox):
    uuid = running(vbox)
    task(vbox, state="stopped", config={}, stop_mode="force").succeeded()
    task(vbox, snapshot={"name": "off"}).succeeded()
    task(vbox, state="started", config={}).succeeded()
    vbox.set_value(uuid, "teleporterenabled", "on")
    restored = {"name": "off", "state": "restored", "power": "keep"}
    task(vbox, snapshot=restored).refused(TELEPORTER)
    assert vbox.values()["VMState"] == "running"
    task(vbox, snapshot={**restored, "power": "snapshot"}).succeeded()


def test_suspended_vm_with_a_guest_that_ignores_the_button_is_suspended_again(vbox):
    """Its guest has to run to shut down. The result and the message say so."""
    running(vbox)
    task(vbox, state="suspended", config={}).succeeded()
    done = stopped(vbox, stop_mode="graceful", stop_timeout=3)
    done.failed_late("after stop it is still running", "stop_mode: graceful_then_force")
    assert (done.changed, done.vm["state"], vbox.values()["VMState"]) == (True, "suspended", "saved")


class WithoutDriver(InProcess):
    """VBoxManage is the script of Debian, which warns first that the kernel module is missing."""

    def run(self, argv, **options):
        completed = super().run(argv, **options)
        warning = recorded("version-with-warning").removesuffix("7.2.22_Debianr175245\n")
        return replace(completed, stdout=warning + completed.stdout)


def test_missing_kernel_module_is_reported(vbox):
    """VirtualBox answers, but cannot start a VM."""
    task(vbox).succeeded()
    found = info(vbox, commands=WithoutDriver(vbox))
    host = {key: found["host"][key] for key in ("available", "configured", "version", "why")}
    assert host == {"available": True, "configured": False, "version": "7.2.22", "why": "no_driver"}
    assert "WARNING: The character device /dev/vboxdrv does not exist. Please install" in found["host"]["message"]
    assert [vm["name"] for vm in found["vms"]] == ["web"]
    host = info(vbox)["host"]
    assert (host["configured"], host["message"], host["why"]) == (True, "virtualbox 7.2.22 answers.", None)


@pytest.mark.parametrize("start_type", ["headless", "gui", "separate"])
def test_start_type_is_passed_on(vbox, start_type):
    vbox.make("web")
    done = task(vbox, state="started", config={}, start_type=start_type).succeeded()
    assert done.writes == [f"startvm --type {start_type}"]
    assert not task(vbox, state="started", config={}, start_type="gui").changed


def test_ssh_of_a_guest_behind_nat_is_known_while_the_task_waits_for_it(vbox):
    """A task that waits reads only power and addresses; a guest behind NAT has no address, but a forwarded port."""
    uuid = vbox.make("web", "ignores")
    vbox.run("modifyvm", uuid, "--nic1", "nat", "--natpf1", "polyvirt-ssh,tcp,127.0.0.1,20022,,22")
    vbox.run("startvm", uuid, "--type", "headless")
    (light,) = driver_of(vbox).observe([Target(id=uuid, name="web")], frozenset({"power", "addresses"})).vms
    assert light.ssh == observed(vbox).ssh
    assert (light.ssh["host"], light.ssh["port"]) == ("127.0.0.1", 20022)


def with_medium(vbox, **more):
    config = {**SMALL, "iso": str(vbox.iso())}
    return task(vbox, state="started", config=config, at_start={"boot_key_seconds": 3}, **more)


def test_keys_are_pressed_only_after_a_start(vbox):
    """The double takes them as VirtualBox does, in a running VM only."""
    checked = with_medium(vbox, check=True)
    assert (checked.changed, checked.writes) == (True, [])
    done = with_medium(vbox).succeeded()
    keys = [line for line in done.writes if "keyboardputscancode" in line]
    assert (set(keys), len(keys) in (2, 3)) == ({"controlvm keyboardputscancode e0 48 e0 c8"}, True)
    assert vbox.typed(done.vm["id"]) == ["e0 48 e0 c8"] * len(keys)
    again = with_medium(vbox).succeeded()
    assert (again.changed, again.writes) == (False, [])


def test_vm_that_stops_before_the_key_is_reported_without_the_key(vbox):
    off = {"keyboardputscancode": lambda: vbox.run("controlvm", "web", "poweroff")}
    done = with_medium(vbox, before=off)
    assert done.verbs[-1] == "controlvm keyboardputscancode"
    assert (done.outcome.failed, "keyboardputscancode" in done.outcome.msg) == (True, False), done.outcome.msg
