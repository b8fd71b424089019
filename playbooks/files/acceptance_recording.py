# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the recording of a run of the playbook acceptance: a tar that can be attached to an issue.

Usage: acceptance_recording.py FILE, with the answers of the run as JSON on the standard input. Only answers about VMs
that this run created are recorded, and of these only the fields of FIELDS with a value that the field can have. All
other values could name something of the host, so they are dropped, or shown as "?".
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile

_SLOT = r"(?i:[shvf]d[a-z]|(scsi|virtio|sata|ide|usb|nvme|efidisk|tpmstate|floppy) ?\d{1,2}([:.]\d{1,2})?)"
_SIZE = r"\d+(\.\d+)?[KMGTP]?"
_VERSION = r"\d+(\.\d+){0,2}((a|b|rc)\d+)?"
_NAME = r"[a-z_]{2,30}"
_PLATFORM = "libvirt|virtualbox|vagrant|proxmox|vmd|hyperv|wsl"
_STATE = "absent|stopped|running|paused|suspended|failed|unknown"
_OUTCOME = "passed|failed|not on this platform|not tried"
#: Values of any kind that is no text.
ANY_NUMBER = None
#: {field of a VM: the texts that it may have, as a pattern; ANY_NUMBER; or the fields of its entries}.
FIELDS = {
    "changed": ANY_NUMBER,
    "failed": ANY_NUMBER,
    "platform": _PLATFORM,
    "state": _STATE,
    "cpus": ANY_NUMBER,
    "memory_mib": ANY_NUMBER,
    "autostart": ANY_NUMBER,
    "disks": {
        "slot": _SLOT,
        "bus": "virtio|scsi|sata|ide|usb|nvme|fdc",
        "size": _SIZE,
        "format": "qcow2|raw|vdi|vmdk|vhd|vhdx|qed|subvol|iso",
    },
    "cdroms": {"slot": _SLOT},
    "networks": {
        "type": "network|bridge|nat|user|bridged|hostonly|intnet|internal|none|direct|switch|local",
        "model": "virtio|e1000|e1000e|rtl8139|vmxnet3|82540EM|82545EM|82543GC|Am79C970A|Am79C973|synthetic|legacy",
    },
    "snapshots": {
        "current": ANY_NUMBER,
        "kind": "internal|external|disk|full|standard|production|memory",
        "state": _STATE,
    },
    "guest_tools": {"installed": ANY_NUMBER, "running": ANY_NUMBER},
    "tags": "acceptance|changed",
}
#: Words of this collection, not of the host: capabilities of the platform, and steps of the playbook.
_CAPABILITIES = {"verbs": _NAME, "states": _NAME, "options": _NAME, "stop_modes": _NAME}
_STEP = {"step": "[a-z ]{2,40}", "outcome": _OUTCOME, "seconds": ANY_NUMBER}
_ABOUT = {"platform": _PLATFORM, "version": _VERSION, "ansible": _VERSION}


def kept(values, fields):
    """Return the ``fields`` of a dictionary, with the values that they may have."""
    return {name: _value(values[name], rule) for name, rule in fields.items() if name in values}


def _value(value, rule):
    if isinstance(value, list):
        return [_value(one, rule) for one in value]
    if isinstance(value, dict):
        return kept(value, rule) if isinstance(rule, dict) else "?"
    if value in (None, "") or isinstance(value, (bool, int, float)):
        return value
    return value if isinstance(rule, str) and re.fullmatch(rule, str(value)) else "?"


def answer(result, run):
    """Return what is recorded of the result of a task."""
    vms = [kept(vm, FIELDS) for vm in result.get("vms") or () if isinstance(vm, dict) and is_of_run(vm, run)]
    diffs = [one.get(side) for one in _diffs(result) for side in ("before", "after")]
    options = set(run["capabilities"].get("options", ())) | {"state"}
    differ = {name.partition(".")[0] for one in diffs if isinstance(one, dict) for name in one} & options
    return {
        "changed": result.get("changed") is True,
        "failed": result.get("failed") is True or result.get("unreachable") is True,
        "differ": [name for name in sorted(differ) if re.fullmatch(_NAME, name)],
        "vms": vms,
    }


def _diffs(result):
    found = result.get("diff") or []
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]


def is_of_run(vm, run):
    """Return whether the record of a VM says that this run created it; its name alone does not."""
    return vm.get("name") in run["names"] and vm.get("fleet") == run["fleet"] and bool(vm.get("created"))


def lines(run):
    """Return the lines of a recording: about the run, what the platform can do, and each step."""
    found = [kept(run, _ABOUT), kept(run["capabilities"], _CAPABILITIES)]
    for step in run["steps"]:
        answers = {name: answer(step[name], run) for name in ("check", "run", "again") if name in step}
        found.append({**kept(step, _STEP), **answers})
    return [json.dumps(one, sort_keys=True) for one in found]


def write(run, path):
    """Write the tar. Its entry has no owner, no time and no path."""
    content = "".join(f"{line}\n" for line in lines(run)).encode("ascii")
    entry = tarfile.TarInfo("acceptance.jsonl")
    entry.size = len(content)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    write(json.load(sys.stdin), sys.argv[1])
