# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The return values that all platforms share; returns.py has the differences."""

from __future__ import annotations


def _value(kind, description, **more):
    return {"description": description, "type": kind, **more}


def _values(description, contains, **more):
    return {"description": description, "type": "list", "elements": "dict", "contains": contains, **more}


def _texts(description, **more):
    return {"description": description, "type": "list", "elements": "str", **more}


PLAN = "plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst"
VMS = {
    "description": [
        "One entry for each name, in the order of O(name); in check mode, as it would be after the task.",
        "An entry always has all keys. Unknown and missing values are null or empty.",
    ],
    "returned": "",
    "type": "list",
    "elements": "dict",
}

#: For a platform without snapshots.
NO_SNAPSHOTS = {
    f"{key}.description": "Never returned; the platform has no snapshots." for key in ("id", "kind", "unfinished")
}
#: Empty descriptions are set by the platform (see returns.py).
SNAPSHOT = {
    "name": _value("str", "Name of the snapshot.", sample="before-upgrade"),
    "id": _value("str", ""),
    "parent": _value("str", "Name of the parent snapshot, or null."),
    "state": _value("str", "Power state in which a restore ends.", sample="running"),
    "description": _value("str", "Free-text description."),
    "kind": _value("str", ""),
    "created": _value("int", "Time of the snapshot in seconds since 1970.", sample=1795172368),
    "expires": _value("str", "When it expires, in ISO 8601 and UTC; null if it does not."),
    "current": _value("bool", "Whether the disks are based on it. It does not contain data that was written since."),
    "unfinished": _value("str", ""),
}

#: Keys of an entry of ``vms`` that describe the VM.
VM = {
    "name": _value("str", "Name of the VM.", sample="web1"),
    "id": _value("str", "UUID; null for a VM that does not exist (yet)."),
    "platform": _value("str", "Always V({platform}).", sample="{platform}"),
    "state": _value(
        "str", "Power state - absent, stopped, running, paused, suspended, failed or unknown.", sample="running"
    ),
    "reason": _value("str", "", sample="booted"),
    "cpus": _value("int", "Number of CPUs at the next start.", sample=2),
    "memory_mib": _value("int", "Memory in MiB at the next start.", sample=2048),
    "description": _value("str", "Free-text description."),
    "tags": _texts("Tags."),
    "fleet": _value("str", "The group of VMs to which it belongs; null if to none."),
    "owner": _value("str", "Who is responsible for it; null if nobody."),
    "created": _value("str", "When this collection created it, in ISO 8601 and UTC; null if that is not known."),
    "expires": _value("str", "When it expires, in ISO 8601 and UTC; null if it does not."),
    "autostart": _value("bool", "Whether the VM starts with the host."),
    "iso": _value("str", "ISO image in the first optical drive; empty for none, null if there is no drive."),
    "image": _value(
        "dict",
        "The image that the VM was created from, or null if that is not known.",
        contains={
            "name": _value("str", "Name of the catalogue, address, path or volume, as the task has set it."),
            "digest": _value("str", "Checksum of the vendor's file, or null if none is known."),
            "fetched": _value("str", "Date of the download, or null if it was not downloaded by this collection."),
        },
        sample={"name": "debian-13", "digest": "sha512:4f1c09ab12cd", "fetched": "2026-11-25"},
    ),
    "addresses": _values(
        "IP addresses of the VM.",
        {
            "address": _value("str", "IP address."),
            "source": _value("str", ""),
        },
        sample=[{"address": "192.168.122.14", "source": "lease"}],
    ),
    "mac_addresses": _texts("MAC addresses of the NICs, in order."),
    "ssh": _value(
        "dict",
        "How to reach the VM with SSH, or null.",
        contains={
            "host": _value("str", "Address to connect to."),
            "port": _value("int", "Port to connect to."),
            "user": _value("str", "User to log in as, or null if the platform does not know one."),
            "scope": _value(
                "str",
                "V(host) - the address can be reached only from the hypervisor's host, such as a forwarded port."
                " V(network) - it can be reached from the network.",
            ),
        },
        sample={"host": "192.168.122.14", "port": 22, "user": None, "scope": "host"},
    ),
    "guest_tools": _value(
        "dict",
        "The Guest Additions of VirtualBox in the guest; null if the VM is off, and on other platforms.",
        contains={
            "installed": _value(
                "bool",
                "V(true) if the guest has reported a version, in this boot or an earlier one; otherwise null, because a"
                " guest that still starts has not reported it yet.",
            ),
            "running": _value("bool", "Whether the guest has reported the version since it booted."),
            "version": _value("str", "Their version, or null.", sample="7.2.22"),
            "run_level": _value(
                "str",
                "V(none), V(system), V(userland) or V(desktop); null if it was not read. It is read for VMs with"
                " running Guest Additions, if the task reads addresses.",
                sample="userland",
            ),
        },
    ),
    "cdroms": _values(
        "Optical drives of the VM, without that of the cloud-init seed ISO. Empty on platforms without the option.",
        {
            "slot": _value("str", "Slot of the drive.", sample="sata0"),
            "source": _value("str", "ISO image in the drive; empty for none."),
        },
    ),
    "disks": _values(
        "Disks of the VM.",
        {
            "slot": _value("str", "Slot of the disk.", sample=""),
            "size": _value("str", "Size, as a task sets it; null if it cannot be read.", sample="20G"),
            "format": _value("str", "Format of the image.", sample="qcow2"),
            "source": _value(
                "str", "File, block device or volume of the disk.", sample="/var/lib/libvirt/images/web1.qcow2"
            ),
            "bus": _value("str", "Bus of the disk.", sample="virtio"),
        },
    ),
    "networks": _values(
        "NICs of the VM, in order.",
        {
            "type": _value("str", "Type of the connection, as in O(networks[].type).", sample="nat"),
            "source": _value("str", "Network, bridge or interface; missing if the type has none.", sample="default"),
            "mac": _value("str", "MAC address.", sample="52:54:00:6b:3c:58"),
            "model": _value("str", "Model of the emulated NIC.", sample="virtio"),
        },
    ),
    "snapshots": _values(
        "Snapshots of the VM, each before its children. Empty if the task does not read snapshots.",
        {},
    ),
    "settings": _value(
        "dict",
        "All other settings of the VM, by the name of their option.",
        sample={"firmware": "uefi", "secure_boot": False},
    ),
    "native": _value("dict", "Current values of the keys in O(native)."),
    "restart_required": _texts(
        "Paths of settings that are stored and take effect at the next start.", sample=["memory"]
    ),
}

#: Additional key that info modules return.
COUNTERS = _value(
    "dict",
    "Resources that the VM uses on its host. A value that the platform does not report, or only for running VMs, is"
    " null.",
    returned="if O(facets) contains V(counters)",
    contains={
        "cpu_time": _value("float", "Seconds of CPU time since the VM was started. Reported by libvirt.", sample=92.5),
        "memory_used_mib": _value(
            "int",
            "Memory of the host in MiB. Reported by libvirt, Hyper-V, vmd and Proxmox VE (before version 9, the memory"
            " that the guest uses).",
            sample=812,
        ),
        "disk_used": _value(
            "int",
            "Space of the disks on the host in bytes. Reported by libvirt, Hyper-V and VirtualBox.",
            sample=3221225472,
        ),
        "uptime": _value("int", "Seconds since the VM was started. Reported by Proxmox VE and Hyper-V.", sample=86400),
    },
)

#: Additional key: the console.
CONSOLE = _value(
    "dict",
    "The end of the VM's console. O(console) describes where the platforms keep it.",
    returned="if O(console) is set",
    contains={
        "lines": _texts("The last lines, the newest last; null if they cannot be read.", sample=["web1 login:"]),
        "file": _value("str", "File of the log, or null.", sample="/var/log/libvirt/qemu/web1-console.log"),
        "terminal": _value("str", "Device of the host that the console is connected to, or null. Reported by vmd."),
        "how": _value("str", "Why there are no lines, and how to get the console; null if there are lines."),
    },
)

#: Additional keys that info modules return for a VM that is described as a task.
DESCRIBED = {
    "task": _value(
        "dict",
        "The options of M(polyvirt.core.vm) that keep the VM as it is; null if the VM is incomplete."
        " Options of one platform, and options of the connection that this task sets, are below C(options).",
        returned="if O(describe=true)",
        sample={"platform": "libvirt", "name": "web1", "state": "started", "cpus": 2, "memory": "2G"},
    ),
    "not_described": {
        **_values(
            "Settings that the task does not hold. A change of any other setting that has a value is reported by the"
            " task in check mode.",
            {
                "path": _value("str", "Path of the setting.", sample="networks.0.mac"),
                "kind": _value(
                    "str",
                    "V(default) - it has the default value. V(identity) - a new VM gets another one. V(secret) - it is"
                    " a secret. V(creation) - it is used at creation only. V(unsupported) - no option can set it, or it"
                    " cannot be read.",
                    sample="identity",
                ),
                "reason": _value("str", "Why the task does not hold it."),
                "variable": _value(
                    "str", "Name of a variable for a secret, else null.", sample="web1_cloud_init_password"
                ),
            },
        ),
        "returned": "if O(describe=true)",
    },
}

_CHANGES = {
    "path": _value("str", "Path of the setting.", sample="disks.vda.size"),
    "before": _value("raw", "Value before; null if it was not set."),
    "after": _value("raw", "Value after; null if it is removed."),
    "cost": _value(
        "str",
        "V(live) - takes effect immediately. V(next_boot) - at the next start. V(power_off) - the VM must be stopped."
        " V(destructive) - the VM must be created again.",
    ),
}

#: Keys of an entry of ``vms`` that describe what the task did.
TASK = {
    "changed": _value("bool", "Whether this VM was changed."),
    "failed": _value("bool", "Whether the task failed for this VM."),
    "msg": _value("str", "Why it failed; empty if it did not."),
    "steps": _values(
        "Steps of the task, in order.",
        {
            "verb": _value("str", "Action, such as V(fetch), V(create), V(configure), V(start) or V(stop)."),
            "changes": _values("Changes to settings that are part of the step.", _CHANGES),
            "cost": _value("str", "The highest cost of its changes."),
            "also": _texts("Effects on anything other than this VM."),
            "done": _value(
                "bool",
                "Whether the step was completed; in check mode, whether it would be. If the task stopped the VM and"
                " then failed, later steps bring the VM back to its previous power state.",
            ),
            "note": _value("str", "Further information, such as how the guest was stopped."),
        },
        sample=[{"verb": "start", "changes": [], "cost": "live", "also": [], "done": True, "note": ""}],
    ),
    "not_compared": _texts(
        "Options that are used only when a VM is created, and had no effect on the existing one.", sample=["image"]
    ),
    "plan": _value(
        "str",
        "Digest of what the task does to this VM; empty if nothing is to be done, null if the task was rejected.",
        sample=PLAN,
    ),
    "not_carried": _texts(
        "What a new VM does not get from its C(appliance), in check mode too; empty without one.", sample=["sound card"]
    ),
    "deleted": _texts(
        "Files that the task deletes, in check mode too. If a step failed, some of them may exist still.",
        sample=["/var/lib/libvirt/images/web1-vda.qcow2"],
    ),
    "kept": _values(
        "Files that were not deleted with the VM.",
        {"path": _value("str", "File."), "reason": _value("str", "Why it was not deleted.")},
        sample=[{"path": "/srv/iso/debian.iso", "reason": "an ISO image is never deleted"}],
    ),
}


def plan():
    """Return ``plan`` of the modules that change something."""
    return _value(
        "str",
        [
            "Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be"
            " done.",
            "Null if the task was rejected, or if its plan cannot be approved. A warning says why.",
        ],
        returned="unless the options are wrong in form",
        sample=PLAN,
    )


def diff():
    """Return ``diff`` of the modules that change something."""
    return _values(
        "Differences before and after the task. One entry for each VM that was changed, or would be in check mode.",
        {
            "before_header": _value("str", "Name of the VM.", sample="web1"),
            "after_header": _value("str", "Name of the VM.", sample="web1"),
            "before": _value("dict", "Settings before, only those that differ.", sample={"memory": "2G"}),
            "after": _value("dict", "Settings after, only those that differ.", sample={"memory": "4G"}),
        },
        returned="unless the options are wrong in form",
    )


HOST = _value(
    "dict",
    "Whether and how {tool} can be used here.",
    returned="success",
    contains={
        "available": _value("bool", "Whether {tool} is installed."),
        "configured": _value("bool", "Whether {tool} answers and can be used."),
        "version": _value("str", ""),
        "message": _value("str", "Explanation of these values, and what to do if {tool} cannot be used."),
        "why": _value("str", ""),
        "capabilities": _value(
            "dict",
            "Features of this platform, or null.",
            contains={
                "states": _texts("Power states that VMs can have."),
                "stop_modes": _texts("Supported values of C(stop_mode)."),
                "verbs": _texts("Supported actions."),
                "options": _texts("Supported options."),
                "console": _value("str", "How to get the console of a VM, or a log of it."),
                "live_migration": _value("bool", "Whether a task can move a running VM to another host."),
                "moving": _value("str", "How a VM moves to another host."),
            },
        ),
    },
)

LEFTOVERS = _values(
    [
        "Snapshots in an image of the VM that {tool} does not know, for instance those of an earlier VM.",
        "Null if they cannot be read (VMs of another host, no qemu-img, an image that cannot be read).",
    ],
    {
        "file": _value("str", "Path of the image."),
        "snapshot": _value("str", "Name of the snapshot in it."),
    },
)

_FILE = {
    "type": _value("str", "Type, as C(ls -l) shows it.", sample="-"),
    "mode": _value("str", "Permissions.", sample="0644"),
    "size": _value("int", "Size in bytes.", sample=187),
    "target": _value("str", "Target of a link, else null."),
}

#: What ``compare`` adds to an entry of a module that reads snapshots; ``content`` only on libvirt.
SNAPSHOT_INFO = {
    "differences": _values(
        "Settings that differ between the two points.",
        {
            "path": _value("str", "Path of the setting.", sample="memory"),
            "before": _value("raw", "Value at the first point; null if it was not set."),
            "after": _value("raw", "Value at the second point; null if it was not set."),
        },
        returned="with O(compare)",
    ),
    "content": _values(
        "Files that differ between the two points.",
        {
            "change": _value("str", "V(added), V(removed) or V(changed).", sample="changed"),
            "path": _value("str", "Path of the file in the guest.", sample="/etc/hosts"),
            "before": _value("dict", "The file at the first point; null for a new file.", contains=_FILE),
            "after": _value(
                "dict",
                "The file at the second point; null for a removed file. Also null for a changed file if"
                " only RV(vms[].content[].before) is known.",
                contains=_FILE,
            ),
            "text": _value(
                "str", "Changes in a text file, as C(diff -u) prints them; else empty.", returned="with O(compare.text)"
            ),
        },
        returned="with O(compare.content)",
    ),
}
