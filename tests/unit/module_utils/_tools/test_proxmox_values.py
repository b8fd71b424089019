# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of configurations: parsed and printed as the real server does, and equal if the server treats them equally."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import proxmox_values as values

from collection_path import CHECKOUT

_GOLDEN = CHECKOUT / "tests" / "unit" / "fixtures" / "proxmox" / "9.2.6" / "golden.json"

MAC = "BC:24:11:00:00:01"
#: Values that the server prints in its own format, in addition to drives. It keeps all others as they were sent.
_PRINTED = ("net", "efidisk", "tpmstate")


def _recorded():
    """(key, text) of every drive, NIC and so on in the configurations that the real server wrote."""
    calls = json.loads(_GOLDEN.read_text(encoding="utf-8"))
    lines = {line for call in calls for line in (call.get("config_after") or "").splitlines()}
    found = [line.split(": ", 1) for line in sorted(lines) if ": " in line]
    return [(key, text) for key, text in found if values.bus_of(key) or values.stem(key) in _PRINTED]


def test_enough_values_are_recorded():
    assert len(_recorded()) > 20


@pytest.mark.parametrize(("key", "text"), _recorded())
def test_recorded_values_are_printed_unchanged(key, text):
    assert values.printed(key, values.parse(key, text)) == text


@pytest.mark.parametrize(
    ("key", "text", "parts"),
    [
        ("net0", f"virtio={MAC},bridge=vmbr0", {"model": "virtio", "macaddr": MAC, "bridge": "vmbr0"}),
        ("net0", "bridge=vmbr0,e1000", {"model": "e1000", "bridge": "vmbr0"}),
        ("net12", f"model=virtio,macaddr={MAC},firewall=yes", {"model": "virtio", "macaddr": MAC, "firewall": "1"}),
        ("scsi0", "a:vm-1-disk-0,discard=on,size=32G", {"file": "a:vm-1-disk-0", "discard": "on", "size": "32G"}),
        ("scsi0", "volume=a:b,ssd=true", {"file": "a:b", "ssd": "1"}),
        ("agent", "1", {"enabled": "1"}),
        ("agent", "yes,freeze-fs-on-backup=no", {"enabled": "1", "freeze-fs": "0"}),
        ("ipconfig0", "ip=10.0.0.5/24,gw=10.0.0.1", {"ip": "10.0.0.5/24", "gw": "10.0.0.1"}),
        ("memory", "4096", {"current": "4096"}),
        ("vga", "qxl,memory=32", {"type": "qxl", "memory": "32"}),
    ],
)  # fmt: skip
def test_parts(key, text, parts):
    assert values.parse(key, text) == parts


@pytest.mark.parametrize(
    ("key", "found", "asked"),
    [
        ("agent", "1", "enabled=1,type=virtio"),
        ("agent", None, "0"),
        ("cpu", None, "kvm64"),
        ("cpu", "host,flags=+aes", "flags=+aes,cputype=host"),
        ("cpu", "host,flags=+aes;+pcid", "host,flags=+pcid;+aes"),
        ("cpuunits", "10000", "20000"),
        ("cpuunits", "10000", 10000),
        ("cpuunits", "20000", 20000),
        ("vga", None, "std"),
        ("machine", "pc-q35-9.2+pve1", "q35"),
        ("machine", None, "pc"),
        ("numa", None, "0"),
        ("numa", "1", True),
        ("kvm", None, 1),
        ("hotplug", None, "usb,disk,network"),
        ("hotplug", "1", "network,disk,usb"),
        ("hotplug", "network;disk", "disk,network"),
        ("boot", " ", ""),
        ("balloon", "0", 0),
        ("startup", "order=2,up=30", "2,up=30"),
        ("hostpci0", "0000:01:00.0", "host=0000:01:00.0,pcie=0"),
        ("scsihw", None, "lsi"),
        ("hookscript", None, ""),
    ],
)
def test_same(key, found, asked):
    assert values.same(key, found, asked)


@pytest.mark.parametrize(
    ("key", "found", "asked"),
    [
        ("agent", "1", "0"),
        ("machine", "pc-i440fx-9.0", "q35"),
        ("machine", "pc-q35-9.2+pve1", "pc-q35-8.1"),
        ("machine", "pc-i440fx-9.0", "pc-i440fx-8.1"),
        ("machine", "q35", "pc-q35-8.1"),
        ("hotplug", "0", "network"),
        ("numa", None, "1"),
        ("balloon", None, "0"),
        ("cpu", "host", "kvm64"),
        ("cpu", "host,flags=+aes;+pcid", "host,flags=+aes;-pcid"),
        ("cpuunits", "10000", "200"),
        ("cpuunits", "10000", ""),
        ("cpuunits", "200", "20000"),
        ("cpuunits", None, "20000"),
        ("vga", "serial0", "serial1"),
        ("ipconfig0", "ip=dhcp", "ip=10.0.0.5/24"),
    ],
)
def test_not_same(key, found, asked):
    assert not values.same(key, found, asked)


def test_only_requested_sub_keys_of_a_disk_are_compared():
    found = "local-lvm:vm-100-disk-0,discard=on,iothread=1,size=32G"
    assert values.holds("scsi0", found, "discard=on")
    assert values.holds("scsi0", found, "ssd=0,backup=1")
    assert not values.holds("scsi0", found, "ssd=1")
    assert not values.holds("scsi1", None, "ssd=1")
    assert values.holds("net0", "virtio,trunks=2;3-5", "trunks=3-5;2")


@pytest.mark.parametrize(
    ("key", "found", "asked", "left"),
    [
        ("net0", "virtio,bridge=vmbr0,rate=5", "rate=", "virtio,bridge=vmbr0"),
        ("net0", "virtio,mtu=1,rate=5,trunks=2;3", "mtu=,trunks=,rate=7", "virtio,rate=7"),
        ("scsi0", "a:b,cache=writeback,size=1G", "cache=", "a:b,size=1G"),
        ("scsi0", None, "cache=,ssd=1", "ssd=1"),
    ],
)
def test_empty_sub_key_is_removed(key, found, asked, left):
    assert not values.holds(key, found, asked)
    assert values.merged(key, found, asked) == left
    assert values.holds(key, left, asked)


@pytest.mark.parametrize("found", ["a:b", "a:b,cache=none"])
def test_empty_sub_key_equals_its_default(found):
    assert values.holds("scsi0", found, "cache=,rate=")


def test_omitted_sub_keys_are_kept():
    found = "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=5"
    assert values.merged("net0", found, "bridge=vmbr1") == "virtio=BC:24:11:00:00:01,bridge=vmbr1,firewall=1,tag=5"
    assert values.merged("net0", found, "e1000") == "e1000=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=5"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("32G", 32 << 30), ("512M", 512 << 20), ("10752M", 10752 << 20), ("528K", 528 << 10), ("1T", 1 << 40),
        ("77", 77), ("", None), (None, None),
    ],
)  # fmt: skip
def test_sizes(text, size):
    assert values.size_of(text) == size


@pytest.mark.parametrize("size", [1 << 20, 16 << 20, 24 << 20, 1 << 30, 10752 << 20, 32 << 30, 3 << 40])
def test_size_of_a_new_disk(size):
    assert float(values.gibibytes(size)) * (1 << 30) == size


def test_ssh_keys_are_encoded_and_decoded():
    keys = ("ssh-ed25519 AAAA+b/c= it's me@host", "ssh-rsa BBBB ü")
    text = values.keys_text(keys)
    assert all(sign.isascii() and (sign.isalnum() or sign in "-%_.~") for sign in text)
    assert values.keys_of(text) == keys
    assert values.keys_of("ssh-rsa%20AAAA!~*'()%0A\n%0A") == ("ssh-rsa AAAA!~*'()",)


@pytest.mark.parametrize(
    ("volume", "owner", "kind"),
    [
        ("local-lvm:vm-100-disk-0", "100", "raw"),
        ("local:100/vm-100-disk-0.qcow2", "100", "qcow2"),
        ("local:102/base-102-disk-0.qcow2/113/vm-113-disk-0.qcow2", "113", "qcow2"),
        ("local-zfs:base-102-disk-0/vm-113-disk-1", "113", "raw"),
        ("local-lvm:base-102-disk-0", "102", "raw"),
        ("local-lvm:vm-100-cloudinit", "100", "raw"),
        ("local:iso/vm-tools.iso", None, "raw"),
        ("/dev/sdb", None, "raw"),
    ],
)
def test_volumes(volume, owner, kind):
    assert (values.owner_of(volume), values.format_of(volume)) == (owner, kind)


def test_seeds_and_slots():
    assert values.is_seed({"file": "local-lvm:vm-100-cloudinit", "media": "cdrom"})
    assert values.is_seed({"file": "local:100/vm-100-cloudinit.qcow2"})
    assert not values.is_seed({"file": "local:iso/cloudinit.iso"})
    assert [values.bus_of(key) for key in ("scsi30", "scsi31", "sata5", "ide4", "virtio15", "net0", "scsihw")] == [
        "scsi", None, "sata", None, "virtio", None, None,
    ]  # fmt: skip
    assert [values.stem(key) for key in ("net0", "net12", "scsihw", "smbios1", "audio0")] == [
        "net", "net", "scsihw", "smbios", "audio",
    ]  # fmt: skip
