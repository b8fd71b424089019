# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Hyper-V: disks, checkpoints and copies."""

from __future__ import annotations

import pytest

from platforms.hyperv.caller import DISK, Caller, fails, on
from platforms.hyperv.double.files import extension
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB


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
    smaller = {"Path": ["C:\\Disks\\s.vhdx"], "ParentPath": "C:\\Disks\\base.vhdx", "SizeBytes": GIB // 2}
    fails(lambda: call("New-VHD", **smaller), "InvalidParameter")
    nowhere = {"Path": ["C:\\nowhere\\a.vhdx"], "SizeBytes": GIB}
    assert "0x80070003" in fails(lambda: call("New-VHD", **nowhere), "OperationFailed").message


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


def test_changed_parents_make_their_children_useless(host, call, web):
    host.add("clone")
    for name in ("resized", "started", "missing"):
        call("New-VHD", Path=[f"C:\\Disks\\{name}.vhdx"], ParentPath=DISK, Differencing=True)
        if name == "resized":
            call("Resize-VHD", Path=[DISK], SizeBytes=20 * GIB)
        if name == "started":
            call("Start-VM", VM=web)
            call("Stop-VM", VM=web, TurnOff=True)
        if name == "missing":
            host.files.delete(DISK)
        host.vm("clone").hardware.drives.clear()
        call("Add-VMHardDiskDrive", VMName=["clone"], Path=f"C:\\Disks\\{name}.vhdx")
        code = "0x80070002" if name == "missing" else "0xC03A000E"
        assert code in fails(lambda: call("Start-VM", Name=["clone"]), "OperationFailed").message


def test_parent_and_child_do_not_run_together(host, call, web):
    call("New-VHD", Path=["C:\\Disks\\a.vhdx", "C:\\Disks\\b.vhdx"], ParentPath=DISK, Differencing=True)
    for name in "ab":
        call("New-VM", Name=name, VHDPath=f"C:\\Disks\\{name}.vhdx", Generation=2)
    call("Start-VM", Name=["a", "b"])
    assert "0x80070020" in fails(lambda: call("Start-VM", VM=web), "OperationFailed").message


def test_convert_and_merge(host, call):
    base = host.disk("C:\\Disks\\base.vhdx")
    call("New-VHD", Path=["C:\\Disks\\c.vhdx"], ParentPath=base, SizeBytes=20 * GIB)
    call("Convert-VHD", Path="C:\\Disks\\c.vhdx", DestinationPath="C:\\Disks\\d.vhd", VHDType="Fixed")
    shown = call("Get-VHD", "VhdType VhdFormat ParentPath Size", Path=["C:\\Disks\\d.vhd"])
    assert shown == [{"VhdType": "Fixed", "VhdFormat": "VHD", "ParentPath": "", "Size": 20 * GIB}]
    fails(lambda: call("Merge-VHD", Path="C:\\Disks\\c.vhdx"), "InvalidOperation")
    call("Merge-VHD", Path="C:\\Disks\\c.vhdx", Force=True)
    assert call("Get-VHD", "Size", Path=[base]) == [{"Size": 20 * GIB}]
    assert host.files.file("C:\\Disks\\c.vhdx") is None


def test_copy_of_a_disk_is_locked_until_it_is_complete(host, call, web):
    copy = {"LiteralPath": [DISK], "Destination": "C:\\Disks\\copy.vhdx"}
    assert call.answer("Copy-Item", None, {"background": 1}.items(), **copy)["pending"]
    fails(lambda: call("Remove-Item", LiteralPath=[copy["Destination"]]), "RemoveFileSystemItemIOError")
    host.clock.sleep(5)
    assert call("Get-VHD", "Size", Path=[copy["Destination"]]) == [{"Size": 10 * GIB}]


def test_share_without_a_second_hop(host, call):
    host.reaches_shares = False
    new = {"Path": ["\\\\files\\vm\\a.vhdx"], "SizeBytes": GIB}
    assert "0x80070005" in fails(lambda: call("New-VHD", **new), "OperationFailed").message


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

    def swap():
        call.picked(web, "DVDDrives", "Set-VMDvdDrive", "VMDvdDrive", Path="C:\\iso\\a.iso")

    assert "0x80070005" in fails(swap, "AccessDenied", "PermissionDenied").message
    call.picked(web, "DVDDrives", "Set-VMDvdDrive", "VMDvdDrive", Path=None)
    assert call("Get-VMDvdDrive", "Path", VM=web) == [{"Path": ""}]


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
    assert call("Get-VM", "OperationalStatus", Id=web.id) == [{"OperationalStatus": ["Ok"]}]
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
    on(web, before)
    call("Restore-VMSnapshot", VMSnapshot=one)
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


def test_children_of_a_removed_checkpoint_belong_to_its_parent(host, call, web):
    first, second, third = (checkpoint(call, web, name) for name in ("one", "two", "three"))
    call("Remove-VMSnapshot", VMSnapshot=second)
    assert (third.parent, web.parent) == (first.id, third.id)
    host.clock.sleep(30)
    assert len(host.files.chain(web.hardware.disks()[0].path)) == 3


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


def test_export_and_import_with_a_new_id(host, call, web):
    web.hardware.nics[0].mac, web.hardware.nics[0].is_dynamic = "00155D010203", False
    checkpoint(call, web, "one")
    call("Export-VM", VM=web, Path="D:\\x")
    assert "0x80070050" in fails(lambda: call("Export-VM", VM=web, Path="D:\\x"), "OperationFailed").message
    web.hardware.drives.clear()
    fails(lambda: call("Export-VM", VM=web, Path="D:\\x"), "OperationFailed")
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
