# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with appliances on Hyper-V, and what the disks of their VMs contain."""

from __future__ import annotations

from platforms.hyperv import reading
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Switch
from platforms.hyperv.tasks import done
from suite import appliance_files as made
from suite import backup_files

M = 1024**2
#: The bytes that fill the disks a and b.
A, B = 1, 2


def ova(folder, *more, file="x.ova", **about):
    """An appliance with two disks; its system is on the second one, at the first port."""
    files = {"a.vmdk": made.disk(folder / "a.vmdk", byte=A), "b.vmdk": made.disk(folder / "b.vmdk", byte=B)}
    body = made.hardware(made.sata(("d2", 0), ("d1", 1)), made.nic(), *more, cpus=2, memory=128, **about)
    # The second one is larger than its file.
    listed = [("d1", "f1", 16 * M), ("d2", "f2", 32 * M)]
    return made.ova(folder / file, made.envelope(body, [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")], listed), files)


def backup(folder, *_devices, **about):
    """The same as a backup of libvirt."""
    return str(backup_files.with_two_disks(folder, A, B, **about))


def host_with_switch():
    host = HyperV()
    host.switches.append(Switch("lan", "Private"))
    return host


def task(source, name="web", **more):
    networks = [{"name": "VM Network", "type": "network", "source": "lan"}]
    appliance = {"source": source, "accept_eula": False, "networks": networks, **more.pop("appliance", {})}
    return {"name": [name], "appliance": {key: value for key, value in appliance.items() if value is not None}, **more}


def vm_of(host, name="web"):
    (found,) = [one for one in done(host, "vm_info")["vms"] if one["name"] == name]
    return found


def bytes_in(host, name="web"):
    """{slot: the byte that fills the disk}."""
    (vm,) = [one for one in host.vms if one.name == name]
    return {reading.slot_of(drive): host.files.vhd(drive.path).written for drive in vm.hardware.disks()}
