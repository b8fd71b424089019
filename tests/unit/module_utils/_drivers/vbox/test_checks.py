# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors before the first step, on the recorded registry."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request, SnapshotRequest, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings import images
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import vbox_traits

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm

TRAITS = vbox_traits((7, 2, 22))


def preflight(driver, vm, **requested):
    """Run the preflight of a task about a snapshot."""
    planned = plan(vm, Request(name=vm.name, snapshot=SnapshotRequest(**requested)), TRAITS)
    assert planned.refusal is None, planned.refusal
    driver.preflight(planned)


def with_current(vm, name):
    """The VM, with another current snapshot."""
    return vm.having(snapshots=tuple(replace(one, current=one.name == name) for one in vm.snapshots))


def test_current_snapshot_with_a_child_is_not_deleted(tmp_path):
    driver, _commands = driver_on(tmp_path)
    vm = with_current(recorded_vm(driver, "web"), "on")
    with pytest.raises(Refused, match=r"'on' is the current snapshot and has the child 'off'") as error:
        preflight(driver, vm, name="on", state="absent")
    assert "children: true" in error.value.remedy


def creation_from(image):
    request = Request(name="new", config={"disks": {"SATA 0": {}}}, creation={"image": {"source": image}})
    return plan(Vm.absent("new"), request, TRAITS)


def write_vdi(path):
    """Write the header of a VDI of 1 MiB."""
    path.write_bytes((b"<<< ".ljust(0x170, b"\0") + (1 << 20).to_bytes(8, "little")).ljust(512, b"\0"))


def test_image_that_a_vm_writes_to_is_not_copied(tmp_path):
    driver, _commands = driver_on(tmp_path, storage_path=str(tmp_path))
    base = tmp_path / "machines" / "run" / "run-SATA-0.vdi"
    write_vdi(base)
    with pytest.raises(Refused, match=r"new: image\.source: .* is a disk of run, which may write to it"):
        check_claims(driver, creation_from(str(base)))


def test_image_that_only_a_snapshot_uses_is_copied(tmp_path):
    driver, _commands = driver_on(tmp_path, storage_path=str(tmp_path))
    base = tmp_path / "machines" / "g" / "web" / "web-SATA-0.vdi"
    write_vdi(base)
    check_claims(driver, creation_from(str(base)))
    driver.preflight(creation_from(str(base)))


@pytest.mark.parametrize(
    ("content", "is_iso"),
    [
        (b"\0" * 32769 + b"CD001", True),
        (b"\0" * 32769 + b"BEA01", True),
        (b"--iprt-iso-maker-file-marker-bourne-sh 1\n/etc/hosts", True),
        (b"\0" * 4096 + b"koly".ljust(512, b"\0"), True),
        (b"\0" * 65536, False),
        (b"koly", False),
        (b"", False),
    ],
    ids=["ISO 9660", "UDF", "VISO", "DMG", "zeroes", "text", "empty"],
)
def test_iso_image_is_recognized_by_its_content(tmp_path, content, is_iso):
    path = tmp_path / "any"
    path.write_bytes(content)
    assert images.is_iso(str(path)) == is_iso
