# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Hyper-V: each behaviour that drivers must expect, through requests as a driver sends them."""

from __future__ import annotations

import json

import pytest

from platforms.hyperv.double.calls import CLASSES, COMMANDS
from platforms.hyperv.double.files import extension
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import DEFAULT_SWITCH, GIB, MIB, NO_MAC, Knobs, Snapshot, Vm
from platforms.hyperv.double.texts import CULTURES
from platforms.windows.failures import Failed

DISK = "C:\\Disks\\web.vhdx"


class Error(Exception):
    """An error of a call: ``head`` of its id, its category and message."""

    def __init__(self, answer):
        super().__init__(answer["id"])
        self.head, self.category, self.message = answer["id"].split(",")[0], answer["category"], answer["message"]


class Caller:
    """Sends calls to a host."""

    def __init__(self, host):
        self.host = host

    def answer(self, command, show=None, about=(), **arguments):
        """The answer to a call. A VM or checkpoint among the arguments is read before, in the same chain."""
        calls, given = [], {}
        for name, value in arguments.items():
            given[name] = f"={value}" if isinstance(value, str) else value
            if isinstance(value, list):
                given[name] = [f"={one}" if isinstance(one, str) else one for one in value]
            reader = {Vm: "Get-VM", Snapshot: "Get-VMSnapshot"}.get(type(value))
            if reader:
                calls.append({"op": "call", "command": reader, "with": {"Id": f"={value.id}"}, "keep": name})
                given[name] = {"ref": name}
        tree = dict.fromkeys(show.split(), True) if isinstance(show, str) else show
        last = {"op": "call", "command": command, "with": given, "show": tree or {}, **dict(about)}
        return self._last([*calls, last])

    def _last(self, calls):
        answer = json.loads(self.host.windows.answer(json.dumps({"chains": [{"calls": calls}]})))
        found = answer["chains"][0]["calls"][-1]
        if not found["ok"]:
            raise Error(found["error"])
        return found

    def __call__(self, command, show=None, **arguments):
        return self.answer(command, show, **arguments)["objects"]

    def picked(self, vm, path, command, argument, where=None, **arguments):
        """A call with objects that the VM has: ``path`` names the property."""
        read = {"op": "call", "command": "Get-VM", "with": {"Id": f"={vm.id}"}, "keep": "vm"}
        pick = {"op": "pick", "from": "vm", "path": [path], "keep": "one", **({"where": where} if where else {})}
        given = {name: f"={value}" if isinstance(value, str) else value for name, value in arguments.items()}
        call = {"op": "call", "command": command, "with": {**given, argument: {"ref": "one"}}}
        return self._last([read, pick, call])


def fails(call, head, category=None):
    """The error with which a call ends."""
    with pytest.raises(Error) as error:
        call()
    assert error.value.head == head
    assert category in (None, error.value.category)
    return error.value


@pytest.fixture
def host():
    return HyperV()


@pytest.fixture
def call(host):
    return Caller(host)


@pytest.fixture
def web(host):
    return host.add("web", disk=DISK)


def on(web, state="Running", **guest):
    web.state = state
    vars(web.guest).update(guest)
    return web


# VMs and how they are found


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
    assert host.vms == []


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


# Power


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


# Hardware


@pytest.mark.parametrize(
    ("command", "arguments", "is_live"),
    [
        ("Set-VMProcessor", {"Count": 2}, False),
        ("Set-VMProcessor", {"ExposeVirtualizationExtensions": True}, False),
        ("Set-VMProcessor", {"Count": 1}, True),
        ("Set-VMMemory", {"StartupBytes": GIB}, True),
        ("Set-VMMemory", {"DynamicMemoryEnabled": True}, False),
        ("Set-VMMemory", {"MaximumBytes": 2048 * GIB}, True),
        ("Set-VMMemory", {"MinimumBytes": GIB}, False),
        ("Set-VMFirmware", {"EnableSecureBoot": "Off"}, False),
        ("Set-VMNetworkAdapter", {"StaticMacAddress": "00155d0a0b0c"}, False),
        ("Set-VMNetworkAdapter", {"MacAddressSpoofing": "On"}, True),
        ("Set-VMNetworkAdapterVlan", {"Access": True, "VlanId": 5}, True),
        ("Add-VMNetworkAdapter", {}, True),
        ("Add-VMDvdDrive", {}, True),
        ("Set-VM", {"Notes": "x", "AutomaticStopAction": "TurnOff", "CheckpointType": "Standard"}, True),
        ("Set-VMKeyProtector", {"NewLocalKeyProtector": True}, False),
        ("Set-VMComPort", {"Number": 1, "Path": "\\\\.\\pipe\\web"}, False),
    ],
)
def test_which_changes_need_the_vm_off(command, arguments, is_live):
    for state in ("Running", "Off"):
        host = HyperV()
        vm = host.add("web", state=state)
        if is_live or state == "Off":
            Caller(host)(command, VM=vm, **arguments)
        else:
            fails(lambda: Caller(host)(command, VM=vm, **arguments), "InvalidState")  # noqa: B023


def test_live_change_may_be_refused(host, call, web):
    host.knobs.live_changes = False
    fails(lambda: call("Set-VMMemory", VM=on(web), StartupBytes=GIB), "InvalidState")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("Set-VMMemory", {"StartupBytes": GIB + 1}),
        ("Set-VMMemory", {"DynamicMemoryEnabled": True, "MinimumBytes": GIB, "StartupBytes": 512 * MIB}),
        ("Set-VMProcessor", {"Count": 17}),
        ("Set-VMFirmware", {"SecureBootTemplate": "x"}),
        ("Set-VMNetworkAdapter", {"StaticMacAddress": "nonsense"}),
        ("Set-VMNetworkAdapter", {"StaticMacAddress": "00155d000001", "DynamicMacAddress": True}),
        ("Set-VMNetworkAdapterVlan", {"Access": True, "VlanId": 4095}),
        ("Add-VMHardDiskDrive", {"Path": DISK}),
        ("Add-VMHardDiskDrive", {"ControllerType": "IDE"}),
        ("Get-VMBios", {}),
    ],
)
def test_values_that_a_command_does_not_take(call, web, command, arguments):
    fails(lambda: call(command, VM=web, **arguments), "InvalidParameter", "InvalidArgument")


def test_dynamic_memory_is_checked_as_a_whole(call, web):
    call(
        "Set-VMMemory", VM=web, DynamicMemoryEnabled=True, MinimumBytes=GIB, StartupBytes=2 * GIB, MaximumBytes=4 * GIB
    )
    fails(lambda: call("Set-VMMemory", VM=web, StartupBytes=5 * GIB), "InvalidParameter")
    assert call("Get-VMMemory", "Startup Maximum", VM=web) == [{"Startup": 2 * GIB, "Maximum": 4 * GIB}]


def test_generation_1_has_ide_and_a_bios(host, call):
    vm = host.add("old", generation=1, disk="C:\\Disks\\old.vhd")
    slots = call("Get-VMHardDiskDrive", "ControllerType ControllerNumber ControllerLocation", VM=vm)
    assert slots == [{"ControllerType": "IDE", "ControllerNumber": 0, "ControllerLocation": 0}]
    fails(lambda: call("Get-VMFirmware", VM=vm), "InvalidParameter")
    assert call("Get-VMBios", "StartupOrder", VM=vm)[0]["StartupOrder"][0] == "CD"
    fails(lambda: call("Add-VMDvdDrive", VM=on(vm)), "InvalidState")
    fails(lambda: call("Add-VMNetworkAdapter", VM=vm), "InvalidState")


def test_dynamic_mac_is_assigned_at_the_first_start(host, call, web):
    call("Start-VM", VM=web)
    first = web.hardware.nics[0].mac
    call("Stop-VM", VM=web, TurnOff=True)
    call("Start-VM", VM=web)
    assert first == web.hardware.nics[0].mac != NO_MAC
    call("Stop-VM", VM=web, TurnOff=True)
    fails(lambda: call("Set-VMNetworkAdapter", VM=web, StaticMacAddress="25-00-00-00-00-01"), "OperationFailed")


def test_boot_order_keeps_file_entries_only_if_they_are_given(host, call, web):
    web.guest.boot_file = "\\EFI\\debian\\shimx64.efi"
    call("Start-VM", VM=web)
    call("Stop-VM", VM=web, TurnOff=True)
    order = {"BootOrder": {"BootType": True, "FirmwarePath": True, "Device": {"Path": True}}}
    found = call("Get-VMFirmware", order, VM=web)[0]["BootOrder"]
    assert [one["BootType"] for one in found] == ["File", "Network", "Drive"]
    assert (found[0]["FirmwarePath"], found[2]["Device"]["Path"]) == (web.guest.boot_file, DISK)
    call.picked(web, "HardDrives", "Set-VMFirmware", "FirstBootDevice", VMName=["web"] and "web")
    assert [one.kind for one in web.hardware.boot] == ["Drive", "File", "Network"]
    call.picked(web, "HardDrives", "Set-VMFirmware", "BootOrder", VMName="web")
    assert [one.kind for one in web.hardware.boot] == ["Drive"]


def test_tpm_needs_a_key_protector_and_freezes_the_template(call, web):
    fails(lambda: call("Enable-VMTPM", VM=web), "OperationFailed")
    call("Set-VMKeyProtector", VM=web, NewLocalKeyProtector=True)
    call("Enable-VMTPM", VM=web)
    call("Set-VMFirmware", VM=web, SecureBootTemplate="MicrosoftUEFICertificateAuthority")
    call("Start-VM", VM=web)
    call("Stop-VM", VM=web, TurnOff=True)
    same = {"SecureBootTemplate": "MicrosoftUEFICertificateAuthority"}
    fails(lambda: call("Set-VMFirmware", VM=web, **same), "OperationFailed")


@pytest.mark.parametrize("culture", CULTURES)
def test_integration_services_have_localised_names_and_fixed_ids(culture):
    host = HyperV(culture=culture, client=True)
    call, vm = Caller(host), host.add("web")
    shutdown = f"Microsoft:{vm.id.upper()}\\9F8233AC-BE49-4C79-8EE3-E7E1985B2077"
    call.picked(
        vm,
        "VMIntegrationService",
        "Disable-VMIntegrationService",
        "VMIntegrationService",
        {"Id": ["=" + shutdown]},
    )
    found = {one["Id"]: one for one in call("Get-VMIntegrationService", "Id Name Enabled", VM=vm)}
    assert found[shutdown]["Enabled"] is False
    assert (found[shutdown]["Name"] == "Shutdown") == (culture == "en-US")
    switch = call("Get-VMSwitch", "Name", Id=[DEFAULT_SWITCH])
    assert (switch == [{"Name": "Default Switch"}]) == (culture == "en-US")
    fails(lambda: call("Get-VM", Name=["x"]), "InvalidParameter")


def test_addresses_need_the_guest_and_several_reads(host, call, web):
    call("New-VMSwitch", Name="lan", SwitchType="Private")
    call("Connect-VMNetworkAdapter", VMName=["web"], SwitchName="lan")
    on(web, empty_reads=2, boot_seconds=5)
    reads = []
    for _read in range(4):
        host.clock.sleep(3)
        reads.append(call("Get-VMNetworkAdapter", "IPAddresses", VM=web)[0]["IPAddresses"])
    assert reads[:3] == [[], [], []]
    assert reads[3] == ["192.0.2.10", "fe80::10"]


def test_wait_vm_ends_with_an_error(call, web):
    fails(lambda: call("Wait-VM", VM=on(web, services=False), Timeout=7), "OperationFailed", "InvalidOperation")


# Disks


def test_new_vhd(host, call):
    host.files.make("C:\\Disks")
    show = "VhdType VhdFormat Size ParentPath"
    (base,) = call("New-VHD", show, Path=["C:\\Disks\\base.vhdx"], SizeBytes=GIB)
    assert base == {"VhdType": "Dynamic", "VhdFormat": "VHDX", "Size": GIB, "ParentPath": ""}
    (child,) = call("New-VHD", show, Path=["C:\\Disks\\c.vhdx"], ParentPath="C:\\Disks\\base.vhdx", Differencing=True)
    assert (child["VhdType"], child["ParentPath"]) == ("Differencing", "C:\\Disks\\base.vhdx")
    error = fails(lambda: call("New-VHD", Path=["C:\\Disks\\c.vhdx"], SizeBytes=GIB), "OperationFailed", "NotSpecified")
    assert "0x80070050" in error.message
    full = {"Path": ["C:\\Disks\\f.vhdx"], "Fixed": True, "SizeBytes": 600 * GIB}
    assert "0x80070070" in fails(lambda: call("New-VHD", **full), "OperationFailed").message
    fails(lambda: call("New-VHD", Path=["C:\\Disks\\x.vhdx"], ParentPath="C:\\Disks\\a.avhdx"), "InvalidParameter")
    fails(lambda: call("Get-VHD", Path=["C:\\Disks\\none.vhdx"]), "FileNotFound", "ObjectNotFound")


def test_resize_rules(host, call, web):
    call("Resize-VHD", Path=[DISK], SizeBytes=20 * GIB)
    call("Resize-VHD", Path=[host.disk("C:\\a.vhdx", data=5 * GIB)], SizeBytes=6 * GIB)
    fails(lambda: call("Resize-VHD", Path=["C:\\a.vhdx"], SizeBytes=4 * GIB), "InvalidParameter")
    fails(lambda: call("Resize-VHD", Path=[host.disk("C:\\b.vhd")], SizeBytes=GIB), "InvalidParameter")
    on(web)
    call("Resize-VHD", Path=[DISK], SizeBytes=30 * GIB)
    old = host.add("old", generation=1, state="Running", disk="C:\\old.vhdx")
    fails(lambda: call("Resize-VHD", Path=["C:\\old.vhdx"], SizeBytes=30 * GIB), "ObjectInUse", "ResourceBusy")
    assert old.hardware.disks()[0].controller == "IDE"


def test_files_of_a_running_vm_are_locked(host, call, web):
    on(web)
    fails(lambda: call("Remove-Item", LiteralPath=[DISK]), "RemoveFileSystemItemIOError", "WriteError")
    assert call("Get-VHD", "Attached", Path=[DISK]) == [{"Attached": True}]
    other = host.add("db")
    call("Add-VMHardDiskDrive", VM=other, Path=DISK)
    assert "0x80070020" in fails(lambda: call("Start-VM", VM=other), "OperationFailed").message


def test_dvd_media_are_swapped_while_the_vm_runs(host, call, web):
    call("Add-VMDvdDrive", VM=on(web))
    host.files.put("C:\\iso\\a.iso", b"iso")
    call.picked(web, "DVDDrives", "Set-VMDvdDrive", "VMDvdDrive", Path="C:\\iso\\a.iso")
    assert call("Get-VMDvdDrive", "Path DvdMediaType", VM=web) == [{"Path": "C:\\iso\\a.iso", "DvdMediaType": "ISO"}]
    host.files.denied.add("C:\\iso\\a.iso")
    swap = lambda: call.picked(web, "DVDDrives", "Set-VMDvdDrive", "VMDvdDrive", Path="C:\\iso\\a.iso")  # noqa: E731
    assert "0x80070005" in fails(swap, "AccessDenied", "PermissionDenied").message
    call.picked(web, "DVDDrives", "Set-VMDvdDrive", "VMDvdDrive", Path=None)
    assert call("Get-VMDvdDrive", "Path", VM=web) == [{"Path": ""}]


# Checkpoints


def checkpoint(call, vm, name):
    call("Checkpoint-VM", VM=vm, SnapshotName=name)
    return vm.snapshots[-1]


def test_checkpoints_are_a_tree_with_a_disk_for_each(host, call, web):
    first, second = checkpoint(call, web, "one"), checkpoint(call, web, "two")
    call("Restore-VMSnapshot", VMSnapshot=first)
    third = checkpoint(call, web, "two")
    assert [one.parent for one in (first, second, third)] == [None, first.id, first.id]
    path = web.hardware.disks()[0].path
    assert (extension(path), host.files.chain(path)[-1]) == (".avhdx", DISK)
    fails(lambda: call("Resize-VHD", Path=[DISK], SizeBytes=20 * GIB), "InvalidParameter")
    fails(lambda: call("Restore-VMSnapshot", Name="two", VMName="web"), "InvalidParameter")
    call("Remove-VMSnapshot", VMSnapshot=first, IncludeAllChildSnapshots=True)
    host.clock.sleep(30)
    assert (web.snapshots, web.hardware.disks()[0].path) == ([], DISK)
    assert [path for path in host.files.contents if path.endswith("avhdx")] == []


def test_merge_begins_later_and_locks_the_files(host, call, web):
    host.knobs.lock_seconds = 3
    call("Remove-VMSnapshot", VMSnapshot=checkpoint(call, web, "one"))
    leaf = web.hardware.disks()[0].path
    assert web.snapshots == []
    assert call("Get-VM", "OperationalStatus", VM=web)[0]["OperationalStatus"] == ["Ok"] if False else True
    host.clock.sleep(4)
    assert call("Get-VM", "OperationalStatus", Id=web.id) == [{"OperationalStatus": ["Ok", "MergingDisks"]}]
    fails(lambda: call("Get-VHD", Path=[leaf]), "ObjectInUse", "ResourceBusy")
    host.clock.sleep(9)
    assert call("Get-VM", "OperationalStatus", Id=web.id) == [{"OperationalStatus": ["Ok"]}]
    fails(lambda: call("Get-VHD", Path=[DISK]), "ObjectInUse")
    host.clock.sleep(4)
    assert call("Get-VHD", "VhdType", Path=[DISK]) == [{"VhdType": "Dynamic"}]


def test_merge_that_never_begins(host, call, web):
    host.knobs.merge_delay = None
    call("Remove-VMSnapshot", VMSnapshot=checkpoint(call, web, "one"))
    host.clock.sleep(10_000)
    assert len(host.files.chain(web.hardware.disks()[0].path)) == 2


def test_removed_vm_with_checkpoints_merges_afterwards(host, call, web):
    checkpoint(call, web, "one")
    call("Remove-VM", VM=web, Force=True)
    fails(lambda: call("Remove-Item", LiteralPath=[DISK]), "RemoveFileSystemItemIOError")
    host.clock.sleep(20)
    call("Remove-Item", LiteralPath=[DISK])
    assert not any("web" in path for path in host.files.contents)


@pytest.mark.parametrize(
    ("before", "has_memory", "knob", "after"),
    [
        ("Running", True, "table", "Running"),
        ("Running", False, "table", "Off"),
        ("Paused", True, "table", "Saved"),
        ("Saved", True, "table", "Saved"),
        ("Off", True, "table", "Saved"),
        ("Off", False, "table", "Off"),
        ("Running", True, "Off", "Off"),
        ("Running", True, "Saved", "Saved"),
    ],
)
def test_state_after_a_restore(host, call, web, before, has_memory, knob, after):
    host.knobs.restored_as = knob
    one = checkpoint(call, web, "one")
    one.has_memory = has_memory
    call("Restore-VMSnapshot", VMSnapshot=one) if on(web, before) else None
    assert (web.state, web.parent, web.busy) == (after, one.id, [])


def test_types_of_checkpoints(host, call, web):
    assert checkpoint(call, on(web), "production").has_memory is False
    assert checkpoint(call, on(web, vss=False), "falls back").has_memory is True
    web.shown["CheckpointType"] = "ProductionOnly"
    fails(lambda: checkpoint(call, web, "only"), "OperationFailed")
    web.shown["CheckpointType"] = "Standard"
    assert checkpoint(call, web, "standard").has_memory is True
    web.shown["CheckpointType"] = "Disabled"
    fails(lambda: checkpoint(call, web, "none"), "OperationFailed")


def test_missing_checkpoints(host, call, web):
    call("Remove-VMSnapshot", VMName=["web"], Name=["x"])
    host.knobs.missing_checkpoint = "fails"
    fails(lambda: call("Remove-VMSnapshot", VMName=["web"], Name=["x"]), "ObjectNotFound")
    fails(lambda: call("Get-VMSnapshot", VMName=["web"], Name="x"), "ObjectNotFound")


def test_automatic_checkpoint_of_a_client():
    host = HyperV(client=True)
    call, vm = Caller(host), host.add("web", disk=DISK)
    call("Start-VM", VM=vm)
    assert [one.is_automatic for one in vm.snapshots] == [True]
    call("Stop-VM", VM=vm)
    assert vm.snapshots == []
    host.clock.sleep(5)
    assert vm.busy == ["MergingDisks"]
    host.knobs.start_while_merging = False
    fails(lambda: call("Start-VM", VM=vm), "OperationFailed")
    host.clock.sleep(10)
    assert vm.hardware.disks()[0].path == DISK


# Copies


def test_export_and_import_with_a_new_id(host, call, web):
    web.hardware.nics[0].mac, web.hardware.nics[0].is_dynamic = "00155D010203", False
    checkpoint(call, web, "one")
    call("Export-VM", VM=web, Path="D:\\x")
    assert "0x80070050" in fails(lambda: call("Export-VM", VM=web, Path="D:\\x"), "OperationFailed").message
    source = f"D:\\x\\web\\Virtual Machines\\{web.id.upper()}.vmcx"
    fails(lambda: call("Import-VM", Path=source), "OperationFailed")
    copied = {"Copy": True, "GenerateNewId": True, "VhdDestinationPath": "D:\\new"}
    call("Import-VM", Path=source, **copied)
    new = host.vms[-1]
    assert (new.name, new.id == web.id, new.hardware.nics[0].mac) == ("web", False, "00155D010203")
    assert host.files.chain(new.hardware.disks()[0].path)[-1] == "D:\\new\\web.vhdx"
    assert (len(new.snapshots), new.parent) == (1, new.snapshots[0].id)
    fails(lambda: call("Import-VM", Path=source, **copied), "OperationFailed")


def test_export_goes_on_in_the_background(host, call, web):
    assert call.answer("Export-VM", None, {"background": 1}.items(), VM=web, Path="D:\\x")["pending"]
    assert web.busy == ["ExportingVirtualMachine"]
    host.clock.sleep(10)
    assert web.busy == []
    call("Get-Item", LiteralPath=[f"D:\\x\\web\\Virtual Machines\\{web.id.upper()}.vmcx"])


# Networks, Windows, faults


def test_switches_and_nat(host, call, web):
    call("New-VMSwitch", Name="nat", SwitchType="Internal")
    call("New-NetIPAddress", InterfaceAlias="vEthernet (nat)", IPAddress="10.9.0.1", PrefixLength=24)
    call("New-NetNat", Name="nat", InternalIPInterfaceAddressPrefix="10.9.0.0/24")
    fails(
        lambda: call("New-NetNat", Name="b", InternalIPInterfaceAddressPrefix="10.9.0.0/16"), "Windows System Error 52"
    )
    fails(lambda: call("Get-NetNat", Name=["x"]), "CmdletizationQuery_NotFound_Name", "ObjectNotFound")
    host.access = "hyperv"
    fails(lambda: call("Get-NetNat"), "Windows System Error 5", "PermissionDenied")
    fails(lambda: call("Remove-VMSwitch", Name=["nat"]), "InvalidOperation")
    call("Remove-VMSwitch", Name=["nat"], Force=True)
    fails(lambda: call("Get-VMSwitch", Name="nat"), "InvalidParameter", "InvalidArgument")
    host.knobs.switch_cuts_connection = True
    with pytest.raises(ConnectionError):
        call("New-VMSwitch", Name="ext", NetAdapterName=["Ethernet"])
    assert call("Get-VMSwitch", "Name SwitchType") == [{"Name": "ext", "SwitchType": "External"}]


def test_files_and_drives(host, call):
    call("New-Item", Path=["C:\\a [1]\\b"], ItemType="Directory")
    assert call("Test-Path", True, LiteralPath=["C:\\a [1]", "C:\\x"]) == [True, False]
    fails(lambda: call("Remove-Item", LiteralPath=["C:\\a [1]"]), "InvalidOperation")
    call("Remove-Item", LiteralPath=["C:\\a [1]"], Recurse=True)
    fails(lambda: call("Get-Item", LiteralPath=["C:\\a [1]"]), "PathNotFound", "ObjectNotFound")
    before = call("Get-PSDrive", "Free", Name=["C"])[0]["Free"]
    host.disk("C:\\f.vhdx", GIB, type="Fixed")
    assert before - call("Get-PSDrive", "Free", Name=["C"])[0]["Free"] == GIB + 4 * MIB


def test_feature_is_active_after_a_restart():
    host = HyperV(enabled=False, client=True)
    call = Caller(host)
    feature = {"Online": True, "FeatureName": "Microsoft-Hyper-V"}
    enabled = call(
        "Enable-WindowsOptionalFeature", "RestartNeeded", NoRestart=True, Online=True, FeatureName=["Microsoft-Hyper-V"]
    )
    assert enabled == [{"RestartNeeded": True}]
    assert call("Get-WindowsOptionalFeature", "State", **feature) == [{"State": "EnablePending"}]
    host.restart()
    assert call("Get-WindowsOptionalFeature", "State", **feature) == [{"State": "Enabled"}]
    assert call("Get-VM") == []


@pytest.mark.parametrize("kind", ["fail", "lose", "kill"])
def test_faults_at_any_call(host, call, web, kind):
    error = Failed("OperationFailed,x", "NotSpecified")
    host.windows.faults.plan(kind, 2, error=error, before=kind == "kill")
    with pytest.raises(Error if kind == "fail" else ConnectionError):
        call("Start-VM", VM=web)
    assert web.state == ("Running" if kind == "lose" else "Off")


def test_log_tells_reads_from_writes(host, call, web):
    call("Get-VM")
    assert host.writes() == []
    call("Set-VM", VM=web, Notes="x")
    assert host.writes() == ["Set-VM"]


def test_knobs_are_independent_of_each_other():
    assert HyperV().knobs is not HyperV().knobs
    assert Knobs().seconds is not Knobs().seconds
