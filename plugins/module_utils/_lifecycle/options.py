# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs as data; each has a documentation fragment of the same stem in plugins/doc_fragments.

``VM`` is shared by every ``<platform>_vm``, ``VM_INFO`` by every module that only tells, ``SNAPSHOT`` and
``SNAPSHOT_INFO`` by those about snapshots; the rest are connections and the few options that are a platform's own.
"""

from __future__ import annotations

from .power import STATES

STOP_MODES = ("graceful", "force", "graceful_then_force")
NETWORK_TYPES = ("nat", "bridged", "hostonly", "internal", "network", "user")

DISK = {
    "slot": {"type": "str"},
    "size": {"type": "str"},
    "format": {"type": "str"},
    "storage": {"type": "str"},
    "source": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
NETWORK = {
    "type": {"type": "str", "choices": list(NETWORK_TYPES)},
    "source": {"type": "str"},
    "mac": {"type": "str"},
    "address": {"type": "str"},
    "model": {"type": "str"},
    "vlan": {"type": "int"},
}
PORT_FORWARD = {
    "name": {"type": "str", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "host_address": {"type": "str"},
    "host_port": {"type": "int"},
    "guest_port": {"type": "int", "required": True},
}
SHARED_FOLDER = {
    "name": {"type": "str", "required": True},
    "host_path": {"type": "path", "required": True},
    "guest_path": {"type": "str"},
    "type": {"type": "str"},
    "read_only": {"type": "bool"},
}
IMAGE = {"source": {"type": "str", "required": True}, "linked": {"type": "bool", "default": False}}
CLONE = {
    "source": {"type": "str", "required": True},
    "snapshot": {"type": "str"},
    "linked": {"type": "bool", "default": False},
}
CLOUD_INIT = {
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ssh_authorized_keys": {"type": "list", "elements": "str", "no_log": False},
    "ip_config": {"type": "list", "elements": "str"},
    "nameservers": {"type": "list", "elements": "str"},
    "search_domains": {"type": "list", "elements": "str"},
    "user_data": {"type": "raw", "no_log": True},
    "meta_data": {"type": "dict", "no_log": True},
    "network_config": {"type": "dict", "no_log": True},
}

CALL_TIMEOUT = {"call_timeout": {"type": "int"}}

VM = {
    "name": {"type": "list", "elements": "str"},
    "id": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "stop_mode": {"type": "str", "choices": list(STOP_MODES)},
    "stop_timeout": {"type": "int"},
    "timeout": {"type": "int", "default": 300},
    **CALL_TIMEOUT,
    "wait_for": {"type": "str", "choices": ["state", "address", "ssh"], "default": "state"},
    "allow_restart": {"type": "bool", "default": False},
    "allow_recreate": {"type": "bool", "default": False},
    "delete_disks": {"type": "str", "choices": ["owned", "none", "all"], "default": "owned"},
    "purge": {
        "type": "list",
        "elements": "str",
        "choices": ["disks", "networks", "port_forwards", "shared_folders"],
        "default": [],
    },
    "on_failure": {"type": "str", "choices": ["rollback", "keep"], "default": "rollback"},
    "cpus": {"type": "int"},
    "memory": {"type": "str"},
    "firmware": {"type": "str", "choices": ["bios", "uefi"]},
    "secure_boot": {"type": "bool"},
    "tpm": {"type": "bool"},
    "nested_virtualization": {"type": "bool"},
    "os_type": {"type": "str"},
    "description": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "autostart": {"type": "bool"},
    "disks": {"type": "list", "elements": "dict", "options": DISK},
    "networks": {"type": "list", "elements": "dict", "options": NETWORK},
    "port_forwards": {"type": "list", "elements": "dict", "options": PORT_FORWARD},
    "shared_folders": {"type": "list", "elements": "dict", "options": SHARED_FOLDER},
    "iso": {"type": "path"},
    "display": {
        "type": "dict",
        "options": {"type": {"type": "str", "choices": ["none", "vnc", "spice"]}, "video_memory": {"type": "str"}},
    },
    "image": {"type": "dict", "options": IMAGE},
    "clone": {"type": "dict", "options": CLONE},
    "cloud_init": {"type": "dict", "options": CLOUD_INIT},
    "native": {"type": "dict"},
}

VM_INFO = {"name": {"type": "list", "elements": "str"}, "id": {"type": "str"}}

_FACETS = ["power", "config", "addresses", "snapshots"]
FACETS = {"facets": {"type": "list", "elements": "str", "choices": _FACETS, "default": _FACETS}}

SNAPSHOT = {
    "name": VM["name"],
    "id": VM["id"],
    "snapshot": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
    "description": {"type": "str"},
    "include_memory": {"type": "bool"},
    "keep_last": {"type": "int"},
    "children": {"type": "bool", "default": False},
    "power": {"type": "str", "choices": ["snapshot", "keep"], "default": "snapshot"},
    "wait_for": VM["wait_for"],
    "timeout": VM["timeout"],
    **CALL_TIMEOUT,
}

SNAPSHOT_INFO = {
    "compare": {
        "type": "dict",
        "options": {
            "from": {"type": "str", "required": True},
            "to": {"type": "str"},
            "content": {"type": "bool", "default": False},
            "text": {"type": "bool", "default": False},
        },
    }
}

VIRSH = {
    "uri": {"type": "str"},
    "executable": {"type": "str", "default": "virsh"},
}
VIRSH_VM = {
    "virt_type": {"type": "str", "choices": ["kvm", "qemu"]},
    "storage_path": {"type": "path"},
    "boot_order": {"type": "list", "elements": "str", "choices": ["disk", "cdrom", "network"]},
    "serial_log": {"type": "path"},
    "reset_nvram": {"type": "bool", "default": False},
    "max_cpus": {"type": "int"},
    "max_memory": {"type": "str"},
    "allow_network_start": {"type": "bool", "default": False},
}
VIRSH_SNAPSHOT = {"kind": {"type": "str", "choices": ["internal", "external"]}}

VBOX = {"executable": {"type": "str", "default": "VBoxManage"}}
VBOX_VM = {
    "storage_path": {"type": "path"},
    "groups": {"type": "list", "elements": "str"},
    "graphics_controller": {"type": "str", "choices": ["none", "vboxvga", "vmsvga", "vboxsvga"]},
    "boot_order": {"type": "list", "elements": "str", "choices": ["disk", "cdrom", "network", "floppy"]},
    "ssh_forward": {"type": "bool"},
    "start_type": {"type": "str", "choices": ["headless", "gui", "separate"], "default": "headless"},
}

PROVISIONER = {
    "name": {"type": "str"},
    "inline": {"type": "str"},
    "path": {"type": "path"},
    "args": {"type": "list", "elements": "str"},
    "env": {"type": "dict", "no_log": True},
    "privileged": {"type": "bool"},
    "run": {"type": "str", "choices": ["once", "always", "never"]},
}
VAGRANT = {
    "project_dir": {"type": "path", "required": True},
    "vagrantfile": {"type": "str"},
    "managed": {"type": "bool", "default": True},
    "executable": {"type": "str", "default": "vagrant"},
}
VAGRANT_INSTANCE = {
    "provider": {"type": "str"},
    "box": {"type": "str"},
    "box_version": {"type": "str"},
    "box_url": {"type": "str"},
    "box_checksum": {"type": "str"},
    "os_boxes": {"type": "dict"},
    "hostname": {"type": "str"},
    "gui": {"type": "bool"},
    "linked_clone": {"type": "bool"},
    "provisioners": {
        "type": "list",
        "elements": "dict",
        "options": PROVISIONER,
        "mutually_exclusive": [["inline", "path"]],
        "required_one_of": [["inline", "path"]],
    },
    "environment": {"type": "dict", "no_log": True},
}

PROXMOX = {
    "api_host": {"type": "str"},
    "api_port": {"type": "int"},
    "api_user": {"type": "str"},
    "api_password": {"type": "str", "no_log": True},
    "api_token_id": {"type": "str", "no_log": False},
    "api_token_secret": {"type": "str", "no_log": True},
    "verify_ssl": {"type": "bool", "aliases": ["validate_certs"]},
    "ca_path": {"type": "path"},
    "api_timeout": {"type": "int"},
}
PROXMOX_VM = {
    "id": {"type": "str", "aliases": ["vmid"]},
    "node": {"type": "str"},
    "pool": {"type": "str"},
    "storage": {"type": "str"},
    "bridge": {"type": "str", "default": "vmbr0"},
    "template": {"type": "bool"},
    "protection": {"type": "bool"},
    "iso_checksum": {"type": "str", "no_log": False},
}

#: By the stem of the documentation fragment.
SPECS = {
    "call_timeout": CALL_TIMEOUT,
    "vm": {name: option for name, option in VM.items() if name not in CALL_TIMEOUT},
    "vm_info": VM_INFO,
    "facets": FACETS,
    "snapshot": {name: option for name, option in SNAPSHOT.items() if name not in CALL_TIMEOUT},
    "snapshot_info": SNAPSHOT_INFO,
    "virsh": VIRSH,
    "virsh_vm": VIRSH_VM,
    "virsh_snapshot": VIRSH_SNAPSHOT,
    "vbox": VBOX,
    "vbox_vm": VBOX_VM,
    "vagrant": VAGRANT,
    "vagrant_instance": VAGRANT_INSTANCE,
    "proxmox": PROXMOX,
    "proxmox_vm": PROXMOX_VM,
}
