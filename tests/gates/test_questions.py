# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/questions.md names functions that exist, and has the table of sources x platforms that the drivers declare."""

from __future__ import annotations

import re
from importlib import import_module

from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing import losses
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import HoldsClaims

from collection_path import CHECKOUT

PAGE = CHECKOUT / "docs" / "questions.md"
UTILS = CHECKOUT / "plugins" / "module_utils"
PLATFORMS = {
    "virsh": "libvirt", "vbox": "VirtualBox", "vagrant": "Vagrant", "proxmox": "Proxmox VE", "hyperv": "Hyper-V",
    "wsl": "WSL", "vmm": "vmd",
}  # fmt: skip


def _unread(driver):
    module = import_module(f"ansible_collections.polyvirt.core.plugins.module_utils._drivers.{driver}.claims")
    (claims,) = (
        one for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, HoldsClaims) and one.__module__ == module.__name__
    )  # fmt: skip
    return claims.unread


def test_table_has_what_each_driver_declares():
    unread = [_unread(driver) for driver in PLATFORMS]
    assert {source for one in unread for source in one} <= set(losses.SOURCES)
    rows = [
        ("source", *PLATFORMS.values()),
        *([(text, *(one.get(source, "read") for one in unread)) for source, text in losses.SOURCES.items()]),
    ]
    head, *others = (f"| {' | '.join(row)} |\n" for row in rows)
    table = "".join([head, f"|{'---|' * 8}\n", *others])
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition("<!-- begin sources -->\n")[2].partition("<!-- end sources -->")[0] == table, table
    for why in {one for found in unread for one in found.values()} - {losses.UNREAD["not_here"]}:
        assert f"- **{why}**: " in text


def test_functions_of_the_table_exist():
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)` in `([\w/<>]+\.py)`", text)
    assert len(named) > 8
    for function, path in named:
        files = [UTILS / path.replace("<d>", f"_drivers/{driver}") for driver in PLATFORMS]
        texts = [file.read_text(encoding="utf-8") for file in files]
        texts.append((UTILS / "_core" / "sharing" / "claims.py").read_text(encoding="utf-8") if "<d>" in path else "")
        assert any(re.search(rf"^ *(?:def|class) {function}\b", one, re.MULTILINE) for one in texts), (function, path)
