# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that name other files, whose content must not get into a VM. With real files and qemu-img."""

from __future__ import annotations

import lzma
import os
import struct
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media import unpack
from ansible_collections.polyvirt.core.plugins.module_utils._media.choose import Step
from ansible_collections.polyvirt.core.plugins.module_utils._media.disk_header import capacity, format_of

pytestmark = pytest.mark.usefixtures("may_destroy")

MIB = 1 << 20
_DESCRIPTOR = """{first}version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW 8 FLAT "{secret}" 0
ddb.adapterType = "ide"
ddb.geometry.cylinders = "1"
ddb.geometry.heads = "1"
ddb.geometry.sectors = "8"
"""
_FOLLOWED = ("backing", "data")


def _fault_of(*words):
    from ansible_collections.polyvirt.core.plugins.module_utils._media import foreign_image

    return foreign_image.fault_of(*words)


def qemu_img(*words):
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


def patched(path, *changes):
    """Write (place, bytes) into a file."""
    with open(path, "r+b") as file:
        for place, content in changes:
            file.seek(place)
            file.write(content)
    return path


def text_vmdk(folder, secret, first="# Disk DescriptorFile\n"):
    path = folder / "evil.vmdk"
    path.write_text(_DESCRIPTOR.format(first=first, secret=secret), encoding="utf-8")
    return path


def commented_vmdk(folder, secret):
    return text_vmdk(folder, secret, "# a comment\n \n")


def bare_vmdk(folder, secret):
    return text_vmdk(folder, secret, "")


def sparse_vmdk_with_extents(folder, secret):
    """QEMU follows the description of a sparse image without a capacity."""
    path = folder / "sparse.vmdk"
    head = b"KDMV" + struct.pack("<IIQQQQ", 1, 3, 0, 128, 1, 20)
    text = _DESCRIPTOR.format(first="# Disk DescriptorFile\n", secret=secret).encode()
    path.write_bytes(head.ljust(512, b"\0") + text.ljust(64 * 1024, b"\0"))
    return path


def vmdk_with_parent(folder, secret):
    path = folder / "child.vmdk"
    qemu_img("create", "-f", "vmdk", path, "1M")
    content = path.read_bytes()
    place = content.index(b"createType")
    return patched(path, (place, f'parentFileNameHint="{secret}"\n'.encode() + content[place : place + 400]))


def differencing_vmdk(folder, _secret):
    path = folder / "diff.vmdk"
    qemu_img("create", "-f", "vmdk", path, "1M")
    return patched(path, (path.read_bytes().index(b"parentCID=ffffffff"), b"parentCID=12345678"))


def differencing_vdi(folder, _secret):
    path = folder / "diff.vdi"
    qemu_img("create", "-f", "vdi", path, "1M")
    return patched(path, (0x4C, b"\4"))


def differencing_vhd(folder, _secret):
    path = folder / "diff.vhd"
    qemu_img("create", "-f", "vpc", path, "1M")
    return patched(path, (60, b"\0\0\0\4"))


def differencing_vhdx(folder, _secret):
    path = folder / "diff.vhdx"
    qemu_img("create", "-f", "vhdx", path, "4M")
    guid = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b")
    entry = path.read_bytes().index(guid)
    table = path.read_bytes().index(b"metadata")
    item = table + struct.unpack_from("<I", path.read_bytes(), entry + 16)[0]
    return patched(path, (item + 4, b"\2"))


def overlay(folder, secret, name=None):
    path = folder / "overlay.qcow2"
    qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", secret, path)
    if name is not None:
        qemu_img("rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", name, path)
    return path


def with_data_file(folder, _secret):
    path = folder / "data.qcow2"
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={folder}/data.raw", path, "1M")
    return path


NAMING = (
    text_vmdk, commented_vmdk, bare_vmdk, sparse_vmdk_with_extents, vmdk_with_parent, differencing_vmdk,
    differencing_vdi, differencing_vhd, differencing_vhdx, overlay, with_data_file,
)  # fmt: skip
READ = (text_vmdk, commented_vmdk, bare_vmdk, sparse_vmdk_with_extents, overlay)
#: (format of qemu-img, its options) of images with all their data.
WHOLE = (
    ("raw", ()), ("qcow2", ()), ("vdi", ()), ("vmdk", ()), ("vmdk", ("-o", "subformat=streamOptimized")),
    ("vpc", ()), ("vpc", ("-o", "subformat=fixed")), ("vhdx", ()), ("vhdx", ("-o", "subformat=fixed")),
)  # fmt: skip


@pytest.mark.parametrize("build", NAMING, ids=lambda build: build.__name__)
def test_image_that_names_another_file_has_a_fault(tmp_path, secret, build):
    path = str(build(tmp_path, secret))
    image = _fault_of(path, format_of(path))
    assert image and image.fault and path in image.remedy


@pytest.mark.parametrize("build", READ, ids=lambda build: build.__name__)
def test_qemu_img_reads_the_other_file(tmp_path, secret, build):
    """What the rule is for; without it, the following tests could check something that cannot happen."""
    qemu_img("convert", "-O", "raw", build(tmp_path, secret), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes().startswith(b"secret")


@pytest.mark.parametrize(("image_format", "options"), WHOLE)
def test_image_with_all_its_data_has_no_fault(tmp_path, image_format, options):
    path = str(tmp_path / "whole")
    qemu_img("create", "-f", "raw", tmp_path / "raw", "8M")
    qemu_img("convert", "-f", "raw", "-O", image_format, *options, tmp_path / "raw", path)
    assert format_of(path) == {"vpc": "vhd"}.get(image_format, image_format)
    assert _fault_of(path, format_of(path)) is None


@pytest.mark.parametrize("build", [text_vmdk, sparse_vmdk_with_extents, overlay], ids=lambda build: build.__name__)
def test_remedy_gives_an_image_that_is_accepted(tmp_path, secret, build):
    path = str(build(tmp_path, secret))
    remedy = _fault_of(path, format_of(path)).remedy
    subprocess.run(remedy.partition(": ")[2].rstrip("."), shell=True, check=True, capture_output=True)
    assert _fault_of(f"{path}.qcow2", "qcow2") is None


# Disks that are attached ----------------------------------------------------------------------------------------------


def test_attached_disk_can_have_files_below_it(tmp_path, secret):
    """The claims of its VM include them."""
    base = overlay(tmp_path, secret)
    top = str(tmp_path / "top.qcow2")
    qemu_img("create", "-f", "qcow2", "-F", "qcow2", "-b", base.name, top)
    assert _fault_of(top, "qcow2", _FOLLOWED) is None
    assert _fault_of(str(with_data_file(tmp_path, secret)), "qcow2", _FOLLOWED) is None


@pytest.mark.parametrize("name", ["nbd://127.0.0.1:1/disk", 'json:{"driver": "file", "filename": "%s"}'])
def test_attached_disk_names_files_by_their_paths_only(tmp_path, secret, name):
    path = str(overlay(tmp_path, secret, name.replace("%s", str(secret))))
    assert "by its path" in _fault_of(path, "qcow2", _FOLLOWED).fault


@pytest.mark.parametrize("known", ["vmdk", None], ids=["recorded", "probed"])
def test_file_below_an_attached_disk_is_checked(tmp_path, secret, known):
    evil = text_vmdk(tmp_path, secret)
    top = overlay(tmp_path, secret)
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "vmdk", "-b", evil, top)
    if known is None:  # Today's qemu-img always records a format: its header extension becomes an unknown one.
        patched(top, (top.read_bytes().index(b"\xe2\x79\x2a\xca"), b"\x11\x11\x11\x11"))
    fault = _fault_of(str(top), "qcow2", _FOLLOWED).fault
    assert str(evil) in fault and "other files" in fault


def test_base_that_is_recorded_as_raw_is_not_interpreted(tmp_path, secret):
    assert _fault_of(str(overlay(tmp_path, text_vmdk(tmp_path, secret))), "qcow2", _FOLLOWED) is None


def test_attached_vmdk_has_its_data(tmp_path, secret):
    assert _fault_of(str(text_vmdk(tmp_path, secret)), "vmdk", _FOLLOWED)


# Downloads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", NAMING, ids=lambda build: build.__name__)
@pytest.mark.parametrize("steps", [(), ("xz",), ("xz", "convert")], ids="-".join)
def test_download_that_names_another_file_is_not_kept(tmp_path, secret, build, steps):
    """What is in a compressed file is known only after it is unpacked."""
    image, part = build(tmp_path, secret), tmp_path / "part"
    part.write_bytes(lzma.compress(image.read_bytes()) if steps else image.read_bytes())
    chain = [Step("convert", "qcow2", "qemu-img") if one == "convert" else Step("unpack", one, one) for one in steps]
    with pytest.raises(Refused, match="names another file"):
        unpack.unpack(str(part), chain, format_of(str(image)))
    assert [one for one in os.listdir(tmp_path) if one.startswith("part")] == (["part"] if steps else [])


# The size of a VHD ----------------------------------------------------------------------------------------------------


def vhd(folder, size=1025 * MIB, creator=b"vbox", fixed=False):
    """A VHD as VirtualBox writes it: the geometry in its footer is smaller than the disk, whose last bytes are data."""
    raw, path = folder / "raw", folder / "tail.vhd"
    with open(raw, "wb") as file:
        file.truncate(size)
        file.seek(size - 4)
        file.write(b"tail")
    options = f"subformat={'fixed' if fixed else 'dynamic'},force_size"
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", options, raw, path)
    end = os.path.getsize(path) - 512
    for place in (end,) if fixed else (0, end):
        with open(path, "rb") as file:
            file.seek(place)
            footer = bytearray(file.read(512))
        sectors = size // 512 - 2016  # One cylinder less than the disk.
        footer[28:32] = creator
        footer[56:60] = struct.pack(">HBB", sectors // (16 * 63), 16, 63)
        footer[64:68] = bytes(4)
        footer[64:68] = struct.pack(">I", ~sum(footer) & 0xFFFFFFFF)
        patched(path, (place, bytes(footer)))
    return path, raw


@pytest.mark.parametrize("fixed", [False, True], ids=["dynamic", "fixed"])
def test_vhd_of_virtualbox_is_copied_with_its_end(tmp_path, fixed):
    path, raw = vhd(tmp_path, fixed=fixed)
    assert capacity(str(path)) == 1025 * MIB
    part = tmp_path / "part"
    os.rename(path, part)
    copy = unpack.unpack(str(part), [Step("convert", "qcow2", "qemu-img")], "vhd")
    assert capacity(copy) == 1025 * MIB
    qemu_img("compare", "-f", "raw", "-F", "qcow2", raw, copy)


def test_size_of_a_damaged_vhd_is_read_from_its_beginning(tmp_path):
    path, _raw = vhd(tmp_path)
    os.truncate(path, os.path.getsize(path) - 512)
    assert capacity(str(path)) == 1025 * MIB
