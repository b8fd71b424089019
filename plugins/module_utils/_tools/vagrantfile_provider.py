# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a Vagrantfile that each provider has its own words for."""

from __future__ import annotations

from .._lifecycle import errors
from .ruby_literal import literal
from .vagrantfile_native import native_lines

PROVIDERS = ("virtualbox", "libvirt", "hyperv", "vmware_desktop", "proxmox")
#: Vagrant ignores the size of a disk without a word, unless its process is started with this.
DISKS_ENVIRONMENT = {"VAGRANT_EXPERIMENTAL": "disks"}
_MIB_PER_GIB = 1024


def provider_lines(machine):
    """The settings of the machine's provider. Raises Unsupported for what the provider has no word for."""
    provider = machine["provider"]
    if provider not in PROVIDERS:
        raise errors.Unsupported(f"The provider {provider} is not known.", f"Known are {', '.join(PROVIDERS)}.")
    within = [*_provider_settings(machine, provider), *native_lines(machine.get("native"), "provider")]
    yield from _disk_outside(machine, provider)
    yield f"machine.vm.provider {literal(provider)} do |provider|"
    yield from (f"  {line}" for line in within)
    yield "end"


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
