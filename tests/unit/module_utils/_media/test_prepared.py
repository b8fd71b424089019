# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images of Windows that are prepared to start without a key press."""

from __future__ import annotations

import json
import os
import struct
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import LibvirtImages
from ansible_collections.polyvirt.core.plugins.module_utils._media import prepared
from ansible_collections.polyvirt.core.plugins.module_utils._media.disc import SECTOR, Disc
from ansible_collections.polyvirt.core.plugins.module_utils._media.images import Images
from ansible_collections.polyvirt.core.plugins.module_utils._media.prepared import medium_of, no_prompt_edit
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files, folders

from windows_guests.vendor_iso import iso as iso_with
from windows_guests.vendor_iso import windows_files, write_iso

_OTHER = "/etc/shadow"
_PROGRAM = "efi/microsoft/boot/efisys.bin"
_WITHOUT = {"efi/microsoft/boot/efisys_noprompt.bin": None}


@pytest.fixture(name="iso")
def _iso(tmp_path):
    return write_iso(tmp_path / "Windows 11.iso", windows_files())


@pytest.fixture(name="images")
def _images(tmp_path):
    return Images(str(tmp_path / "store"))


def _edit(path):
    return no_prompt_edit(Disc(partial(files.read_part, path), path))


def _edit_of(data):
    return no_prompt_edit(Disc(lambda offset, length: data[offset : offset + length], "/iso/windows.iso"))


def test_edit_names_the_four_bytes():
    data = iso_with(windows_files(), boot=("boot/etfsboot.com", _PROGRAM))
    edit = _edit_of(data)
    assert data[edit.at : edit.at + 4] == edit.old
    sector = struct.unpack("<I", edit.new)[0]
    assert data[sector * SECTOR :].startswith(b"asks for nothing")
    assert _edit_of(data[: edit.at] + edit.new + data[edit.at + 4 :]).old == b""


@pytest.mark.parametrize(
    ("boot", "files_in"),
    [
        (("boot/etfsboot.com", None), {}),
        (("boot/etfsboot.com", "setup.exe"), {}),
        (("boot/etfsboot.com", _PROGRAM), _WITHOUT),
        ((_PROGRAM, _PROGRAM), {}),
    ],
)
def test_unknown_medium_has_no_edit(boot, files_in):
    assert _edit_of(iso_with(windows_files(**files_in), boot=boot)) is None


def test_copy_differs_in_what_names_the_program(images, iso):
    before, edit = Path(iso).read_bytes(), _edit(iso)
    path = prepared.prepare(images, iso, 0)
    assert path == prepared.prepare(images, iso, 0)
    assert Path(path).read_bytes() == before[: edit.at] + edit.new + before[edit.at + len(edit.new) :]
    assert (Path(iso).read_bytes(), edit.old == edit.new, _edit(path).old) == (before, False, b"")
    assert sorted(os.listdir(images.directory)) == sorted([os.path.basename(path), f"{os.path.basename(path)}.json"])


@pytest.mark.parametrize(
    ("mode", "closed", "expected"),
    [(0o644, False, 0o644), (0o600, False, 0o600), (0o640, False, 0o600), (0o644, True, 0o600)],
)
def test_copy_of_a_private_image_is_private(monkeypatch, images, iso, mode, closed, expected):
    """Its name can be computed, and it can contain a product key. Nobody else can read it while it is written."""
    monkeypatch.setattr(folders, "may_everybody_enter", lambda _folder: not closed)
    os.chmod(iso, mode)
    write, modes = images.write_medium, []

    def watched(iso_path, path, edit):
        modes.append(os.stat(path).st_mode & 0o777)
        write(iso_path, path, edit)
        modes.append(os.stat(path).st_mode & 0o777)

    images.write_medium = watched
    path = prepared.prepare(images, iso, 0)
    assert (modes, os.stat(path).st_mode & 0o777) == ([0o600, 0o600], expected)


def test_image_that_another_task_completes_after_this_one_has_looked_is_used(images, iso):
    look = images.has_medium

    def before_the_other(wanted):
        found, images.has_medium = look(wanted), look
        prepared.prepare(Images(images.directory), iso, 0)
        return found

    images.has_medium = before_the_other
    assert prepared.missing(images, iso) is None
    assert images.has_medium == look


def test_prepared_image_that_was_changed_is_not_used(images, iso):
    path = prepared.prepare(images, iso, 0)
    size = os.path.getsize(path)
    Path(path).write_bytes(bytes(size))
    os.utime(path, ns=(1, 1))
    assert medium_of(path) == path
    for prepare in (prepared.missing, partial(prepared.prepare, patience=0)):
        with pytest.raises(Refused, match="is not a complete image of this store"):
            prepare(images, iso)


@pytest.mark.parametrize("names", [(_OTHER, "raw", ""), ("", "raw", ""), ("iso", "qcow2", ""), ("iso", "raw", _OTHER)])
def test_layer_has_the_iso_image_below_it_and_no_other_file(tmp_path, iso, names):
    images = LibvirtImages(str(tmp_path / "store"))
    images.write_medium = lambda iso, path, _edit: Path(path).write_bytes(_layer(iso, "raw", ""))
    path = prepared.prepare(images, iso, 0)
    assert prepared.missing(images, iso) is None
    backing, image_format, data = names
    content, record = _layer(iso if backing == "iso" else backing, image_format, data), Path(f"{path}.json")
    Path(path).write_bytes(content)
    known = {**json.loads(record.read_text()), "file_size": len(content), "seen": files.version(path)}
    record.write_text(json.dumps(known))
    assert medium_of(path) == iso
    for prepare in (prepared.missing, partial(prepared.prepare, patience=0)):
        with pytest.raises(Refused, match="is not a complete image of this store"):
            prepare(images, iso)


def _layer(backing, image_format, data_file):
    """The header of a qcow2 image, by QEMU's specification."""
    more = b""
    for kind, text in ((0xE2792ACA, image_format), (0x44415441, data_file)):
        more += struct.pack(">II", kind, len(text)) + text.encode().ljust(-(-len(text) // 8) * 8, b"\0")
    name, place = backing.encode(), 104 + len(more) + 8
    header = struct.pack(">4sIQII", b"QFI\xfb", 3, place if name else 0, len(name), 16)
    return (
        header.ljust(72, b"\0") + struct.pack(">Q", 4 if data_file else 0)
    ).ljust(100, b"\0") + struct.pack(">I", 104) + more + bytes(8) + name  # fmt: skip


def test_prepared_image_stands_for_its_iso_image_while_that_is_the_same_file(images, iso):
    path = prepared.prepare(images, iso, 0)
    assert (medium_of(path), medium_of(iso), medium_of("")) == (iso, iso, "")
    os.utime(iso, ns=(1, 1))
    assert medium_of(path) == path
    assert prepared.prepare(images, iso, 0) != path
    os.unlink(iso)
    assert medium_of(path) == path


def test_image_of_another_store_with_such_a_name_stands_for_itself(tmp_path):
    path = tmp_path / "x.no-prompt-0123456789ab.iso"
    path.write_bytes(b"x")
    assert medium_of(str(path)) == str(path)
    Path(f"{path}.json").write_text("[]", encoding="utf-8")
    assert medium_of(str(path)) == str(path)


def test_what_check_mode_reports_is_created(images, iso):
    wanted = prepared.missing(images, iso)
    assert not os.path.exists(images.directory)
    assert (prepared.prepare(images, iso, 0), prepared.missing(images, iso)) == (wanted.path, None)


def test_other_media_are_rejected(images, tmp_path):
    other = write_iso(tmp_path / "other.iso", windows_files(**_WITHOUT))
    for prepare in (prepared.missing, partial(prepared.prepare, patience=0)):
        with pytest.raises(Refused, match=r"efisys_noprompt\.bin"):
            prepare(images, other)
    assert not os.path.exists(images.directory)


def test_image_that_changes_meanwhile_is_not_stored(images, iso):
    write = images.write_medium

    def changed(*words):
        write(*words)
        os.utime(iso, ns=(1, 1))

    images.write_medium = changed
    with pytest.raises(Refused, match="was changed while this task read it"):
        prepared.prepare(images, iso, 0)
    assert os.listdir(images.directory) == []


def test_error_leaves_nothing(images, iso):
    def full(_iso, path, _edit):
        Path(path).write_bytes(b"begun")
        raise Refused("full")

    images.write_medium = full
    with pytest.raises(Refused, match="full"):
        prepared.prepare(images, iso, 0)
    assert os.listdir(images.directory) == []


def test_file_of_somebody_else_is_never_replaced(images, iso):
    wanted = prepared.missing(images, iso)
    os.mkdir(images.directory)
    Path(wanted.path).write_text("a letter", encoding="utf-8")
    for prepare in (prepared.missing, partial(prepared.prepare, patience=0)):
        with pytest.raises(Refused, match="is not a complete image of this store"):
            prepare(images, iso)
    assert Path(wanted.path).read_text(encoding="utf-8") == "a letter"
