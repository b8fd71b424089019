# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observation of VMs, on the recorded registry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.vbox_vm import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
    Target,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_states import state as power_of

from unit.module_utils._drivers.vbox.recorded_registry import driver_on, found

MIB = 1 << 20


def test_settings_are_told_in_the_vocabularys_words(tmp_path):
    driver, _commands = driver_on(tmp_path, native_keys=("vm-execution-engine", "nicpromisc1", "hpet"))
    config = found(driver, "web").config
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


def test_a_disk_with_snapshots_is_known_by_its_base_and_as_large_as_what_is_on_top(tmp_path):
    driver, _commands = driver_on(tmp_path)
    base = f"{tmp_path}/machines/g/web/web-SATA"
    assert found(driver, "web").config["disks"] == {
        "SATA 0": {"source": f"{base}-0.vdi", "size": 12 * MIB, "format": "vdi"},
        "SATA 1": {"source": f"{base}-1.vmdk", "size": 6 * MIB, "format": "vmdk"},
    }


def test_disk_with_unknown_image_is_reported_without_its_size(tmp_path):
    """VirtualBox does not list an image if it cannot read the file; the settings file shows that it is a disk."""
    driver, _commands = driver_on(tmp_path)
    vbox_vm = driver.vbox_vms()[found(driver, "run").id]
    disks = config_of(replace(vbox_vm, media={}))["disks"]
    assert disks == {"SATA 0": {"source": f"{tmp_path}/machines/run/run-SATA-0.vdi", "size": None, "format": None}}


def test_a_seed_is_not_the_medium_in_the_first_drive(tmp_path):
    driver, _commands = driver_on(tmp_path)
    assert found(driver, "web").config["iso"] == f"{tmp_path}/m.iso"


def test_cards_forwards_and_shares(tmp_path):
    driver, _commands = driver_on(tmp_path)
    config = found(driver, "web").config
    nics = config["networks"]
    assert [(place, nic["type"], nic["model"]) for place, nic in nics.items()] == [
        ("0", "nat", "virtio"),
        ("1", "nat", "82540EM"),
    ]
    assert nics["1"]["mac"] == "08:00:27:11:22:33"
    assert config["port_forwards"] == {"web": {"protocol": "tcp", "host_port": 18080, "guest_port": 80}}
    assert config["ssh_forward"] is True
    assert config["shared_folders"] == {"s": {"host_path": "/tmp", "read_only": True, "guest_path": "/mnt"}}


def test_snapshots_tell_whether_they_hold_a_guests_memory(tmp_path):
    driver, _commands = driver_on(tmp_path)
    vm = found(driver, "web")
    on, off = vm.snapshots
    assert [(one.name, one.power, one.description, one.current) for one in (on, off)] == [
        ("on", RUNNING, "", False),
        ("off", STOPPED, "d", True),
    ]
    assert off.parent == on.id
    assert on.created and off.created >= on.created


def test_a_snapshot_holds_the_disks_size_of_then(tmp_path):
    driver, _commands = driver_on(tmp_path)
    then = found(driver, "web", "snapshots", "snapshot_configs").snapshots[0].config
    assert then["disks"]["SATA 0"]["size"] == 10 * MIB


def test_a_half_made_machine_is_not_there_yet(tmp_path):
    driver, _commands = driver_on(tmp_path)
    observation = driver.observe(None, frozenset())
    assert [vm.name for vm in observation.vms] == ["web", "linked", "run"]
    assert driver.observe([Target(name="half")], frozenset()).vms == []
    assert "half" not in observation.known


def test_the_mark_of_a_machine_that_runs_somebody_elses_is_not_its_own(tmp_path):
    driver, _commands = driver_on(tmp_path)
    assert all(found(driver, name).owned for name in ("web", "linked", "run"))
    linked = found(driver, "linked")
    assert not linked.having(mark=found(driver, "web").mark).owned


def test_a_look_at_all_is_one_process_and_one_for_each_that_runs(tmp_path):
    driver, commands = driver_on(tmp_path)
    driver.observe(None, frozenset({"power", "config", "snapshots", "files"}))
    assert [words[0] for words in commands.reads] == ["list", "guestproperty"]


def test_a_light_look_keeps_what_is_known(tmp_path):
    driver, commands = driver_on(tmp_path)
    vm = found(driver, "web")
    (again,) = driver.observe([Target(id=vm.id)], frozenset({"power"})).vms
    assert (again.power, again.config) == (STOPPED, vm.config)
    assert commands.reads[-1] == ("list", "--long", "vms")
    assert commands.calls == []


def test_a_machine_that_runs_is_reached_through_its_forward(tmp_path):
    driver, _commands = driver_on(tmp_path)
    ssh = found(driver, "run").ssh
    assert (ssh["host"], ssh["scope"]) == ("127.0.0.1", "host")
    assert 20000 <= ssh["port"] < 30000
    assert found(driver, "web").ssh is None


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
def test_powers(state, power, busy):
    assert power_of(state)[:2] == (power, busy)
