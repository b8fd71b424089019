# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files the playbook describe writes, and which it keeps."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.described.files import (
    MACHINES,
    files_of,
    not_described,
)
from ansible_collections.polyvirt.core.plugins.plugin_utils.described.run import write
from ansible_collections.polyvirt.core.plugins.plugin_utils.inventory.hosts import Source


def generated(memory):
    task = {"platform": "libvirt", "name": "web", "state": "stopped", "memory": memory}
    vm = {"name": "web", "id": "u", "task": task, "not_described": []}
    return files_of([(Source("lab", "libvirt"), [vm])], MACHINES)["lab.yml"]


NEW, OLD = generated("2G"), generated("1G")
OWN = OLD.replace("1G", "3G")


#: {case: (content of the file, whether it is replaced, outcome)}
CASES = {
    "missing": (None, False, "written"),
    "current": (NEW, False, "unchanged"),
    "outdated": (OLD, False, "written"),
    "changed": (OWN, False, "kept"),
    "written by hand": ("- hosts: mine\n", False, "kept"),
    "empty": ("", False, "kept"),
    "changed, to be replaced": (OWN, True, "written"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", [False, True])
def test_outcome(tmp_path, case, check):
    before, replaces, outcome = CASES[case]
    path = tmp_path / "vms" / "lab.yml"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before, encoding="utf-8")
    assert write(str(path), NEW, replaces, check)["outcome"] == outcome
    after = path.read_text(encoding="utf-8") if path.exists() else None
    assert after == (NEW if outcome == "written" and not check else before)


def test_source_without_vms_is_reported():
    assert not_described([(Source("lab", "libvirt"), [])], MACHINES) == ["source lab: no VMs were found."]
