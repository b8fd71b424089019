# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files an image needs, in chains of mixed formats and in damaged images: qemu-img is the judge."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import product

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media.disk_header import files_below, files_in

_BASES = ("raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx")
_CHAINS = [
    *product(("qcow2", "qcow", "qed"), ("qcow2", "qcow", "qed"), _BASES),
    *product(("qcow2", "qcow", "qed", "vmdk"), ("vmdk",), ("vmdk",)),
]
_SUBFORMATS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized")


def _create(path, kind, below=None, *options):
    """An image; ``below`` is the (path, format) of its backing file."""
    linked = ["-b", below[0], "-F", below[1]] if below else []
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *options, *linked, path, "8M"], check=True)
    return path, kind


def _reported(path, *words):
    """What qemu-img reports of an image, of all below it with --backing-chain; nothing if it cannot open it."""
    found = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", *words, path], capture_output=True, check=False, text=True
    )
    return json.loads(found.stdout or "[]")


@pytest.mark.parametrize("kinds", _CHAINS, ids="-".join)
def test_chain_is_read_as_qemu_reads_it(tmp_path, kinds):
    below = None
    for place, kind in enumerate(reversed(kinds)):
        below = _create(str(tmp_path / f"image{place}"), kind, below)
    assert [one["filename"] for one in _reported(below[0], "--backing-chain")] == [below[0], *files_below(below[0])]


@pytest.mark.parametrize("kind", _SUBFORMATS)
def test_extents_of_a_vmdk_are_below_it(tmp_path, kind):
    path, _kind = _create(str(tmp_path / "disk.vmdk"), "vmdk", None, "-o", f"subformat={kind}")
    assert sorted({path, *files_below(path)}) == sorted(str(one) for one in tmp_path.iterdir())


def test_raw_file_ends_a_chain_whatever_is_in_it(tmp_path):
    base = _create(str(tmp_path / "base"), "qcow2")
    middle = _create(str(tmp_path / "middle"), "qcow2", base)[0]
    assert files_below(_create(str(tmp_path / "top"), "qcow2", (middle, "raw"))[0]) == [middle]
    assert files_below(_create(str(tmp_path / "other"), "qcow2", (middle, "qcow2"))[0]) == [middle, base[0]]


@pytest.mark.parametrize("length", [4, 8, 12, 20, 56, 64, 72, 100, 104, 511, 1024, 70_000])
@pytest.mark.parametrize("kind", ["qcow2", "qcow", "qed", "vmdk"])
def test_damaged_image_names_what_qemu_would_open(tmp_path, kind, length):
    base = _create(str(tmp_path / "base"), "vmdk" if kind == "vmdk" else "qcow2")
    path = _create(str(tmp_path / "image"), kind, base)[0]
    os.truncate(path, min(length, os.path.getsize(path)))
    found = _reported(path) or {}
    try:
        assert (found.get("full-backing-filename") or base[0]) in [*(one for one, _kind in files_in(path)), base[0]]
        assert not found.get("full-backing-filename") or files_in(path)
    except Refused:
        pass
    with open(path, "r+b") as file:  # Numbers that lead beyond the file.
        file.seek(4)
        file.write(b"\xff" * 60)
    files_in(path)
