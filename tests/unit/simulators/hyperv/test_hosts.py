# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Hyper-V: networks, Windows, and faults."""

from __future__ import annotations

import pytest

from platforms.hyperv.caller import Caller, Error, fails, on
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, MIB
from platforms.windows.failures import Failed


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
        "Enable-WindowsOptionalFeature",
        "RestartNeeded",
        NoRestart=True,
        Online=True,
        All=True,
        FeatureName=["Microsoft-Hyper-V", "Microsoft-Hyper-V-Management-PowerShell"],
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


def test_default_switch_cannot_be_removed():
    host = HyperV(client=True)
    fails(lambda: Caller(host)("Remove-VMSwitch", Name=["Default Switch"], Force=True), "OperationFailed")
    assert len(host.switches) == 1


def test_knobs(host, call, web):
    host.knobs.nic_hotplug = False
    fails(lambda: call("Add-VMNetworkAdapter", VM=on(web)), "InvalidState")
    host.knobs.disk_full = "OutOfMemory"
    fails(lambda: call("New-VHD", Path=["C:\\f.vhdx"], Fixed=True, SizeBytes=600 * GIB), "OutOfMemory")
    host.knobs.checkpoints_disabled = "InvalidState"
    web.shown["CheckpointType"] = "Disabled"
    fails(lambda: call("Checkpoint-VM", VM=web), "InvalidState", "InvalidOperation")
    host.knobs.deleted_late = 5
    host.after("Get-VM", lambda: host.delete(web))
    assert call("Get-VM", "IsDeleted") == [{"IsDeleted": False}]


def test_host_and_its_nics(call):
    call("New-VMSwitch", Name="lan", SwitchType="Internal")
    assert call("Get-VMNetworkAdapter", "Name IsManagementOs", ManagementOS=True) == [
        {"Name": "lan", "IsManagementOs": True}
    ]
    assert [one["Name"] for one in call("Get-NetAdapter", "Name")] == ["Ethernet", "Ethernet 2", "vEthernet (lan)"]
    show = {"LogicalProcessorCount": True, "SecureBootTemplates": {"Name": True}}
    (found,) = call("Get-VMHost", show)
    assert (found["LogicalProcessorCount"], found["SecureBootTemplates"][0]) == (16, {"Name": "MicrosoftWindows"})
