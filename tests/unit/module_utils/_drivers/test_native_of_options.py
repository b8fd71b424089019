# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No key of ``native`` sets what an option sets, on any platform; each rejection names the option.

The keys are those that the options themselves write. libvirt has paths instead: virsh/settings/test_native_owned.py.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.settings import native as hyperv
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.settings.table import SETTINGS as HYPERV
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.settings.values import ValueSetting
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings import native as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.table import SETTINGS as PROXMOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.table import SETTINGS as VAGRANT
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings import native as vbox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.networks import _arguments_of_nic
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.table import SETTINGS as VBOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.definition import NATIVE as VMM_NATIVE
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.definition import Definition, Nic
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.settings.table import SETTINGS as VMM
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.settings.guest_files import GUEST as WSL
from ansible_collections.polyvirt.core.plugins.module_utils._kit.settings import options_of_native
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import PROVIDERS

#: A value of each type of option.
_VALUES = {
    "firmware": "uefi", "tpm": True, "boot_order": ["disk"], "groups": ("/a",), "os_type": "l26",
    "display.type": "none", "nested_virtualization": True, "autostart": True, "stop_action": "save",
    "checkpoint_type": "standard", "secure_boot": True, "secure_boot_template": "linux", "dynamic_memory": True,
    "automatic_checkpoints": True, "description": "a", "graphics_controller": "vmsvga", "cpus": 2,
    "rtc": "utc",
}  # fmt: skip
_SIZE = 1 << 30


def _rejection(row, key, value, *known):
    """The remedy of the error for a key of native; empty without an error."""
    try:
        if row.normalize:
            row.normalize(Vm("web"), {key: value}, *known)
    except Refused as error:
        return error.remedy
    return ""


# What options write ---------------------------------------------------------------------------------------------------


def _of_virtualbox():
    """(key, option) of what the options write with modifyvm."""
    for kind, row in VBOX.items():
        if kind in vbox.HARDWARE and kind != "display.type":  # It only turns off what native: {vrde: true} turns on.
            for word in row.write(_VALUES.get(kind, _SIZE)):
                if word.startswith("--"):
                    yield word.lstrip("-"), kind
    for kind, source in (("nat", None), ("bridged", "eth0"), ("internal", "a"), ("hostonly", "b")):
        nic = {"type": kind, "source": source, "model": "virtio", "mac": "52:54:00:00:00:01"}
        yield from ((word[2:], "networks") for word in _arguments_of_nic(2, nic) if word.startswith("--"))
    yield "natpf1", "port_forwards"


def _of_hyperv():
    objects = {command: name for name, command in hyperv._COMMANDS.items()}
    for kind, row in HYPERV.items():
        if isinstance(row, ValueSetting):
            (parameter,) = row.write(_VALUES.get(kind, _SIZE))
            yield f"{objects[row.command]}.{parameter}", kind
            yield next(iter(row.native), f"no key of {kind}"), kind


class _Update:
    """What the options of Proxmox VE write."""

    def __init__(self):
        self.keys, self.options, self.value = [], {}, {}.get

    def set(self, key, value):
        self.keys.append((key, value))

    def merge(self, key, parts):
        self.keys.append((key, ",".join(f"{name}={value}" for name, value in parts.items())))


_PROXMOX_CHANGES = (
    Change("os_type", "", "l26"), Change("autostart", False, True),
    Change("protection", False, True), Change("description", "", "a"), Change("tags", (), ("a",)),
)  # fmt: skip
#: Keys and values that other options of Proxmox VE have in the configuration of a VM.
_PROXMOX_KEYS = (
    ("scsi0", "local:vm-100-disk-0,size=4G", "disks"),
    ("scsi0", "volume=local:vm-100-disk-0", "disks"),
    ("virtio1", "size=8G", "disks"),
    ("ide2", "media=cdrom", "iso"),
    ("scsi1", "import-from=/x", "image"),
    ("unused0", "local:vm-100-disk-1", "disks"),
    ("net0", "virtio=52:54:00:00:00:01", "networks"),
    ("net0", "bridge=vmbr1", "networks"),
    ("net1", "tag=5", "networks"),
    ("net0", "macaddr=52:54:00:00:00:01", "networks"),
    ("net0", "model=e1000", "networks"),
    ("bios", "ovmf", "firmware"),
    ("efidisk0", "local:1", "firmware and secure_boot"),
    ("tpmstate0", "local:1", "tpm"),
    ("cdrom", "none", "cdroms"),
    ("ciuser", "a", "cloud_init"),
    ("sshkeys", "a", "cloud_init"),
    ("ipconfig0", "ip=dhcp", "cloud_init"),
    ("template", "1", "template"),
    ("vmid", "101", "id"),
    ("cores", "2", "cpus"),
    ("sockets", "2", "cpus"),
    ("memory", "512", "memory"),
)


def _of_proxmox():
    for change in _PROXMOX_CHANGES:
        update = _Update()
        PROXMOX[change.kind].write(update, change)
        yield from ((key, value, change.kind) for key, value in update.keys)
    yield from _PROXMOX_KEYS


def _of_vmd():
    values = {
        "enabled": False, "memory": _SIZE, "disks": (("/d", "raw"),), "cdrom": "/c", "boot": "/b", "boot_device": "net",
        "nics": (Nic("uplink", "52:54:00:00:00:01"),), "owner": "root",
    }  # fmt: skip
    options = {"cdrom": "iso", "interface": "networks", "owner": "vmd_owner", "disk": "disks", "disable": "autostart"}
    for keyword, _text in Definition(name="web", **values).statements():
        yield keyword, options.get(keyword, keyword.replace(" ", "_"))


def _of_vagrant():
    machine = {
        "name": "web", "box": "a/b", "box_version": "1", "box_url": "file:///x", "box_checksum": f"sha256:{'0' * 64}",
        "hostname": "h", "cpus": 2, "memory": 1024, "disk": 2048,
    }  # fmt: skip
    names = {"machine_virtual_size": "disks", "qemu_disk_size": "disks", "vm_disk_size": "disks"}
    for provider in PROVIDERS:
        more = {"gui": True} if provider in ("virtualbox", "vmware_desktop") else {}
        more.update({} if provider in ("libvirt", "proxmox") else {"linked_clone": True})
        text = vagrantfile.render({"machines": [{**machine, **more, "provider": provider}]})
        for receiver, name in re.findall(r"^ *(provider|machine)\.([\w.]+(?:\[\"\w+\"\])?) = ", text, re.MULTILINE):
            key = name.replace('"', "")
            option = names.get(key) or next(
                (one for one in ("memory", "cpus", "cores", "box_checksum") if one in key), key.removeprefix("vm.")
            )
            option = {"cores": "cpus", "vmx[memsize]": "memory"}.get(option, option)
            yield key, "cpus" if "numvcpus" in key else "box_checksum" if "checksum" in key else option, receiver


# Tests ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "option"), sorted(set(_of_virtualbox())))
def test_virtualbox(key, option):
    assert f"Use the option {option.partition('.')[0]}" in _rejection(VBOX["native"], key, "x", None)


@pytest.mark.parametrize(("key", "option"), sorted(set(_of_hyperv())))
def test_hyperv(key, option):
    assert f"Use the option {option} " in _rejection(HYPERV["native"], key, "Start")


def test_hyperv_sets_only_what_the_option_does_not_have():
    """Hyper-V can start a VM if it ran when the host stopped, which is neither true nor false."""
    assert _rejection(HYPERV["native"], "VM.AutomaticStartAction", "StartIfRunning") == ""


@pytest.mark.parametrize(("key", "value", "option"), sorted(set(_of_proxmox())))
def test_proxmox(key, value, option):
    assert re.search(rf"Use the option {option}\b", _rejection(PROXMOX["native"], key, value, None)), key


@pytest.mark.parametrize(("key", "option"), sorted(set(_of_vmd())))
def test_vmd(key, option):
    assert f"Use the option {option} " in _rejection(VMM["native"], key, "x")


@pytest.mark.parametrize("key", sorted(options_of_native(WSL)))
def test_wsl(key):
    written = {name for row in WSL.values() if row.native for name in row.write(None, SimpleNamespace(new="root"))}
    assert written == {*options_of_native(WSL)}
    assert f"Set {options_of_native(WSL)[key]}" in _rejection(WSL["native"], key.upper(), "x", None)


@pytest.mark.parametrize(("key", "option", "receiver"), sorted(set(_of_vagrant())))
def test_vagrant(key, option, receiver):
    assert f"Use the option {option} " in _rejection(VAGRANT["native"], key, "x"), receiver


@pytest.mark.parametrize(
    ("key", "calls", "option"),
    [
        ("vm.network", [["private_network", {"ip": "192.0.2.1"}]], None),
        ("vm.network", [[":forwarded_port", {"guest": 22, "host": 2222}]], "port_forwards"),
        ("vm.disk", [[":disk", {"name": "b", "size": "1GB"}]], None),
        ("vm.disk", [[":disk", {"size": "1GB", "primary": True}]], "disks"),
        ("customize", [["modifyvm", ":id", "--vram", 16]], None),
        ("customize", [["pre-boot", "modifyvm", ":id", "--memory", 512]], "memory"),
        ("customize", [["post-boot", ["modifyvm", ":id", "--natpf1", "a"]]], "port_forwards"),
        ("customize", [["modifyvm", ":id", "--macaddress2", "x"]], "networks"),
        ("customize", "text", None),
    ],
)
def test_calls_of_vagrant(key, calls, option):
    """Those that add what no option adds remain possible."""
    remedy = _rejection(VAGRANT["native"], key, calls)
    assert f"Use the option {option} " in remedy if option else remedy == ""


# Described values -----------------------------------------------------------------------------------------------------


def test_no_described_key_of_virtualbox_is_rejected():
    keys = [*vbox._NEW, *(f"{name}1" for name in vbox._NEW_NIC)]
    assert [key for key in keys if _rejection(VBOX["native"], key, "on", None)] == []


def test_no_described_key_of_hyperv_is_rejected():
    values = {bool: True, int: 1, str: "x"}
    for key, native in hyperv.NATIVE.items():
        kind = native.kind
        value = kind[0] if isinstance(kind, (tuple, range)) else values[kind]
        is_described = hyperv.described_native({key: value if value != native.unset else "other"}, None)
        assert not is_described or "option" not in _rejection(HYPERV["native"], key, value), key


def test_no_described_key_of_proxmox_is_rejected():
    options = {
        "agent": "1", "args": "-x", "cpu": "host", "net0": "virtio=52:54:00:00:00:01,bridge=vmbr0,firewall=1",
        "scsi0": "local:vm-100-disk-0,size=4G,ssd=1", "scsihw": "lsi", "startup": "order=1", "serial0": "socket",
        "vga": "serial0", "balloon": "0", "cores": "2", "memory": "512", "ide2": "none,media=cdrom", "numa": "1",
    }  # fmt: skip
    described = {key: proxmox.as_native_option(key, text) for key, text in proxmox.described_native(options).items()}
    assert {"agent", "net0", "scsi0", "startup"} <= described.keys()
    assert [key for key, value in described.items() if _rejection(PROXMOX["native"], key, value, None)] == []


def test_no_described_key_of_vmd_is_rejected():
    values = {key: ["boot"] if key == "allow" else True for key in VMM_NATIVE}
    assert [key for key, value in values.items() if _rejection(VMM["native"], key, value)] == []
