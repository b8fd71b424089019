# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse what virsh reports about VMs, without the code under test."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

from platforms.leases import lease_in

#: Commands of virsh and qemu-img that only read; every other command counts as a write.
READS = {
    "virsh": {
        "version", "list", "domstate", "dominfo", "dumpxml", "domblkinfo", "domifaddr", "snapshot-list", "net-list",
        "pool-list", "pool-dumpxml",
        "capabilities", "domcapabilities", "managedsave-dumpxml", "echo", "snapshot-dumpxml", "snapshot-current",
        "snapshot-info", "vol-path", "nodedev-list", "nodedev-dumpxml", "checkpoint-list",
        "domxml-to-native", "connect", "backup-dumpxml", "domjobinfo",
    },
    "qemu-img": {"check", "compare", "info", "measure"},
}  # fmt: skip
_COMMAND_OF_BATCH = re.compile(r"(?:^|; )([a-z][a-z-]*)")
#: libvirt's test driver, which ends with its process: nothing is stored before another connection is opened.
_IN_MEMORY = "test:///default"
_QUOTED = re.compile(r"'[^']*'")
POWERS = {"shut off": STOPPED, "running": RUNNING, "paused": PAUSED, "crashed": FAILED}


def writes(words):
    """Whether a call of virsh with these words may have changed anything."""
    uri, words = words[words.index("-c") + 1], words[words.index("-c") + 2 :]
    words = _COMMAND_OF_BATCH.findall(_QUOTED.sub("''", words[0])) if len(words) == 1 else words[:1]
    if uri == _IN_MEMORY and "connect" in words:
        words = words[words.index("connect") :]
    return not set(words) <= READS["virsh"]


def vm_state(uuid, info, state, stored, shown, tree, current):
    """The state of a VM, from the output of the commands that ``truth`` runs (_QUESTIONS in base.py)."""
    saved = re.search(r"^Managed save: +yes", info, re.M) is not None
    power = POWERS.get(state.strip(), state)
    return {
        "id": uuid,
        "power": SUSPENDED if saved and power == STOPPED else power,
        "stored": stored,
        "running": shown if power in (RUNNING, PAUSED) else None,
        "autostart": re.search(r"^Autostart: +enable", info, re.M) is not None,
        "snapshots": [tree.split(), current.strip()],
    }


def settings(machine, which="stored"):
    """A VM's settings by option name, from its XML; ``machine`` is from ``vm_state``."""
    root = ET.fromstring(machine[which])
    mark = root.find("metadata/{*}mark")
    iso = root.find("devices/disk[@device='cdrom']/source")
    return {
        "cpus": int(root.find("vcpu").get("current", root.findtext("vcpu"))),
        "max_cpus": int(root.findtext("vcpu")),
        "memory": _memory(machine, root),
        "max_memory": int(root.findtext("memory")) * 1024,
        "description": root.findtext("description") or "",
        "tags": json.loads(mark.text)["tags"] if mark is not None else [],
        "fleet": json.loads(mark.text).get("fleet", "") if mark is not None else "",
        **lease_in(json.loads(mark.text) if mark is not None else {}),
        "autostart": machine["autostart"],
        "disks": sorted(disk.find("target").get("dev") for disk in root.findall("devices/disk[@device='disk']")),
        "networks": [card.get("type") for card in root.findall("devices/interface")],
        "iso": "" if iso is None else iso.get("file", ""),
        "cdroms": [_drive(one.find("target")) for one in root.findall("devices/disk[@device='cdrom']")],
        "native": root.findtext("on_reboot"),
        "boot_order": [boot.get("dev") for boot in root.findall("os/boot")],
        "shared_folders": {
            share.find("target").get("dir"): share.find("source").get("dir")
            for share in root.findall("devices/filesystem")
        },
    }


def _drive(target):
    bus, name = target.get("bus"), target.get("dev")
    return f"{bus}{ord(name[2]) - ord('a')}" if bus in ("sata", "usb") else name


def _memory(machine, root):
    """The requested memory in bytes. The guest of a running VM may return memory to the host, so the stored value
    counts, unless it is larger than the running VM's maximum.
    """
    stored = int(ET.fromstring(machine["stored"]).findtext("currentMemory"))
    fits = stored <= int(root.findtext("memory"))
    return (stored if fits else int(root.findtext("currentMemory"))) * 1024


def snapshots(virsh, name):
    """{name: {parent, state, description, current}} of a VM's snapshots."""
    names = [line for line in virsh("snapshot-list", name, "--name").split("\n") if line]
    current = virsh("snapshot-current", name, "--name", check=False).partition("\n")[0]
    roots = {one: ET.fromstring(virsh("snapshot-dumpxml", name, f"--snapshotname={one}")) for one in names}
    return {
        one: {
            "parent": root.findtext("parent/name"),
            "state": {"running": RUNNING, "paused": PAUSED}.get(root.findtext("state"), STOPPED),
            "description": root.findtext("description") or "",
            "current": one == current,
        }
        for one, root in roots.items()
    }
