# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs a file that is lost, although no VM in vm.conf has it."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    DELETE,
    FILE,
    UNREADABLE,
    Claim,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.claims import VmmClaims
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.observe import Found
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools.marked_block import split
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vm_conf import read
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vmctl import Row

BLOCK = 'vm "web" {{\n\tdisk "{0}"\n}}\n'


def driver_of(folder, text, rows=None):
    """A driver of a host with this vm.conf, whose new disks are in a directory of their own."""
    found = Found(read("f", {"f": text}.get), split(text, "f"), rows or {})
    options = {"storage_path": str(folder / "new"), "image_directory": str(folder / "store")}
    return SimpleNamespace(
        options=options, found=found, config_file="/etc/vm.conf", default_image_directory=str(folder / "polyvirt")
    )


def image(path, base=None):
    path.parent.mkdir(exist_ok=True)
    below = ["-b", base, "-F", "qcow2"] if base else []
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *below, path, "1M"], check=True)
    return str(path)


def held_of(driver, lost):
    claims = VmmClaims(driver)
    held = claims.held([Claim(FILE, claims.identity(lost), DELETE, "disks.0", lost)])
    return {one.name: [claim.identity for claim in one.claims if claim.kind == FILE] for one in held}, claims


@pytest.mark.parametrize("place", ["disk", "disk/below/it", "new", "store", "lost"], ids=str)
@pytest.mark.parametrize("is_readable", [True, False])
def test_lost_file_is_needed_by_disk_files_in_all_directories_of_disks(tmp_path, monkeypatch, place, is_readable):
    base, disk = image(tmp_path / "lost" / "base"), image(tmp_path / "disk" / "web.qcow2")
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    overlay = image(tmp_path / place / "left", base)
    monkeypatch.setattr(files, "is_readable", lambda path: is_readable or path != overlay)
    found, claims = held_of(driver_of(tmp_path, BLOCK.format(disk)), base)
    unknown = [UNREADABLE] if place == "lost" else []
    assert found[overlay] == ([claims.identity(base)] if is_readable else unknown)
    assert ("the image cannot be read" in "".join(claims.warnings)) == (not is_readable and place != "lost")


def test_vm_that_runs_without_a_block_may_need_any_file(tmp_path):
    """It was started on the command line, or its block is gone; vmd does not report its disks."""
    rows = {name: Row(number, "512M", state, name) for number, (name, state) in enumerate(STATES.items())}
    found, _claims = held_of(driver_of(tmp_path, BLOCK.format("/x"), rows), image(tmp_path / "lost"))
    assert found.pop("web") and found == {"mail": [UNREADABLE], "paused": [UNREADABLE]}


STATES = {"web": "running", "mail": "running", "paused": "paused", "known": "stopped"}


@pytest.mark.parametrize("name", ["json:{}", "file:base", "nbd:host"])
def test_name_of_a_base_is_a_path_for_vmd(tmp_path, name):
    subprocess.run(
        ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", name, tmp_path / "top", "1M"], check=True
    )
    assert VmmClaims(SimpleNamespace()).chain(str(tmp_path / "top")) == [str(tmp_path / name)]
