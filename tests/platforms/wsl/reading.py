# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the state of distributions, by option name, from the records of the double, without the product."""

from __future__ import annotations

import json

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from platforms.leases import lease_in
from platforms.wsl.double.conf import read_conf

_LOGONS = {"S4U": "true", "InteractiveToken": "at_logon"}


def mark_of(distro):
    return json.loads(distro.values.get("polyvirt") or "{}")


def vm_state(host, distro):
    """The state of a distribution, in the form that the suite compares."""
    stored = distro.files.get("/etc/wsl.conf", b"")
    running = distro.started_with if distro.running else None
    return {
        "id": distro.guid,
        "power": RUNNING if distro.running else STOPPED,
        "stored": json.dumps(_settings(host, distro, stored), sort_keys=True),
        "running": None if running is None else json.dumps(_settings(host, distro, running), sort_keys=True),
        "disks": {"disk0": distro.disk} if distro.version == 2 else {},
        "macs": [],
        "seeds": [],
    }


def _settings(host, distro, text):
    mark, conf = mark_of(distro), read_conf(text.decode("latin-1"))
    disk = host.files.vhd(distro.disk)
    task = next((one for one in host.tasks.values() if one.name == distro.guid), None)
    return {
        "description": mark.get("description", ""),
        "tags": mark.get("tags", []),
        "fleet": mark.get("fleet", ""),
        **lease_in(mark),
        "disks": disk.size if disk else None,
        "default_user": effective_user(distro, conf),
        "systemd": conf.get("boot.systemd", "").lower() in ("true", "1"),
        "keep_running": _LOGONS[task.value("Principals", "Principal", "LogonType")] if task else "false",
        "native": conf.get("network.hostname"),
    }


def effective_user(distro, conf):
    """The user of a new session: that of wsl.conf, else that of the registry, else root."""
    users = distro.users()
    if conf.get("user.default") in users:
        return conf["user.default"]
    return next((name for name, uid in users.items() if uid == distro.uid), "root")
