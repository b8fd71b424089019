# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints and bitmaps of backup programs: libvirt would stop the VM, and then fail to restore a snapshot."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.answers import vm_commands
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.snapshot_checks import check_snapshot
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.claimed import run_guard
from unit.module_utils._drivers.virsh.answers import driver_of, failed
from unit.module_utils._drivers.virsh.test_snapshot_checks import machine, tag, xml


def _restored(disk, checkpoints, bitmap=None, uri="qemu:///system", power="stopped"):
    """Check the restore of a snapshot of a VM with these checkpoints, and a bitmap in the image of its disk."""
    tag(disk, "s")
    if bitmap:
        subprocess.run(["qemu-img", "bitmap", "--add", disk, bitmap], check=True)
    driver = driver_of(xml("internal-off", {"pvs-a.qcow2": disk}), os.path.dirname(disk))
    driver.virsh.uri = uri
    driver.seen.checkpoints["u-web"] = checkpoints
    driver.hypervisor, driver.library = "QEMU", "9.0.0"
    step = Step("restore", arguments={"name": "s", "power": "stopped"})
    run_guard(check_snapshot, driver, machine(disk, power), step)


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu+ssh://other/system"])
@pytest.mark.parametrize("power", ["stopped", "running"])
def test_internal_snapshot_is_not_restored_beside_checkpoints(disk, power, uri):
    with pytest.raises(Refused, match=r"web: snapshot 's' cannot be restored while .* checkpoints: a, b\.") as caught:
        _restored(disk, Answer("a\nb\n", None), uri=uri, power=power)
    assert "virsh checkpoint-delete web a; virsh checkpoint-delete web b" in caught.value.remedy
    assert ("Start the VM" in caught.value.remedy) == (power == "stopped")


def test_internal_snapshot_is_not_restored_beside_a_bitmap(disk):
    with pytest.raises(Refused, match=f"web: snapshot 's' .*{disk} has bitmaps .*: left over") as caught:
        _restored(disk, Answer("", None), "left over")
    assert f"qemu-img bitmap --remove {disk} 'left over'" in caught.value.remedy


@pytest.mark.parametrize(
    "answer", [None, Answer("", None), failed("this function is not supported by the connection driver: x")]
)
def test_internal_snapshot_without_bitmaps_is_restored(disk, answer):
    _restored(disk, answer)


def test_unknown_checkpoints_are_not_none(disk):
    with pytest.raises(CommandFailed, match="access denied"):
        _restored(disk, failed("access denied"))


def test_checkpoints_are_read_with_the_snapshots_only_if_one_is_restored():
    listing = SimpleNamespace(active=(), saved=(), versions=SimpleNamespace(library="9.0.0"))
    read = vm_commands("u", listing, {"snapshots", "snapshot_configs"})["checkpoints"]
    assert read == ("checkpoint-list", "u", "--name")
    assert "checkpoints" not in vm_commands("u", listing, {"snapshots"})
    listing.versions.library = "5.5.0"
    assert "checkpoints" not in vm_commands("u", listing, {"snapshots", "snapshot_configs"})
