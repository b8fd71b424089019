# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of a fleet on four platforms, as the reader of results returns them: most VMs are as described."""

from __future__ import annotations

ABOUT = {"title": "Drift of production", "created": "2026-11-25T20:40:00Z"}
_HOSTS = (
    ("libvirt", "kvm1.example.com", None, "nat", "default"),
    ("libvirt", "kvm2.example.com", None, "bridged", "br0"),
    ("proxmox", "localhost", "pve1", "bridged", "vmbr0"),
    ("proxmox", "localhost", "pve2", "bridged", "vmbr0"),
    ("hyperv", "hv1.example.com", None, "network", "External"),
    ("vmd", "puffy.example.com", None, "bridged", "uplink"),
)
_ROLES = (
    ("web", "Front end of the shop", "debian-13", 2, 2048),
    ("db", "PostgreSQL 17", "debian-13", 4, 16384),
    ("cache", "", "alpine-3.22", 1, 512),
    ("queue", "RabbitMQ", "ubuntu-24.04", 2, 4096),
    ("ci", "Runner of the build farm", "fedora-43", 8, 12288),
)


def vm_entry(number, **changes):
    """The entry of a VM in a result."""
    platform, _host, node, network_type, source = _HOSTS[number % len(_HOSTS)]
    role, description, image, cpus, memory = _ROLES[number % len(_ROLES)]
    name = f"{role}{number // len(_ROLES) + 1}"
    return {
        **{"name": name, "id": f"{number:08x}-2819-40bf-b3cd-6a6ef2079e51", "platform": platform, "reason": ""},
        **{"state": "stopped" if number % 9 == 5 else "running", "cpus": cpus, "memory_mib": memory},
        **{"description": description, "tags": ["production", role], "fleet": "shop", "autostart": True, "iso": None},
        "image": {"name": image, "digest": f"sha512:{'4f1c09ab12cd' * 4}", "fetched": "2026-11-20"},
        "addresses": [{"address": f"10.20.{number // 200}.{number % 200 + 10}", "source": "agent"}],
        "ssh": {"host": f"10.20.0.{number % 200 + 10}", "port": 22, "user": None, "scope": "network"},
        "disks": [
            {"slot": "vda", "size": "20G", "format": "qcow2", "source": f"/srv/vms/{name}.qcow2", "bus": "virtio"},
            *(
                [{"slot": "vdb", "size": "500G", "format": "raw", "source": f"/srv/vms/{name}-data.raw", "bus": "scsi"}]
                if role == "db"
                else []
            ),
        ],
        "networks": [
            {"type": network_type, "source": source, "mac": f"52:54:00:6b:{number // 256:02x}:{number % 256:02x}"}
        ],
        "snapshots": [{"name": "before-upgrade", "id": None}] if number % 7 == 3 else [],
        "settings": {"node": node} if node else {},
        "native": {"secret": "not for a report"},
        "restart_required": [],
        "changed": False,
        **changes,
    }


def record(number, check=True, **changes):
    """The record of one VM that is as its task describes it."""
    platform, host, *_others = _HOSTS[number % len(_HOSTS)]
    info = changes.get("info") or vm_entry(number)
    return {
        **{"event": None, "severity": "info", "platform": platform, "host": host},
        "vm": {"name": info["name"], "id": info["id"], "source": None},
        **{"changed": False, "check": check, "state": info["state"], "steps": [], "diff": None, "plan": ""},
        **{"message": "", "time": "2026-11-25T20:39:58Z", "playbook": "site.yml", "play": "Virtual machines"},
        **{
            "task": "Keep the VMs as described",
            "user": "anna",
            "job_id": "812",
            "info": info,
            "ignored": False,
            "role": None,
        },
        **changes,
    }


def drifted(number, before, after, verbs=("configure",), cost="live", **changes):
    """The record of a VM that differs from its task, or that was changed."""
    changed = [{"path": path, "before": before.get(path), "after": after.get(path), "cost": cost} for path in after]
    steps = [{"verb": verb, "changes": changed if verb == "configure" else [], "cost": cost} for verb in verbs]
    values = {"event": "drift", "changed": True, "plan": "plan-bcdf-ghjk-lmnp-qrst", **changes}
    values["steps"] = [{"verb": verb, "done": True} for verb in verbs]
    info = vm_entry(number, steps=steps)
    return record(number, diff={"before": before, "after": after}, info=info, **values)


def failed(number, message="", **changes):
    return record(number, **{"event": "failed", "severity": "error", "message": message, **changes})


def fleet(count=40, check=True):
    """The records of a fleet: of each forty VMs, three fail and six differ; one host cannot be reached."""
    records = [record(number, check) for number in range(count)]
    for start in range(0, count - 39, 40):
        for place, (before, after, verbs, cost) in _DRIFT.items():
            records[start + place] = drifted(start + place, before, after, verbs, cost, check=check)
        for place, message in _FAILURES.items():
            name = vm_entry(start + place)["name"]
            records[start + place] = failed(start + place, message.format(name=name), check=check)
    unreachable = {"vm": None, "info": None, "host": "kvm3.example.com", "message": _UNREACHABLE}
    return [*records, failed(0, check=check, **unreachable)]


_UNREACHABLE = "Failed to connect to the host via ssh: connect to host kvm3.example.com port 22: No route to host"
_FAILURES = {
    7: "{name}: disks.vda.size: 8G is smaller than the current 20G; disks are never shrunk. Set a size of at least 20G,"
    " or remove the option.",
    14: "{name}: memory: the VM has to be stopped for 8G instead of 12G. Set allow_restart: true to permit it.",
    30: "{name}: image: /srv/images/debian-13.qcow2 does not exist on kvm1.example.com. Copy it to this path, or set"
    " image to a name of the catalogue, such as debian-13.\nNothing was changed.",
}
_DRIFT = {
    0: ({"memory": "2G", "cpus": 2}, {"memory": "4G", "cpus": 4}, ("stop", "configure", "start"), "power_off"),
    5: ({"state": "stopped"}, {"state": "running"}, ("start",), "live"),
    11: ({"disks.vdb.size": "500G"}, {"disks.vdb.size": "1T"}, ("configure",), "live"),
    16: (
        {"tags": ["test"], "description": "old", "autostart": False, "networks.0.source": "virbr1"},
        {"tags": ["production", "db"], "description": "PostgreSQL 17", "autostart": True, "networks.0.source": "br0"},
        ("configure",),
        "live",
    ),
    23: ({"state": "absent"}, {"state": "running", "memory": "4G"}, ("create", "start"), "live"),
    38: ({"networks.0.model": "e1000"}, {"networks.0.model": "virtio"}, ("configure",), "next_boot"),
}
