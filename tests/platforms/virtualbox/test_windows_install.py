# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role unattended_install with a stand-in for the ISO image of Windows on VirtualBox, before and after its Setup."""

from __future__ import annotations

import os
import subprocess

import pytest

from platforms.virtualbox.registry import ENGINE
from platforms.virtualbox.test_installs import Role
from windows_guests import setup, vendor_iso

pytestmark = pytest.mark.full


class WindowsRole(Role):
    def __init__(self, box, firmware):
        super().__init__(box)
        self.iso, self.firmware = box.folder / "windows.iso", firmware
        self.images = box.folder / "images"
        vendor_iso.write_iso(self.iso, vendor_iso.windows_files(vendor_iso.CLIENT, ("de-DE",)))

    def vm_options(self):
        options = super().vm_options()["options"]
        prepared = {"image_directory": str(self.images)} if self.firmware == "uefi" else {}
        return {
            "memory": "4G",
            "firmware": self.firmware,
            "disks": [{"size": "64G"}],
            "options": {**options, **prepared, "native": ENGINE},
        }

    def run(self, *words, **variables):
        given = {"password": "Very-Secret-1", "ssh_keys": [], "medium": {"iso": str(self.iso)}, **variables}
        return super().run(*words, distribution="windows-11", **given)

    def machine(self):
        return self.box.run("showvminfo", "web", "--machinereadable")

    def write_disk(self):
        """Let the disk of the VM take the space that an installation at least takes."""
        (disk,) = self.box.machines.rglob("*.vdi")
        with disk.open("r+b") as file:
            os.posix_fallocate(file.fileno(), disk.stat().st_size, 65 << 20)

    def seeds(self):
        return list(self.box.machines.rglob("*seed.iso"))


def _is_created_and_ejected(role):
    code, output = role.run("--check")
    assert (code, "found absent" in output, role.box.run("list", "vms"), role.seeds()) == (0, True, "", []), output
    code, output = role.run()
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    assert [role.vm_value(f"boot{number}") for number in (1, 2)] == ["disk", "dvd"]
    assert role.vm_value("uartmode1") == f"file,{role.console}"
    (seed,) = role.seeds()
    assert (str(seed) in role.machine(), seed.stat().st_mode & 0o077) == (True, 0)
    folder = role.box.folder / "cd"
    command = ["xorriso", "-read_fs", "norock", "-osirrox", "on", "-indev", seed, "-extract", "/", folder]
    subprocess.run(command, check=True, capture_output=True)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert setup.answer_files([("ide", False, files), ("ide", False, {})], "windowsPE") == {files["autounattend.xml"]}
    assert b"<UILanguage>de-DE</UILanguage>" in files["autounattend.xml"]
    code, output = role.run("--check")
    assert (code, "found installing" in output) == (0, True), output
    role.finish_installation()
    role.write_disk()
    code, output = role.run()
    assert (code, "found complete" in output, role.seeds()) == (0, True, []), output
    assert (str(role.iso) in role.machine(), "seed.iso" in role.machine()) == (False, False)
    code, output = role.run()
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output


@pytest.mark.parametrize("option", [{"cloud_init": {"hostname": "x"}}, {"iso": "/x.iso"}, {"skip_boot_prompt": False}])
def test_options_that_the_role_sets_are_rejected(double, option):
    role = WindowsRole(double, "bios")
    code, output = role.run(vm_options={**role.vm_options(), **option})
    assert (code != 0, role.box.run("list", "vms")) == (True, ""), output
    assert f"unattended_install_vm_options.{next(iter(option))}: the role sets this option itself" in output


def test_console_log_of_others_is_not_deleted(double):
    role = WindowsRole(double, "bios")
    role.console.write_text("mine", encoding="utf-8")
    code, output = role.run()
    assert (code != 0, role.box.run("list", "vms"), role.console.read_text()) == (True, "", "mine"), output
    assert "exists, and was not written by an installation of this VM" in output


def test_log_of_another_installation_is_not_read_as_the_end(double):
    """VirtualBox appends to it, so it is deleted before a start; a VM that writes to it is not stopped."""
    role, old = WindowsRole(double, "bios"), "polyvirt-failed: winrm: no network\n"
    code, output = role.run()
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    role.console.write_text(old, encoding="utf-8")
    os.utime(role.console, (0, 0))
    code, output = role.run()
    assert (code != 0, "the VM is running, but the last line of" in output) == (True, True), output
    assert (role.vm_value("VMState"), len(role.seeds()), role.console.read_text()) == ("running", 1, old)
    role.box.run("controlvm", "web", "poweroff")
    role.write_disk()
    code, output = role.run("--check")
    assert (code, "found interrupted" in output, role.console.read_text()) == (0, True, old), output
    code, output = role.run()
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    assert (role.vm_value("VMState"), len(role.seeds())) == ("running", 1)
    assert not role.console.exists() or old not in role.console.read_text()


@pytest.mark.parametrize("firmware", ["bios", pytest.param("uefi", marks=pytest.mark.deep("the same with bios"))])
def test_windows_is_created_and_its_media_are_ejected(double, firmware):
    _is_created_and_ejected(WindowsRole(double, firmware))


@pytest.mark.deep("tests/suite/test_windows_boot.py: Setup starts by a key where no medium can be prepared")
def test_medium_that_always_asks_for_a_key_gets_keys(double):
    """At each start by the role, but not while somebody else has started the VM."""
    role, few = WindowsRole(double, "uefi"), ("-e", "__unattended_install_key_seconds=2")
    program = {"efi/microsoft/boot/efisys_noprompt.bin": None}
    vendor_iso.write_iso(role.iso, vendor_iso.windows_files(vendor_iso.CLIENT, ("de-DE",), **program))
    code, output = role.run("--check", *few)
    assert (code, role.box.run("list", "vms")) == (0, ""), output
    code, output = role.run(*few)
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    uuid, counts = role.vm_value("UUID"), [len(role.box.typed(role.vm_value("UUID")))]
    assert (str(role.iso) in role.machine(), role.images.exists(), counts[0] > 0) == (True, False, True)
    for starts in (False, True):
        if starts:
            role.box.run("controlvm", "web", "poweroff")
        code, output = role.run(*few)
        assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
        counts.append(len(role.box.typed(uuid)))
    assert counts[0] == counts[1] < counts[2]


@pytest.mark.deep("test_windows_is_created_and_its_media_are_ejected")
def test_windows_is_created_and_its_media_are_ejected_by_the_real_one(box_of_root):
    _is_created_and_ejected(WindowsRole(box_of_root, "bios"))
