# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider block of a VM in the Vagrantfile: the settings that each provider has under other names."""

from __future__ import annotations

from .._core import errors
from .ruby_literal import literal
from .vagrantfile_native import native_lines

PROVIDERS = ("virtualbox", "libvirt", "hyperv", "vmware_desktop", "proxmox")
#: Environment of Vagrant: without it, Vagrant ignores the size of a disk, and vm.cloud_init.
EXPERIMENTS = {"VAGRANT_EXPERIMENTAL": "disks,cloud_init"}
_MIB_PER_GIB = 1024


def provider_lines(machine):
    """The lines with the provider's settings of a machine. Raises Unsupported for settings that it does not support."""
    provider = machine["provider"]
    if provider not in PROVIDERS:
        raise errors.Unsupported(f"The provider {provider} is not known.", f"Set one of {', '.join(PROVIDERS)}.")
    _check_not_ignored(machine, provider)
    lines = [*_settings(machine, provider), *native_lines(machine.get("native"), "provider")]
    yield from (line for line in lines if not line.startswith("provider."))
    yield f"machine.vm.provider {literal(provider)} do |provider|"
    yield from (f"  {line}" for line in lines if line.startswith("provider."))
    yield "end"


def _check_not_ignored(machine, provider):
    """Raise Unsupported for settings that Vagrant accepts for any provider, but this provider silently ignores."""
    for setting, providers, is_requested, remedy in _IGNORED:
        if provider in providers and is_requested(machine):
            raise errors.Unsupported(f"The provider {provider} of Vagrant does nothing with {setting}.", remedy)


def _any_entry_has(option, key, *values):
    """A function: whether an entry of a machine's ``option`` has one of ``values`` under ``key``, or, without
    ``values``, any value that is not empty.
    """
    return lambda machine: any(one.get(key) in values if values else one.get(key) for one in machine.get(option) or ())


def _settings(machine, provider):
    for key, writers in _SETTINGS.items():
        value = machine.get(key)
        if value is None:
            continue
        writer = writers.get(provider)
        if writer is None:
            remedy = f"Omit {key}, or use a provider that supports it: {', '.join(writers)}."
            raise errors.Unsupported(f"The provider {provider} of Vagrant does not support {key}.", remedy)
        yield from writer(value) if callable(writer) else [f"provider.{writer} = {literal(value)}"]


def _vmx(name):
    # All values in a .vmx file are strings.
    return lambda value: [f"provider.vmx[{literal(name)}] = {literal(str(value))}"]


def _vagrant_disk(value):
    """The size as a setting of Vagrant itself, which is outside the provider block."""
    return [f'machine.vm.disk :disk, name: "vagrant_primary", size: "{int(value)}MB", primary: true']


def _whole_gib(value):
    if value % _MIB_PER_GIB:
        raise errors.Unsupported(
            f"A disk of {value} MiB is not a whole number of GiB, which this provider needs.",
            "Round it to whole GiB.",
        )
    return value // _MIB_PER_GIB


def _libvirt_disk(value):
    return [f"provider.machine_virtual_size = {_whole_gib(value)}"]


def _proxmox_disk(value):
    size = literal(f"{_whole_gib(value)}G")
    return [f"provider.qemu_disk_size = {size}", f"provider.vm_disk_size = {size}"]


def _always_linked(value):
    if not value:
        raise errors.Unsupported("The provider libvirt always links the disk of a VM to the box.", "Omit linked_clone.")
    return []


_USUAL = ("virtualbox", "libvirt", "hyperv")
#: {key of a machine: {provider: name of its setting, or function that returns the lines for a value}}
_SETTINGS = {
    "cpus": {**dict.fromkeys(_USUAL, "cpus"), "vmware_desktop": _vmx("numvcpus"), "proxmox": "qemu_cores"},
    "memory": {**dict.fromkeys(_USUAL, "memory"), "vmware_desktop": _vmx("memsize"), "proxmox": "vm_memory"},
    "disk": {**dict.fromkeys(PROVIDERS, _vagrant_disk), "libvirt": _libvirt_disk, "proxmox": _proxmox_disk},
    "gui": dict.fromkeys(("virtualbox", "vmware_desktop"), "gui"),
    "linked_clone": {**dict.fromkeys((*_USUAL, "vmware_desktop"), "linked_clone"), "libvirt": _always_linked},
}

#: Providers that ignore almost all settings of networks.
_IGNORE_NETWORKS = ("hyperv", "proxmox")
_BY_ADDRESS = "Reach the guest's ports by its own address."
#: (setting, providers that ignore it, whether a machine's description has it, what to do instead). Sources: Vagrant
#: 2.3.4 (hyperv/action/configure.rb: only one switch; cloud_init_setup.rb: only for VirtualBox), vagrant-libvirt 0.11.2
#: (forward_ports.rb) and vagrant-proxmox (config_clone.rb: only the bridge of a NIC).
_IGNORED = (
    ("port_forwards", _IGNORE_NETWORKS, lambda machine: machine.get("port_forwards"), _BY_ADDRESS),
    (
        "port_forwards of protocol udp",
        ("libvirt",),
        _any_entry_has("port_forwards", "protocol", "udp"),
        _BY_ADDRESS,
    ),
    (
        "networks of type hostonly",
        _IGNORE_NETWORKS,
        _any_entry_has("networks", "type", "private"),
        "Make the network on the host, and name its switch or bridge: {type: bridged, source: ...}.",
    ),
    (
        "networks: address",
        _IGNORE_NETWORKS,
        _any_entry_has("networks", "address"),
        "Have a provisioner set it in the guest.",
    ),
    (
        "networks: mac",
        _IGNORE_NETWORKS,
        _any_entry_has("networks", "mac"),
        "Set it through native: hyperv has mac, and proxmox macaddress in a call of vm.network.",
    ),
    (
        "more than one card of type bridged",
        ("hyperv",),
        lambda machine: len(machine.get("networks") or ()) > 1,
        "List only the one with the switch of the VM as its source.",
    ),
    (
        "native: vm.cloud_init",
        tuple(provider for provider in PROVIDERS if provider != "virtualbox"),
        lambda machine: "vm.cloud_init" in (machine.get("native") or {}),
        "Use provisioners, or a box that is set up already.",
    ),
)
