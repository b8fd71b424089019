# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorded registry shows of its VMs, and the power states of VirtualBox."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
    Target,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.table import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_output import state as power_of

from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm


def test_disk_with_unknown_image_is_reported_without_its_size(tmp_path):
    """VirtualBox does not list an image if it cannot read the file; the settings file shows that it is a disk."""
    driver, _commands = driver_on(tmp_path)
    vbox_vm = driver.vbox_vms()[recorded_vm(driver, "run").id]
    disks = config_of(replace(vbox_vm, media={}))["disks"]
    assert disks == {"SATA 0": {"source": f"{tmp_path}/machines/run/run-SATA-0.vdi", "size": None, "format": None}}


def test_nics_port_forwards_and_shared_folders_are_reported(tmp_path):
    driver, _commands = driver_on(tmp_path)
    config = recorded_vm(driver, "web").config
    nics = config["networks"]
    assert [(place, nic["type"], nic["model"]) for place, nic in nics.items()] == [
        ("0", "nat", "virtio"),
        ("1", "nat", "82540EM"),
    ]
    assert nics["1"]["mac"] == "08:00:27:11:22:33"
    assert config["port_forwards"] == {"web": {"protocol": "tcp", "host_port": 18080, "guest_port": 80}}
    assert config["ssh_forward"] is True
    assert config["shared_folders"] == {"s": {"host_path": "/tmp", "read_only": True, "guest_path": "/mnt"}}


def test_unfinished_vm_is_not_reported(tmp_path):
    driver, _commands = driver_on(tmp_path)
    observation = driver.observe(None, frozenset())
    assert [vm.name for vm in observation.vms] == ["web", "linked", "run"]
    assert driver.observe([Target(name="half")], frozenset()).vms == []
    assert "half" not in observation.known


@pytest.mark.parametrize(
    ("state", "power", "busy"),
    [
        ("poweroff", STOPPED, None),
        ("aborted", STOPPED, None),
        ("saved", SUSPENDED, None),
        ("aborted-saved", SUSPENDED, None),
        ("paused", PAUSED, None),
        ("gurumeditation", FAILED, None),
        ("stopping", RUNNING, "stopping"),
        ("restoringsnapshot", STOPPED, "restoringsnapshot"),
        ("deletingsnapshotlivepaused", PAUSED, "deletingsnapshotlivepaused"),
        ("whatever", UNKNOWN, None),
    ],
)
def test_state_of_virtualbox_is_mapped_to_power_state(state, power, busy):
    assert power_of(state)[:2] == (power, busy)
