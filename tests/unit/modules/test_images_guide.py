# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/images.md say what the code does."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import image_names
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as options
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv import images as hyperv
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import images as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox import images as vbox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.options import VIRTUALBOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import images as virsh
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm import images as vmm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.needed import VmmFiles
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl import images as wsl
from ansible_collections.polyvirt.core.plugins.module_utils._front import image_store
from ansible_collections.polyvirt.core.plugins.module_utils._media import names

from collection_path import CHECKOUT

GUIDE = (CHECKOUT / "docs/images.md").read_text(encoding="utf-8")
_IMAGES = {
    "libvirt": virsh.LibvirtImages,
    "VirtualBox": vbox.VBoxImages,
    "vmd": vmm.VmdImages,
    "Hyper-V": hyperv.HostImages,
}


def _rows(header):
    lines = GUIDE.partition(f"| {header} |")[2].splitlines()[2:]
    end = next(number for number, line in enumerate(lines) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]


def test_forms():
    for (text, meaning), form in zip(
        _rows("value of `image` | meaning"), (image_names.NAME, image_names.URL, image_names.PATH)
    ):
        assert image_names.read_image(text.strip("`"), (), "image").form == form, meaning


def test_options():
    assert {name.strip("`") for name, _meaning in _rows("option | meaning")} == {*options.IMAGE} - {"catalogue"}


def test_endings_of_addresses():
    text = " ".join(GUIDE.partition("The address of an image ends in")[2].partition(". ")[0].split())
    endings = [f"{one}" for one in names._ENDINGS] + [f".{one}" for one in names._COMPRESSIONS]
    assert re.findall(r"`([^`]+)`", text) == sorted(endings, key=re.findall(r"`([^`]+)`", text).index)
    text = GUIDE.partition("On WSL, it ends in")[2].partition(". ")[0].partition(".\n")[0]
    assert re.findall(r"`([^`]+)`", text) == [*names.ARCHIVES]


@pytest.mark.parametrize("is_root", [True, False], ids=["root", "user"])
def test_default_directories(monkeypatch, is_root):
    monkeypatch.setattr(os, "geteuid", lambda: 0 if is_root else 1000)
    for platform, text in _rows("platform | default directory"):
        if platform in ("Hyper-V", "WSL"):
            continue  # That of a Windows host: tests/platforms/hyperv/test_images.py, wsl/test_image_files.py.
        first, *other = [os.path.expanduser(path) for path in re.findall(r"`([^`]+)`", text)]
        params = {"platform": platform.lower(), "uri": None}
        if platform == "libvirt":
            params["uri"] = "qemu:///system" if is_root else "qemu:///session"
            expected = first if is_root else other[0]
        elif platform == "VirtualBox":
            expected = other[0] if is_root else first
        else:
            expected = first
        assert image_store._driver(params, image_store.INFO_OPTIONS).images.directory == expected


def _without_qemu_img(program):
    raise Unavailable(f"{program} was not found.", why="missing")


def _needs(images, driver):
    """The needs of a new VM, without a host."""
    return images.needs(SimpleNamespace(_driver=driver, architecture="amd64", who="the host"), Request(name="web1"))


def test_formats():
    rows = _rows("platform | formats that are used as they are | other formats | linked")
    assert [row[0] for row in rows] == [*_IMAGES, "Proxmox VE", "Vagrant", "WSL"]
    online, *archives = rows[-1][1].split(", ")
    assert (online, tuple(one.strip("`.") for one in archives)) == ("name of the online list", wsl._ARCHIVES)
    proxmox_formats = rows[len(_IMAGES)][1].partition(";")[0]
    node = SimpleNamespace(_driver=SimpleNamespace(own_architecture=lambda _node: "amd64"), _node="pve1", who="pve1")
    assert tuple(proxmox_formats.split(", ")) == proxmox.NodeImages.needs(node, Request(name="web1")).formats
    for platform, formats, converted, linked in rows[: len(_IMAGES)]:
        commands = SimpleNamespace(find=_without_qemu_img)
        host = {"virt_type_for_new_vm": lambda row: "qemu", "host_architecture": "amd64"}
        needs = _needs(_IMAGES[platform], SimpleNamespace(**host, commands=commands))
        assert tuple(formats.removesuffix(", if the host has no `qemu-img`").split(", ")) == needs.formats
        assert ((needs.target or needs.formats[0]) in converted) is (platform != "libvirt")
        assert (linked == "–") is (platform == "VirtualBox")
    assert "image.linked=true" in VIRTUALBOX.lacks
    assert VmmFiles.linked_from == ("qcow2",)
