# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the catalogue in the guides: needs of the operating systems, and what exists for vmd."""

from __future__ import annotations

import generate
from collection_path import CHECKOUT
from lib.catalogue_tables import needs_lines, vmd_lines


def _entry(name, platforms=("vmd",), media=(), **more):
    needs = {"minimum": {"memory": "1G", "disk": "4G"}, "recommended": {"memory": "2G", "disk": "20G"}}
    return {"name": name, "platforms": platforms, "media": media, **needs, **more}


def test_versions_with_the_same_needs_share_a_line():
    image = {"type": "cloud", "image": {"virtual_size": "3G"}}
    strict = {"memory": "3G", "disk": "10G", "cpu": "x86-64-v3"}
    entries = [
        _entry("a-1", media=[image]),
        _entry("a-2", media=[image, image, {"type": "iso"}]),
        _entry("b-1", minimum=strict),
    ]
    assert needs_lines(entries)[2:] == [
        "| `a-1`, `a-2` | 1G; recommended 2G | 4G; recommended 20G | 3G | any |",
        "| `b-1` | 3G; recommended 2G | 10G; recommended 20G | not known | x86-64-v3 |",
    ]


def test_only_what_vmd_can_run_is_in_its_table():
    console = "console=ttyS0,115200"
    entries = [
        _entry("a-1", media=[{"type": "cloud"}, {"type": "iso"}], login_user="a", serial_console=console),
        _entry("b-1", platforms=("libvirt",)),
        _entry("c-1"),
    ]
    assert vmd_lines(entries, lambda entry: f"image of {entry['name']}")[2:] == [
        f"| `a-1` | image of a-1 | ISO image | `a` | `{console}` |",
        "| `c-1` | image of c-1 | – | – | – |",
    ]


def test_guides_have_a_line_for_each_name_of_the_catalogue():
    names = {entry["name"] for entry in generate._entries(CHECKOUT)}
    table = "\n".join(generate.needs_of_images(CHECKOUT))
    assert {name for name in names if f"`{name}`" in table} == names
    on_vmd = "\n".join(generate.images_on_vmd(CHECKOUT))
    assert "| `debian-13` | qcow2 → qcow2 |" in on_vmd
    assert "windows" not in on_vmd
