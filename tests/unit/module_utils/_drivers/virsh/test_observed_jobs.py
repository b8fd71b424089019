# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of libvirt that run on a VM, which a plan waits for."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, Vm

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of


def test_jobs_of_all_vms_are_read_by_one_process(tmp_path):
    """Of libvirt's own drivers, only that of QEMU has jobs."""
    virsh = FakeVirsh({("domjobinfo", UUID): "Job type:  Unbounded\nOperation:  Dump\n", ("domjobinfo", "u2"): ""})
    driver = driver_of(virsh, tmp_path)
    vms = [
        Vm(name="m1", id=UUID, power=RUNNING),
        Vm(name="m2", id="u2", power=PAUSED),
        Vm(name="m3", id="u3", power="suspended"),
    ]
    assert (driver.jobs(vms), virsh.processes) == ({}, 0)
    driver.hypervisor = "QEMU"
    assert driver.jobs(vms) == {UUID: "libvirt job: dump; virsh domjobabort m1 cancels it"}
    assert virsh.processes == 1
