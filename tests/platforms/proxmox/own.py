# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors and settings that only Proxmox VE has."""

from __future__ import annotations

from suite.scenarios.refusals import Refused


def refusals(platform, known, new):
    """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
    change, made = {"name": [known]}, {**platform.creation, "name": [new]}
    image, linked = {"source": "local:import/no.qcow2"}, {"source": "local:import/x.qcow2", "linked": True}
    usb = {"type": "usb"}
    nowhere, others = {"name": [known], "state": "started"}, "/etc/ssl/certs/ca-certificates.crt"
    return [
        Refused("shrink", {**change, "disks": [{"size": "8M"}]}, (known, "16M", "8M", "at least 16M")),
        Refused("no iso", {**change, "iso": "nfs:iso/no.iso"}, (known, "nfs:iso/no.iso", "pvesm list")),
        Refused("no iso file", {**change, "iso": "/nonexistent.iso"}, (known, "/nonexistent.iso", "path")),
        Refused("no image", {**made, "image": image}, (new, "no.qcow2", "pvesm list")),
        Refused("image is a file", {**made, "image": {"source": "/x.qcow2"}}, (new, "/x.qcow2", "STORAGE:import")),
        Refused("no node", {**made, "node": "pve9"}, (new, "pve9", "pve1, pve2, pve3")),
        Refused("no such node", {**change, "node": "pve9"}, (known, "pve9", "pve1, pve2, pve3")),
        Refused("no storage", {**made, "storage": "nosuch"}, ("nosuch", "node")),
        Refused("storage elsewhere", {**made, "node": "pve1", "storage": "n2"}, (new, "n2", "pve1", "local-lvm")),
        Refused("no pool", {**made, "pool": "nosuch"}, (new, "nosuch", "pool-a")),
        Refused("id of another VM", {**made, "id": "100"}, (new, "100", "Correct the name or the ID")),
        Refused("another id", {**change, "id": "999"}, (known, "999", "Correct the ID")),
        Refused("native", {**change, "native": {"no-such": "1"}}, (known, "no-such")),
        Refused("native of an option", {**change, "native": {"cores": 2}}, (known, "option cpus")),
        Refused("native of a card", {**change, "native": {"net0": "bridge=x"}}, (known, "option networks")),
        Refused("two sockets", {**change, "native": {"sockets": 2}}, (known, "option cpus")),
        Refused("slot", {**change, "disks": [{"slot": "vda", "size": "1G"}]}, (known, "vda", "scsi0 to scsi30")),
        Refused("tag", {**change, "tags": ["two words"]}, (known, "two words", "letters")),
        Refused("33 NICs", {**change, "networks": [{}] * 33}, (known, "networks", "at most 32")),
        Refused("long notes", {**change, "description": "x" * 8000}, (known, "description", "8000", "at most 7168")),
        Refused("checksum", {**change, "iso_checksum": "abc"}, ("iso_checksum", "abc", "sha256")),
        Refused("linked image", {**made, "image": linked}, ("image.linked", "template")),
        Refused("no mapping", {**change, "devices": [{**usb, "mapping": "gpu1"}]}, (known, "usb gpu1", "Resource Map")),
        Refused("new, no mapping", {**made, "devices": [{**usb, "mapping": "no"}]}, (new, "usb no", "Resource Map")),
        Refused("device of the node", {**change, "devices": [{**usb, "id": "1-4"}]}, (known, "root@pam", "mapping")),
        Refused("products", {**change, "devices": [{"type": "pci", "id": "10de:1eb8"}]}, (known, "10de:1eb8")),
        Refused("wrong token", {**nowhere, "api_token_secret": "wrong"}, ("root@pam!test", "api_token_secret")),
        Refused("no realm", {**nowhere, "api_user": "root"}, ("api_user", "root@pam")),
        Refused("nobody there", {**nowhere, "api_port": 1}, ("localhost:1", "does not answer", "api_port")),
        Refused("mistrusted", {**nowhere, "ca_path": others}, ("not trusted", "ca_path")),
    ]  # fmt: skip


def settings():
    """Settings that only this platform has, or with values of its own, as in ``scenarios.options``."""
    keys = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} a+b/c" for letter in "AB"]
    first = {"user": "admin", "ssh_authorized_keys": keys[:1], "ip_config": ["ip=dhcp"], "nameservers": ["192.0.2.1"]}
    other = {"user": "root", "ssh_authorized_keys": keys, "ip_config": ["ip=dhcp,ip6=auto"], "nameservers": []}
    return {
        "os_type": (("linux", "l26"), ("windows11", "win11")),
        "nested_virtualization": ((True, True), (False, False)),
        "pool": (("pool-a", "pool-a"), ("pool-b", "pool-b")),
        "protection": ((False, False), (True, True)),
        "cloud_init": ((first, first), (other, other)),
        "template": ((False, False), (True, True)),
        "node": (("pve1", "pve1"), ("pve2", "pve2")),
    }
