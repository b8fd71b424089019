# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of disks in a definition, and in a running VM."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, Change, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import disk_limits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.disks import (
    disk_element,
    read_disks,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.claimed import run_guard

VM = Vm("m 1", id="uuid", power="running", active={"disks": {"vda": {}}})


def definition(*values, name="m 1"):
    """The definition of a VM with an optical drive and a disk with these values of ``iotune``."""
    tuned = "".join(f"<{one}>{number}</{one}>" for one, number in values)
    drive = "<disk device='cdrom'><target dev='sda'/><iotune><read_iops_sec>1</read_iops_sec></iotune></disk>"
    disk = f"<disk><target dev='vda' bus='virtio'/><iotune>{tuned}</iotune></disk>"
    return Definition(f"<domain><name>{name}</name><devices>{drive}{disk}</devices></domain>")


def limit(option, new, cost=LIVE):
    return Change("disks", None, new, key="vda", attribute=option, cost=cost)


class _Driver:
    """Records the calls of virsh."""

    def __init__(self):
        self.virsh, self.calls = self, []

    def run(self, *words):
        self.calls.append(words)


def test_limits_are_read_written_and_set_in_a_running_vm():
    stored, driver = definition(("total_iops_sec", 5), ("read_bytes_sec", 9)), _Driver()
    assert read_disks(stored, {})["vda"]["iops_limit"] == 5
    assert "bandwidth_limit" not in read_disks(stored, {})["vda"]
    disk_limits.set_limit(driver, VM, stored, definition(), limit("iops_limit", 8), [])
    disk_limits.set_limit(driver, VM, stored, None, limit("bandwidth_limit", 4096), [])
    assert driver.calls == [("blkdeviotune", "uuid", "vda", "--total-iops-sec", "8", "--live")]
    assert {**read_disks(stored, {})["vda"], "bus": 0} == {
        "size": None, "format": "raw", "source": "", "bus": 0, "iops_limit": 8, "bandwidth_limit": 4096,
    }  # fmt: skip
    disk_limits.set_limit(driver, VM, stored, definition(), limit("iops_limit", None), [])
    assert driver.calls[1:] == [("blkdeviotune", "uuid", "vda", "--total-iops-sec", "0", "--live")]
    assert "iops_limit" not in read_disks(stored, {})["vda"]


def test_new_disk_has_its_limits():
    element = disk_element("vdb", "/b", "raw", {"iops_limit": 3})
    assert [(one.tag, one.text) for one in element.iterfind("iotune/*")] == [("total_iops_sec", "3")]
    assert disk_element("vdb", "/b", "raw", {}).find("iotune") is None
    assert disk_limits.cost_if_attached(VM.having(active={}), limit("iops_limit", 3)) == NEXT_BOOT


@pytest.mark.parametrize(
    ("changes", "native", "is_rejected"),
    [
        ([limit("iops_limit", 5)], {}, True),
        ([], {"devices/disk[2]/iotune/read_iops_sec": 5}, True),
        # Only what the task sets is examined.
        ([limit("serial", "x")], {"devices/disk[2]/x": 1}, False),
    ],
)
def test_definition_that_qemu_does_not_start_is_rejected(changes, native, is_rejected):
    """The position in the path counts optical drives, too; their own values do not matter."""
    wrong = definition(("total_iops_sec", 5), ("read_iops_sec", 1))
    if not is_rejected:
        disk_limits.check_limits(wrong, changes, native)
        return
    with pytest.raises(Refused, match=r"m 1: disks.vda.iops_limit: the disk has read_iops_sec 1") as raised:
        disk_limits.check_limits(wrong, changes, native)
    path = raised.value.remedy.partition("{")[2].partition(":")[0]
    assert path == "devices/disk[2]/iotune/read_iops_sec"
    wrong.set_native(path, None)
    disk_limits.check_limits(wrong, changes, native)


def test_size_of_operations_needs_their_limit():
    with pytest.raises(Refused, match="size_iops_sec 4096, and QEMU starts no VM with that alone"):
        disk_limits.check_limits(definition(("size_iops_sec", 4096)), [limit("iops_limit", None)], {})
    disk_limits.check_limits(definition(("size_iops_sec", 4096)), [], {})


def test_limit_that_the_running_vm_does_not_take_is_rejected():
    running = definition(("total_bytes_sec", 9), ("total_bytes_sec_max", 9))
    driver = SimpleNamespace(definitions_to_change=lambda vm: (None, running))

    def check(change):
        run_guard(disk_limits.check_running_limits, driver, VM, Step("configure", changes=(change,)))

    with pytest.raises(Refused, match=r"m 1: disks.vda.bandwidth_limit of the running VM: the disk has") as raised:
        check(limit("bandwidth_limit", 10))
    assert "virsh blkdeviotune 'm 1' vda --live --total-bytes-sec-max 0" in raised.value.remedy
    for other in (limit("bandwidth_limit", 9), limit("bandwidth_limit", 10, NEXT_BOOT), limit("iops_limit", 10)):
        check(other)
