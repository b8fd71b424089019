# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role hyperv_host on the double of a Windows host, over WinRM: from a bare host to switches."""

from __future__ import annotations

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.windows.machine import Machine
from platforms.windows.role_play import RoleHost

pytestmark = pytest.mark.full

SETTINGS = {
    "hyperv_host_disk_path": "D:\\VMs\\Disks",
    "hyperv_host_switches": [
        {"name": "nat", "type": "nat", "address": "10.60.0.1/24"},
        {"name": "lan", "type": "external", "adapter": "Ethernet 2"},
    ],
}
INSTALL = "Install and configure Hyper-V"
PENDING = ["disk_path", "switches.nat", "switches.nat.address", "switches.nat.nat", "switches.lan"]


@pytest.fixture(name="host")
def _host(tmp_path, ansible_playbook):
    # The clock of the double advances only with requests: with these values, a restart takes few of them.
    machine = Machine(HyperV(enabled=False), request=20.0, down=30.0)
    return RoleHost(machine, tmp_path, ansible_playbook)


def test_life_of_a_host(host):
    """Check mode predicts the run with its restart, and the second run changes nothing."""
    double = host.machine.host
    predicted = host.play("hyperv_host", "--check", hyperv_host_reboot=True, **SETTINGS)
    assert predicted.code == 0, predicted.output
    assert (double.writes(), double.feature, host.machine.restarts) == ([], "Disabled", 0)
    done = host.play("hyperv_host", hyperv_host_reboot=True, **SETTINGS)
    assert done.code == 0, done.output
    assert done.changed == predicted.changed == [INSTALL]
    assert (done.facts["usable"], done.facts["rebooted"], done.facts["pending"]) == (True, True, [])
    assert done.facts["switches"] == ["nat", "lan"]
    assert host.machine.restarts == 1
    again = host.play("hyperv_host", hyperv_host_reboot=True, **SETTINGS)
    assert (again.code, again.changed) == (0, []), again.output


def test_restart_that_is_not_allowed_is_reported(host):
    done = host.play("hyperv_host", **SETTINGS)
    assert done.code == 0, done.output
    assert "win: Hyper-V can be used after a restart of the host." in done.output
    assert f"The next run after the restart applies these settings: {', '.join(PENDING)}." in done.output
    assert (done.facts["reboot_required"], done.facts["pending"]) == (True, PENDING)
    assert host.machine.restarts == 0


def test_wrong_variables_are_found_before_the_first_change(host):
    for variables, message in (
        ({"hyperv_host_disk_paths": "D:\\x"}, "did you mean hyperv_host_disk_path?"),
        ({"hyperv_host_disk_path": "disks"}, "disk_path: disks is not an absolute path of Windows"),
        (
            {"hyperv_host_switches": [{"name": "nat", "type": "NAT"}]},
            "value of type must be one of: external",
        ),
    ):
        done = host.play("hyperv_host", **variables)
        assert done.code != 0
        assert message in done.output
    assert host.machine.host.writes() == []
