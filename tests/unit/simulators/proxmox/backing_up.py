# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores for the tests of the simulated cluster."""

from __future__ import annotations

STORE = "/nodes/pve1/storage/backups"


def vzdump(gateway, vmid=100, node="pve1", **params):
    """Back up a VM; returns the task, or the answer if there is none."""
    given = {"vmid": vmid, "storage": "backups", "remove": 0, **params}
    answer = gateway.call("POST", f"/nodes/{node}/vzdump", {key.replace("_", "-"): given[key] for key in given})
    if answer.status != 200 or answer.data == "OK":
        return answer.data or answer.errors or answer.reason
    return gateway.finished(answer.data)


def listed(gateway, **params):
    return gateway.call("GET", f"{STORE}/content", {"content": "backup", **params}).data


def restore(gateway, archive, vmid=200, node="pve1", user=None, **params):
    """Restore a backup; returns how the task ended, or why it was rejected."""
    given = {"vmid": vmid, "archive": archive, **params}
    extra = {} if user is None else {"user": user}
    answer = gateway.call("POST", f"/nodes/{node}/qemu", given, **extra)
    return gateway.finished(answer.data).exitstatus if answer.status == 200 else answer.errors or answer.reason


def config(gateway, vmid, node="pve1"):
    return gateway.call("GET", f"/nodes/{node}/qemu/{vmid}/config").data
