# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's QEMU driver with real guests, emulated without KVM."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

from platforms.libvirt.base import IMAGES, Libvirt
from suite.limits import wait_until
from suite.scenarios.refusals import Refused

_GUEST = IMAGES / "polyvirt-tests"
#: The states of TPMs: a directory for each VM, named by its id.
TPM_STATES = Path("/var/lib/libvirt/swtpm")
#: Without no_timer_check the kernel panics on a busy host, because emulated timer ticks may be late.
_WORDS = "console=ttyS0 net.ifnames=0 quiet tsc=reliable no_timer_check random.trust_cpu=on mitigations=off"
#: A guest reports a crash by a write to the panic device's port.
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
    # This host has no IOMMU and no USB; port forwards need a NIC of the type user (test_port_forwards.py).
    unusable = frozenset({"architecture", "nested_virtualization", "devices", "port_forwards"})
    not_for_every_power = frozenset({"shared_folders"})  # QEMU cannot save a VM that has a virtiofs device.
    arm64_error, arm64_drive = None, "sdb"
    undefine_words = ("--nvram", "--checkpoints-metadata")
    disk_size = "16M"
    # BIOS has no NVRAM.
    changing_with: ClassVar = {"firmware": ("nvram_format",)}
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": []}

    @property
    def network(self):
        """The name of the namespace's inactive network."""
        return f"{self.prefix}network-off"

    @property
    def guests_network(self):
        """The name of the namespace's network for guests with an address; it is there once ``start_network`` ran."""
        return f"{self.prefix}network"

    @property
    def _bridge(self):
        return f"vir{self.prefix}0"

    @property
    def connection(self):
        return {**super().connection, "virt_type": "qemu"}

    @property
    def guest(self):
        """Options of a VM with a guest that has an address and SSH."""
        return {
            "cpus": 1,
            "memory": "128M",
            "image": {"source": str(_GUEST / "fast-base.qcow2"), "linked": True},
            "networks": [{"type": "network", "source": self.guests_network}],
            "native": self.kernel(),
        }

    def architecture_of(self, machine):
        """The word of libvirt; ``machine`` is from ``truth``."""
        return ET.fromstring(machine["stored"]).find("os/type").get("arch")

    def own_settings(self):
        """Since Debian 13, QEMU has SPICE in a package that is only recommended."""
        if "<value>spice</value>" in self.virsh("domcapabilities", "--virttype", "qemu"):
            return super().own_settings()
        sizes = (({"type": "vnc", "video_memory": f"{size}M"}, ("vnc", size << 20)) for size in (16, 32))
        return {**super().own_settings(), "display": tuple(sizes)}

    def own_refusals(self, known, new):
        shrunk = {"name": [known], "disks": [{"size": "8M"}]}
        small = {**self.creation, "name": [new], "image": {"source": self.base_image()}, "disks": [{"size": "8M"}]}
        card = {"type": "network", "source": self.network}
        off = {**self.creation, "name": [new], "state": "started", "networks": [card]}
        sata = {"slot": "sata0", "size": "16M"}
        nothing = {"name": "src", "host_path": "/nonexistent"}
        file, mounted = (
            {"name": "src", "host_path": "/etc/hosts"},
            {"name": "src", "host_path": "/etc", "guest_path": "/"},
        )
        return [
            *super().own_refusals(known, new),
            *self._machinery_refusals(known, {**self.creation, "name": [new]}, new),
            Refused("shrink", shrunk, (known, "16M", "8M", "at least 16M")),
            Refused("too small for the image", small, (new, "8M", "at least 16M")),
            Refused("inactive network", off, (new, self.network, "net-start", "allow_network_start")),
            Refused("maximum too low", {"name": [known], "cpus": 3, "max_cpus": 2}, (known, "max_cpus", "reduce cpus")),
            Refused("maximum is no size", {"name": [known], "max_memory": "2X"}, ("max_memory", "512M")),
            Refused("slot of a drive", {"name": [known], "disks": [sata]}, (known, "optical drive", "sata1")),
            Refused("shared file", {"name": [known], "shared_folders": [file]}, (known, "src", "not a directory")),
            Refused(
                "shared nothing", {**self.creation, "name": [new], "shared_folders": [nothing]}, (new, "/nonexistent")
            ),
            Refused("mount", {"name": [known], "shared_folders": [mounted]}, ("guest_path", "Mount it")),
            *_device_refusals(known, {**self.creation, "name": [new]}, new),
        ]

    def _machinery_refusals(self, known, made, new):
        """Errors about firmware, display, nested virtualization and the log of the console."""
        change, secure = {"name": [known]}, {"firmware": "uefi", "secure_boot": True}
        files, pc = {"os/loader": "/x.fd"}, {"native": {"os/type@machine": "pc"}}
        return [
            Refused("secure boot alone", {**made, "secure_boot": True}, (new, "secure_boot", "firmware: uefi")),
            Refused("secure boot of bios", {**change, "secure_boot": True}, (known, "secure_boot", "firmware: uefi")),
            # With and without the emulator, which only the host of a full run has.
            Refused("arm64 with KVM", {**made, "architecture": "arm64", "virt_type": "kvm"}, (new, "arm64")),
            Refused("bios of arm64", {**made, "architecture": "arm64", "firmware": "bios"}, (new, "firmware: uefi")),
            Refused(
                "another architecture", {**change, "architecture": "arm64"}, (known, "delete the VM yourself first")
            ),
            Refused("no secure boot", {**made, **secure, **pc}, (new, "secure_boot", "q35")),
            Refused(
                "files and firmware", {**made, "firmware": "uefi", "native": files}, (new, "os/loader", "firmware")
            ),
            Refused("native firmware", {**change, "native": {"os@firmware": "efi"}}, (known, "option firmware")),
            Refused("nested", {**change, "nested_virtualization": True}, (known, "emulated", "virt_type: kvm")),
            Refused("nested new", {**made, "nested_virtualization": True}, (new, "emulated", "virt_type: kvm")),
            Refused(
                "no display", {**change, "display": {"video_memory": "16M"}}, (known, "video_memory", "vnc or spice")
            ),
            Refused("no itco", {**made, **pc, "watchdog": {"model": "itco"}}, (new, "watchdog.model", "i6300esb")),
            Refused(
                "native watchdog", {**change, "native": {"devices/watchdog@action": "none"}}, (known, "option watchdog")
            ),
            Refused("boot twice", {**change, "boot_order": ["disk", "disk"]}, ("boot_order", "disk", "twice", "once")),
            Refused("another's log", {**made, "serial_log": str(self._console(known))}, (new, known, "another file")),
            Refused("no folder of the log", {**change, "serial_log": "/no/log"}, (known, "serial_log", "Create it")),
            Refused("log of two", {"name": [known, new], "serial_log": "/l"}, ("serial_log", "one file", "one name")),
            Refused("no nvram", {**change, "state": "restarted", "reset_nvram": True}, (known, "reset_nvram", "UEFI")),
            Refused("nvram and no start", {**change, "reset_nvram": True}, ("reset_nvram", "state: restarted")),
        ]

    def changes_while_running(self):
        """The common changes, and those that only VMs with real devices support."""
        log = str(self.storage / "twice.log")
        return [
            *super().changes_while_running(),
            {"disks": [{"size": "24M"}]},
            {"firmware": "uefi", "secure_boot": True},
            {"firmware": "bios", "secure_boot": False, "tpm": True, "display": {"type": "vnc", "video_memory": "16M"}},
            {"serial_log": log},
            {"serial_log": "", "tpm": False, "display": {"type": "none"}},
        ]

    def settings(self, machine, which="stored"):
        root = ET.fromstring(machine[which])
        features = {one.get("name"): one.get("enabled") for one in root.findall("os/firmware/feature")}
        graphics, video = root.find("devices/graphics"), root.find("devices/video/model")
        is_uefi = root.find("os").get("firmware") == "efi" or root.find("os/loader[@type='pflash']") is not None
        # A definition with files has no features. Debian's firmware with the keys of Microsoft has such a name.
        has_keys = root.findtext("os/loader", "").endswith(".ms.fd")
        return {
            **super().settings(machine, which),
            "firmware": "uefi" if is_uefi else "bios",
            "secure_boot": features.get("secure-boot") == features.get("enrolled-keys") == "yes" or has_keys,
            "tpm": root.find("devices/tpm/backend[@type='emulator']") is not None,
            "rtc": root.find("clock").get("offset"),
            "watchdog": next(((one.get("model"), one.get("action")) for one in root.findall("devices/watchdog")), None),
            "display": (graphics.get("type"), int(video.get("vram")) * 1024) if graphics is not None else None,
        }

    def base_image(self):
        """A small image as the source of VMs; it cannot be booted."""
        path = self.storage / "base.qcow2"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, self.disk_size], check=True)
        return str(path)

    def kernel(self, *words):
        """The native keys that start the fast guest; ``words`` are added to its kernel command line."""
        return {
            "os/kernel": str(_GUEST / "vmlinuz"),
            "os/initrd": str(_GUEST / "initrd.img"),
            "os/cmdline": " ".join((_WORDS, *words)),
        }

    def _remove(self, uuid):
        super()._remove(uuid)
        # libvirt does not delete the TPM state of a VM from which the TPM was removed.
        shutil.rmtree(TPM_STATES / uuid, ignore_errors=True)

    def clean(self):
        super().clean()
        for network in {self.network, self.guests_network} & set(self.virsh("net-list", "--all", "--name").split("\n")):
            # The leases are deleted with the network; in a network of the host they would remain for an hour.
            self.virsh("net-destroy", network, check=False)
            self.virsh("net-undefine", network)

    def define_network(self):
        """Create a network, and do not start it."""
        # Without a bridge name, libvirt might choose the one with which another test is just creating a network.
        text = f"<network><name>{self.network}</name><bridge name='vir{self.prefix}1'/></network>"
        self.virsh("net-define", "/dev/stdin", stdin=text)

    def start_network(self):
        """Start a network with DHCP, from which guests can reach only this host."""
        text = _NETWORK.format(name=self.guests_network, bridge=self._bridge)
        self.virsh("net-define", "/dev/stdin", stdin=text)
        self.virsh("net-start", self.guests_network)

    def define(self, name, obeys=False):
        """Create a VM. With ``obeys`` it boots the fast guest; without, it idles in its firmware and loads no CPU."""
        disk, console = self.make_disk(name), self._console(name)
        boot = _BOOT.format(guest=_GUEST, words=_WORDS) if obeys else ""
        text = _DOMAIN.format(name=name, boot=boot, disk=disk, console=console)
        self.virsh("define", "/dev/stdin", stdin=text)

    def _console(self, name):
        return self.storage / f"{name}.console"

    def log_console(self, name):
        """The file that ``define`` has set."""
        return self._console(name)

    def wait_until_ready(self, names):
        for name in names:
            console = self._console(name)

            def report(name=name, console=console):
                end = console.read_text(errors="replace")[-2000:]
                return f"{name} is ready, which is {self._state(name)}; the end of its console:\n{end}"

            wait_until(lambda file=console: "guest: ready" in file.read_text(errors="replace"), report)

    def move(self, name, power):
        super().move(name, power)
        if power == SUSPENDED:
            self.virsh("managedsave", name)
        elif power == FAILED:
            self.virsh("qemu-monitor-command", name, "--hmp", _CRASH)
            wait_until(lambda: self.virsh("domstate", name).strip() == "crashed", f"{name} has crashed", 10)


def _device_refusals(known, made, new):
    """Errors about devices of the host, which has PCI devices without an IOMMU, and no USB."""
    usb, missing, found = {"type": "usb", "id": "046d:c52b"}, {"type": "pci", "id": "00ff:1f:1f.7"}, {"type": "pci"}
    pci = {**found, "id": "00:00.0"}
    mapped = {**found, "mapping": "gpu1"}
    return [
        Refused(
            "no usb", {"name": [known], "devices": [usb]}, (known, "devices.usb 046d:c52b", "no such USB", "lsusb")
        ),
        Refused("no usb for a new VM", {**made, "devices": [usb]}, (new, "devices.usb 046d:c52b", "no such USB")),
        Refused("no pci", {"name": [known], "devices": [missing]}, (known, "devices.pci 00ff:1f:1f.7", "no such PCI")),
        Refused("no iommu", {"name": [known], "devices": [pci]}, (known, "devices.pci 0000:00:00.0", "IOMMU")),
        Refused("no product", {"name": [known], "devices": [{**found, "id": "10de:1eb8"}]}, (known, "no PCI device")),
        Refused("mapping", {"name": [known], "devices": [mapped]}, ("devices.mapping", "Proxmox VE", "Set the id")),
        Refused("port", {"name": [known], "devices": [{**usb, "id": "1-4"}]}, (known, "devices.usb 1-4", "046d:c52b")),
    ]
