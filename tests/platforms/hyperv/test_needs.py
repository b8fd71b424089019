# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs a disk file, whatever path leads to it and whether a VM has what needs it: the file is not lost."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import empty_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.mark import (
    notes_of,
    split_notes,
    temporary_name,
)

from platforms.hyperv.counts import host_with
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Drive, Knobs
from platforms.hyperv.tasks import done, run

FOLDER = "C:\\Hyper-V\\Disks"
BASE = f"{FOLDER}\\web-scsi0-0.vhdx"
VOLUME = "\\\\?\\Volume{4c1b02c1-d990-11dc-99ae-806e6f6e6963}"
#: {what leads to the directory of disks: (links of the double, path)}
NAMES = {
    "long path": ({}, f"\\\\?\\{BASE}"),
    "device path": ({}, f"\\\\.\\{BASE.upper()}"),
    "junction": ({"D:\\Link": FOLDER}, "D:\\Link\\web-scsi0-0.vhdx"),
    "symbolic link": ({"D:\\gold.vhdx": BASE}, "D:\\gold.vhdx"),
    "8.3": ({"C:\\HYPER-~1": "C:\\Hyper-V"}, "C:\\HYPER-~1\\Disks\\web-scsi0-0.vhdx"),
    "volume": ({VOLUME: "C:"}, f"{VOLUME}{BASE[2:]}"),
    "share": ({"\\\\HOST\\disks": FOLDER}, "\\\\HOST\\disks\\web-scsi0-0.vhdx"),
}
WEB = {"name": ["web"]}
#: {tasks that lose what is in the disk: (module, options)}
TASKS = {
    "delete": ("vm", {"state": "absent"}),
    "grow": ("vm", {"disks": [{"size": "20G"}]}),
    "delete checkpoint": ("snapshot", {"snapshot": "one", "state": "absent"}),
    "delete with checkpoint": ("vm", {"state": "absent"}),
}
GROW = {**WEB, "disks": [{"size": "20G"}]}


def _host(**knobs):
    host = HyperV(knobs=Knobs(**knobs))
    done(host, **WEB, memory="1G", disks=[{"size": "8G"}], networks=[])
    return host


def _add(host, path, state="Off"):
    host.add("other", state=state).hardware.drives.append(Drive("disk", "SCSI", 0, 0, path))


def _refused(host, text, **options):
    before, contents = host.writes(), dict(host.files.contents)
    for check in (True, False):
        result = run(host, check=check, **options)
        assert (result["failed"], result["changed"], text in result["msg"]) == (True, False, True), result["msg"]
    assert (host.writes(), host.files.contents) == (before, contents)


def _kept(host, why, path=BASE):
    """The deletion of the VM keeps a file, as check mode foresees."""
    for check in (True, False):
        result = run(host, check=check, **WEB, state="absent")
        kept = {one["path"]: one["reason"] for one in result["vms"][0]["kept"]}
        assert (result["failed"], why in kept.get(path, "")) == (False, True), (result["msg"], kept)
    assert path.lower() in host.files.contents
    return kept


# One file with several paths ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_child", [True, False])
def test_file_is_the_same_by_each_of_its_names(name, is_child):
    host = _host()
    links, path = NAMES[name]
    host.files.links.update(links)
    child = host.disk("D:\\child.vhdx", type="Differencing", parent=path)
    _add(host, child if is_child else path, "Off" if is_child else "Running")
    _refused(host, "other", **GROW)
    _refused(host, "other", **WEB, state="started")
    _kept(host, "used by other")


@pytest.mark.parametrize("has_file_ids", [True, False])
def test_copies_are_two_files_if_windows_says_so(has_file_ids):
    host = _host(has_file_ids=has_file_ids)
    copy = host.disk("D:\\copy.vhdx", id=host.files.vhd(BASE).id)
    _add(host, copy)
    if has_file_ids:
        done(host, **GROW)
        assert done(host, **WEB, state="absent")["vms"][0]["kept"] == []
    else:
        _kept(host, "used by other")


# Disk files that no VM has --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [f"{FOLDER}\\stray.vhdx", f"{FOLDER}\\a\\b\\c\\stray.vhdx", "D:\\VMs\\stray.vhdx", "D:\\VMs\\x\\s.vhdx"]
)
@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_disk_that_no_vm_has_is_asked_before_each_loss(task, path, is_late):
    host = _host()
    host.add("db", disk="D:\\VMs\\db.vhdx")
    about, options = TASKS[task]
    if "checkpoint" in task:
        done(host, "snapshot", **WEB, snapshot="one")

    def plant():
        host.disk(path, type="Differencing", parent=BASE)

    if is_late:
        host.after("Get-ChildItem", plant)
        result = run(host, about, **WEB, **options)
        assert (result["failed"], path in result["msg"]) == (True, True), result["msg"]
    elif task == "delete":
        plant()
        _kept(host, f"used by {path}")
    else:
        plant()
        _refused(host, path, about=about, **WEB, **options)
    assert BASE.lower() in host.files.contents


@pytest.mark.parametrize("path", [f"{FOLDER}\\a\\b\\c\\d\\stray.vhdx", "D:\\elsewhere\\stray.vhdx"])
def test_search_ends_three_levels_below_the_directories_of_disks(path):
    host = _host()
    host.disk(path, type="Differencing", parent=BASE)
    assert done(host, **WEB, state="absent")["vms"][0]["kept"] == []


@pytest.mark.parametrize(
    ("unread", "is_kept"),
    [(FOLDER, True), ("D:\\old", True), (f"{FOLDER}\\x.vhdx", True), (f"{FOLDER}\\x\\y.vhdx", False), ("D:\\V", False)],
)
def test_what_cannot_be_read_keeps_the_files_beside_it(unread, is_kept):
    host = _host()
    host.add("db", disk="D:\\V\\db.vhdx")
    if unread.endswith("vhdx"):
        host.lock([host.disk(unread)])
    else:
        for call in (1, 2, 3, 4):
            host.before("Get-ChildItem", lambda: host.files.denied.add(unread), call=call)
            host.after("Get-ChildItem", lambda: host.files.denied.discard(unread), call=call)
    if unread == "D:\\old":  # The disks in it may have any format.
        old = host.disk("D:\\old\\web.vhd")
        host.vm("web").hardware.disks()[0].path = old
        mark = split_notes(host.vm("web").shown["Notes"])[1]
        host.vm("web").shown["Notes"] = notes_of("", {**mark, "disks": [old]})
        _kept(host, f"{unread}, which no VM has, cannot be read", old)
    elif is_kept:
        _kept(host, f"{unread}, which no VM has, cannot be read")
    else:
        result = done(host, **WEB, state="absent")
        assert (result["vms"][0]["kept"], any(unread in one for one in result["warnings"])) == ([], True)


def test_what_a_restore_leaves_behind_keeps_no_checkpoint():
    """Only a deletion of the disk itself keeps it."""
    host = _host()
    for state in ("present", "restored", "absent"):
        done(host, "snapshot", **WEB, snapshot="one", state=state)
    done(host, **GROW)
    host.disk(f"{FOLDER}\\left.avhdx", type="Differencing", parent=BASE)
    done(host, **WEB, disks=[{"size": "30G"}])
    _kept(host, f"used by {FOLDER}\\left.avhdx")


def test_disk_that_is_copied_for_a_new_vm_needs_nothing():
    """The task for the other VM has created it under its temporary name, and recorded the file."""
    host = _host()
    host.add(temporary_name("new")).shown["Notes"] = notes_of(
        "", {**empty_mark(None), "unfinished": True, "name": "new", "making": [f"{FOLDER}\\new.vhdx"]}
    )
    host.lock([host.disk(f"{FOLDER}\\new.vhdx")], "convert")
    assert done(host, **WEB, state="absent")["vms"][0]["kept"] == []


def test_what_is_below_a_kept_file_is_kept():
    host = _host()
    low, mid = f"{FOLDER}\\low.vhdx", f"{FOLDER}\\mid.vhdx"
    host.disk(low, size=8 * GIB)
    host.disk(mid, size=8 * GIB, type="Differencing", parent=low)
    host.disk(BASE, size=8 * GIB, type="Differencing", parent=mid)
    vm = host.vm("web")
    text, mark = split_notes(vm.shown["Notes"])
    vm.shown["Notes"] = notes_of(text, {**mark, "disks": [BASE, mid, low]})
    _add(host, host.disk("D:\\child.vhdx", type="Differencing", parent=mid))
    assert set(_kept(host, f"{mid}, which is kept", low)) == {mid, low}


# What refuses Remove-VM -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_late", [False, True])
def test_replicated_vm_keeps_its_files(is_late):
    host = host_with(["web"])
    contents = dict(host.files.contents)

    def replicate():
        host.vm("web").replication = "Replicating"

    if is_late:
        host.after("Get-ChildItem", replicate, call=2)
        result = run(host, **WEB, state="absent", delete_disks="all")
        assert (result["failed"], "is replicated" in result["msg"]) == (True, True), result["msg"]
    else:
        replicate()
        _refused(host, "is replicated (state: Replicating)", **WEB, state="absent", delete_disks="all")
    assert (host.files.contents, [vm.name for vm in host.vms]) == (contents, ["web"])
