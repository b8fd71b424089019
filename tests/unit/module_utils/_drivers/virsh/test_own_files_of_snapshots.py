# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of external snapshots when their VM is deleted."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Observation, Snapshot, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.virsh.answers import chain, disk, domain, recorded
from unit.module_utils._drivers.virsh.test_own_files import UUID, driver_with, plan_of


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
def test_files_of_a_snapshot_that_another_tool_took_are_kept_and_reported(tmp_path, delete_disks):
    frozen, overlay = chain(QemuImg(Commands()), tmp_path, "pvs-b.edisk", "pvs-b.s.edisk")
    (tmp_path / "b.memory").touch()
    driver = driver_with(tmp_path, "qemu:///system", domain("web", disk(overlay)), domain("web", disk(overlay)))
    text = recorded("snapshot-external-memory.xml").replace("/var/lib/libvirt/images/pvs", str(tmp_path))
    driver.virsh.answers["snapshot-dumpxml", UUID, "--snapshotname", "s"] = text
    vm = Vm("web", id=UUID, snapshots=(Snapshot("s", kind="external"), Snapshot("inner", kind="internal")))

    def kept_of(vm):
        found = driver._with_files(Observation(vms=[vm])).vms[0].files
        return plan_of(vm, {file.path: file for file in found}, delete_disks)[1]

    foreign, memory = "not created by this collection", str(tmp_path / "b.memory")
    attached = {overlay: foreign} if delete_disks == "owned" else {}
    assert kept_of(vm) == {frozen: foreign, memory: foreign, **attached}
    own = vm.having(mark={"id": UUID, "disks": [frozen, overlay], "files": [memory]})
    assert kept_of(own) == {}
