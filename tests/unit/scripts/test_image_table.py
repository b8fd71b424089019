# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of images in the guide: what each platform gets, and what it says where there is nothing."""

from __future__ import annotations

import re

import pytest

import generate
from collection_path import CHECKOUT
from lib import image_table

GUIDE = (CHECKOUT / "docs" / "installs.md").read_text(encoding="utf-8")
TABLE = re.search(r"<!-- begin generated: images -->\n(.*?)<!-- end generated", GUIDE, re.DOTALL)[1]
HEAD, _LINE, *ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines()]
CELLS = {(row[0].strip("`"), row[1], platform): cell for row in ROWS for platform, cell in zip(HEAD[2:], row[2:])}


def test_every_name_has_a_cell_for_each_platform_and_architecture():
    names = {name for name, _architecture, _platform in CELLS}
    platforms = [*generate._registry()]
    assert len(names) == 29
    assert {*CELLS} == {(one, two, three) for one in names for two in ("amd64", "arm64") for three in platforms}
    assert all(CELLS.values())


@pytest.mark.parametrize(
    ("name", "architecture", "platform", "cell"),
    [
        ("debian-13", "amd64", "libvirt", "qcow2"),
        ("debian-13", "amd64", "virtualbox", "qcow2 → vdi"),
        ("debian-13", "amd64", "vagrant", "libvirt: `debian/trixie64`, virtualbox: `cloud-image/debian-13`"),
        ("debian-13", "amd64", "vmd", "qcow2 → qcow2"),
        ("debian-13", "arm64", "vmd", "–"),
        ("debian-13", "amd64", "hyperv", "qcow2 → vhdx"),
        ("debian-13", "amd64", "wsl", "`Debian`"),
        ("debian-12", "amd64", "wsl", "– (archive)"),
        ("ubuntu-26.04", "arm64", "proxmox", "qcow2"),
        ("ubuntu-26.04", "amd64", "wsl", "`Ubuntu-26.04`"),
        ("rocky-10", "amd64", "wsl", "file `.wsl`"),
        ("rocky-10", "arm64", "vagrant", "– (amd64 only)"),
        ("fedora-44", "arm64", "vagrant", "libvirt: file `.box`, virtualbox: – (box)"),
        ("arch", "arm64", "libvirt", "– (amd64 only)"),
        ("openbsd-7.9", "amd64", "vmd", "– (installer)"),
        ("openbsd-7.9", "arm64", "hyperv", "– (installer)"),
        ("windows-server-2025", "arm64", "hyperv", "– (path)"),
        ("alpine-3.24", "amd64", "vmd", "qcow2 → qcow2"),
        ("alpine-3.21", "amd64", "vmd", "– (installer)"),
        ("alpine-3.24", "amd64", "vagrant", "– (box)"),
        ("opensuse-leap-16.0", "amd64", "vmd", "– (path)"),
    ],
)
def test_cell(name, architecture, platform, cell):
    assert CELLS[name, architecture, platform] == cell


def test_guide_explains_every_alternative():
    explained = re.findall(r"`(\w+)`(?=[:;,]| *:)", GUIDE.partition("end generated -->\n\n- `qcow2 → vdi`")[2])
    assert {*image_table.ALTERNATIVES.values()} <= {*explained}


def test_rejection_that_the_table_has_no_word_for_is_an_error():
    with pytest.raises(StopIteration):
        image_table._alternative("Set another model, such as virtio.")
