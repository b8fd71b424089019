# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a Vagrantfile that each provider has its own words for."""

from __future__ import annotations

from .._lifecycle import errors
from .ruby_literal import literal
from .vagrantfile_native import native_lines

PROVIDERS = ("virtualbox", "libvirt", "hyperv", "vmware_desktop", "proxmox")
#: Vagrant ignores the size of a disk, and vm.cloud_init, unless its process is started with this.
EXPERIMENTS = {"VAGRANT_EXPERIMENTAL": "disks,cloud_init"}
_MIB_PER_GIB = 1024


def provider_lines(machine):
    """The settings of the machine's provider. Raises Unsupported for what the provider has no word for."""
    provider = machine["provider"]
    if provider not in PROVIDERS:
        raise errors.Unsupported(f"The provider {provider} is not known.", f"Known are {', '.join(PROVIDERS)}.")
    _check_heard(machine, provider)
    within = [*_provider_settings(machine, provider), *native_lines(machine.get("native"), "provider")]
    yield from _disk_outside(machine, provider)
    yield f"machine.vm.provider {literal(provider)} do |provider|"
    yield from (f"  {line}" for line in within)
    yield "end"


def _check_heard(machine, provider):
    """Vagrant itself takes these for any provider: nobody would say that nothing comes of them."""
    for what, deaf, is_asked, remedy in _UNHEARD:
        if provider in deaf and is_asked(machine):
            raise errors.Unsupported(f"The provider {provider} of Vagrant does nothing with {what}.", remedy)


def _any_of(option, key, *values):
    """Whether one of a machine's ``option`` has one of these values, or any."""
    return lambda machine: any(one.get(key) in values if values else one.get(key) for one in machine.get(option) or ())


def _provider_settings(machine, provider):
    for key, writers in _SETTINGS.items():
        value = machine.get(key)
        if value is None:
            continue
        writer = writers.get(provider)
        if writer is None:
            remedy = f"Leave {key} out, or use a provider that has it: {', '.join(writers)}."
            raise errors.Unsupported(f"The provider {provider} of Vagrant cannot be told {key}.", remedy)
        yield from writer(value)


def _assigned(name):
    return lambda value: [f"provider.{name} = {literal(value)}"]


def _vmx(name):
    # All values of a .vmx file are texts.
    return lambda value: [f"provider.vmx[{literal(name)}] = {literal(str(value))}"]


def _whole_gib(value):
    if value % _MIB_PER_GIB:
        raise errors.Unsupported(
            f"A disk of {value} MiB is no whole number of GiB, and this provider counts in GiB.",
            "Give it in whole GiB.",
        )
    return value // _MIB_PER_GIB


def _with_libvirt_disk(value):
    return [f"provider.machine_virtual_size = {_whole_gib(value)}"]


def _with_proxmox_disk(value):
    size = literal(f"{_whole_gib(value)}G")
    return [f"provider.qemu_disk_size = {size}", f"provider.vm_disk_size = {size}"]


def _always_linked(value):
    if not value:
        raise errors.Unsupported(
            "The provider libvirt always links a machine's disk to the box.", "Leave linked_clone out."
        )
    return []


def _elsewhere(_value):
    return []


def _disk_outside(machine, provider):
    if machine.get("disk") is not None and _SETTINGS["disk"].get(provider) is _elsewhere:
        yield f'machine.vm.disk :disk, name: "vagrant_primary", size: "{int(machine["disk"])}MB", primary: true'


_SETTINGS = {
    "cpus": {
        "virtualbox": _assigned("cpus"),
        "libvirt": _assigned("cpus"),
        "hyperv": _assigned("cpus"),
        "vmware_desktop": _vmx("numvcpus"),
        "proxmox": _assigned("qemu_cores"),
    },
    "memory": {
        "virtualbox": _assigned("memory"),
        "libvirt": _assigned("memory"),
        "hyperv": _assigned("memory"),
        "vmware_desktop": _vmx("memsize"),
        "proxmox": _assigned("vm_memory"),
    },
    "disk": {
        "virtualbox": _elsewhere,
        "libvirt": _with_libvirt_disk,
        "hyperv": _elsewhere,
        "vmware_desktop": _elsewhere,
        "proxmox": _with_proxmox_disk,
    },
    "gui": {"virtualbox": _assigned("gui"), "vmware_desktop": _assigned("gui")},
    "linked_clone": {
        "virtualbox": _assigned("linked_clone"),
        "libvirt": _always_linked,
        "hyperv": _assigned("linked_clone"),
        "vmware_desktop": _assigned("linked_clone"),
    },
}

#: (what, the providers that do nothing with it, whether a machine's description has it, what to do instead). Read in
#: Vagrant 2.3.4 (hyperv/action/configure.rb: one switch is all it takes; cloud_init_setup.rb: VirtualBox alone has it),
#: vagrant-libvirt 0.11.2 (forward_ports.rb) and vagrant-proxmox (config_clone.rb: of a card it takes the bridge).
_DEAF = ("hyperv", "proxmox")
_BY_ADDRESS = "Reach the guest's ports by its own address."
_UNHEARD = (
    ("port_forwards", _DEAF, lambda machine: machine.get("port_forwards"), _BY_ADDRESS),
    (
        "port_forwards of protocol udp",
        ("libvirt",),
        _any_of("port_forwards", "protocol", "udp"),
        _BY_ADDRESS,
    ),
    (
        "networks of type hostonly",
        _DEAF,
        _any_of("networks", "type", "private"),
        "Make the network on the host, and name its switch or bridge: {type: bridged, source: ...}.",
    ),
    ("networks: address", _DEAF, _any_of("networks", "address"), "Have a provisioner set it in the guest."),
    (
        "networks: mac",
        _DEAF,
        _any_of("networks", "mac"),
        "Set it through native: hyperv has mac, and proxmox macaddress in a call of vm.network.",
    ),
    (
        "more than one card of type bridged",
        ("hyperv",),
        lambda machine: len(machine.get("networks") or ()) > 1,
        "List the one whose source is the machine's switch.",
    ),
    (
        "native: vm.cloud_init",
        tuple(provider for provider in PROVIDERS if provider != "virtualbox"),
        lambda machine: "vm.cloud_init" in (machine.get("native") or {}),
        "Use provisioners, or a box that is set up already.",
    ),
)
