# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real guests: libvirt's QEMU driver, by emulation."""

from __future__ import annotations

import subprocess
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

from conformance.scenarios.refusals import Refused

from .libvirt import IMAGES, Libvirt, wait_until

_GUEST = IMAGES / "polyvirt-tests"
_WORDS = "console=ttyS0 net.ifnames=0 quiet tsc=reliable random.trust_cpu=on mitigations=off"
#: A write to the panic device's port is how a guest tells that it crashed.
_CRASH = "o /1b 0x505 1"

_BOOT = "<kernel>{guest}/vmlinuz</kernel><initrd>{guest}/initrd.img</initrd><cmdline>{words}</cmdline>"
_NETWORK = """\
<network><name>{name}</name><bridge name='{bridge}'/>
  <ip address='192.168.157.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.157.2' end='192.168.157.99'/></dhcp></ip>
</network>
"""
_DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/><apic/></features>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='sda' bus='sata'/><readonly/></disk>
    <serial type='file'><source path='{console}'/></serial>
    <panic model='isa'/>
  </devices>
</domain>
"""


class Platform(Libvirt):
    name = "libvirt_qemu"
    uri = "qemu:///system"
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
    disk_size = "16M"
    creation: ClassVar = {
        "cpus": 1,
        "memory": "128M",
        "disks": [{"size": disk_size}],
        "networks": [],
    }

    @property
    def network(self):
        """The name of the namespace's network that is not active."""
        return f"{self.prefix}network-off"

    @property
    def guests_network(self):
        """The name of the namespace's network for guests with an address; it is there once ``start_network`` ran."""
        return f"{self.prefix}network"

    @property
    def _bridge(self):
        return f"vir{self.prefix}0"

    @property
    def traces(self):
        # libvirt's own files are named by the machine, its leases by the bridge.
        return (*super().traces, f"guest={self.prefix}", f"/{self.prefix}", f" {self.prefix}", self._bridge)

    @property
    def connection(self):
        return {**super().connection, "virt_type": "qemu"}

    @property
    def guest(self):
        """Options for a machine that is a guest with an address and SSH."""
        return {
            "cpus": 1,
            "memory": "128M",
            "image": {"source": str(_GUEST / "fast-base.qcow2"), "linked": True},
            "networks": [{"type": "network", "source": self.guests_network}],
            "native": self.kernel(),
        }

    def own_refusals(self, known, new):
        shrunk = {"name": [known], "disks": [{"size": "8M"}]}
        small = {**self.creation, "name": [new], "image": {"source": self.base_image()}, "disks": [{"size": "8M"}]}
        card = {"type": "network", "source": self.network}
        off = {**self.creation, "name": [new], "state": "started", "networks": [card]}
        return [
            Refused("shrink", shrunk, (known, "16M", "8M", "or more")),
            Refused("too small for the image", small, (new, "8M", "16M", "or more")),
            Refused("inactive network", off, (new, self.network, "net-start")),
        ]

    def base_image(self):
        """A small image to make machines from; nothing boots from it."""
        path = self.storage / "base.qcow2"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, self.disk_size], check=True)
        return str(path)

    def kernel(self, *words):
        """The native keys that start the fast guest; ``words`` make it a difficult one."""
        return {
            "os/kernel": str(_GUEST / "vmlinuz"),
            "os/initrd": str(_GUEST / "initrd.img"),
            "os/cmdline": " ".join((_WORDS, *words)),
        }

    def clean(self):
        super().clean()
        for network in {self.network, self.guests_network} & set(self.virsh("net-list", "--all", "--name").split("\n")):
            # Its leases go with it; those in a network of the host would stay for an hour.
            self.virsh("net-destroy", network, check=False)
            self.virsh("net-undefine", network)

    def define_network(self):
        """A network that exists and is not active."""
        text = f"<network><name>{self.network}</name></network>"
        self.virsh("net-define", "/dev/stdin", stdin=text)

    def start_network(self):
        """A network in which guests get addresses, and from which only this host is reached."""
        text = _NETWORK.format(name=self.guests_network, bridge=self._bridge)
        self.virsh("net-define", "/dev/stdin", stdin=text)
        self.virsh("net-start", self.guests_network)

    def define(self, name, hears=False):
        """Without a kernel a machine idles in its firmware, which costs the host nothing."""
        disk, console = self.make_disk(name), self._console(name)
        boot = _BOOT.format(guest=_GUEST, words=_WORDS) if hears else ""
        text = _DOMAIN.format(name=name, boot=boot, disk=disk, console=console)
        self.virsh("define", "/dev/stdin", stdin=text)

    def _console(self, name):
        return self.storage / f"{name}.console"

    def wait_until_ready(self, names):
        for name in names:
            console = self._console(name)
            wait_until(lambda file=console: "guest: ready" in file.read_text(errors="replace"), f"{name} is ready")

    def move(self, name, power):
        super().move(name, power)
        if power == SUSPENDED:
            self.virsh("managedsave", name)
        elif power == FAILED:
            self.virsh("qemu-monitor-command", name, "--hmp", _CRASH)
            wait_until(lambda: self.virsh("domstate", name).strip() == "crashed", f"{name} has crashed", 10)
