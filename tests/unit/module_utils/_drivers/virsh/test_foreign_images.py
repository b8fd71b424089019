# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that others made: what they name is not read, and a VHD keeps its size. With real files and qemu-img."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.storage import Storage
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.virsh.test_needed import MIB, check, check_image
from unit.module_utils._media.test_foreign_image import NAMING, WHOLE, overlay, qemu_img, text_vmdk, vhd

_SIZE = 1025 * MIB


@pytest.fixture(name="storage")
def _storage(tmp_path):
    return Storage(QemuImg(Commands()), str(tmp_path))


# Other files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("build", NAMING, ids=lambda build: build.__name__)
def test_image_that_names_another_file_is_rejected(tmp_path, secret, build, linked):
    path = build(tmp_path, secret)
    with pytest.raises(Refused, match=f"web: image.source: {path} (names|contains only)") as caught:
        check_image(tmp_path, path, linked=linked)
    assert str(path) in caught.value.remedy


def test_attached_disk_that_names_another_file_is_rejected(tmp_path, secret):
    path = text_vmdk(tmp_path, secret)
    for entry in ({"source": str(path)}, {"source": str(path), "format": "vmdk"}):
        with pytest.raises(Refused, match=f"web: disks.vda.source: {path} names other files"):
            check(tmp_path, disk=entry)
    check(tmp_path, disk={"source": str(overlay(tmp_path, secret))})
    with pytest.raises(Refused, match="than by its path"):
        check(tmp_path, disk={"source": str(overlay(tmp_path, secret, "nbd://127.0.0.1:1/disk"))})


@pytest.mark.parametrize(("image_format", "options"), WHOLE)
def test_image_with_all_its_data_is_accepted(tmp_path, image_format, options):
    qemu_img("create", "-f", "raw", tmp_path / "raw", "8M")
    qemu_img("convert", "-f", "raw", "-O", image_format, *options, tmp_path / "raw", tmp_path / "whole")
    check_image(tmp_path, tmp_path / "whole")


# VHD ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixed", [False, True], ids=["dynamic", "fixed"])
@pytest.mark.parametrize("recorded", [{}, {"format": "vhd"}], ids=["path", "stored"])
def test_disk_from_a_vhd_of_virtualbox_has_all_its_data(tmp_path, storage, fixed, recorded):
    """The geometry in the footer of the VHD is smaller than the disk."""
    path, raw = vhd(tmp_path, fixed=fixed)
    image = {"source": str(path), **recorded}
    check_image(tmp_path, path, **recorded)
    disk = storage.disk_path("web", "vda", {"format": "qcow2"})
    assert storage.create_disk(disk, {}, image)
    assert storage.size_of({"source": disk, "format": "qcow2"}) == _SIZE
    qemu_img("compare", "-f", "raw", "-F", "qcow2", raw, disk)
    assert storage.has_content_of(disk, {}, image)


def test_vhd_that_a_vm_would_see_shorter_is_rejected(tmp_path, storage):
    """Newer versions of QEMU read it right; then it is accepted."""
    path, _raw = vhd(tmp_path)
    is_shortened = storage.qemu_img.info(str(path), "vhd", as_disk=True).virtual_size != _SIZE
    for image, disk in (({"source": str(path), "linked": True}, {}), (None, {"source": str(path)})):
        if not is_shortened:
            check(tmp_path, image, disk)
            continue
        with pytest.raises(Refused, match=f"is a VHD of {_SIZE} bytes, and a VM .* would see 10") as caught:
            check(tmp_path, image, disk)
        subprocess.run(caught.value.remedy.partition(": ")[2].rstrip("."), shell=True, check=True)
        assert storage.size_of({"source": f"{path}.qcow2", "format": "qcow2"}) == _SIZE


@pytest.mark.parametrize("creator", [b"win ", b"qem2"])
def test_vhd_whose_size_qemu_knows_can_be_attached(tmp_path, creator):
    path, _raw = vhd(tmp_path, creator=creator)
    check(tmp_path, disk={"source": str(path)})
    check_image(tmp_path, path, linked=True)


def test_vhd_of_fixed_size_is_attached_as_a_vhd(tmp_path, storage):
    path, _raw = vhd(tmp_path, fixed=True)
    assert storage.format_of({"source": str(path)}) == "vpc"
