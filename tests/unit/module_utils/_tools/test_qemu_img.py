# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images through real qemu-img."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

MIB = 1024 * 1024


@pytest.fixture(name="tool")
def _tool():
    assert shutil.which("qemu-img"), "These tests run real qemu-img: install qemu-utils."
    return QemuImg(Commands())


def test_overlay_has_its_backing_file(tool, tmp_path):
    base, top = str(tmp_path / "base image"), str(tmp_path / "top.qcow2")
    tool.create(base, "qcow2", 4 * MIB)
    tool.overlay(top, base, "qcow2", 8 * MIB)
    info = tool.info(top)
    assert (info.format, info.virtual_size, info.backing) == ("qcow2", 8 * MIB, base)
    assert [image.path for image in tool.chain(top)] == [top, base]
    assert tool.chain(top)[1].backing is None


def test_overlay_without_a_size_has_that_of_its_base(tool, tmp_path):
    base, top = str(tmp_path / "base"), str(tmp_path / "top")
    tool.create(base, "raw", 4 * MIB)
    tool.overlay(top, base, "raw")
    assert tool.info(top).virtual_size == 4 * MIB


def test_overlay_records_the_format_of_its_base(tool, tmp_path):
    # A qcow2 file used as raw: only the format in the call can be the reason for "raw".
    base, top = str(tmp_path / "base"), str(tmp_path / "top")
    tool.create(base, "qcow2", 4 * MIB)
    tool.overlay(top, base, "raw")
    info = json.loads(Commands().run(["qemu-img", "info", "--output=json", top]).stdout)
    assert info["backing-filename-format"] == "raw"


def test_copy_is_identical_in_any_format(tool, tmp_path):
    source, copy = str(tmp_path / "a"), str(tmp_path / "b")
    (tmp_path / "a").write_bytes(b"hello" + b"\0" * (4 * MIB - 5))
    tool.convert(source, "raw", copy, "qcow2")
    assert tool.info(copy).format == "qcow2"
    assert tool.identical(source, copy)


def test_content_is_compared_in_the_formats_that_are_known(tool, tmp_path):
    """A guest can write the header of another format to its raw disk."""
    names = ("guest", "backup", "copy", "fixed")
    guest, backup, copy, fixed = (str(tmp_path / name) for name in names)
    tool.create(guest, "qcow2", MIB)
    tool.convert(guest, "raw", backup, "qcow2")
    tool.convert(backup, "qcow2", copy, "raw")
    assert tool.info(copy).format == "qcow2"
    assert tool.same_content(backup, copy, "qcow2", "raw")
    assert not tool.same_content(backup, copy, "qcow2", "qcow2")
    tool.convert(backup, "qcow2", fixed, "vpc")
    assert tool.same_content(backup, fixed, "qcow2", "vpc")


def test_image_with_other_content_or_size_is_not_identical(tool, tmp_path):
    for name, content in {"a": b"a" * MIB, "b": b"b" * MIB, "zeros": b"\0" * MIB, "more": b"\0" * 2 * MIB}.items():
        (tmp_path / name).write_bytes(content)
    assert not tool.identical(str(tmp_path / "a"), str(tmp_path / "b"))
    assert not tool.identical(str(tmp_path / "zeros"), str(tmp_path / "more"))


@pytest.mark.usefixtures("may_destroy")
def test_image_grows_and_never_shrinks(tool, tmp_path):
    disk = str(tmp_path / "disk")
    tool.create(disk, "raw", 4 * MIB)
    tool.grow(disk, "raw", 6 * MIB)
    with pytest.raises(errors.CommandFailed, match="--shrink"):
        tool.grow(disk, "raw", 5 * MIB)
    assert tool.info(disk).virtual_size == 6 * MIB


WRITES = {
    "create": lambda tool, path, base: tool.create(path, "qcow2", MIB),
    "overlay": lambda tool, path, base: tool.overlay(path, base, "qcow2"),
    "overlay of a size": lambda tool, path, base: tool.overlay(path, base, "qcow2", 2 * MIB),
    "convert": lambda tool, path, base: tool.convert(base, "qcow2", path, "qcow2"),
    "overwrite": lambda tool, path, base: tool.overwrite(base, "qcow2", path, "qcow2"),
    "grow": lambda tool, path, base: tool.grow(path, "qcow2", 2 * MIB),
    "write": lambda tool, path, base: tool.write(path, 0, b"x"),
    "drop_snapshot": lambda tool, path, base: tool.drop_snapshot(path, "s"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_existing_image_that_is_in_no_plan_is_not_written(tool, tmp_path, write):
    for name in ("image", "base"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / name, "1M"], check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "s", tmp_path / "image"], check=True)
    before = (tmp_path / "image").read_bytes()
    with pytest.raises(errors.Refused, match="image: a step was about to write to this file"):
        write(tool, str(tmp_path / "image"), str(tmp_path / "base"))
    assert (tmp_path / "image").read_bytes() == before


def test_missing_image_is_reported_with_qemu_imgs_error(tool, tmp_path):
    with pytest.raises(errors.CommandFailed, match="No such file"):
        tool.info(str(tmp_path / "none"))
    (tmp_path / "there").write_bytes(b"x" * 512)
    with pytest.raises(errors.CommandFailed):
        tool.identical(str(tmp_path / "there"), str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["s", "two words", "a,b=c", "-dash", "snapshot.id=1"])
def test_snapshot_is_copied_out_of_an_image(tool, tmp_path, name):
    """Only the data of the image itself is copied: the copy has the same backing file as the image."""
    base, image, copy = (str(tmp_path / one) for one in ("base", "image", "copy"))
    tool.create(base, "qcow2", 4 * MIB)
    tool.overlay(image, base, "qcow2")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 1 0 64k", image], check=True)
    reference = str(tmp_path / "reference")
    tool.convert(image, "qcow2", reference, "qcow2")
    subprocess.run(["qemu-img", "snapshot", "-c", name, image], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 2 0 64k", image], check=True)
    tool.copy_out(image, name, copy)
    assert tool.identical(copy, reference)
    assert not tool.identical(copy, image)
    assert (tool.info(copy).backing, tool.info(copy).snapshots) == (base, ())


@pytest.mark.usefixtures("may_destroy")
def test_snapshot_of_an_image_without_a_base_is_copied_without_one(tool, tmp_path):
    image, copy = str(tmp_path / "image"), str(tmp_path / "copy")
    tool.create(image, "qcow2", MIB)
    subprocess.run(["qemu-img", "snapshot", "-c", "s", image], check=True)
    tool.copy_out(image, "s", copy)
    assert (tool.info(copy).backing, tool.info(copy).virtual_size) == (None, MIB)
    with pytest.raises(errors.CommandFailed, match="Can't find snapshot"):
        tool.copy_out(image, "nosuch", copy)
