# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which expired VMs a run deletes or stops, which expired snapshots it deletes, and what it reports. Pure."""

from __future__ import annotations

from ...module_utils._core.record.leases import iso
from ...module_utils._core.texts import visible

DELETE, STOP = "delete", "stop"
#: {action: (state of the VM, what was done)}
ACTIONS = {DELETE: ("absent", "deleted"), STOP: ("stopped", "stopped")}
KEPT, FAILED = "kept", "failed"


def due(vms, now, grace, owner=None):
    """Return the entries of an info module that expired at least ``grace`` seconds before ``now``, oldest first.

    Times in ISO 8601 and UTC can be compared as text. The module decides again, with the mark that it then reads.
    """
    found = [one for one in vms if _is_due(one, now, grace) and owner in (None, one["owner"])]
    return sorted(found, key=lambda one: (one["expires"], one["name"]))


def due_snapshots(vms, now, grace, owner=None):
    """Return the expired snapshots of VMs that are not due themselves, as entries of their VMs with ``snapshot``.

    A child comes before its parent: some platforms delete no snapshot with several children.
    """
    kept = [one for one in vms if not _is_due(one, now, grace) and owner in (None, one["owner"])]
    return [
        {**vm, "expires": snapshot["expires"], "snapshot": snapshot}
        for vm in sorted(kept, key=lambda one: one["name"])
        for snapshot in reversed(vm.get("snapshots") or ())
        if _is_due(snapshot, now, grace)
    ]


#: {platform: setting that must permit the end of a VM}. There, an account may write the record of a VM that it may not
#: delete, and needs more than that to change this setting.
_PERMITTED_BY = {"proxmox": "pool"}


def is_permitted(vm, pools):
    """Return whether a due VM may be ended. An account that may write a snapshot's expiry may also delete it."""
    setting = _PERMITTED_BY.get(vm["platform"])
    return setting is None or bool(vm.get("snapshot")) or vm["settings"].get(setting) in pools


def entry_of_kept(vm, source):
    """Return the entry of a VM that is not permitted to be ended."""
    pool = vm["settings"].get(_PERMITTED_BY[vm["platform"]])
    where = f"it is in the pool '{pool}'" if pool else "it is in no pool"
    reason = f"{where}, and only VMs in the pools that the option pools (reap_pools) names are ended"
    return {**entry_of(vm, source, {}, STOP), "msg": f"{reason}."}


def _is_due(entry, now, grace):
    return bool(entry.get("expires")) and entry["expires"] <= iso(now - grace)


def options_of(vm, action, grace, stop_mode=None):
    """Return the options of the task, besides the connection, that ends a lease. ``grace`` is in minutes."""
    which = {"id": vm["id"]} if vm.get("id") else {"name": vm["name"]}
    if vm.get("snapshot"):
        snapshot = vm["snapshot"]["id"] or vm["snapshot"]["name"]
        return {**which, "snapshot": snapshot, "state": "absent", "expired_for": f"{grace}m"}
    state, _done = ACTIONS[action]
    how = {"stop_mode": stop_mode} if stop_mode else {}
    return {**which, "state": state, "expired_for": f"{grace}m", **how}


def entry_of(vm, source, result, action):
    """Return the entry of a VM or a snapshot in the result: who it belonged to, and what was done."""
    outcome = FAILED if result.get("failed") else ACTIONS[action][1] if result.get("changed") else KEPT
    kept = [one for entry in result.get("vms") or () for one in entry.get("kept") or ()]
    return {
        **{key: vm.get(key) for key in ("name", "id", "platform", "owner", "expires")},
        "snapshot": vm["snapshot"]["name"] if vm.get("snapshot") else None,
        "source": source,
        "outcome": outcome,
        "msg": _without_label(str(result.get("msg") or ""), vm) if outcome == FAILED else "",
        "kept": kept,
    }


def _without_label(message, vm):
    """Return a message without the name or the ID of the VM: the list of messages begins with the name."""
    for label in (vm["name"], vm.get("id")):
        message = message.removeprefix(f"{label}: ")
    return message


def table(entries, check):
    """Return the lines of a table of ``entries``; none without VMs."""
    if not entries:
        return []
    done = "WOULD BE" if check else "OUTCOME"
    keys = ("outcome", "source", "name", "snapshot", "owner", "expires")
    rows = [(done, "SOURCE", "VM", "SNAPSHOT", "OWNER", "EXPIRED")]
    return aligned([*rows, *(tuple(str(one[key] or "-") for key in keys) for one in entries)])


def aligned(rows):
    """Return the lines of a table; names are those that others chose."""
    rows = [[visible(text).replace("\n", "\\n") for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
