# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that change the power of a VM."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    File,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.mark import by_libvirt
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.own_files import only_created
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer, Virsh

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of

HOUR = 3600


@pytest.mark.parametrize(
    ("verb", "power", "command", "limits"),
    [
        ("suspend", RUNNING, ("managedsave", "u", "--running"), {"managedsave": HOUR}),
        ("start", SUSPENDED, ("start", "u"), {"start": HOUR}),
        ("start", "stopped", ("start", "u"), {}),
        ("pause", RUNNING, ("suspend", "u"), {}),
    ],
)
def test_saving_and_restoring_memory_has_a_long_timeout(tmp_path, verb, power, command, limits):
    virsh = FakeVirsh({("domstate", "u"): "running\n"})
    driver_of(virsh, tmp_path).apply([(Vm("web", id="u", power=power), [Step(verb)], permits.ANYTHING)])
    assert virsh.done[0] == command
    assert virsh.limits == limits


@pytest.mark.parametrize(
    ("verb", "power", "error", "remedy"),
    [
        ("start", STOPPED, "internal error: qemu unexpectedly closed the monitor", "/var/log/libvirt/qemu"),
        ("start", STOPPED, "Cannot open log file: Device or resource busy", "serial_log"),
        ("start", STOPPED, "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x0", "virt_type: qemu"),
        ("start", STOPPED, "kvm_init_vcpu: kvm_get_vcpu failed (0): Invalid argument", "virt_type: qemu"),
        ("start", STOPPED, "Could not access KVM kernel module: Permission denied.", "virt_type: qemu"),
        # QEMU's answer after a KVM internal error: KVM could not emulate an instruction of the guest.
        ("resume", PAUSED, "command 'cont': Resetting the Virtual Machine is required", "virt_type: qemu"),
    ],
)
def test_error_of_vm_that_cannot_run_has_remedy(tmp_path, verb, power, error, remedy):
    virsh = FakeVirsh({(verb, UUID): Answer("", error), ("domstate", UUID): "shut off\n"})
    message = re.escape(f"{error.rstrip('.')}. ")
    with pytest.raises(CommandFailed, match=f"^web: .*{message}[^.].*{remedy}"):
        driver_of(virsh, tmp_path).apply([(Vm("web", id=UUID, power=power), [Step(verb)], permits.ANYTHING)])


@pytest.mark.parametrize("step", [Step("start"), Step("stop"), Step("drop_snapshot", arguments={"names": ("s",)})])
def test_error_has_the_name_of_the_vm_instead_of_its_uuid(tmp_path, step):
    """For virsh itself a name can be ambiguous, but users know their VMs by name."""
    commands = Commands()
    virsh = Virsh(commands, "false", "test:///default")
    with pytest.raises(CommandFailed, match=r"virsh \S+ web\b") as caught:
        driver_of(virsh, tmp_path).apply([(Vm("web", id=UUID, power=STOPPED), [step], permits.ANYTHING)])
    assert UUID not in str(caught.value)


def test_path_with_the_uuid_of_the_vm_is_unchanged(tmp_path):
    paths = f"/srv/{UUID}/a.img, '/srv/web-{UUID}.img' and {UUID}.img"
    virsh = FakeVirsh(
        {
            ("start", UUID): Answer("", f"error: no '{UUID}' ({UUID}): {paths} of {UUID}."),
            ("domstate", UUID): "shut off\n",
        }
    )
    with pytest.raises(CommandFailed) as caught:
        driver_of(virsh, tmp_path).apply([(Vm("web", id=UUID, power=STOPPED), [Step("start")], permits.ANYTHING)])
    assert f"no 'web' (web): {paths} of web." in str(caught.value)


@pytest.mark.parametrize("is_there", [True, False])
def test_start_finds_a_file_of_somebody_or_libvirt_creates_one(tmp_path, monkeypatch, is_there):
    """Only what libvirt has created goes when the creation is undone."""
    virsh, log = FakeVirsh(), tmp_path / "log"
    driver = driver_of(virsh, tmp_path)
    by_libvirt(driver, UUID, str(log))
    if is_there:
        log.touch()
    monkeypatch.setattr(virsh, "run", lambda *_words, **_more: log.touch(exist_ok=False))
    with pytest.raises(Refused, match="log already exists") if is_there else nullcontext():
        driver.apply([(Vm("web", id=UUID, power=STOPPED), [Step("start")], permits.ANYTHING)])
    (file,) = only_created(Vm("web", id=UUID, files=(File(str(log), "support", True),))).files
    assert bool(file.elsewhere) == is_there
