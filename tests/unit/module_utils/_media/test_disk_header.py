# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers with numbers that no image has: a guest or an attacker wrote them. Nothing is read or allocated by them."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media import disk_header
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

#: Positions beyond the largest offset of a file, beyond 2^63, and just behind the end.
_BEYOND = (1 << 40, (1 << 63) + 8, (1 << 64) - 1)


def _qcow2(tmp_path, place=0, length=0, bits=16, table=0, more=b""):
    path = tmp_path / "image"
    head = b"QFI\xfb" + struct.pack(">IQIIQIIQ", 3, place, length, bits, 1 << 30, 0, 1, table)
    path.write_bytes((head.ljust(60, b"\0") + more).ljust(4096, b"\0"))
    return str(path)


@pytest.mark.parametrize("place", _BEYOND)
def test_part_beyond_the_end_of_a_file_is_empty(tmp_path, place):
    assert files.read_part(_qcow2(tmp_path), place, 16) == b""
    assert files.read_part(_qcow2(tmp_path), 4090, 16) == bytes(6)


@pytest.mark.parametrize("place", _BEYOND)
def test_name_beyond_the_end_of_an_image_is_none(tmp_path, place):
    path = _qcow2(tmp_path, place=place, length=20)
    assert disk_header.backing_name(path) is None
    assert disk_header.names_in_qcow(path) == [(None, None)]


@pytest.mark.parametrize("bits", [0, 8, 22, 63, 0x4000000, 0xFFFFFFFF])
def test_cluster_of_a_size_that_the_format_does_not_have(tmp_path, bits):
    path = _qcow2(tmp_path, bits=bits)
    assert disk_header.lacks_table(path)
    assert disk_header.largest_qcow2(path) == 0


@pytest.mark.parametrize("bits", [9, 11])
def test_cluster_of_a_size_that_the_format_has(tmp_path, bits):
    path = _qcow2(tmp_path, bits=bits)
    assert not disk_header.lacks_table(path)
    assert disk_header.largest_qcow2(path) == (32 << 20) // 8 * (1 << bits) // 8 * (1 << bits)


def test_table_beyond_the_end_of_an_image_is_missing(tmp_path):
    assert disk_header.lacks_table(_qcow2(tmp_path, table=(1 << 63) + 8))


def test_number_of_snapshots_is_limited(tmp_path, monkeypatch):
    """QEMU reads at most 65,536; a sparse file would have entries for the largest number."""
    path, reads = _qcow2(tmp_path, more=struct.pack(">IQ", 0xFFFFFFFF, 0)), []
    with open(path, "r+b") as file:
        file.truncate(1 << 40)
    read_part = files.read_part
    monkeypatch.setattr(files, "read_part", lambda *args: reads.append(args) or read_part(*args))
    monkeypatch.setattr(disk_header, "_MOST_SNAPSHOTS", 3)
    disk_header.snapshot_sizes(path)
    assert len(reads) == 1 + 2 * 3


#: What a name means to QEMU 7.2, in an image of the directory DIR; "!" begins what it rejects. None: any file.
_NAMES = {
    "base": ["DIR/base"],
    "file:DIR/base": ["DIR/base"],
    "file://DIR/base": ["//DIR/base"],
    "!file:base": ["DIR/base", "/base"],
    "!host_device:DIR/base": ["DIR/base"] * 2,
    "!nbd:unix:DIR/base": [],
    "!ssh://host/DIR/base": [],
    "null-co://": [],
    "fat:DIR": None,
    "blkdebug::DIR/base": None,
    "!foo:DIR/base": None,
    r'json:{"driver": "qcow2", "file": {"driver": "file", "filename": "DIR/b\u00e4se"}}': ["DIR/bäse"] * 2,
    'json:{"driver": "qcow2", "file.driver": "file", "file.filename": "DIR/base"}': ["DIR/base"] * 2,
    'json:{"file.filename": "DIR/base"}': ["DIR/base"] * 2,
    'json:{"driver": "raw", "file": {"driver": "raw", "file": {"filename": "DIR/base"}}}': ["DIR/base"] * 2,
    '!json:{"driver": "qcow2", "file.filename": "base"}': ["DIR/base", "/base"],
    '!json:{"driver": "qcow2", "file.filename": "/a", "data-file": {"filename": "/d"}, "backing.file.filename": "/b"}':
        ["/a", "/a", "/d", "/d", "/b", "/b"],
    '!json:{"driver": "quorum", "children": [{"driver": "file", "filename": "/a"}, {"driver": "nbd"}]}': ["/a"] * 2,
    '!json:{"driver": "ssh", "host": "h", "path": "DIR/base", "filename": "DIR/base"}': [],
    'json:{"driver": "null-co", "size": 1024}': [],
    "json:{'driver': 'qcow2', 'file.filename': 'DIR/base'}": None,
    'json:{"driver": "vvfat", "dir": "DIR"}': None,
    '!json:{"driver": "new", "path": "DIR/base"}': None,
    '!json:{"driver": "qcow2", "file": "DIR/base"}': None,
    '!json:{"driver": "file", "filename": "/a", "filename": "/b"}': None,
    '!json:{"file.filename": "/a", "file": {"filename": "/b"}}': None,
    r'!json:{"file.filename": "/\ud800"}': None,
    r'!json:{"file.filename": "/a\u0000"}': None,
    '!json:{"file.filename": 1}': None,
    "!json:" + "[" * 1000: None,
    "!json:{,}": None,
}  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
def test_name_below_an_image_is_read_as_qemu_reads_it(tmp_path, name):
    for base in ("base", "bäse", "image"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / base, "1M"], check=True)
    expected, image = _NAMES[name], str(tmp_path / "image")
    raw, content = name.removeprefix("!").replace("DIR", str(tmp_path)).encode(), bytearray(Path(image).read_bytes())
    content[8:20], content[4096 : 4096 + len(raw)] = struct.pack(">QI", 4096, len(raw)), raw
    Path(image).write_bytes(content)
    if expected is None:
        with pytest.raises(Refused, match="neither by a path nor by a protocol or JSON name"):
            disk_header.files_in(image)
    else:
        assert [path for path, _kind in disk_header.files_in(image)] == [
            one.replace("DIR", str(tmp_path)) for one in expected
        ]
    words = ["qemu-img", "info", "-U", "--output=json", "--backing-chain", image]
    chain = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    assert (chain.returncode != 0) == name.startswith("!"), chain.stderr
    if expected and not chain.returncode:
        assert expected[0].split("/")[-1] in json.loads(chain.stdout)[1]["filename"]
