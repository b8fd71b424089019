# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of the return values of the modules for WSL; see returns.py."""

from __future__ import annotations

from lib.return_values import NO_SNAPSHOTS

WSL = {
    "placeholders": {"platform": "wsl", "tool": "WSL", "vm": "wsl_distro", "unusable": "cannot be used"},
    "vm": {
        "name.sample": "dev",
        "id.description": "GUID of the distribution; null for one that does not exist (yet).",
        "id.sample": "{8f3c2a51-6d0e-4b7a-9c1d-2e5f7a904b13}",
        "state.description": "Power state - absent, stopped, running or unknown.",
        "reason.description": "Why the power state is unknown.",
        "reason.sample": "State 9 in the registry",
        "cpus.description": "Always null; all distributions share one virtual machine.",
        "memory_mib.description": "Always null; all distributions share one virtual machine.",
        "autostart.description": "Always null; see C(settings.keep_running).",
        "iso.description": "Always null.",
        "addresses.description": "Always empty; a distribution is reached through its host.",
        "addresses.contains.source.description": "Always empty.",
        "addresses.sample": [],
        "mac_addresses.description": "Always empty.",
        "ssh.description": "Always null.",
        "disks.description": "The virtual disk; empty for version 1.",
        "disks.contains.bus": None,
        "disks.contains.format": None,
        "disks.contains.slot.sample": "disk0",
        "disks.contains.source.description": "File of the disk.",
        "disks.contains.source.sample": "C:\\WSL\\dev\\ext4.vhdx",
        "networks.description": "Always empty.",
        "networks.contains": {"type": {"description": "Never returned.", "type": "str"}},
        "settings.description": "All other settings of the distribution, by the name of their option. Those that"
        " are stored in it (systemd, default_user) only if it runs, or if the task sets one of them.",
        "settings.sample": {"version": 2, "default": True, "keep_running": "true", "systemd": True},
        "native.description": "Values of the keys in O(native).",
    },
    "snapshot": NO_SNAPSHOTS,
    "host": {
        "version.description": "Version of WSL; V(inbox) for the version that is a part of Windows, or null.",
        "version.sample": "2.6.3.0",
        "why.description": "Null, or why WSL cannot be used - missing, not_responding, wrong_system (the local"
        " system has no distributions, or no Windows host).",
        "kernel": {"description": "Version of the kernel, or null.", "type": "str", "sample": "6.6.87.2-1"},
        "wslg": {"description": "Version of WSLg, or null.", "type": "str", "sample": "1.0.71"},
        "windows": {"description": "Version of Windows, or null.", "type": "str", "sample": "10.0.26100"},
        "default_version": {"description": "Version of new distributions.", "type": "int", "sample": 2},
        "idle_timeout": {
            "description": "Seconds until a distribution stops that nothing uses; null for never.",
            "type": "int",
            "sample": 15,
        },
        "features_missing": {
            "description": "Features of Windows that WSL needs and that are not enabled; null if unknown.",
            "type": "list",
            "elements": "str",
        },
        "reboot_required": {
            "description": "Whether a restart of Windows is needed; null if unknown.",
            "type": "bool",
        },
    },
    "addresses": "",
}
