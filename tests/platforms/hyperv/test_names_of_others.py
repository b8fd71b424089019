# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else creates a VM with the name that a task creates: neither that VM nor its files are changed."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import empty_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.mark import notes_of, temporary_name

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB
from platforms.hyperv.tasks import done, run

FOLDER = "C:\\Hyper-V\\Disks"
BASE, OWN_DISK, OTHER_DISK = f"{FOLDER}\\base.vhdx", f"{FOLDER}\\web-scsi0-0.vhdx", "D:\\theirs\\web.vhdx"
COPY = {"name": ["web"], "image": {"source": BASE}, "memory": "1G", "networks": []}
EMPTY = {"name": ["web"], "disks": [{"size": "8G"}], "memory": "1G", "networks": []}


def _host():
    host = HyperV()
    host.disk(BASE, size=4 * GIB)
    return host


def _take_the_name(host):
    host.files.make("D:\\theirs")
    host.add("web", disk=OTHER_DISK).shown["Notes"] = "theirs"


@pytest.mark.parametrize("command", ["New-VM", "Remove-VMNetworkAdapter", "Convert-VHD", "Add-VMHardDiskDrive"])
@pytest.mark.parametrize("fails_to_start", [True, False])
def test_vm_that_is_created_at_the_same_time_is_left_alone(command, fails_to_start):
    host = _host()
    host.before(command, lambda: _take_the_name(host))
    if fails_to_start:
        host.memory = 1
    run(host, **COPY, state="started")
    (theirs,) = [vm for vm in host.vms if vm.shown["Notes"] == "theirs"]
    assert (theirs.name, theirs.state) == ("web", "Off")
    assert host.files.vhd(OTHER_DISK)
    # A temporary VM, which nobody knows, would remain.
    assert [vm.name for vm in host.vms if vm.name != "web"] == []


def _unfinished(host):
    """Add the VM that another task is creating, with its disk."""
    mark = {**empty_mark(None), "new": True, "name": "web", "making": [OWN_DISK]}
    vm = host.add(temporary_name("web"), disk=OWN_DISK)
    vm.shown["Notes"] = notes_of("", mark)
    return vm


@pytest.mark.parametrize("options", [COPY, EMPTY], ids=["copy", "empty"])
def test_vm_that_another_task_completes_is_not_taken_for_an_unfinished_one(options):
    host = _host()
    vm = _unfinished(host)
    disk = host.files.vhd(OWN_DISK)
    host.after("Test-Path", lambda: vm.shown.update(Name="web") or setattr(vm, "name", "web"))
    result = run(host, **options)
    assert result["failed"]
    assert "web: another task created a VM with this name at the same time" in result["msg"]
    assert (host.vms, host.files.vhd(OWN_DISK) is disk) == ([vm], True)


def test_undo_keeps_the_files_of_a_task_that_has_removed_its_vm():
    host = _host()

    def take_over():
        host.delete(host.vm(temporary_name("web")))
        host.files.delete(OWN_DISK)
        host.add("web", disk=OWN_DISK)

    host.before("Get-VHD", take_over, call=2)
    assert run(host, **COPY)["failed"]
    assert [vm.name for vm in host.vms] == ["web"]
    assert host.files.vhd(OWN_DISK)


def test_unfinished_vm_is_removed_with_its_files():
    host = _host()
    _unfinished(host)
    done(host, **EMPTY)
    assert [vm.name for vm in host.vms] == ["web"]
    assert host.files.vhd(OWN_DISK).size == 8 * GIB


def test_unfinished_vm_that_somebody_else_removes_is_no_error():
    host = _host()
    vm = _unfinished(host)

    def remove():
        host.delete(vm)
        host.files.delete(OWN_DISK)

    host.after("Test-Path", remove)
    done(host, **EMPTY)
    assert [one.name for one in host.vms] == ["web"]
