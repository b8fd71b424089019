# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptions of Vagrant projects: one with all settings, and generated ones."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import PROVIDERS
from hypothesis import strategies as some

from unit.module_utils._tools.ruby_values import TEXT, VALUES, generated

NATIVE = {
    "virtualbox": {"customize": [["modifyvm", ":id", "--vram", "16"], ["post-boot", "showvminfo", ":id"]],
                   "default_nic_type": "virtio",
                   "vm.cloud_init": [[{"content_type": "text/cloud-config", "inline": "x"}]]},
    "libvirt": {"driver": "qemu", "storage": [[":file", {"size": "1G"}]], "cpu_mode": "custom", "cpu_model": "qemu64",
                "disk_driver": [[{"cache": "none"}]], "qemuenv": [[{"QEMU_AUDIO_DRV": "pa"}]],
                "cpuaffinitiy": [[{"0": "0-4"}]]},
    "hyperv": {"vmname": "web", "enable_virtualization_extensions": True,
               "vm_integration_services": {"time_synchronization": True}},
    "vmware_desktop": {"vmx[ethernet0.pcislotnumber]": "33"},
    "proxmox": {"endpoint": "https://pve:8006/api2/json", "vm_type": ":qemu"},
}  # fmt: skip
#: Providers that support only bridged networks.
_BRIDGED_ONLY = ("hyperv", "proxmox")


def rich(provider):
    """A project of two VMs, with all settings that the provider supports."""
    web = {
        "name": "web",
        "provider": provider,
        "box": "debian/bookworm64",
        "box_version": "12.0",
        "box_url": "https://boxes.example/debian.box",
        "box_checksum": "sha256:0a1b",
        "hostname": "web.example",
        "primary": True,
        "cpus": 2,
        "memory": 1024,
        "disk": 20480,
        "networks": [
            {"type": "private"},
            {"type": "private", "address": "192.168.56.5", "netmask": "255.255.255.0", "mac": "080027AABBCC"},
            {"type": "public", "bridge": "br0", "options": {"auto_config": False}},
        ],
        "port_forwards": [{"name": "http", "protocol": "tcp", "host_address": "127.0.0.1", "host_port": 8080,
                           "guest_port": 80}],
        "shared_folders": [
            {"host_path": "/tmp", "guest_path": "/data", "type": "rsync"},
            {"host_path": "/tmp", "guest_path": "/src", "type": "smb", "read_only": True},
        ],
        "provisioners": [
            {"inline": "echo one\necho two"},
            {"name": "set up", "path": "/srv/set up.sh", "args": ["a", "b"], "env": {"A": "b"}, "privileged": False,
             "run": "always"},
        ],
        "native": {"ssh.username": "root", "vm.guest": ":linux", **NATIVE[provider]},
    }  # fmt: skip
    if provider in _BRIDGED_ONLY:
        web["networks"] = web["networks"][-1:]
        del web["port_forwards"]
    if provider in ("virtualbox", "vmware_desktop"):
        web["gui"] = False
    if provider not in ("libvirt", "proxmox"):
        web["linked_clone"] = True
    database = {"name": "db", "provider": provider, "box": "debian/bookworm64", "autostart": False}
    return {"machines": [web, database], "environment": {"https_proxy": "http://proxy.example:3128"}}


_FLAG, _PORT = some.booleans(), some.integers(1, 65535)
_NAME = some.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
_OPTIONS = some.dictionaries(some.sampled_from(("auto_config", "owner", "virtualbox__intnet")), VALUES, max_size=1)


def _maybe(required, **optional):
    return some.fixed_dictionaries(required, optional=optional)


def _supported_by_the_provider(machine):
    if machine["provider"] not in _BRIDGED_ONLY:
        return machine
    return {key: value for key, value in machine.items() if key not in ("networks", "port_forwards")}


_NETWORK = _maybe({"type": some.sampled_from(("private", "public"))}, address=TEXT, bridge=TEXT, options=_OPTIONS)
_FORWARD = _maybe({"host_port": _PORT, "guest_port": _PORT}, name=TEXT, host_address=TEXT)
_FOLDER = _maybe({"host_path": TEXT, "guest_path": TEXT, "type": some.sampled_from(("nfs", "9p"))}, read_only=_FLAG)
_PROVISIONER = _maybe({"inline": TEXT}, name=TEXT, args=some.lists(TEXT), env=some.dictionaries(TEXT, TEXT))
_MACHINE = _maybe(
    {"name": _NAME, "provider": some.sampled_from(PROVIDERS), "box": TEXT},
    hostname=TEXT,
    box_version=TEXT,
    box_url=TEXT,
    cpus=some.integers(1, 64),
    memory=some.integers(16, 2**20),
    disk=some.integers(1, 64).map(lambda gib: gib * 1024),
    autostart=_FLAG,
    networks=some.lists(_NETWORK, max_size=2),
    port_forwards=some.lists(_FORWARD, max_size=2),
    shared_folders=some.lists(_FOLDER, max_size=2),
    provisioners=some.lists(_PROVISIONER, max_size=2),
    native=some.dictionaries(some.one_of(_NAME, some.builds("{}[{}]".format, _NAME, _NAME)), VALUES, max_size=2),
).map(_supported_by_the_provider)
_VARIABLES = some.dictionaries(_NAME, TEXT.map(lambda text: text.replace("\0", "")), max_size=2)
_PROJECT = _maybe({"machines": some.lists(_MACHINE, min_size=1, max_size=3)}, environment=_VARIABLES)


def generated_projects(count):
    return generated(_PROJECT, count)
