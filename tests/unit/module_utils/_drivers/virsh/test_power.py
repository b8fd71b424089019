# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that change the power of a VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import FakeVirsh, driver_of

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
    driver_of(virsh, tmp_path).apply([(Vm("web", id="u", power=power), [Step(verb)])])
    assert virsh.done[0] == command
    assert virsh.limits == limits


@pytest.mark.parametrize(
    ("verb", "power", "error", "remedy"),
    [
        ("start", STOPPED, "internal error: qemu unexpectedly closed the monitor", "/var/log/libvirt/qemu"),
        ("start", STOPPED, "Cannot open log file: Device or resource busy", "serial_log"),
        # QEMU's answer after a KVM internal error: KVM could not emulate an instruction of the guest.
        ("resume", PAUSED, "command 'cont': Resetting the Virtual Machine is required", "virt_type: qemu"),
    ],
)
def test_error_of_vm_that_cannot_run_has_remedy(tmp_path, verb, power, error, remedy):
    virsh = FakeVirsh({(verb, "u"): Answer("", error), ("domstate", "u"): "shut off\n"})
    with pytest.raises(CommandFailed, match=f"{error}.*{remedy}"):
        driver_of(virsh, tmp_path).apply([(Vm("web", id="u", power=power), [Step(verb)])])
