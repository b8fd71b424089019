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


#: (command, its arguments, the (id, category) of its error or the number of objects that it returns), as a real
#: PowerShell answers. D is a directory with the file f, E an empty one, F and G are files; N does not exist.
D, E, F, G, N = ("C:\\d", "C:\\e", "C:\\f", "C:\\g", "C:\\n")
FOLDER, FORCED, FILE = {"ItemType": "Directory"}, {"ItemType": "Directory", "Force": True}, {"ItemType": "File"}
IN_WAY, NO_ITEM = ("MoveFileInfoItemIOError", "WriteError"), ("PathNotFound", "ObjectNotFound")
NO_SOURCE = ("InvalidOperation", "InvalidOperation")


@pytest.mark.parametrize(
    ("command", "arguments", "answer"),
    [
        ("New-Item", {"Path": [D], **FORCED}, 1),
        ("New-Item", {"Path": [N + "\\a\\b"], **FORCED}, 1),
        ("New-Item", {"Path": [N + "\\a\\b"], **FOLDER}, 1),
        ("New-Item", {"Path": [F], **FORCED}, 0),
        ("New-Item", {"Path": [F + "\\a"], **FORCED}, 0),
        ("New-Item", {"Path": ["C:\\" + "n" * 256], **FORCED}, 0),
        ("New-Item", {"Path": ["X:\\n"], **FORCED}, ("DriveNotFound", "ObjectNotFound")),
        ("New-Item", {"Path": [D], **FOLDER}, ("DirectoryExist", "ResourceExists")),
        ("New-Item", {"Path": [F], **FOLDER}, ("DirectoryExist", "ResourceExists")),
        ("New-Item", {"Path": [F + "\\a"], **FOLDER}, ("CreateDirectoryIOError", "WriteError")),
        ("New-Item", {"Path": [F], **FILE}, ("NewItemIOError", "WriteError")),
        ("New-Item", {"Path": [F], **FILE, "Force": True}, 1),
        ("Remove-Item", {"LiteralPath": [N]}, NO_ITEM),
        ("Remove-Item", {"LiteralPath": [D], "Force": True}, NO_SOURCE),
        ("Remove-Item", {"LiteralPath": [E]}, 0),
        ("Move-Item", {"LiteralPath": [F], "Destination": G}, IN_WAY),
        ("Move-Item", {"LiteralPath": [F], "Destination": G, "Force": True}, 0),
        ("Move-Item", {"LiteralPath": [F], "Destination": E}, 0),
        ("Move-Item", {"LiteralPath": [N], "Destination": E}, NO_SOURCE),
        ("Move-Item", {"LiteralPath": [F], "Destination": N + "\\a"}, IN_WAY),
        ("Rename-Item", {"LiteralPath": F, "NewName": "g"}, ("RenameItemIOError", "WriteError")),
        ("Rename-Item", {"LiteralPath": N, "NewName": "o"}, NO_SOURCE),
        ("Copy-Item", {"LiteralPath": [F], "Destination": G}, 0),
        ("Copy-Item", {"LiteralPath": [N], "Destination": G}, NO_ITEM),
        ("Copy-Item", {"LiteralPath": [F], "Destination": N + "\\a"}, ("CopyFileInfoItemIOError", "WriteError")),
        ("Copy-Item", {"LiteralPath": [F], "Destination": F}, ("CopyError", "WriteError")),
        ("Copy-Item", {"LiteralPath": [D], "Destination": N}, 0),
        ("Test-Path", {"LiteralPath": [D, F, N]}, 3),
        ("Get-Item", {"LiteralPath": [N]}, NO_ITEM),
        ("Get-ChildItem", {"LiteralPath": [N]}, NO_ITEM),
        ("Get-PSDrive", {"Name": ["X"]}, ("GetLocationNoMatchingDrive", "ObjectNotFound")),
    ],
    ids=str,
)
def test_file_commands_answer_as_a_real_powershell(host, call, command, arguments, answer):
    host.files.make(E)
    for file in (F, G, f"{D}\\f"):
        host.files.put(file, file.encode())
    if isinstance(answer, tuple):
        before = (dict(host.files.contents), set(host.files.folders))
        fails(lambda: call(command, **arguments), *answer)
        assert (host.files.contents, host.files.folders) == before
    else:
        assert len(call(command, "FullName", **arguments)) == answer


def test_file_commands_change_what_a_real_powershell_changes(host, call):
    files = host.files
    for file in (F, G, f"{D}\\f"):
        files.put(file, file.encode())
    call("Copy-Item", LiteralPath=[D], Destination=E)
    assert (files.is_folder(E), files.below(E)) == (True, [])
    call("Copy-Item", LiteralPath=[F], Destination=G)
    call("Move-Item", LiteralPath=[G], Destination=E)
    assert (files.file(G), files.file(f"{E}\\g")) == (None, F.encode())
    fails(lambda: call("Remove-Item", LiteralPath=[F, N, f"{E}\\g"]), *NO_ITEM)
    assert (files.file(F), files.file(f"{E}\\g")) == (None, F.encode())
    call("New-Item", Path=[f"{E}\\g"], **FILE, Force=True)
    assert files.file(f"{E}\\g") == b""
    with pytest.raises(Failed, match="IOException"):
        files.write(E, "")
    assert files.read(E, 1) == {"ok": True, "exists": False}


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
