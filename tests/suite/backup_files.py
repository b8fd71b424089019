# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of libvirt for tests: a definition as libvirt writes it, and disks, stored as a task stores them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._core.backup import manifest as manifests
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import OFF
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._media.backup_folder import BackupFolder

from suite import appliance_files

BIRTH, ID = "d7188e7f-d4e4-48f6-9735-fb974a826299", "20261130T120000Z-0a1b2c3d"
MAC = "52:54:00:ab:cd:01"


def disk(slot, bus="virtio", more=""):
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='/var/lib/libvirt/images/web1-{slot}.qcow2'/><target dev='{slot}' bus='{bus}'/>{more}</disk>"
    )


def nic(network="default", model="virtio", mac=MAC, more=""):
    return (
        f"<interface type='network'><mac address='{mac}'/><source network='{network}'/>"
        f"<model type='{model}'/>{more}</interface>"
    )


def definition(devices, system="", more="", features="<acpi/>", cpus=1, memory_mib=64, uuid=BIRTH, about=""):
    """A definition with what libvirt adds to each; ``about`` are attributes of its root, such as a namespace."""
    return (
        f"<domain type='qemu'{about}><name>web1</name><uuid>{uuid}</uuid>"
        f"<memory unit='KiB'>{memory_mib * 1024}</memory><currentMemory unit='KiB'>{memory_mib * 1024}</currentMemory>"
        f"<vcpu placement='static'>{cpus}</vcpu><os{system or '>'}<type arch='x86_64' machine='pc-q35-7.2'>hvm</type>"
        f"<boot dev='hd'/></os><features>{features}</features><clock offset='utc'/>{more}"
        f"<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}<memballoon model='virtio'/></devices>"
        "</domain>"
    )


def backup(folder, text, disks, sizes=None, nvram=False, excluded=()):
    """Store a backup with a definition and {slot: content of a qcow2 image}; returns its directory.

    ``sizes``: {slot: virtual size}; the default is 16 MiB.
    """
    entries = [
        {"name": f"{slot}.qcow2", "role": "disk", "slot": slot, "format": "qcow2", "virtual_size": size}
        for slot, size in {**dict.fromkeys(disks, 16 * 1024**2), **(sizes or {})}.items()
    ]
    entries.append({"name": "definition.xml", "role": "definition"})
    contents = {f"{slot}.qcow2": content for slot, content in disks.items()} | {"definition.xml": text.encode()}
    if nvram:
        entries.append({"name": "nvram", "role": "nvram", "format": "raw"})
        contents["nvram"] = b"nvram"
    stored, vm = BackupFolder(str(folder), "host1"), Vm("web1", BIRTH, power=STOPPED)
    begun = manifests.unfinished(vm, BIRTH, "host1", ID, 1796040000, entries, excluded)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    stored.begin(begun)
    for name, content in contents.items():
        stored.write(begun, name, content)
    stored.finish(begun, OFF)
    return Path(folder) / BIRTH / ID


def with_two_disks(folder, first, second, network="VM Network", size="16M", **about):
    """Store a backup of a VM that starts from its second disk; ``first`` and ``second`` are the bytes that fill them.

    Its NIC has the address MAC.
    """
    disks = {
        slot: appliance_files.disk(folder / f"{slot}.source", "qcow2", byte=byte, size=size)
        for slot, byte in (("sda", first), ("sdb", second))
    }
    begins = {"sda": "<boot order='2'/>", "sdb": "<boot order='1'/>"}
    devices = "".join(disk(slot, "sata", begin) for slot, begin in begins.items()) + nic(network, "e1000")
    return backup(folder / "backups", definition(devices, cpus=2, memory_mib=128, **about), disks)


def edit(place, digests=(), **changes):
    """Change a manifest; ``digests`` are names of files whose present size and digest it gets."""
    path = place / manifests.NAME
    manifest = {**json.loads(path.read_text()), **changes}
    for one in manifest["files"]:
        if one["name"] in digests:
            content = (place / one["name"]).read_bytes()
            one.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    path.write_text(json.dumps(manifest))
