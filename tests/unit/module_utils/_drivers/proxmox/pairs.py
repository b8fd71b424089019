# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies that generate an existing VM, created by somebody else, and a task about it."""

from __future__ import annotations

from copy import deepcopy

from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import STATES
from hypothesis import strategies as st

from simulators.proxmox import worlds
from simulators.proxmox.storage import GIB, Volume

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} one" for letter in "AB"]
#: A volume of a deleted VM, and a disk with state: absent.
FREE, DETACHED = "local-lvm:vm-300-disk-0", {"slot": "scsi3", "state": "absent"}
#: Options of a second template, with features that tmpl does not have.
_ODD = {
    "name": "odd",
    "template": "1",
    "sockets": "2",
    "protection": "1",
    "net1": "e1000=BC:24:11:00:00:02,bridge=vmbr1,tag=5",
    "scsi3": "local-lvm:base-9001-disk-1,size=1G",
}
POWERS = ("stopped", "running", "paused", "suspended")

#: Options of the existing VM.
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "cores": st.sampled_from(["1", "2"]),
        "memory": st.sampled_from(["1024", "current=2048"]),
        "tags": st.sampled_from(["a", "a;b"]),
        "onboot": st.sampled_from(["0", "1"]),
        "description": st.sampled_from(["one", "two ü\nlines"]),
        "hotplug": st.sampled_from(["0", "1", "disk", "network;disk,usb"]),
        "bios": st.just("ovmf"),
        "cpu": st.sampled_from(["host", "cputype=x86-64-v2-AES,flags=+aes"]),
        "net1": st.just("e1000=BC:24:11:00:00:01,bridge=vmbr1,firewall=1,tag=5"),
        "ide2": st.sampled_from(["none,media=cdrom", "local:iso/debian.iso,media=cdrom,size=600M"]),
        "vga": st.sampled_from(["std", "qxl,memory=32", "serial0"]),
        "agent": st.sampled_from(["0", "1", "enabled=1,fstrim_cloned_disks=1"]),
        "numa": st.sampled_from(["0", "1"]),
        "protection": st.sampled_from(["0", "1"]),
        "hostpci0": st.sampled_from(["mapping=gpu1", "mapping=gpu1,pcie=1"]),
        "usb0": st.sampled_from(["mapping=key", "spice"]),
        "ciuser": st.just("root"),
        "ipconfig0": st.just("ip=dhcp"),
    },
)
_DISKS = st.lists(
    st.fixed_dictionaries({}, optional={"size": st.sampled_from(["16G", "32G", "40G"]), "state": st.just("present")})
    | st.sampled_from([*({"source": source} for source in ("local-lvm:vm-100-disk-0", FREE)), DETACHED]),
    min_size=1,
    max_size=3,
).filter(lambda disks: disks.count(DETACHED) < 2)
_CARDS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["bridged", "nat"]),
            "model": st.sampled_from(["virtio", "e1000"]),
            "vlan": st.sampled_from([0, 5]),
            "source": st.sampled_from(["vmbr0", "vmbr1", "vmbr9"]),
        },
    ),
    max_size=3,
)
_DEVICES = (
    {"type": "pci", "mapping": "gpu1"},
    {"type": "usb", "mapping": "key"},
    {"type": "usb", "mapping": "nosuch"},
    {"type": "pci", "id": "0000:02:00.0"},
)
#: Options of the task.
ASKED = st.fixed_dictionaries(
    {"state": st.sampled_from(STATES), "stop_mode": st.sampled_from([None, "graceful", "force"])},
    optional={
        "cpus": st.integers(1, 3),
        "memory": st.sampled_from(["1G", "2G", "4096"]),
        "tags": st.sampled_from([[], ["a"], ["B", "c"]]),
        "autostart": st.booleans(),
        "description": st.sampled_from(["", "one", "three"]),
        "firmware": st.sampled_from(["bios", "uefi"]),
        "nested_virtualization": st.booleans(),
        "os_type": st.sampled_from(["debian", "windows11"]),
        "tpm": st.booleans(),
        "disks": _DISKS,
        "networks": _CARDS,
        "iso": st.sampled_from(["", "local:iso/debian.iso", "local:iso/nosuch.iso"]),
        "display": st.sampled_from([{"type": "spice"}, {"type": "vnc", "video_memory": "16M"}]),
        "protection": st.booleans(),
        "pool": st.sampled_from(["", "prod"]),
        "node": st.sampled_from(["auto", "pve1", "pve2"]),
        "cloud_init": st.sampled_from([
            {"user": "me"}, {"ssh_authorized_keys": KEYS}, {"ssh_authorized_keys": KEYS[:1]},
            {"ip_config": ["ip=dhcp", ""]}, {"ip_config": ["10.0.0.5/24"]}, {"nameservers": ["192.0.2.1 192.0.2.2"]},
        ]),
        "native": st.sampled_from([
            {"numa": True}, {"agent": 1}, {"scsi0": "ssd=1,discard=on"}, {"net0": "rate=5"}, {"net0": "firewall="},
            {"net0": "firewall=1"}, {"net1": "firewall="}, {"vga": "serial1"}, {"cpu": "host"}, {"hotplug": "disk"},
            {"agent": "1,fstrim_cloned_disks=1"}, {"agent": ""}, {"balloon": 512}, {"vcpus": 1}, {"tablet": False},
        ]),
        "devices": st.lists(st.sampled_from(_DEVICES), max_size=2, unique_by=str),
        "purge": st.sampled_from([[], ["disks"], ["networks"], ["devices"]]),
        "allow_restart": st.booleans(),
        "clone": st.sampled_from([{"source": source, "linked": False} for source in ("tmpl", "odd")]),
    },
)  # fmt: skip


@st.composite
def machines(draw):
    """(options, power) of the VM web, or None if it does not exist."""
    if draw(st.integers(0, 4)) == 0:
        return None
    return draw(OPTIONS), draw(st.sampled_from(POWERS))


def world_with(machine, **more):
    """A cluster with this VM; ``more`` are arguments of the cluster."""
    world = worlds.with_cases(**more)
    # The behaviour of guests is not tested here.
    world.guest.boots_after = 0
    worlds.add_machine(world, 9001, "pve1", _ODD)
    volumes = world.storages.get("local-lvm").volumes
    volumes["pve1", "base-9001-disk-1"] = Volume(GIB, vmid=9001)
    for node in world.cluster.nodes:
        volumes[node, FREE.partition(":")[2]] = Volume(GIB)
    world.statistics.renew()
    if machine is None:
        return world
    options, power = deepcopy(machine)
    found = worlds.add_machine(world, 102, "pve1", {"name": "web", **options}, running=power != "stopped")
    if power == "paused":
        found.qmp = "paused"
    elif power == "suspended":
        found.running, config = False, found.config
        volume = world.storages.allocate_state("local-lvm", "pve1", 102, "suspend-1", 1 << 30)
        config.current.update(lock="suspended", vmstate=volume)
        found.write(config)
    world.statistics.renew()
    return world


def options_of(requested):
    """The task's options."""
    for option in ("disks", "networks", "devices"):
        if option in requested.get("purge", ()):
            requested.setdefault(option, [])
    return {"name": "web", **deepcopy(requested)}
