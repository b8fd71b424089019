# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Hyper-V: settings and devices."""

from __future__ import annotations

import pytest

from platforms.hyperv.caller import DISK, Caller, fails, on
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import DEFAULT_SWITCH, GIB, MIB, NO_MAC
from platforms.hyperv.double.texts import CULTURES


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
    call.picked(web, "HardDrives", "Set-VMFirmware", "FirstBootDevice", VMName="web")
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
