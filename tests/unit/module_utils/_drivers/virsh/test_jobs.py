# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of libvirt, such as backups and migrations, and VMs for which libvirt cannot report them."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LOCKED, PAUSED, RUNNING, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

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


def test_error_about_the_job_of_one_vm_is_only_its_own(tmp_path):
    held = "Timed out during operation: cannot acquire state change lock (held by monitor=x)"
    answers = {("domjobinfo", UUID): Answer("", held), ("domjobinfo", "u2"): Answer("", "access denied")}
    driver = driver_of(FakeVirsh({**answers, ("domjobinfo", "u3"): ""}), tmp_path)
    driver.hypervisor = "QEMU"
    found = driver.jobs(
        [Vm(name="m1", id=UUID, power=RUNNING), *(Vm(name=name, id=name, power=PAUSED) for name in ("u2", "u3"))]
    )
    assert (set(found), found[UUID]) == ({UUID, "u2"}, LOCKED)
    assert "access denied" in str(found["u2"])


def test_backup_job_that_never_ends_is_an_error_and_a_running_one_is_not(tmp_path):
    """virsh -q prints nothing for a disk without a job."""
    job = "<domainbackup><disks><disk name='vda' backup='yes'/><disk name='sda' backup='no'/></disks></domainbackup>"
    answers = {
        ("domjobinfo", UUID): "Job type:  Unbounded\nOperation:  Backup\n",
        ("backup-dumpxml", UUID): job,
        ("blockjob", UUID, "vda", "--raw"): " type=Backup\n cur=1\n end=2\n",
    }
    vm = Vm(name="m 1", id=UUID, power=RUNNING)
    driver = driver_of(FakeVirsh(answers), tmp_path)
    driver.hypervisor = "QEMU"
    assert driver.jobs([vm]) == {UUID: "libvirt job: backup; virsh domjobabort 'm 1' cancels it"}
    driver = driver_of(FakeVirsh({**answers, ("blockjob", UUID, "vda", "--raw"): ""}), tmp_path)
    driver.hypervisor = "QEMU"
    error = driver.jobs([vm])[UUID]
    assert "never ends" in error.message
    assert "virsh domjobabort 'm 1'" in error.remedy
