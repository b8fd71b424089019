# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media of Windows in real UEFI firmware: what starts without a key, from which drive, and with Secure Boot.

Also what a killed task leaves of an image that it prepares.

The boot programs are stand-ins (windows_guests/boot_program.py), which nobody has signed.
"""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET

import pytest

from suite.answer import Task
from suite.limits import wait_until
from windows_guests.boot_program import INSTALLED, NO_KEY, PROMPT, SETUP, SETUP_BY_KEY, boot_files, fat, program
from windows_guests.vendor_iso import windows_files, write_iso

VM = "pvc-windows"
_LONGEST = 180
pytestmark = [
    pytest.mark.full,
    pytest.mark.parametrize("platform_name", ["libvirt_qemu"], indirect=True, scope="session"),
]


@pytest.fixture(name="folder")
def _folder(platform):
    platform.clean()
    folder = platform.storage.parent / "pvg-windows"
    folder.mkdir()
    write_iso(folder / "windows.iso", windows_files(**boot_files()))
    yield folder
    platform.clean()
    shutil.rmtree(folder)


def _options(platform, folder, **more):
    return {
        **platform.creation, "name": [VM], "memory": "256M", "firmware": "uefi", "secure_boot": False,
        "iso": str(folder / "windows.iso"), "image_directory": str(folder / "store"),
        "serial_log": str(folder / "serial.log"), **more,
    }  # fmt: skip


def _started(platform, carry, folder, *ends, **options):
    """The output of the firmware and the boot programs, until it has one of the texts ``ends``."""
    answer = carry(platform, [Task("start", _options(platform, folder, state="started", **options))], [VM])["start"]
    assert not answer.failed, answer.msg
    log = folder / "serial.log"
    wait_until(lambda: any(text in _read(log) for text in ends), lambda: _read(log)[-2000:], _LONGEST)
    return _read(log)


def _read(log):
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def test_setup_starts_from_the_prepared_medium_without_a_key(platform, carry, folder):
    output = _started(platform, carry, folder, SETUP, NO_KEY, skip_boot_prompt=True)
    assert (SETUP in output, PROMPT in output) == (True, False)


def test_setup_does_not_start_from_the_medium_of_the_vendor(platform, carry, folder):
    output = _started(platform, carry, folder, SETUP, NO_KEY)
    assert (SETUP in output, PROMPT in output) == (False, True)


def test_setup_starts_by_a_key_where_no_medium_can_be_prepared(platform, carry, folder):
    """Of a custom ISO image without the program that asks for no key. Setup of the stand-in powers the VM off."""
    program_without_prompt = {"efi/microsoft/boot/efisys_noprompt.bin": None}
    iso = write_iso(folder / "windows.iso", windows_files(**{**boot_files(), **program_without_prompt}))
    with open(iso, "r+b") as file:
        os.posix_fallocate(file.fileno(), os.path.getsize(iso), 65 << 20)  # Its size says nothing about the disk.
    made = _options(platform, folder, state="started", disks=[{"size": "1G"}], boot_key_seconds=_LONGEST)
    check, real = carry(platform, [Task("check", made, check=True), Task("real", made)], [VM]).values()
    keys = [call for call in real.calls if "send-key" in call.argv]
    assert (check.failed, [one for one in check.calls if "send-key" in one.argv]) == (False, []), check.msg
    output = _read(folder / "serial.log")
    assert (SETUP_BY_KEY in output, NO_KEY in output, len(keys) > 1) == (True, False, True), real.msg


def test_secure_boot_starts_no_unsigned_setup(platform, carry, folder):
    output = _started(platform, carry, folder, SETUP, "Access Denied", skip_boot_prompt=True, secure_boot=True)
    assert (SETUP in output, "Access Denied" in output) == (False, True)


def test_installed_disk_is_started_before_the_medium(platform, carry, folder):
    """Else each restart of Setup would wipe the disk and install again."""
    (folder / "disk.raw").write_bytes(fat(program(INSTALLED)))
    disk = [{"slot": "sdb", "source": str(folder / "disk.raw")}]
    output = _started(platform, carry, folder, SETUP, INSTALLED, skip_boot_prompt=True, disks=disk)
    assert (SETUP in output, INSTALLED in output) == (False, True)


def test_setup_that_has_not_started_has_written_nothing(platform, carry, folder):
    """By this, install_wait knows that the prompt was over before a key was pressed."""
    _started(platform, carry, folder, NO_KEY, disks=[{"size": "1G"}])
    counters = {"name": [VM], "facets": ["power", "counters"]}
    (answer,) = carry(platform, [Task("read", counters, about="vm_info")], [VM]).values()
    assert (answer.vm(VM)["state"], 0 < answer.vm(VM)["counters"]["disk_used"] < 64 << 20) == ("running", True)


def test_prepared_image_of_a_running_vm_is_exchanged(platform, carry, folder):
    """It is ejected, and others are inserted, without a restart; each in the format that it has."""
    other = write_iso(folder / "other.iso", windows_files(), label="OTHER")
    (folder / "disk.raw").write_bytes(b"no system".ljust(1 << 20, b"\0"))
    made = _options(platform, folder, skip_boot_prompt=True, boot_order=["disk"])
    (answer,) = carry(platform, [Task("start", {**made, "state": "started"})], [VM]).values()
    assert not answer.failed, answer.msg
    for iso in ("", other, "", made["iso"]):
        wanted = {"name": [VM], "iso": iso}
        tasks = [Task("check", wanted, check=True), Task("real", wanted), Task("again", wanted)]
        check, real, again = carry(platform, tasks, [VM]).values()
        assert not real.failed, real.msg
        assert (check.changed, check.diff, real.changed, again.changed) == (True, real.diff, True, False)
        drive = _running_drive(platform)
        source = drive.find("source")
        inserted = "" if source is None else source.get("file") or ""
        assert (inserted, real.vm(VM)["restart_required"]) == (iso, [])
        assert iso == "" or drive.find("driver").get("type") == "raw"
    back = {"name": [VM], "iso": made["iso"], "skip_boot_prompt": True, "image_directory": made["image_directory"]}
    check, real, again = carry(
        platform, [Task("check", back, check=True), Task("real", back), Task("again", back)], [VM]
    ).values()
    assert (real.msg, check.diff, again.changed) == ("", real.diff, False)
    assert real.vm(VM)["restart_required"] == ["skip_boot_prompt"]


def _running_drive(platform):
    return ET.fromstring(platform.virsh("dumpxml", VM)).find("devices/disk[@device='cdrom']")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["qemu-img create", "qemu-io"])
def test_killed_task_leaves_no_incomplete_image(platform, carry, folder, shim, call, when):
    """The next task creates the VM, and nothing incomplete remains in the store."""
    made, store = _options(platform, folder, skip_boot_prompt=True), folder / "store"
    calls = [one for one in carry(platform, [Task("made", made)], [VM])["made"].calls if "no-prompt" in str(one.argv)]
    number = next(one.number for one in calls if " ".join(one.argv).startswith(call))
    platform.clean()
    shutil.rmtree(store)
    shim.forget()
    shim.order(f"kill-{when} {number}")
    killed = carry(platform, [Task("killed", made)], [VM])["killed"]
    assert (killed.rc, killed.truth[VM], [name for name in os.listdir(store) if name[0] != "."]) == (-9, None, [])
    shim.forget()
    answers = carry(platform, [Task("first", made), Task("again", made)], [VM])
    assert ([one.msg for one in answers.values() if one.failed], answers["again"].changed) == ([], False)
    assert [name.endswith((".qcow2", ".json")) for name in os.listdir(store)] == [True, True]
