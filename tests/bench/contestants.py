# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared: playbooks of one task each, on machines of libvirt's test driver that are as asked already."""

from __future__ import annotations

import json

MEMORY_MIB = 512
_DOMAIN = """\
  <domain type='test'>
    <name>{name}</name>
    <uuid>{uuid}</uuid>
    <memory unit='MiB'>{memory}</memory>
    <vcpu>2</vcpu>
    <os><type>hvm</type></os>
    <devices>
      <disk type='file' device='disk'>
        <source file='/images/{name}.qcow2'/><target dev='vda' bus='virtio'/>
      </disk>
      <interface type='network'>
        <mac address='{mac}'/><source network='default'/><model type='virtio'/>
      </interface>
    </devices>
  </domain>
"""
_NETWORK = """\
  <network>
    <name>default</name><bridge name='virbr0'/><forward/>
    <ip address='192.168.122.1' netmask='255.255.255.0'/>
  </network>
"""


def names(count):
    return [f"machine{number:03}" for number in range(count)]


def write_node(path, count):
    """A host with ``count`` running machines, and the uri under which libvirt's test driver plays it."""
    domains = "".join(_domain(number, name) for number, name in enumerate(names(count)))
    path.write_text(f"<node>\n{domains}{_NETWORK}</node>\n", encoding="utf-8")
    return f"test://{path}"


def _domain(number, name):
    # Each process reads the file again, and would choose new values for what the file leaves open.
    uuid, mac = f"00000000-0000-4000-8000-{number:012}", f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
    return _DOMAIN.format(name=name, uuid=uuid, mac=mac, memory=MEMORY_MIB)


def ping():
    return {"ansible.builtin.ping": {}}


def set_fact():
    return {"ansible.builtin.set_fact": {"measured": True}}


def virt_loop(uri, count):
    """What a user without this collection writes; it compares the power and nothing else."""
    return {"community.libvirt.virt": {"name": "{{ item }}", "state": "running", "uri": uri}, "loop": names(count)}


def virsh_vm(uri, count):
    """Every field that can be compared on the test driver is asked for, so all of it is looked at."""
    return {
        "polyvirt.core.virsh_vm": {
            "name": names(count),
            "uri": uri,
            "state": "started",
            "cpus": 2,
            "memory": f"{MEMORY_MIB}M",
            "disks": [{"slot": "vda", "format": "raw"}],
            "networks": [{"type": "nat", "model": "virtio"}],
            "description": "",
            "tags": [],
            "autostart": False,
        },
        "register": "result",
        "failed_when": "result is failed or result is changed",
    }


def machines(uri, count, have_passwords):
    """An entry for each VM; a password is only for the creation of a VM."""
    entries = [
        {"name": name, **({"cloud_init": {"password": f"secret-of-{name}"}} if have_passwords else {})}
        for name in names(count)
    ]
    return {
        "polyvirt.core.virsh_vm": {"uri": uri, "machines": entries, "cpus": 2},
        "register": "result",
        "failed_when": "result is failed or result is changed",
    }


def write_playbook(path, task, in_process=False):
    """``in_process``: the task's Python is that of Ansible, as on a controller without other settings."""
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"name": "The task that is measured", **task}]}
    if in_process:
        play["vars"] = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return write_plays(path, play)


def write_plays(path, *plays):
    path.write_text(json.dumps(plays, indent=2), encoding="utf-8")  # JSON is YAML.
    return path
