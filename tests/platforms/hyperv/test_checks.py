# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would fail on the host is an error before the first step, in check mode too; the message names the option."""

from __future__ import annotations

import pytest

from platforms.hyperv.counts import BASE, NIC, host_with
from platforms.hyperv.double.records import GIB
from platforms.hyperv.tasks import done, run

NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}], "networks": [NIC]}
BIOS = {"firmware": "bios"}
ISO = {"iso": "C:\\a.iso"}


def _host():
    host = host_with()
    host.files.put("C:\\a.iso", b"iso")
    return host


def fails_before_the_first_step(host, words, **options):
    """Assert that a task fails in check mode and in a run with a message that has these words, and writes nothing."""
    before, files = host.writes(), dict(host.files.contents)
    for check in (True, False):
        result = run(host, check=check, **options)
        assert (result["failed"], result["changed"]) == (True, False)
        assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert (host.writes(), host.files.contents) == (before, files)


def _at(slot):
    return {"disks": [{"slot": slot, "size": "8G"}]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (_at("SCSI 1:0"), ("web: disks.SCSI 1:0", "a new VM has no SCSI controller 1")),
        ({**BIOS, **_at("SCSI 3:63")}, ("web: disks.SCSI 3:63", "no SCSI controller 3")),
        ({**BIOS, **_at("IDE 1:0")}, ("web: disks.IDE 1:0", "DVD drive of each VM with firmware: bios")),
        ({**ISO, **_at("SCSI 0:63")}, ("web: iso: the slot of its new drive, SCSI 0:63, is used by a disk",)),
    ],
    ids=str,
)
def test_slot_of_a_new_vm_exists_and_is_free(options, words):
    fails_before_the_first_step(_host(), words, **{**NEW, **options})


def test_host_with_an_arm_cpu_creates_no_vm_of_generation_1():
    host = _host()
    host.files.environment["PROCESSOR_ARCHITECTURE"] = "ARM64"
    words = ("web: firmware: bios: hosts of arm64 create only VMs with UEFI (generation 2). Set firmware: uefi",)
    fails_before_the_first_step(host, words, **NEW, **BIOS)
    done(host, **NEW)


def test_slots_of_a_new_vm_that_are_free():
    host = _host()
    for name, options in {
        "a": {**BIOS, "disks": [{"slot": one, "size": "8G"} for one in ("IDE 0:1", "IDE 1:1", "SCSI 0:63")], **ISO},
        "b": {"disks": [{"slot": "SCSI 0:62", "size": "8G"}], **ISO},
        "c": {"disks": [{"slot": "SCSI 0:63", "size": "8G"}]},
    }.items():
        done(host, **{**NEW, "name": [name], **options})
        assert not done(host, **{**NEW, "name": [name], **options})["changed"]


def test_slot_of_an_existing_vm_exists_and_is_free():
    host = _host()
    done(host, **NEW, **ISO)
    web = {"name": ["web"]}
    fails_before_the_first_step(
        host, ("web: disks.SCSI 1:0", "the VM has no SCSI controller 1"), **web, **_at("SCSI 1:0")
    )
    fails_before_the_first_step(host, ("web: disks.SCSI 0:63", "an optical drive"), **web, **_at("SCSI 0:63"))
    host.vm("web").hardware.controllers.append(1)
    done(host, **web, **_at("SCSI 1:0"))
    done(host, **web, **_at("SCSI 1:1"))
    # A clone has one controller.
    words = ("copy: disks.SCSI 1:0", "a new VM has no SCSI controller 1")
    fails_before_the_first_step(host, words, name=["copy"], clone={"source": "web"})


def test_slot_of_a_new_dvd_drive_is_free():
    host = _host()
    done(host, **{**NEW, **_at("SCSI 0:63")})
    web = {"name": ["web"]}
    fails_before_the_first_step(host, ("web: iso", "SCSI 0:63"), **web, **ISO)
    removed = {"slot": "SCSI 0:63", "state": "absent"}
    done(host, **web, **ISO, disks=[removed, {"slot": "SCSI 0:0", "source": BASE}])


def _with_free(host, free):
    host.files.capacity["C"] = host.files.used("C") + free
    return host


def _with_big_disk():
    """A host with the VM web, and 1 GiB of free space beside its fixed disk of 40 GiB."""
    host = _host()
    host.disk("C:\\Hyper-V\\Disks\\big.vhdx", size=40 * GIB, type="Fixed")
    done(host, **{**NEW, "disks": [{"source": "C:\\Hyper-V\\Disks\\big.vhdx"}]})
    return host


def test_linked_disks_need_no_space():
    host = _with_free(_with_big_disk(), GIB)
    done(host, check=True, name=["copy"], clone={"source": "web", "linked": True})
    done(host, name=["copy"], clone={"source": "web", "linked": True})


def test_copies_need_the_space_of_the_whole_chain():
    host = _with_big_disk()
    done(host, "snapshot", name=["web"], snapshot="one")
    copy = {"name": ["copy"], "clone": "web"}
    words = ("copy: storage_path: 41G are needed", "C: has only 1G of free space.")
    fails_before_the_first_step(_with_free(host, GIB), words, **copy)
    # The disk is not counted twice.
    done(_with_free(host, 41 * GIB), **copy)


def test_parents_of_a_dynamic_disk_are_copied_once():
    host = _host()
    host.disk("C:\\Hyper-V\\Disks\\thin.vhdx", size=40 * GIB, used=30 * GIB)
    done(host, **{**NEW, "disks": [{"source": "C:\\Hyper-V\\Disks\\thin.vhdx"}]})
    done(host, "snapshot", name=["web"], snapshot="one")
    host.files.vhd(host.vm("web").hardware.disks()[0].path).used = 5 * GIB
    copy = {"name": ["copy"], "clone": "web"}
    fails_before_the_first_step(_with_free(host, GIB), ("copy: storage_path: 35G", "C: has only 1G"), **copy)
    done(_with_free(host, 36 * GIB), **copy)


def test_fixed_copy_of_a_dynamic_image_needs_its_whole_size():
    fixed = {"image": {"source": BASE}, "disks": [{"format": "vhdx-fixed"}]}
    words = ("web: storage_path: 4100M", "C: has only 1G")
    fails_before_the_first_step(_with_free(_host(), GIB), words, **{**NEW, **fixed})


def test_vms_of_a_task_share_the_free_space():
    two = {**NEW, "image": {"source": BASE}, "disks": [{"format": "vhdx-fixed"}], "name": ["web", "web2"]}
    words = ("web2: storage_path: 4100M", "C: has only 2044M of free space left by other disks")
    fails_before_the_first_step(_with_free(_host(), 6 * GIB), words, **two)
    done(_with_free(_host(), 9 * GIB), **two)


def test_fixed_disk_grows_only_if_its_drive_has_space():
    host = _host()
    done(host, **{**NEW, "disks": [{"size": "8G", "format": "vhdx-fixed"}]})
    grown = {"name": ["web"], "disks": [{"size": "80G"}]}
    words = ("web: disks.SCSI 0:0.size: 72G", "web-scsi0-0.vhdx has a fixed size", "has only 1G of free space")
    fails_before_the_first_step(_with_free(host, GIB), words, **grown)
    done(_with_free(host, 73 * GIB), **grown)
    # A dynamic disk needs no space before the guest writes.
    done(_with_free(host, GIB), name=["web"], disks=[{}, {"size": "80G"}])
    done(host, name=["web"], disks=[{}, {"size": "90G"}])


def test_fixed_clone_that_grows_needs_the_space_of_both():
    host = _with_free(_with_big_disk(), 50 * GIB)
    words = ("copy: storage_path: 61G", "C: has only 50G")
    fails_before_the_first_step(host, words, name=["copy"], clone="web", disks=[{"size": "60G"}])


SHARE = "\\\\files\\images"


@pytest.mark.parametrize(
    "options",
    [
        {"image": {"source": f"{SHARE}\\a.vhdx"}},
        {"disks": [{"source": f"{SHARE}\\a.vhdx"}]},
        {"iso": f"{SHARE}\\a.iso"},
        {"storage_path": SHARE},
    ],
    ids=str,
)
def test_share_that_the_connection_cannot_log_on_to_is_named(options):
    host = _host()
    host.disk(f"{SHARE}\\a.vhdx", size=GIB)
    host.files.put(f"{SHARE}\\a.iso", b"iso")
    host.reaches_shares = False
    words = (f"web: {next(iter(options))}", "does not exist", "cannot pass on its credentials", "Double hop")
    fails_before_the_first_step(host, words, **{**NEW, **options})
    host.reaches_shares = True
    assert run(host, check=True, **{**NEW, **options})["changed"]
    assert done(host, **{**NEW, **options})["changed"]
    assert not done(host, **{**NEW, **options})["changed"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("C:\\a?.iso", ("contains a name that is not possible on Windows ('?')",)),
        ("C:\\a.iso.", ("('.')",)),
        ("\\\\.\\C:\\a.iso", ("is not an absolute path",)),
        ("\\\\?\\C:\\b.iso", ("web: iso: C:\\b.iso does not exist",)),
    ],
)
def test_path_that_windows_does_not_have(path, words):
    fails_before_the_first_step(_host(), words, **{**NEW, "iso": path})


def test_nic_without_a_switch():
    """It can be created, and an existing one can be disconnected."""
    host = _host()
    for nics in ([{"type": "network", "source": ""}], [NIC], [{"source": ""}], [NIC, {"source": ""}], [{"source": ""}]):
        options = {**NEW, "networks": nics, "purge": ["networks"]}
        assert run(host, check=True, **options)["changed"]
        assert done(host, **options)["changed"]
        assert [bool(nic.switch) for nic in host.vm("web").hardware.nics] == [bool(one["source"]) for one in nics]
        assert not done(host, **options)["changed"]


@pytest.mark.parametrize("other", [NIC, {"type": "network"}], ids=["same switch", "no switch"])
def test_two_nics_of_one_vm_have_different_macs(other):
    nics = [{**NIC, "mac": "00:15:5d:00:00:01"}, {**other, "mac": "00-15-5D-00-00-01"}]
    fails_before_the_first_step(_host(), ("web: networks.0.mac", "networks.1.mac"), **{**NEW, "networks": nics})


def test_space_of_a_disk_in_another_directory_is_that_of_its_drive():
    host = _host()
    host.files.make("D:\\data")
    host.files.capacity["D"] = GIB
    fixed = {"disks": [{"size": "8G"}, {"size": "2G", "format": "vhdx-fixed", "directory": "D:/data"}]}
    fails_before_the_first_step(host, ("web: disks.SCSI 0:1.directory", "D:", "1G of free space"), **{**NEW, **fixed})
    host.files.capacity["D"] = 3 * GIB
    done(host, **{**NEW, **fixed})
    assert [path for path in host.files.contents if path.startswith("d:")] == ["d:\\data\\web-scsi0-1.vhdx"]


@pytest.mark.parametrize(("memory", "warned"), [("8G", []), ("9G", ["web: memory: 9G is more than the RAM"])])
def test_memory_beyond_that_of_the_host_is_a_warning(memory, warned):
    """Hyper-V itself accepts it, and does not start the VM."""
    host = _host()
    host.memory = 8 * GIB
    for check in (True, False):
        result = run(host, check=check, **{**NEW, "memory": memory})
        assert not result["failed"], result["msg"]
        texts = [str(text) for text in result.get("warnings") or () if "RAM" in str(text)]
        assert [words in text for words, text in zip(warned, texts)] == [True] * len(warned)
        assert len(texts) == len(warned)
