# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the user of the connection may not open: named before the first change, or nothing is left half done."""

from __future__ import annotations

import pytest

from platforms.hyperv.counts import BASE, host_with
from platforms.hyperv.tasks import done, run

ISO, DISK = "C:\\media\\medium.iso", "C:\\Hyper-V\\Disks\\web.vhdx"
NEW = {"name": ["new"], "memory": "1G", "networks": []}
#: {what a task would open: (path, options)}
OPENED = {
    "image": (BASE, {**NEW, "image": {"source": BASE}}),
    "parent": (BASE, {**NEW, "image": {"source": BASE, "linked": True}}),
    "disk": (BASE, {"name": ["web"], "cpus": 4, "disks": [{}, {"source": BASE}]}),
    "ISO image": (ISO, {"name": ["web"], "cpus": 4, "iso": ISO}),
    "ISO image of a new VM": (ISO, {**NEW, "disks": [{"size": "8G"}], "iso": ISO}),
    "source": (DISK, {**NEW, "clone": {"source": "web"}}),
    "source of a linked clone": (DISK, {**NEW, "clone": {"source": "web", "linked": True}}),
}


@pytest.fixture(name="host")
def _host():
    host = host_with(["web"])
    host.files.put(ISO, b"iso")
    return host


def _denied(host, path):
    host.files.denied.add(path)
    return host


@pytest.mark.parametrize("what", OPENED)
def test_file_that_may_not_be_read_is_named_before_the_first_change(host, what):
    path, options = OPENED[what]
    _denied(host, path)
    for check in (True, False):
        result = run(host, check=check, **options)
        assert (result["failed"], result["changed"], host.writes()) == (True, False, [])
        assert f"{path} is not readable. Give the user" in result["msg"]
    host.files.denied.clear()
    done(host, **options)


def test_growth_needs_a_file_that_may_be_read(host):
    result = run(_denied(host, DISK), name=["web"], cpus=4, disks=[{"size": "20G"}])
    assert (result["failed"], "may not read its file" in result["msg"], host.writes()) == (True, True, [])


def test_what_needs_no_file_goes_on(host):
    """Hyper-V opens the disks of a VM with an account of the VM's own."""
    _denied(host, DISK)
    done(host, name=["web"], cpus=4, state="started")
    done(host, "snapshot", name=["web"], snapshot="one")
    assert host.vm("web").state == "Running"


def test_description_names_a_disk_that_cannot_be_read(host):
    (vm,) = done(_denied(host, DISK), "vm_info", describe=True)["vms"]
    named = {one["path"]: one["reason"] for one in vm["not_described"]}
    assert DISK in named["HardDrives.SCSI 0:0.Size"]
    assert "may not read it" in named["HardDrives.SCSI 0:0.Size"]
    assert not run(host, check=True, **vm["task"])["changed"]


def test_directory_without_rights_leaves_no_vm(host):
    result = run(_denied(host, "C:\\Hyper-V\\Disks"), **NEW, disks=[{"size": "8G"}])
    assert (result["failed"], [vm.name for vm in host.vms]) == (True, ["web"])
    assert "Grant the user" in result["msg"]


def test_deletion_goes_on_once_the_file_may_be_deleted(host):
    """Rights to delete cannot be read beforehand: the parent directory may grant them."""
    options = {"name": ["web"], "state": "absent", "delete_disks": "all"}
    result = run(_denied(host, DISK), **options)
    assert (result["failed"], result["changed"], host.vm("web").name) == (True, False, "web")
    assert "denied" in result["msg"]
    assert "Grant the user" in result["msg"]
    host.files.denied.clear()
    done(host, **options)
    assert (host.vms, host.files.file(DISK)) == ([], None)
