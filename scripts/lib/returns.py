# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the lines of each module's ``RETURN`` from one table for all platforms."""

from __future__ import annotations

import copy

import yaml

from lib.return_values import (
    CONSOLE,
    COUNTERS,
    DESCRIBED,
    HOST,
    LEFTOVERS,
    NO_SNAPSHOTS,
    SNAPSHOT,
    SNAPSHOT_INFO,
    TASK,
    VM,
    VMS,
    diff,
    plan,
)
from lib.returns_backup import BACKUPS
from lib.returns_proxmox import PROXMOX
from lib.returns_wsl import WSL

#: By platform: values of placeholders in descriptions, and differences from the table as {path of a key: value}.
PLATFORMS = {
    "vm": {
        "placeholders": {"platform": "libvirt", "tool": "the platform", "vm": "vm", "unusable": "cannot be used"},
        "vm": {
            "id.description": "ID of the VM on its platform; null for a VM that does not exist (yet).",
            "id.sample": "3f078c8c-2819-40bf-b3cd-6a6ef2079e51",
            "platform.description": "Platform of the VM.",
            "reason.description": "The power state in the terms of the platform.",
            "addresses.contains.source.description": "How the address is known, such as V(lease) or V(agent).",
            "disks.contains.slot.sample": "vda",
        },
        "host": {
            "version.description": "Version of the platform, or null.",
            "version.sample": "9.0.0",
            "why.description": "Null, or why the platform cannot be used, such as V(not_responding).",
        },
        "snapshot": {
            "id.description": "ID of the snapshot; null if the platform identifies snapshots by name.",
            "kind.description": "Kind of the snapshot in the terms of the platform, or empty.",
            "unfinished.description": "Why the snapshot cannot be used; empty if it can.",
        },
    },
    "virsh": {
        "placeholders": {"platform": "libvirt", "tool": "libvirt", "vm": "virsh_vm", "unusable": "cannot be reached"},
        "vm": {
            "id.sample": "3f078c8c-2819-40bf-b3cd-6a6ef2079e51",
            "reason.description": "The reason that libvirt reports for the power state.",
            "addresses.description": [
                "IP addresses of the VM. A lease can be from an earlier boot.",
                "A task that changed nothing and did not wait (O(wait_for=state)) reads leases only. A task that"
                " changed something, or waited for an address or SSH, also asks the guest agent and the host's ARP"
                " table.",
            ],
            "addresses.contains.source.description": "V(lease), V(agent) or V(arp).",
            "disks.contains.slot.sample": "vda",
        },
        "host": {
            "version.description": "Version of the libvirt library, or null.",
            "version.sample": "9.0.0",
            "why.description": "Null, or why libvirt cannot be used. V(not_on_path) - the command is not on PATH, and"
            " may not be installed. V(missing) - the file named by O(executable) does not exist. V(not_responding) -"
            " libvirt does not answer.",
        },
        "snapshot": {
            "id.description": "Always null; libvirt identifies snapshots by name.",
            "kind.description": "V(internal) or V(external).",
            "kind.sample": "internal",
            "unfinished.description": "Always empty for libvirt.",
        },
        "addresses": " Addresses are read from all sources.",
    },
    "vbox": {
        "placeholders": {"platform": "virtualbox", "tool": "VirtualBox", "vm": "vbox_vm", "unusable": "cannot be used"},
        "vm": {
            "id.sample": "7d0a5ee4-4b3c-4a0e-b1e6-8c7a2a3f10a5",
            "reason.description": "The power state in the terms of VirtualBox.",
            "reason.sample": "aborted",
            "addresses.description": "IP addresses of the VM, without those that Guest Additions reported in an earlier"
            " boot.",
            "addresses.sample": [{"address": "192.168.56.101", "source": "agent"}],
            "addresses.contains.source.description": "V(agent), V(lease) or V(arp).",
            "ssh.sample": {"host": "127.0.0.1", "port": 2222, "user": None, "scope": "host"},
            "disks.contains.bus": None,
            "disks.contains.slot.sample": "SATA 0",
            "disks.contains.format.sample": "vdi",
            "disks.contains.source.sample": "/srv/vms/web1/web1.vdi",
            "networks.contains.model.sample": "82540EM",
            "settings.sample": {"firmware": "bios", "graphics_controller": "vmsvga", "groups": ["/"]},
        },
        "host": {
            "version.description": "Version of VirtualBox, or null.",
            "version.sample": "7.2.22",
            "why.description": "Null, or why VirtualBox cannot be used - missing, not_on_path, not_responding, too_old"
            " (before 6.1), no_driver (the kernel module is missing; VMs can be listed, but not started).",
        },
        "snapshot": {
            "id.description": "UUID of the snapshot; null in check mode for a new one.",
            "id.sample": "1f2d7e0c-7b0c-4a6e-9d0b-3f0f6b1c2a4d",
            "parent.description": "UUID of the parent snapshot, or null.",
            "kind.description": "Always empty; VirtualBox has only one kind of snapshots.",
            "unfinished.description": "Always empty for VirtualBox.",
        },
        "leftovers": "Always empty; VirtualBox stores no snapshots in its images.",
        "addresses": " Addresses are read from all sources.",
    },
    "vmm": {
        "placeholders": {"platform": "vmd", "tool": "vmd", "vm": "vmm_vm", "unusable": "does not answer"},
        "vm": {
            "id.description": "The name, because vmd renumbers VMs when it starts; null for a VM that does not exist.",
            "id.sample": "web1",
            "reason.description": "The power state in the words of vmd, if they say more than RV(vms[].state).",
            "reason.sample": "vmd reports 'stopping'",
            "cpus.description": "Number of CPUs, always 1.",
            "addresses.description": "IP addresses of the VM.",
            "addresses.contains.source.description": "V(vmd) - computed by vmd for a local interface. V(lease) or"
            " V(arp).",
            "addresses.sample": [{"address": "100.64.1.3", "source": "vmd"}],
            "ssh.sample": {"host": "100.64.1.3", "port": 22, "user": None, "scope": "host"},
            "disks.contains.bus": None,
            "disks.contains.slot.sample": "disk0",
            "disks.contains.source.sample": "/var/vmm/web1-disk0.qcow2",
            "networks.contains.model": None,
            "settings.sample": {"boot_device": "default", "owner": ""},
        },
        "host": {
            "version.description": "Release of OpenBSD, or null.",
            "version.sample": "7.8",
            "why.description": "Null, or why vmd cannot be used - not_on_path, not_responding.",
            "enabled": {"description": "Whether vmd starts with the host.", "type": "bool"},
            "running": {"description": "Whether vmd runs.", "type": "bool"},
            "initialized": {"description": "Whether vmd answers and the firmware for VMs is there.", "type": "bool"},
            "cpu_supported": {"description": "Whether the CPU can run VMs; null if unknown.", "type": "bool"},
            "kernel_supported": {"description": "Whether the kernel can run VMs; null if unknown.", "type": "bool"},
        },
        "snapshot": NO_SNAPSHOTS,
        "addresses": "",
    },
    "hyperv": {
        "placeholders": {"platform": "hyperv", "tool": "Hyper-V", "vm": "hyperv_vm", "unusable": "cannot be used"},
        "vm": {
            "id.sample": "7d0a5ee4-4b3c-4a0e-b1e6-8c7a2a3f10a5",
            "reason.description": "Why the power state is unknown, in the terms of Hyper-V.",
            "autostart.description": "Whether the VM starts with its host; null if it does only if it ran before.",
            "addresses.description": "IP addresses of the VM, without link-local addresses.",
            "addresses.sample": [{"address": "192.168.1.20", "source": "agent"}],
            "addresses.contains.source.description": "V(agent) - reported by the integration services.",
            "disks.contains.bus": None,
            "disks.contains.slot.sample": "SCSI 0:0",
            "disks.contains.format.sample": "vhdx",
            "disks.contains.source.description": "File of the disk, below those of checkpoints.",
            "disks.contains.source.sample": "C:\\Hyper-V\\web1-scsi0-0.vhdx",
            "networks.contains.model": None,
            "networks.contains.vlan": {"description": "VLAN ID, 0 for none.", "type": "int"},
            "networks.contains.trunk": {"description": "VLANs that the guest can tag.", "type": "list"},
            **{
                f"networks.contains.{name}": {"description": f"Value of the option {name}.", "type": "bool"}
                for name in ("dhcp_guard", "router_guard", "mac_spoofing")
            },
            "settings.sample": {"firmware": "uefi", "checkpoint_type": "production"},
        },
        "host": {
            "version.description": "Version of Windows, or null.",
            "version.sample": "10.0.20348",
            "why.description": "Null, or why Hyper-V cannot be used - missing, not_responding, too_old (PowerShell 7"
            " has no native module), wrong_system (no Windows host).",
        },
        "snapshot": {
            "id.description": "ID of the checkpoint; null in check mode for a new one.",
            "id.sample": "1f2d7e0c-7b0c-4a6e-9d0b-3f0f6b1c2a4d",
            "parent.description": "ID of the parent checkpoint, or null.",
            "kind.description": "V(automatic) for a checkpoint that Hyper-V took at a start, else empty.",
            "unfinished.description": "Always empty for Hyper-V.",
        },
        "leftovers": "Always empty; Hyper-V stores no checkpoints in its images.",
    },
    "vagrant": {
        "placeholders": {
            "platform": "vagrant",
            "tool": "Vagrant",
            "vm": "vagrant_instance",
            "unusable": "cannot be used",
        },
        "vm": {
            "name.description": "Name of the VM in its project.",
            "id.description": "ID of the VM at its provider; null for a VM that was never started or does not exist.",
            "id.sample": "6639f314-eef5-42c0-a9fc-a87378faddd2",
            "platform.description": "Always V(vagrant); RV(vms[].settings) contains the provider.",
            "reason.description": "The power state in the terms of the provider.",
            "cpus.description": "Number of CPUs at the next start; null if the box decides.",
            "memory_mib.description": "Memory in MiB at the next start; null if the box decides.",
            "autostart.description": "Always null; Vagrant does not start VMs with their host.",
            "iso.description": "Always null; a box has no optical drive.",
            "addresses.contains.source.description": "V(lease), V(agent), V(arp) or V(vagrant).",
            "addresses.sample": [{"address": "192.168.121.59", "source": "lease"}],
            "mac_addresses.description": "MAC addresses of the NICs that have a fixed one, in order.",
            "ssh.description": [
                "How to reach the VM with SSH, or null. User and key are those that Vagrant reported when this module"
                " first started the VM. If they are not known, Vagrant is asked again.",
            ],
            "ssh.contains.key_file": {"description": "Path of the private key.", "type": "str"},
            "ssh.sample": {
                "host": "192.168.121.59",
                "port": 22,
                "user": "vagrant",
                "key_file": "/srv/web/key",
                "scope": "host",
            },
            "disks.description": "The disk of the VM.",
            "disks.contains.size.description": "Size, as a task sets it; missing if the box decides.",
            "disks.contains.slot.sample": "primary",
            "disks.contains.format": None,
            "disks.contains.source": None,
            "disks.contains.bus": None,
            "networks.contains.model": None,
            "networks.contains.source.description": "Interface of the host, for V(bridged).",
            "networks.contains.address": {"description": "Fixed address of the NIC.", "type": "str"},
            "settings.sample": {"provider": "libvirt", "box": "debian/bookworm64"},
            "native.description": "Keys of O(native).",
            "not_compared.sample": None,
            "kept.sample": None,
        },
        "host": {
            "version.description": "Always null; only a start of Vagrant would report it.",
            "version.sample": None,
            "why.description": "Null, or why Vagrant cannot be used - missing, not_on_path, not_responding.",
            "capabilities.description": "Features of this platform with the providers of these VMs, or null.",
        },
        "snapshot": {
            "name.sample": "clean",
            "id.description": "UUID of the snapshot with VirtualBox, else null.",
            "parent.description": "Name or UUID of the parent snapshot, or null.",
            "kind.description": "Always empty.",
            "created.description": "Time of the snapshot in seconds since 1970; null if not reported.",
            "unfinished.description": "Always empty for Vagrant.",
        },
        "leftovers": "Always empty; the disk is deleted with its VM.",
        "of_all": " of the project",
    },
    "wsl": WSL,
    "proxmox": PROXMOX,
}


def return_lines(module):
    """Return the lines of ``RETURN``; the name of the module is TOOL_vm, TOOL_vm_info, TOOL_snapshot ..."""
    tool, _underscore, rest = module.partition("_")
    if tool == "vm":  # Any platform.
        rest = {"": "vm", "info": "vm_info"}.get(rest, rest)
    platform = PLATFORMS[tool]
    kind = rest.replace("instance", "vm").replace("distro", "vm")
    made = {"vm": _vm, "vm_info": _vm_info, "snapshot": _snapshot, "snapshot_info": _snapshot_info, "backup": _backup}
    values = made[kind](platform)
    if module == "vagrant_instance_info":
        healthy = "Whether the VM runs and an SSH server answers at the address in RV(vms[].ssh)."
        values["vms"]["contains"]["healthy"] = {"description": healthy, "type": "bool"}
    values = _substituted(values, platform["placeholders"])
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return text.splitlines()


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data):
        return True


def _vm(platform):
    entries = _entries(platform)
    failed = "unless the options are wrong in form, or {tool} {unusable}"
    vms = {**copy.deepcopy(VMS), "returned": failed, "contains": {**entries, **_task(platform)}}
    return {"vms": vms, "plan": plan(), "diff": diff()}


def _vm_info(platform):
    description = [f"The named VMs that exist, or all{platform.get('of_all', '')}.{platform.get('addresses', '')}"]
    vms = {"description": description, "returned": "success", "type": "list", "elements": "dict"}
    contains = {**_with_module_name(_entries(platform)), "counters": copy.deepcopy(COUNTERS)}
    contains["console"] = copy.deepcopy(CONSOLE)
    contains.update(copy.deepcopy(DESCRIBED))
    return {"host": _host(platform), "vms": {**vms, "contains": contains}}


def _snapshot(platform):
    entries, task = _with_module_name(_entries(platform)), _task(platform)
    description = [
        "One entry for each VM, in order; in check mode, as it would be after the task.",
        "Has all keys of the entries of M(polyvirt.core.{vm}).",
    ]
    contains = {key: entries[key] for key in ("name", "state", "snapshots")}
    contains.update({key: one for key, one in task.items() if key not in ("kept", "not_carried")})
    contains["not_compared"] = {
        **task["not_compared"],
        "description": "Options that are used only for a new snapshot, and had no effect on the existing one.",
        "sample": ["description"],
    }
    return {
        "vms": {**_vm(platform)["vms"], "description": description, "contains": contains},
        "plan": plan(),
        "diff": diff(),
    }


def _backup(platform):
    values = _snapshot(platform)
    contains = values["vms"]["contains"]
    backups = {**copy.deepcopy(BACKUPS), "description": "All backups of the VM there, oldest first."}
    contains.update(backups=backups, kept=_with_module_name(_task(platform)["kept"]))
    return values


def _snapshot_info(platform):
    entries = _with_module_name(_entries(platform))
    more = copy.deepcopy(SNAPSHOT_INFO)
    if platform["placeholders"]["vm"] != "virsh_vm":
        del more["content"]
    leftovers = copy.deepcopy(LEFTOVERS)
    if "leftovers" in platform:
        leftovers["description"] = platform["leftovers"]
    contains = {**{key: entries[key] for key in ("name", "id", "snapshots")}, "leftovers": leftovers, **more}
    description = f"The named VMs that exist, or all{platform.get('of_all', '')}."
    vms = {"description": description, "returned": "success", "type": "list", "elements": "dict", "contains": contains}
    return {"host": _host(platform), "vms": vms}


def _entries(platform):
    entries = copy.deepcopy(VM)
    entries["snapshots"]["contains"] = _changed(SNAPSHOT, platform.get("snapshot", {}))
    if "snapshot" not in platform:
        entries["snapshots"]["description"] = "Always empty; {tool} has no snapshots."
    return _changed(entries, {path: new for path, new in platform["vm"].items() if path.split(".")[0] in VM})


def _with_module_name(value):
    """Add the name of the VM module to references to options, for modules that do not have these options."""
    if isinstance(value, dict):
        return {key: one if key == "sample" else _with_module_name(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_module_name(one) for one in value]
    return value.replace("O(", "O(polyvirt.core.{vm}#module:") if isinstance(value, str) else value


def _task(platform):
    return _changed(TASK, {path: new for path, new in platform["vm"].items() if path.split(".")[0] in TASK})


def _host(platform):
    host = copy.deepcopy(HOST)
    host["contains"] = _changed(host["contains"], platform["host"])
    return host


def _changed(table, changes):
    """Return a copy of ``table`` with ``changes`` ({path: value}); None removes a key."""
    table = copy.deepcopy(table)
    for path, new in changes.items():
        *parents, last = path.split(".")
        place = table
        for key in parents:
            place = place[key]
        if new is None:
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(new)
    return table


def _substituted(value, placeholders):
    """Return ``value`` with placeholders such as {tool} replaced in all texts."""
    if isinstance(value, dict):
        return {key: _substituted(one, placeholders) for key, one in value.items()}
    if isinstance(value, list):
        return [_substituted(one, placeholders) for one in value]
    if isinstance(value, str):
        for placeholder, text in placeholders.items():
            value = value.replace(f"{{{placeholder}}}", text)
    return value
