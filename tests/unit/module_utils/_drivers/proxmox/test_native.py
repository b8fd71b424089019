# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE's own settings, and the display, which may be one of them: on the simulated cluster."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.native import not_modelled

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import applied, do, machine_of, rejected, unchanged


def _options(world, name):
    """The options of a VM at its next start."""
    return machine_of(world, name).config.next_start()


@pytest.mark.parametrize("name", ["web1", "web2"])
@pytest.mark.parametrize(
    ("key", "part"), [("net0", "rate=5"), ("net0", "mtu=1400"), ("scsi0", "cache=writeback"), ("scsi0", "iops_rd=100")]
)
def test_sub_key_is_set_and_removed(world, key, part, name):
    before = _options(world, name)
    emptied = {key: f"{part.partition('=')[0]}="}
    unchanged(world, name=name, native=emptied)
    applied(world, name=name, native={key: part})
    applied(world, name=name, native=emptied)
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
def test_sub_key_that_has_an_option_is_rejected(world, key, part, option):
    rejected(world, key, f"option {option}", name="web2", native={key: part})


@pytest.mark.parametrize(
    ("vga", "display_type"),
    [("std", "vnc"), ("cirrus", "vnc"), ("virtio-gl", "vnc"), ("qxl2", "spice"), ("none", "none")],
)
def test_display_type_follows_from_the_graphics_adapter(world, vga, display_type):
    behind.edit(world, 101, vga=vga)
    unchanged(world, name="web2", native={"vga": vga})
    unchanged(world, name="web2", display={"type": display_type})


@pytest.mark.parametrize("vga", ["serial0", "serial3", "none"])
def test_vm_without_a_screen_gets_one(world, vga):
    assert applied(world, name="web2", native={"vga": vga, "serial0": "socket"})["vga"] == vga
    assert applied(world, name="web2", display={"type": "vnc"})["vga"] == "std"


def test_a_serial_console_has_no_video_memory(world):
    behind.edit(world, 101, vga="serial0", serial0="socket")
    rejected(world, "serial console", "display.type", name="web2", display={"video_memory": "32M"})
    assert applied(world, name="web2", display={"type": "vnc", "video_memory": "32M"})["vga"] == "std,memory=32"


def test_vga_and_display_cannot_be_combined(world):
    rejected(world, "vga", "display", "Set only one", name="web2", native={"vga": "std"}, display={"type": "vnc"})


def _apply_predicted(world, **requested):
    """Run a task; check mode must predict its changes. Returns the VM."""
    check, real = do(world, check=True, **requested), do(world, **requested)
    assert (check.failed, check.changed, check.diff) == (real.failed, real.changed, real.diff)
    assert (real.failed, real.changed) == (False, True), real.msg
    assert check.vms[0]["restart_required"] == real.vms[0]["restart_required"]
    unchanged(world, **requested)
    return real.vms[0]


@pytest.mark.parametrize("name", ["web1", "web2"])
def test_removed_sub_key_of_a_nic_that_is_added(world, name):
    networks = [{}, {"source": "vmbr1"}]
    assert len(_apply_predicted(world, name=name, native={"net1": "firewall="}, networks=networks)["networks"]) == 2


@pytest.mark.parametrize(
    ("native", "waits"),
    [
        ({"vga": "serial1"}, ["native.vga"]),
        ({"vga": "qxl,memory=32"}, ["native.vga"]),
        ({"cpu": "host"}, ["native.cpu"]),
        ({"hotplug": "disk"}, []),
        ({"agent": "1,fstrim_cloned_disks=1"}, []),
        ({"agent": "1,freeze-fs-on-backup=0"}, ["native.agent"]),
        ({"agent": "1,fstrim_cloned_disks=1"}, []),
        ({"hotplug": "disk,cpu"}, ["native.hotplug"]),
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
    assert _apply_predicted(world, name="web1", native=native)["restart_required"] == waits


@pytest.mark.parametrize(("native", "waits"), [({"vcpus": 1}, []), ({"usb0": "spice"}, ["native.usb0"])], ids=str)
def test_hotplug_decides_what_waits_for_the_next_start(world, native, waits):
    behind.edit(world, 100, hotplug="cpu")
    assert _apply_predicted(world, name="web1", native=native)["restart_required"] == waits


def test_password_of_cloud_init_is_named():
    assert list(not_modelled({"cipassword": "**********", "memory": "512"})) == ["native.cipassword"]
