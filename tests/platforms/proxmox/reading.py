# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse what the simulator reports about a VM, without the collection's parsers."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

from platforms.leases import lease_in

_POWERS = {"stopped": STOPPED, "running": RUNNING, "paused": PAUSED, "io-error": FAILED}
#: Keys about the state of a VM, not about its configuration.
_NOT_CONFIGURATION = ("lock", "vmstate", "runningmachine", "runningcpu", "parent", "meta")
_DISK = re.compile(r"(scsi|virtio|sata|ide)\d+")
_SCREENS = {"std": "vnc", "qxl": "spice", "none": "none"}


def vm_state(reported):
    """The state of a VM; ``reported`` is an element of the simulator's action ``machines``."""
    current = reported["current"]
    power = SUSPENDED if current.get("lock") == "suspended" else _POWERS[reported["power"]]
    stored = {key: value for key, value in {**current, **reported["pending"]}.items() if key not in reported["deletes"]}
    return {
        "id": str(reported["vmid"]),
        "power": power,
        "node": reported["node"],
        "pool": reported["pool"],
        "stored": _configuration(stored),
        "running": _configuration(current) if power in (RUNNING, PAUSED, FAILED) else None,
        "snapshots": sorted(reported["snapshots"]),
    }


def _configuration(options):
    return {key: value for key, value in options.items() if key not in _NOT_CONFIGURATION}


def parts(text, first="file"):
    """{sub-key: value} of a property string."""
    pairs = (part.partition("=") for part in text.split(","))
    return {(name if equals else first): (value if equals else name) for name, equals, value in pairs}


drive = parts


def as_disk(volume):
    """The volume's name as long as its VM is not a template."""
    return volume.replace(":base-", ":vm-")


def disks(options):
    """{slot: volume} of a VM's disks."""
    found = {key: parts(text) for key, text in options.items() if _DISK.fullmatch(key)}
    return {slot: as_disk(one["file"]) for slot, one in sorted(found.items()) if one.get("media") != "cdrom"}


def macs(options):
    return {mac for text in options.values() for mac in re.findall(r"^\w+=((?:[0-9A-F]{2}:){5}[0-9A-F]{2})", text)}


def settings(machine, which):
    """A VM's settings by option name; ``machine`` is from ``vm_state``."""
    options = machine[which]
    screen, processor = parts(options.get("vga", "std"), "type"), parts(options.get("cpu", "kvm64"), "type")
    media = [parts(text)["file"] for key, text in sorted(options.items()) if "media=cdrom" in text]
    media = [medium for medium in media if "cloudinit" not in medium]
    drives = [key for key, text in sorted(options.items()) if "media=cdrom" in text and "cloudinit" not in text]
    text, _mark, mark = options.get("description", "").partition("<!-- polyvirt")
    return {
        "cpus": int(options.get("cores", 1)) * int(options.get("sockets", 1)),
        "memory": int(options["memory"]) << 20,
        "description": text.strip(),
        "fleet": json.loads(mark.partition("-->")[0] or "{}").get("fleet", ""),
        **lease_in(json.loads(mark.partition("-->")[0] or "{}")),
        "tags": [tag for tag in options.get("tags", "").split(";") if tag],
        "autostart": options.get("onboot") == "1",
        "disks": sorted(disks(options)),
        "networks": ["bridged" if "bridge=" in options[f"net{number}"] else "user" for number in _places(options)],
        "iso": "" if media in ([], ["none"]) else media[0],
        "cdroms": drives,
        "firmware": "uefi" if options.get("bios") == "ovmf" else "bios",
        "tpm": "tpmstate0" in options,
        "nested_virtualization": processor["type"] == "host",
        "os_type": options.get("ostype"),
        "display": (_SCREENS[screen["type"]], int(screen["memory"]) << 20) if "memory" in screen else None,
        "pool": machine["pool"],
        "protection": options.get("protection") == "1",
        "cloud_init": _cloud_init(options),
        "node": machine["node"],
        "devices": sorted(text for key, text in options.items() if re.fullmatch(r"(hostpci|usb)\d+", key)),
        "native": options.get("numa"),
    }


def _places(options):
    return sorted(int(key[3:]) for key in options if re.fullmatch(r"net\d+", key))


def _cloud_init(options):
    return {
        "user": options.get("ciuser"),
        "ssh_authorized_keys": [line for line in unquote(options.get("sshkeys", "")).split("\n") if line],
        "ip_config": [options["ipconfig0"]] if "ipconfig0" in options else [],
        "nameservers": options.get("nameserver", "").split(),
    }


def snapshots(reported):
    """{name: {parent, state, description, current}}."""
    current = reported["current"].get("parent")
    return {
        name: {
            "parent": one.get("parent"),
            "state": RUNNING if "vmstate" in one else STOPPED,
            "description": one.get("description", "").partition("<!-- polyvirt")[0].strip(),
            "current": name == current,
        }
        for name, one in reported["snapshots"].items()
    }
