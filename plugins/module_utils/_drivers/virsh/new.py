# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a new machine: a frame that suits most guests, then the same edits as for an existing one."""

from __future__ import annotations

import os

from .definition import Definition

_MACHINES = {"x86_64": "q35", "aarch64": "virt"}
#: Each hot-plugged disk or card takes one port; libvirt gives a new q35 machine hardly any to spare.
_ROOT_PORTS = 14

_FRAME = """\
<domain type='{type}'>
  <name/>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>0</memory>
  <vcpu>1</vcpu>
  <os><type{arch}{machine}>hvm</type><boot dev='hd'/><boot dev='cdrom'/></os>
  <features>{features}</features>
  {cpu}
  <on_crash>destroy</on_crash>
  <devices>{devices}</devices>
</domain>
"""
_DEVICES = """
    <controller type='scsi' model='virtio-scsi'/>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
"""


def new_definition(name, uuid, hypervisor, virt_type):
    """A Definition without disks and network cards."""
    definition = Definition(_test_frame(uuid) if hypervisor == "TEST" else _frame(uuid, virt_type))
    definition.set("name", name)
    return definition


def _test_frame(uuid):
    return _FRAME.format(type="test", uuid=uuid, arch=" arch='i686'", machine="", features="", cpu="", devices="")


def _frame(uuid, virt_type):
    arch = os.uname().machine
    machine = _MACHINES.get(arch)
    return _FRAME.format(
        type=virt_type,
        uuid=uuid,
        arch=f" arch='{arch}'",
        machine=f" machine='{machine}'" if machine else "",
        features="<acpi/><apic/>" if arch == "x86_64" else "<acpi/>" if machine else "",
        cpu="<cpu mode='host-passthrough'/>" if virt_type == "kvm" else "",
        devices=_DEVICES + (_root_ports() if machine else ""),
    )


def _root_ports():
    ports = "".join(
        f"<controller type='pci' index='{port}' model='pcie-root-port'/>" for port in range(1, _ROOT_PORTS + 1)
    )
    return f"<controller type='pci' index='0' model='pcie-root'/>{ports}"
