# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a new machine: a frame that suits most guests, then the same edits as for an existing one."""

from __future__ import annotations

import os
from xml.sax.saxutils import quoteattr

from ..._lifecycle.errors import Unsupported
from .definition import Definition

ARCHITECTURE = "x86_64"
_MACHINE = "q35"
_NUMBERED_MACHINE = "pc-q35-"
#: Each hot-plugged disk or card takes one port; libvirt gives a new q35 machine hardly any to spare.
_ROOT_PORTS = 14

_FRAME = """\
<domain type='{type}'>
  <name/>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>0</memory>
  <vcpu>1</vcpu>
  <os><type arch='{arch}'{machine}>hvm</type><boot dev='hd'/><boot dev='cdrom'/></os>
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


def check_host(name, hypervisor):
    """Refuse hosts whose machines look otherwise than the frame: a machine that cannot boot helps nobody."""
    if hypervisor != "TEST" and os.uname().machine != ARCHITECTURE:
        raise Unsupported(
            f"{name}: new machines are made on {ARCHITECTURE} hosts only, and this one is {os.uname().machine}.",
            "Define it with virsh; power and settings of existing machines are managed on any host.",
        )


def machine_type(config):
    """The machine type of a new machine: the one asked through native, else the one of the frame."""
    return str((config.get("native") or {}).get("os/type@machine") or _MACHINE)


def new_definition(name, uuid, hypervisor, virt_type, machine):
    """A Definition without disks and network cards."""
    definition = Definition(_test_frame(uuid) if hypervisor == "TEST" else _frame(uuid, virt_type, machine))
    definition.set("name", name)
    return definition


def _test_frame(uuid):
    return _FRAME.format(type="test", uuid=uuid, arch="i686", machine="", features="", cpu="", devices="")


def _frame(uuid, virt_type, machine):
    has_ports = machine == _MACHINE or machine.startswith(_NUMBERED_MACHINE)
    return _FRAME.format(
        type=virt_type,
        uuid=uuid,
        arch=ARCHITECTURE,
        machine=f" machine={quoteattr(machine)}",
        features="<acpi/><apic/>",
        cpu="<cpu mode='host-passthrough'/>" if virt_type == "kvm" else "",
        devices=_DEVICES + (_root_ports() if has_ports else ""),
    )


def _root_ports():
    ports = "".join(
        f"<controller type='pci' index='{port}' model='pcie-root-port'/>" for port in range(1, _ROOT_PORTS + 1)
    )
    return f"<controller type='pci' index='0' model='pcie-root'/>{ports}"
