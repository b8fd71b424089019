# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an approved plan knows of files on the host: files that are only read, and those that a guest writes."""

from __future__ import annotations

import os
import struct

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import VirshDriver
from ansible_collections.polyvirt.core.plugins.module_utils._media.on_host import KeepsImages

_VM = Vm("web", "u", STOPPED)
_PLAN = Plan(_VM, _VM)


def _qcow2(path, backing="", data_file=""):
    """Write a qcow2 image of version 3 that names these files."""
    extension = struct.pack(">II", 0x44415441, len(data_file)) + data_file.encode().ljust(-(-len(data_file) // 8) * 8)
    extensions = (extension if data_file else b"") + bytes(8)
    place = 104 + len(extensions)
    header = b"QFI\xfb" + struct.pack(">IQIIQ", 3, place if backing else 0, len(backing), 16, 1 << 30)
    header += bytes(40) + struct.pack(">QQQII", 4 if data_file else 0, 0, 0, 4, 104)
    path.write_bytes(header + extensions + backing.encode() + bytes(512))
    return path


def _vmdk(path, extent):
    path.write_text(f'# Disk DescriptorFile\nversion=1\nRW 2048 FLAT "{extent}" 0\n', encoding="utf-8")
    return path


def _version(path, plan=_PLAN):
    return KeepsImages().file_version(str(path), plan)


@pytest.fixture(name="base")
def _base(tmp_path):
    path = tmp_path / "base.img"
    path.write_bytes(b"base")
    return path


#: {kind: function from (directory, file below) to an image that needs the file below}
_IMAGES = {
    "backing file": lambda folder, below: _qcow2(folder / "top.qcow2", backing=str(below)),
    "relative backing file": lambda folder, below: _qcow2(folder / "top.qcow2", backing=below.name),
    "file with the data": lambda folder, below: _qcow2(folder / "top.qcow2", data_file=below.name),
    "extent of a VMDK": lambda folder, below: _vmdk(folder / "top.vmdk", below.name),
    "end of a chain": lambda folder, below: _qcow2(
        folder / "top.qcow2", backing=str(_qcow2(folder / "middle.qcow2", backing=below.name))
    ),
}
_CHANGES = {
    "time": lambda path: os.utime(path, (1, 1)),
    "size": lambda path: path.write_bytes(b"longer"),
    "another file": lambda path: (path.rename(f"{path}.old"), path.write_bytes(b"base")),
    "no file": os.remove,
}


@pytest.mark.parametrize("change", _CHANGES)
@pytest.mark.parametrize("kind", _IMAGES)
def test_image_is_another_one_if_a_file_below_it_was_replaced(tmp_path, base, kind, change):
    image = _IMAGES[kind](tmp_path, base)
    before = _version(image)
    assert before == _version(image)
    _CHANGES[change](base)
    assert before != _version(image)


@pytest.mark.parametrize("change", _CHANGES)
def test_file_without_others_below_it(base, change):
    before = _version(base)
    _CHANGES[change](base)
    assert before != _version(base)


def test_images_that_name_each_other_end(tmp_path):
    one = _qcow2(tmp_path / "one.qcow2", backing="two.qcow2")
    _qcow2(tmp_path / "two.qcow2", backing="one.qcow2")
    assert len(_version(one)) == 5


def test_image_whose_header_cannot_be_read_cannot_be_compared(tmp_path, base, monkeypatch):
    def refuse(path, *_where, **_how):
        raise PermissionError(13, "Permission denied", str(path))

    iso = Plan(_VM, _VM.having(config={"iso": str(base)}))
    known = _version(base, iso)
    monkeypatch.setattr("builtins.open", refuse)
    assert _version(base) is None
    # An ISO image has no files below it.
    assert _version(base, iso) == known and len(known) == 3


def test_identity_of_a_disk_remains_when_a_guest_writes_to_it(base):
    driver = KeepsImages()
    before = driver.file_identity(str(base))
    base.write_bytes(b"written by a guest")
    assert driver.file_identity(str(base)) == before == [base.stat().st_ino]
    base.rename(f"{base}.old")
    base.write_bytes(b"base")
    assert driver.file_identity(str(base)) not in (before, [])
    assert driver.file_identity("/nowhere/disk") == []


@pytest.mark.parametrize("uri", ["qemu+ssh://hv1/system", "qemu+tls://hv1/system"])
def test_files_of_another_host_cannot_be_seen(base, uri):
    """A file of this host with the same path is not the one that the VM gets."""
    driver = object.__new__(VirshDriver)
    driver.virsh = type("Virsh", (), {"uri": uri})()
    assert (driver.file_version(str(base), _PLAN), driver.file_identity(str(base))) == (None, [])
    driver.virsh.uri = "qemu:///system"
    assert driver.file_version(str(base), _PLAN) and driver.file_identity(str(base))


def test_kernel_that_native_names_is_a_used_file():
    native = {"os/kernel": "/boot/linux", "os/initrd": "/boot/initrd", "os/cmdline": "quiet"}
    vm = _VM.having(config={"native": native})
    assert KeepsImages().used_files(Plan(vm, vm, ((Step("start"),),))) == ["/boot/initrd", "/boot/linux"]
