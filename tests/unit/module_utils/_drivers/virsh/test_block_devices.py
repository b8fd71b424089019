# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices, such as LVM volumes, as disks: attached as they are, never grown, deleted or frozen by us."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, machine_xml, of_vms, with_devices
from unit.module_utils._drivers.virsh.test_configure import change, virsh_with

MIB = 1 << 20


@pytest.fixture(name="device")
def _device(tmp_path, monkeypatch):
    """A file that is treated as a block device, to which a guest has written a qcow2 header."""
    path = tmp_path / "lv"
    path.write_bytes(b"QFI\xfb" + bytes(MIB - 4))
    monkeypatch.setattr(files, "is_block_device", lambda requested: requested == str(path))
    monkeypatch.setattr(files, "is_file", lambda requested: requested != str(path))
    return str(path)


def added(device):
    return Change("disks", None, {"source": device}, key="vdb")


def check(folder, *changes, others=(), disks=None, steps=()):
    vm = Vm("m1", id=UUID, config={"disks": disks or {}})
    driver = driver_of(FakeVirsh(of_vms(machine_xml(), *others)), folder)
    segments = ((*steps, Step("configure", changes=changes)),)
    driver.preflight(Plan(vm, vm, segments=segments))
    if not steps:
        check_claims(driver, Plan(vm, simulate(vm, segments[0]), segments=segments))


def test_block_device_is_attached_as_raw_despite_qcow2_header(tmp_path, device):
    check(tmp_path, added(device))
    disk = change(tmp_path, virsh_with(machine_xml()), added(device)).defined().drives("disk")[1]
    assert (disk.get("type"), disk.find("source").attrib) == ("block", {"dev": device})
    assert disk.find("driver").get("type") == "raw"


def test_block_device_of_another_vm_is_rejected(tmp_path, device):
    other = "d7188e7f-d4e4-48f6-9735-fb974a826200"
    theirs = machine_xml(
        with_devices(f"<disk type='block' device='disk'><source dev='{device}'/><target dev='vdb'/></disk>"),
        (UUID, other),
        ("<name>m1", "<name>db"),
    )
    with pytest.raises(Refused, match="is a disk of db"):
        check(tmp_path, added(device), others=[theirs])


def test_block_device_is_not_enlarged(tmp_path, device):
    grown = Change("disks", MIB, 2 * MIB, key="vdb", attribute="size")
    with pytest.raises(
        Refused, match=r"m1: disks\.vdb\.size: .*lv is a block device of 1M, and only files can be enlarged"
    ):
        check(tmp_path, grown, disks={"vdb": {"source": device, "size": MIB}})


def test_external_snapshot_of_block_device_is_rejected(tmp_path, device):
    taken = Step("snapshot", arguments={"name": "s", "kind": "external", "include_memory": False})
    with pytest.raises(Refused, match=r"disk vdb is the block device .*lv, for which no overlay file can be created"):
        check(tmp_path, disks={"vdb": {"source": device, "format": "raw"}}, steps=[taken])
