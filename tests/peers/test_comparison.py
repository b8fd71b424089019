# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/comparison.md names versions and content that other collections have."""

from __future__ import annotations

import re

import pytest

from collection_path import CHECKOUT
from peers import environment

_PAGE = (CHECKOUT / "docs/comparison.md").read_text(encoding="utf-8")
_SECTION = _PAGE.partition("## Ansible collections of today")[2].partition("\n## ")[0]
#: Modules of microsoft.hyperv 1.0.0 by its changelog; the package ansible does not contain this collection.
_HYPERV = {
    f"hv_{name}"
    for name in (
        *("checkpoint", "dvd_drive", "hard_disk", "host", "host_info", "memory", "network_adapter", "processor"),
        *("scsi_controller", "storage_pool", "vhd", "vm", "vm_boot", "vm_info", "vm_state"),
    )
}
#: Options of modules that cells name.
_OPTIONS = {"update", "import_from", "archive"}


def _content(peer):
    folder = environment.packages() / "ansible_collections" / peer.replace(".", "/") / "plugins"
    return {path.stem for path in folder.glob("*/*.py")}


@pytest.mark.parametrize(("column", "peer"), [(1, "community.libvirt"), (2, "community.proxmox")])
def test_version_and_names_of_a_collection(column, peer):
    assert f"{peer} {environment.version(peer)}" in " ".join(_SECTION.split())
    assert _named(column) - _content(peer) - _OPTIONS == set()
    assert _named(column) & _content(peer) != set()


def test_names_of_microsoft_hyperv():
    assert "microsoft.hyperv 1.0.0" in " ".join(_SECTION.split())
    assert _named(3) - _HYPERV == set()


def _named(column):
    rows = [line.split(" | ") for line in _SECTION.partition("Where the others")[0].splitlines() if " | " in line]
    return {re.match(r"\w+", span)[0] for row in rows for span in re.findall(r"`([^`]+)`", row[column])}
