# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files need a stored image, although no VM in vm.conf has them."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    FILE,
    UNREADABLE,
    WRITE,
    Claim,
    Held,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.claims import VmmClaims
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files


@pytest.mark.parametrize("place", ["disk", "new", "store", ""], ids=str)
@pytest.mark.parametrize("is_readable", [True, False])
def test_stored_image_is_needed_by_disk_files_in_all_directories_of_disks(tmp_path, monkeypatch, place, is_readable):
    base, overlay = str(tmp_path / "store" / "image"), str(tmp_path / place / "left")
    for name in ("disk", "new", "store"):
        (tmp_path / name).mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay], check=True)
    claims = VmmClaims(SimpleNamespace(options={"storage_path": str(tmp_path / "new")}))
    disk = str(tmp_path / "disk" / "web.qcow2")
    held = [Held("web", "web", claims=(Claim(FILE, claims.identity(disk), WRITE, "disks.0", disk),))]
    monkeypatch.setattr(files, "is_readable", lambda path: is_readable or path != overlay)
    found = {one.name: [claim.identity for claim in one.claims] for one in claims.without_vm([base], held)}
    assert found[overlay] == [claims.identity(base) if is_readable else UNREADABLE]


@pytest.mark.parametrize("name", ["json:{}", "file:base", "nbd:host"])
def test_name_of_a_base_is_a_path_for_vmd(tmp_path, name):
    subprocess.run(
        ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", name, tmp_path / "top", "1M"], check=True
    )
    assert VmmClaims(SimpleNamespace()).chain(str(tmp_path / "top")) == [str(tmp_path / name)]
