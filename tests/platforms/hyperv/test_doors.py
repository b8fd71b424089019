# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step destroys on a host with Hyper-V has to be in its plan; the tool refuses everything else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools import windows_files
from ansible_collections.polyvirt.core.plugins.module_utils._tools.hyperv import hyperv

from platforms.hyperv.counts import BASE, host_with
from platforms.hyperv.double.records import Vhd
from platforms.hyperv.double.snapshots import take
from platforms.hyperv.tasks import done, run

DISK = "C:\\VMs\\web.vhdx"
PERMIT = Permit([(DISK, windows_files.key_of(DISK))], frozenset({("snapshot", "id", "old"), ("state", "id")}))
NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}], "networks": []}
WAYS = [*({"about": "snapshot", "snapshot": name, "state": "absent"} for name in "abc"), {"state": "absent"}]


@pytest.mark.parametrize(
    "act",
    [
        lambda: hyperv("Remove-VM", None, ("id",)),
        lambda: hyperv("Remove-VMSnapshot", None, ("id", "new")),
        lambda: hyperv("Remove-VMSnapshot", None, ("id",)),
        lambda: hyperv("Restore-VMSnapshot"),
        lambda: hyperv("Remove-VMSavedState", None, ("id",)),
        lambda: hyperv("Move-VMStorage"),
        lambda: windows_files.removal(["C:\\VMs\\other.vhdx"]),
        lambda: hyperv("Resize-VHD", {"Path": ["C:\\VMs\\other.vhdx"], "SizeBytes": 1 << 40}),
    ],
)
def test_call_that_destroys_what_no_plan_lists_is_not_made(act):
    with permits.granted(PERMIT), pytest.raises(Refused, match="plan of the task does not list"):
        act()


def test_call_of_a_plan():
    with permits.granted(PERMIT):
        assert hyperv("Remove-VMSnapshot", None, ("id", "old"))["command"] == "Hyper-V\\Remove-VMSnapshot"
        assert hyperv("Restore-VMSnapshot", None, ("id",)) and hyperv("Set-VMMemory")
        assert hyperv("Resize-VHD", {"Path": [DISK], "SizeBytes": 1 << 40})
        assert windows_files.removal([DISK])["with"]["LiteralPath"] == [f"={DISK}"]
    with pytest.raises(Refused):
        windows_files.removal([DISK])


def test_files_are_deleted_only_by_this_call():
    """WSL deletes directories that a task has created otherwise: it fails for one with files."""
    utils = Path(windows_files.__file__).parents[1]
    trees = {file: ast.walk(ast.parse(file.read_text())) for file in utils.rglob("*.py")}
    texts = [(file, node.value) for file, nodes in trees.items() for node in nodes if isinstance(node, ast.Constant)]
    found = {file.relative_to(utils).as_posix() for file, text in texts if str(text).endswith("Remove-Item")}
    assert found == {"_tools/windows_files.py", "_drivers/wsl/create.py"}


@pytest.mark.parametrize("way", WAYS)
def test_checkpoint_files_that_are_deleted_are_listed(way):
    host = host_with()
    done(host, **NEW)
    for name, state in (("a", "present"), ("b", "present"), ("a", "restored"), ("c", "present")):
        done(host, "snapshot", name=["web"], snapshot=name, state=state)
    before = {*host.files.contents}
    listed = [run(host, check=check, **{"name": ["web"], **way})["vms"][0]["deleted"] for check in (True, False)]
    host.clock.sleep(60)
    gone = {one for one in before - {*host.files.contents} if one.endswith("vhdx")}
    assert [set(map(windows_files.key_of, one)) for one in listed] == [gone, gone]


def test_saved_memory_that_the_plan_does_not_know_is_kept():
    host = host_with()
    done(host, **NEW, state="started")
    host.before("Get-VM", lambda: setattr(host.vm("web"), "state", "Saved"), call=2)
    result = run(host, name=["web"], state="stopped", stop_mode="force")
    assert (result["failed"], "saved meanwhile" in result["msg"], host.vm("web").state) == (True, True, "Saved")


@pytest.mark.parametrize("way", [WAYS[0], {**WAYS[-1], "delete_disks": "none"}])
def test_nothing_is_merged_below_the_disk_of_another_vm(way):
    host = host_with()
    done(host, **NEW)
    done(host, "snapshot", name=["web"], snapshot="a")
    base = host.files.chain(host.vm("web").hardware.disks()[0].path)[-1]
    host.add("other", disk="C:\\Hyper-V\\Disks\\top.vhdx")
    host.files.put("C:\\Hyper-V\\Disks\\top.vhdx", Vhd(type="Differencing", size=8 << 30, parent=base))
    for check in (True, False):
        result = run(host, check=check, **{"name": ["web"], **way})
        assert (result["failed"], "Delete what needs it first" in result["msg"]) == (True, True), result["msg"]
        assert ("or keep the snapshot" in result["msg"], "other" in result["msg"]) == (way is WAYS[0], True)
    assert [one.name for one in host.vm("web").snapshots] == ["a"]
    done(host, name=["other"], state="absent", delete_disks="all")
    done(host, **{"name": ["web"], **way})


@pytest.mark.parametrize("name", ["web-seed.iso", "web-scsi0-0.vhdx"])
@pytest.mark.parametrize("options", [{}, {"image": BASE, "disks": [{}]}], ids=["empty", "copied"])
def test_file_that_appears_after_the_plan_is_not_replaced(name, options):
    host, path = host_with(), f"C:\\Hyper-V\\Disks\\{name}"
    host.before("New-VM", lambda: host.files.put(path, b"of a user"))
    result = run(host, **{**NEW, "cloud_init": {"user": "admin"}, **options})
    assert [one in result.get("msg", "") for one in (path, "exists", "Move the file")] == [True] * 3, result
    assert (host.files.file(path), host.vms) == (b"of a user", [])
    assert [one for one in host.files.contents if "web" in one] == [path.lower()]


@pytest.mark.parametrize("more", [{}, {"tags": ["a"]}], ids=str)
def test_disk_that_another_client_has_enlarged_is_not_shrunk(more):
    host = host_with()
    done(host, **NEW)
    disk = host.files.vhd(host.vm("web").hardware.disks()[0].path)
    # The first call is that of the observation.
    host.before("Get-VHD", lambda: vars(disk).update(size=20 << 30, data=1 << 30), call=2)
    result = run(host, name=["web"], disks=[{"size": "10G"}], **more)
    assert [one in result.get("msg", "") for one in ("disks are never shrunk", "20G")] == [True, True], result
    assert disk.size == 20 << 30


@pytest.mark.parametrize("linked", [True, False])
def test_copy_of_a_disk_that_was_enlarged_since_is_not_shrunk(linked):
    host = host_with()
    host.before("New-VM", lambda: setattr(host.files.vhd(BASE), "size", 20 << 30))
    image = {"source": BASE, "linked": linked}
    result = run(host, **{**NEW, "image": image, "disks": [{"size": "10G"}]})
    assert (result["failed"], "size of the disk" in result["msg"], host.vms) == (True, True, []), result


def test_shared_disk_is_enlarged():
    host = host_with(["a"])
    drive = host.vm("a").hardware.disks()[0]
    drive.shown["SupportPersistentReservations"] = True
    done(host, name=["a"], disks=[{"size": "200G"}])
    assert host.files.vhd(drive.path).size == 200 << 30


@pytest.mark.parametrize(("first", "after"), [((), "Stop-VM"), ("a", "Stop-VM"), ("a", "Remove-VMSnapshot")], ids=str)
@pytest.mark.parametrize("delete_disks", ["owned", "none"])
def test_vm_with_a_checkpoint_that_the_plan_does_not_list_is_kept(first, after, delete_disks):
    """Another client takes it while the VM is shut down, or while older ones are merged; names do not count."""
    host = host_with()
    done(host, **NEW)
    for name in first:
        done(host, "snapshot", name=["web"], snapshot=name)
    done(host, name=["web"], state="started")
    host.after(after, lambda: take(host, host.vm("web"), "a"))
    absent = {"name": ["web"], "state": "absent", "stop_mode": "force", "delete_disks": delete_disks}
    result = run(host, **absent)
    words = ("a checkpoint was taken after the task was planned", ".avhdx would be deleted, too: it was added after")
    assert any(one in result.get("msg", "") for one in words), result
    assert host.vm("web").snapshots[-1].name == "a"
    done(host, **absent)
    assert host.vms == []
