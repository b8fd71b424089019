# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances in archives that are compressed as a whole, such as boxes of Vagrant."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances import parts
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.disk import unpacked

from suite import appliance_files as made
from unit.module_utils._media.appliance_tasks import VMDK, M, appliance_of, ova

PACKED = made.one_disk(made.nic(), attributes='ovf:compression="gzip"')


def _whole(folder, content=None, **about):
    """An OVA that is compressed as a whole."""
    source = Path(ova(folder, **about))
    whole = folder / "x.tar.gz"
    whole.write_bytes(gzip.compress(source.read_bytes() if content is None else content))
    source.unlink()
    return str(whole)


@pytest.mark.parametrize("at_once", [1000, 4 * M])
def test_archive_that_is_compressed_as_a_whole_is_read(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(parts, "_PIECE", at_once)
    files = {"a.vmdk": VMDK[:-1] + b"a", "b.vmdk": VMDK[:-1] + b"b"}
    listed = [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")]
    body = made.hardware(made.sata(("d2", 0), ("d1", 1)), made.nic())
    text = made.envelope(body, listed, [("d1", "f1", 16 * M), ("d2", "f2", 16 * M)])
    source = _whole(tmp_path, text=text, disks=files)
    _found, appliance = appliance_of(source)
    assert (list(appliance["disks"]), appliance["warnings"]) == (["sata0", "sata1"], [])
    for slot, name in (("sata0", "b.vmdk"), ("sata1", "a.vmdk")):
        image = appliance["disks"][slot]
        assert (image["source"], image["part"], image["unpacked"]) == (source, None, len(VMDK))
        with unpacked(image, str(tmp_path / "disk.qcow2")) as found:
            assert Path(found["source"]).read_bytes() == files[name]
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


def test_only_its_owner_can_read_an_unpacked_disk(tmp_path):
    source = ova(tmp_path, PACKED, {"disk1.vmdk": gzip.compress(VMDK)})
    os.chmod(source, 0o600)
    _found, appliance = appliance_of(source)
    before = os.umask(0o022)
    try:
        with unpacked(appliance["disks"]["sata0"], str(tmp_path / "disk.qcow2")) as found:
            assert stat.S_IMODE(os.stat(found["source"]).st_mode) == 0o600
    finally:
        os.umask(before)


def _members(content, size, padding=b""):
    """A gzip file of several members, as bgzip writes it."""
    return b"".join(gzip.compress(content[at : at + size]) + padding for at in range(0, len(content), size))


@pytest.mark.parametrize("padding", [b"", bytes(700)], ids=["plain", "padded"])
@pytest.mark.parametrize("at_once", [1, 100, 256 * 1024])
def test_gzip_file_of_several_members_is_read_as_a_whole(tmp_path, monkeypatch, at_once, padding):
    monkeypatch.setattr(parts, "_PIECE_OF_GZIP", at_once)
    source = ova(tmp_path, PACKED, {"disk1.vmdk": _members(VMDK, len(VMDK) // 3, padding)})
    _found, appliance = appliance_of(source)
    image = appliance["disks"]["sata0"]
    assert image["unpacked"] == len(VMDK)
    with unpacked(image, str(tmp_path / "disk.qcow2")) as found:
        assert Path(found["source"]).read_bytes() == VMDK
    whole = tmp_path / "whole.tar.gz"
    whole.write_bytes(_members(Path(ova(tmp_path)).read_bytes(), 5000, padding))
    _found, appliance = appliance_of(whole)
    assert appliance["disks"]["sata0"]["unpacked"] == len(VMDK)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_members(VMDK, 1000)[:-20], "incomplete"),
        (gzip.compress(VMDK) + b"letter", "damaged compressed disk"),
        (_members(VMDK + bytes(200 * M), 50 * M), "unpacks to more than its size"),
    ],
    ids=["incomplete", "followed", "large"],
)
def test_damaged_gzip_file_of_several_members_is_rejected(tmp_path, content, words):
    with pytest.raises(Refused, match=words):
        appliance_of(ova(tmp_path, PACKED, {"disk1.vmdk": content}))


def test_box_of_virtualbox_is_read(tmp_path):
    """A box has no manifest, and other files of Vagrant."""
    members = {"./box.ovf": made.one_disk(made.nic()).encode(), "./Vagrantfile": b"", "./disk1.vmdk": VMDK}
    content = Path(made.archive(tmp_path / "x.tar", members)).read_bytes()
    (tmp_path / "x.box").write_bytes(gzip.compress(content))
    _found, appliance = appliance_of(tmp_path / "x.box")
    assert appliance["disks"]["sata0"]["size"] == 16 * M
    assert "no manifest" in appliance["warnings"][0]


def test_hostile_compressed_archive_is_rejected(tmp_path, monkeypatch):
    changed = Path(ova(tmp_path)).read_bytes().replace(b"KDMV" + bytes(8), b"KDMV" + bytes(7) + b"x")
    with pytest.raises(Refused, match=r"disk1\.vmdk differs from its checksum"):
        appliance_of(_whole(tmp_path, changed))
    source = Path(_whole(tmp_path))
    source.write_bytes(source.read_bytes()[:-20])
    with pytest.raises(Refused, match="incomplete"):
        appliance_of(source)
    with pytest.raises(Refused, match="compressed twice"):
        appliance_of(_whole(tmp_path, text=PACKED, disks={"disk1.vmdk": gzip.compress(VMDK)}))
    monkeypatch.setattr(parts, "_OVERHEAD", 0)
    with pytest.raises(Refused, match="unpacks to more than 200 times its size"):
        appliance_of(_whole(tmp_path, bytes(M)))
