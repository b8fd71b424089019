# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observation of VMs, on the recorded registry."""

from __future__ import annotations

from dataclasses import replace

import pytest
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

MIB = 1 << 20


def test_settings_are_reported_as_values_of_the_options(tmp_path):
    driver, _commands = driver_on(tmp_path, native=("vm-execution-engine", "--nicpromisc1", "HPET"))
    config = recorded_vm(driver, "web").config
    assert {name: config[name] for name in ("cpus", "memory", "firmware", "tpm", "os_type", "groups", "tags")} == {
        "cpus": 1,
        "memory": 16 * MIB,
        "firmware": "bios",
        "tpm": True,
        "os_type": "Linux26_64",
        "groups": ("/g",),
        "tags": ("t",),
    }
    assert config["description"] == 'one "two"\nthree'
    assert config["boot_order"] == ("disk", "cdrom")
    assert config["display"] == {"type": "none", "video_memory": 16 * MIB}
    assert config["native"] == {"vm-execution-engine": "interpreter", "nicpromisc1": "allow-all", "hpet": "on"}


def test_disk_with_snapshots_has_the_path_of_its_base_and_the_size_of_its_overlay(tmp_path):
    driver, _commands = driver_on(tmp_path)
    base = f"{tmp_path}/machines/g/web/web-SATA"
    assert recorded_vm(driver, "web").config["disks"] == {
        "SATA 0": {"source": f"{base}-0.vdi", "size": 12 * MIB, "format": "vdi"},
        "SATA 1": {"source": f"{base}-1.vmdk", "size": 6 * MIB, "format": "vmdk"},
    }


def test_disk_with_unknown_image_is_reported_without_its_size(tmp_path):
    """VirtualBox does not list an image if it cannot read the file; the settings file shows that it is a disk."""
    driver, _commands = driver_on(tmp_path)
    vbox_vm = driver.vbox_vms()[recorded_vm(driver, "run").id]
    disks = config_of(replace(vbox_vm, media={}))["disks"]
    assert disks == {"SATA 0": {"source": f"{tmp_path}/machines/run/run-SATA-0.vdi", "size": None, "format": None}}


def test_seed_is_not_reported_as_iso(tmp_path):
    driver, _commands = driver_on(tmp_path)
    assert recorded_vm(driver, "web").config["iso"] == f"{tmp_path}/m.iso"


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


def test_snapshot_with_memory_is_reported_as_running(tmp_path):
    driver, _commands = driver_on(tmp_path)
    vm = recorded_vm(driver, "web")
    on, off = vm.snapshots
    assert [(one.name, one.power, one.description, one.current) for one in (on, off)] == [
        ("on", RUNNING, "", False),
        ("off", STOPPED, "d", True),
    ]
    assert off.parent == on.id
    assert on.created and off.created >= on.created


def test_snapshot_has_the_disk_size_at_its_creation(tmp_path):
    driver, _commands = driver_on(tmp_path)
    config = recorded_vm(driver, "web", "snapshots", "snapshot_configs").snapshots[0].config
    assert config["disks"]["SATA 0"]["size"] == 10 * MIB


def test_unfinished_vm_is_not_reported(tmp_path):
    driver, _commands = driver_on(tmp_path)
    observation = driver.observe(None, frozenset())
    assert [vm.name for vm in observation.vms] == ["web", "linked", "run"]
    assert driver.observe([Target(name="half")], frozenset()).vms == []
    assert "half" not in observation.known


def test_vm_with_the_mark_of_another_vm_is_not_owned(tmp_path):
    driver, _commands = driver_on(tmp_path)
    assert all(recorded_vm(driver, name).owned for name in ("web", "linked", "run"))
    linked = recorded_vm(driver, "linked")
    assert not linked.having(mark=recorded_vm(driver, "web").mark).owned


def test_ssh_of_a_running_vm_uses_its_port_forward(tmp_path):
    driver, _commands = driver_on(tmp_path)
    ssh = recorded_vm(driver, "run").ssh
    assert (ssh["host"], ssh["scope"]) == ("127.0.0.1", "host")
    assert 20000 <= ssh["port"] < 30000
    assert recorded_vm(driver, "web").ssh is None


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
