# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE's own settings, and the display, which may be one of them: on the simulated cluster."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import do


def _options(world, name):
    """The options of a VM at its next start."""
    config = next(one.config for one in world.cluster.machines.values() if one.config.current["name"] == name)
    return {**config.current, **config.pending}


def _unchanged(world, **asked):
    world.journal.clear()
    outcome = do(world, **asked)
    assert (outcome.failed, outcome.changed) == (False, False), outcome.msg
    assert world.journal.writes() == []


def _becomes(world, **asked):
    """Run a task that changes something, and nothing when it runs again; returns the VM's options."""
    outcome = do(world, **asked)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    _unchanged(world, **asked)
    return _options(world, asked["name"])


def _refused(world, *words, **asked):
    for check in (True, False):
        outcome = do(world, check=check, **asked)
        assert outcome.failed
        assert [word for word in words if word not in outcome.msg] == [], outcome.msg
    assert world.journal.writes() == []


@pytest.mark.parametrize("name", ["web1", "web2"])
@pytest.mark.parametrize(
    ("key", "part"), [("net0", "rate=5"), ("net0", "mtu=1400"), ("scsi0", "cache=writeback"), ("scsi0", "iops=100")]
)
def test_a_part_is_set_and_taken_away(world, key, part, name):
    before = _options(world, name)
    emptied = {key: f"{part.partition('=')[0]}="}
    _unchanged(world, name=name, native=emptied)
    _becomes(world, name=name, native={key: part})
    _becomes(world, name=name, native=emptied)
    assert _options(world, name)[key] == before[key]


@pytest.mark.parametrize(
    ("key", "part", "option"),
    [
        ("net0", "bridge=", "networks"),
        ("net0", "virtio=", "networks"),
        ("scsi0", "size=", "disks"),
        ("scsi0", "file=", "disks"),
    ],
)
def test_no_part_goes_that_has_an_option(world, key, part, option):
    _refused(world, key, f"option {option}", name="web2", native={key: part})


def test_more_cpu_units_than_a_node_gives(world):
    assert _becomes(world, name="web2", native={"cpuunits": 20000})["cpuunits"] == "10000"
    assert _becomes(world, name="web2", native={"cpuunits": 9999})["cpuunits"] == "9999"


def test_the_order_of_flags_is_no_difference(world):
    _becomes(world, name="web2", native={"cpu": "host,flags=+aes;+pcid"})
    _unchanged(world, name="web2", native={"cpu": "host,flags=+pcid;+aes"})


@pytest.mark.parametrize(
    ("card", "display_type"),
    [("std", "vnc"), ("cirrus", "vnc"), ("virtio-gl", "vnc"), ("qxl2", "spice"), ("none", "none")],
)
def test_a_display_is_what_its_card_shows(world, card, display_type):
    behind.edit(world, 101, vga=card)
    _unchanged(world, name="web2", native={"vga": card})
    _unchanged(world, name="web2", display={"type": display_type})


@pytest.mark.parametrize("card", ["serial0", "serial3", "none"])
def test_what_shows_nothing_gets_a_screen(world, card):
    assert _becomes(world, name="web2", native={"vga": card, "serial0": "socket"})["vga"] == card
    assert _becomes(world, name="web2", display={"type": "vnc"})["vga"] == "std"


@pytest.mark.parametrize("origin", [{"disks": [{"size": "1G"}]}, {"clone": {"source": "tmpl"}}], ids=["new", "clone"])
def test_a_machine_begins_with_a_serial_console(world, origin):
    assert _becomes(world, name="web3", native={"vga": "serial0", "serial0": "socket"}, **origin)["vga"] == "serial0"


def test_a_serial_console_has_no_video_memory(world):
    behind.edit(world, 101, vga="serial0", serial0="socket")
    _refused(world, "serial console", "display.type", name="web2", display={"video_memory": "32M"})
    assert _becomes(world, name="web2", display={"type": "vnc", "video_memory": "32M"})["vga"] == "std,memory=32"


def test_a_graphics_card_is_said_once(world):
    _refused(world, "vga", "display", "Set only one", name="web2", native={"vga": "std"}, display={"type": "vnc"})


def _predicted(world, **asked):
    """Run a task whose changes check mode predicts; returns the VM."""
    check, real = do(world, check=True, **asked), do(world, **asked)
    assert (check.failed, check.changed, check.diff) == (real.failed, real.changed, real.diff)
    assert (real.failed, real.changed) == (False, True), real.msg
    assert check.vms[0]["restart_required"] == real.vms[0]["restart_required"]
    _unchanged(world, **asked)
    return real.vms[0]


@pytest.mark.parametrize("origin", [{"disks": [{}]}, {"clone": {"source": "tmpl"}}], ids=["new", "clone"])
@pytest.mark.parametrize("networks", [[{}], [{"model": "e1000"}]])
def test_removed_part_of_a_nic_that_is_yet_to_be_created(world, networks, origin):
    found = _predicted(world, name="web3", native={"net0": "firewall="}, networks=networks, **origin)
    assert found["networks"][0]["source"] == "vmbr0"


@pytest.mark.parametrize("name", ["web1", "web2"])
def test_removed_part_of_a_nic_that_is_added(world, name):
    networks = [{}, {"source": "vmbr1"}]
    assert len(_predicted(world, name=name, native={"net1": "firewall="}, networks=networks)["networks"]) == 2


def test_nic_without_options_is_on_the_default_bridge(world):
    found = _predicted(world, name="web3", disks=[{}], networks=[{}])
    assert [(nic["type"], nic["source"]) for nic in found["networks"]] == [("bridged", "vmbr0")]


@pytest.mark.parametrize(
    ("native", "waits"),
    [
        ({"vga": "serial1"}, ["native.vga"]),
        ({"vga": "qxl,memory=32"}, ["native.vga"]),
        ({"cpu": "host"}, ["native.cpu"]),
        ({"hotplug": "disk"}, []),
        ({"agent": "1,fstrim_cloned_disks=1"}, []),
        ({"agent": "1,freeze-fs-on-backup=0"}, []),
        ({"agent": "1,type=isa"}, ["native.agent"]),
        ({"agent": "0"}, ["native.agent"]),
        ({"balloon": 512}, []),
        ({"balloon": 0}, ["native.balloon"]),
        ({"tablet": False}, []),
        ({"usb0": "spice"}, []),
        ({"vcpus": 1}, ["native.vcpus"]),
    ],
    ids=str,
)
def test_setting_of_a_running_vm_waits_for_its_next_start(world, native, waits):
    assert _predicted(world, name="web1", native=native)["restart_required"] == waits


@pytest.mark.parametrize(("native", "waits"), [({"vcpus": 1}, []), ({"usb0": "spice"}, ["native.usb0"])], ids=str)
def test_hotplug_decides_what_is_plugged(world, native, waits):
    behind.edit(world, 100, hotplug="cpu")
    assert _predicted(world, name="web1", native=native)["restart_required"] == waits
