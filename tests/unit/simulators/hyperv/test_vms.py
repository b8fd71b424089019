# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Hyper-V: VMs, and their power."""

from __future__ import annotations

import pytest

from platforms.hyperv.caller import DISK, Caller, fails, on
from platforms.hyperv.double.calls import CLASSES, COMMANDS
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, MIB, NO_MAC


def test_names_have_wildcards_and_are_not_unique(host, call):
    for name in ("web", "WEB", "web[1]", "db"):
        host.add(name)
    assert [one["Name"] for one in call("Get-VM", "Name", Name=["w*"])] == ["web", "WEB", "web[1]"]
    assert len(call("Get-VM", "Name", Name=["Web"])) == 2
    assert call("Get-VM", "Name", Name=["x*"]) == []
    assert [one["Name"] for one in call("Get-VM", "Name", Name=["web[1]"])] == []
    assert [one["Name"] for one in call("Get-VM", "Name", Name=["web`[1`]"])] == ["web[1]"]
    call("Start-VM", Name=["web"])
    assert [vm.state for vm in host.vms] == ["Running", "Running", "Off", "Off"]


def test_errors_of_missing_vms_differ_by_command(host, call):
    fails(lambda: call("Get-VM", Name=["x"]), "InvalidParameter", "InvalidArgument")
    fails(lambda: call("Get-VM", Id="12345678-0000-4000-8000-000000000000"), "ObjectNotFound", "ObjectNotFound")
    fails(lambda: call("Start-VM", Name=["x"]), "ObjectNotFound", "ObjectNotFound")
    host.add("web")
    found = call.answer("Get-VM", "Name", {"partial": True}.items(), Name=["web", "x"])
    assert [one["Name"] for one in found["objects"]] == ["web"]
    assert found["errors"][0]["id"] == "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM"


def test_access_and_service(host, call, web):
    host.access = "denied"
    fails(lambda: call("Get-VM"), "AccessDenied", "PermissionDenied")
    host.access = "invisible"
    assert call("Get-VM", "Name") == []
    host.access, host.is_service_running = "full", False
    fails(lambda: call("Get-VM"), "ObjectNotFound", "ObjectNotFound")


@pytest.mark.parametrize("generation", [1, 2])
def test_new_vm_has_the_devices_of_its_generation(host, call, generation):
    show = {"Generation": True, "State": True, "CheckpointType": True, "ProcessorCount": True, "MemoryStartup": True}
    show |= {"NetworkAdapters": {"MacAddress": True, "Connected": True}, "DVDDrives": {"ControllerType": True}}
    (found,) = call("New-VM", show, Name="web", **({"Generation": 2} if generation == 2 else {}))
    assert (found["Generation"], found["ProcessorCount"], found["MemoryStartup"]) == (generation, 1, 512 * MIB)
    assert (found["State"], found["CheckpointType"]) == ("Off", "Production")
    assert found["NetworkAdapters"] == [{"MacAddress": NO_MAC, "Connected": False}]
    assert found["DVDDrives"] == ([{"ControllerType": "IDE"}] if generation == 1 else [])
    call("New-VM", Name="web")
    assert len(host.vms) == 2


def test_new_vm_undoes_itself(host, call):
    fails(lambda: call("New-VM", Name="web", SwitchName="x"), "InvalidParameter")
    host.knobs.unknown_switch = "ObjectNotFound"
    fails(lambda: call("New-VM", Name="web", SwitchName="x"), "ObjectNotFound")
    host.disk(DISK)
    fails(lambda: call("New-VM", Name="web", NewVHDPath=DISK, NewVHDSizeBytes=GIB), "OperationFailed")
    assert (host.vms, [path for path in host.files.contents if path.endswith("vmcx")]) == ([], [])


def test_objects_have_every_property_of_their_class(host, call, web):
    on(web)
    call("Checkpoint-VM", VM=web, SnapshotName="one")
    shown = dict.fromkeys(CLASSES["VirtualMachine"], True)
    (found,) = call("Get-VM", shown)
    assert shown.keys() == found.keys()
    for command in ("VMProcessor", "VMMemory", "VMFirmware", "VMSecurity", "VMIntegrationService", "VMSnapshot"):
        class_ = "VMIntegrationComponent" if "Integration" in command else command
        first = call(f"Get-{command}", dict.fromkeys(CLASSES[class_], True), VM=web)[0]
        assert first.keys() == CLASSES[class_].keys()
    nested = {"HardDrives": {"Path": True}, "NetworkAdapters": {"VlanSetting": {"OperationMode": True}}}
    (found,) = call("Get-VM", {**nested, "ParentCheckpointId": True, "VMId": True}, Id=web.id)
    assert found["NetworkAdapters"][0]["VlanSetting"] == {"OperationMode": "Untagged"}
    assert (found["VMId"], found["ParentCheckpointId"]) == (web.id, web.snapshots[0].id)


def test_vm_that_disappears_during_a_read_is_unreadable(host, call, web):
    host.after("Get-VM", lambda: host.delete(web))
    assert call("Get-VM", "Name State") == [{"Name": "web", "!unreadable": ["State"]}]


def test_stale_objects_show_what_was_read(host, call, web):
    host.knobs.stale_objects = True
    host.after("Get-VM", lambda: setattr(web, "state", "Running"))
    assert call("Get-VM", "State") == [{"State": "Off"}]


def test_every_command_of_hyper_v_binds_and_is_known(host):
    assert {one.module for one in COMMANDS} >= {"Hyper-V", "NetNat", "NetTCPIP", "Dism", "ServerManager"}
    fails(lambda: Caller(HyperV(enabled=False))("Get-VM"), "CommandNotFoundException")
    fails(lambda: Caller(HyperV(client=True))("Get-WindowsFeature"), "CommandNotFoundException")


@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("Start-VM", {"Off": "Running", "Running": "!", "Paused": "!Running", "Saved": "Running", "Stopping": None}),
        ("Save-VM", {"Off": None, "Running": "Saved", "Paused": "Saved", "Saved": "!", "Starting": None}),
        ("Suspend-VM", {"Off": None, "Running": "Paused", "Paused": "!", "Saved": None}),
        ("Resume-VM", {"Off": None, "Running": "!", "Paused": "Running", "Saved": None}),
        ("Remove-VMSavedState", {"Off": None, "Running": None, "Saved": "Off"}),
    ],
)
def test_transitions(command, table):
    for before, after in table.items():
        host = HyperV()
        vm = host.add("web", state=before)
        if after is None:
            fails(lambda: Caller(host)(command, VM=vm), "InvalidState", "InvalidOperation")  # noqa: B023
        else:
            warned = Caller(host).answer(command, VM=vm).get("warnings", [])
            assert (bool(warned), vm.state) == (after.startswith("!"), after.strip("!") or before)


def test_both_answers_where_hosts_differ(host, call, web):
    host.knobs.start_paused, host.knobs.resume_saved = "fails", "resumes"
    fails(lambda: call("Start-VM", VM=on(web, "Paused")), "InvalidState")
    call("Resume-VM", VM=on(web, "Saved"))
    assert web.state == "Running"


def test_graceful_stop_takes_the_time_of_the_guest(host, call, web):
    on(web, shutdown_seconds=9)
    answer = call.answer("Stop-VM", None, {"background": 2}.items(), VM=web)
    assert (answer["pending"], web.state) == (True, "Stopping")
    fails(lambda: call("Start-VM", VM=web), "InvalidState")
    host.clock.sleep(10)
    assert web.state == "Off"
    assert call.answer("Stop-VM", VM=web)["warnings"]


@pytest.mark.parametrize("state", ["Running", "Paused", "Saved"])
def test_stop_without_integration_services_asks_and_force_turns_off(host, call, web, state):
    on(web, state, services=False)
    fails(lambda: call("Stop-VM", VM=web), "InvalidOperation", "InvalidOperation")
    assert web.state == state
    call("Stop-VM", VM=web, Force=True)
    assert web.state == "Off"


def test_guest_that_hangs(host, call, web):
    on(web, shutdown="hangs", hangs=60, hung_state="Stopping")
    assert call.answer("Stop-VM", None, {"background": 1}.items(), VM=web)["pending"]
    fails(lambda: call("Stop-VM", VM=web, TurnOff=True), "InvalidState")
    host.clock.sleep(30)
    call("Stop-VM", VM=web, TurnOff=True)
    assert web.state == "Off"


def test_failed_shutdown(host, call, web):
    fails(lambda: call("Stop-VM", VM=on(web, shutdown="fails")), "OperationFailed")
    assert web.state == "Running"
    fails(lambda: call("Stop-VM", VM=web, Force=True), "OperationFailed")
    assert web.state == "Off"


def test_restart_and_remove_ask(host, call, web):
    fails(lambda: call("Restart-VM", VM=on(web)), "InvalidOperation")
    call("Restart-VM", VM=web, Force=True)
    fails(lambda: call("Remove-VM", VM=web, Force=True), "InvalidState")
    web.state = "Saved"
    fails(lambda: call("Remove-VM", VM=web), "InvalidOperation")
    call("Remove-VM", VM=web, Force=True)
    assert (host.vms, host.files.file(DISK) is not None) == ([], True)


def test_start_needs_memory_and_files(host, call, web):
    host.memory = 256 * MIB
    fails(lambda: call("Start-VM", VM=web), "OutOfMemory", "FromStdErr")
    host.knobs.out_of_memory = "OperationFailed"
    fails(lambda: call("Start-VM", VM=web), "OperationFailed", "NotSpecified")
    host.memory = GIB
    host.files.delete(DISK)
    assert "0x80070002" in fails(lambda: call("Start-VM", VM=web), "OperationFailed").message


def test_host_restart_follows_the_automatic_actions(host, web):
    on(web)
    other = host.add("db", state="Running")
    other.shown |= {"AutomaticStartAction": "Nothing", "AutomaticStopAction": "ShutDown"}
    host.restart()
    assert (web.state, other.state) == ("Running", "Off")
