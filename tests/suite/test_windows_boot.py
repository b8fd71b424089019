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

import pytest

from suite.answer import Task
from suite.limits import wait_until
from windows_guests.boot_program import INSTALLED, NO_KEY, PROMPT, SETUP, boot_files, fat, program
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


def test_secure_boot_starts_no_unsigned_setup(platform, carry, folder):
    output = _started(platform, carry, folder, SETUP, "Access Denied", skip_boot_prompt=True, secure_boot=True)
    assert (SETUP in output, "Access Denied" in output) == (False, True)


def test_installed_disk_is_started_before_the_medium(platform, carry, folder):
    """Else each restart of Setup would wipe the disk and install again."""
    (folder / "disk.raw").write_bytes(fat(program(INSTALLED)))
    disk = [{"slot": "sdb", "source": str(folder / "disk.raw")}]
    output = _started(platform, carry, folder, SETUP, INSTALLED, skip_boot_prompt=True, disks=disk)
    assert (SETUP in output, INSTALLED in output) == (False, True)


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
