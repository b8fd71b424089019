# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events about VMs: the differences between what was known of them and what is observed or reported now. Pure."""

from __future__ import annotations

from ..model import FAILED, PAUSED, RUNNING, STOPPED, SUSPENDED

#: The event of a VM that has changed to a power state. Other states, such as ``unknown``, are no news of the VM.
_CHANGED_TO = {
    RUNNING: "vm.started",
    STOPPED: "vm.stopped",
    PAUSED: "vm.paused",
    SUSPENDED: "vm.suspended",
    FAILED: "vm.crashed",
}
_RESUMED = {(PAUSED, RUNNING): "vm.resumed"}


class KnownVms:
    """The VMs of an inventory as they are known: dictionaries with ``source``, ``id``, ``name``, ``state`` and others.

    Each method returns the events of what is new, so that nothing is reported twice, whoever notices it first.
    """

    def __init__(self):
        self._vms, self._expired, self._crashed = None, set(), {}

    def observed(self, vms, unread=(), newer=()):
        """Return the events of an observation. The first one has none: later ones are compared with it.

        ``unread`` are the sources that could not be read: their VMs are as before. ``newer`` are the (source, name) of
        VMs that were reported while the observation was made: it may be older than the reports.
        """
        found = {_key(vm): vm for vm in vms}
        known, self._vms = self._vms, found
        if known is None:
            return []
        events = []
        for key, vm in known.items():
            is_kept = vm["source"] in unread or (vm["source"], vm["name"]) in newer
            if is_kept and (key not in found or vm["state"] != found[key]["state"]):
                found[key] = {**found.get(key, vm), "state": vm["state"]}
            elif key not in found:
                events.append(_event("vm.deleted", vm, vm["state"]))
        for key, vm in found.items():
            events += _created(vm) if key not in known else self._changed(key, known[key]["state"], vm["state"])
        return events

    def expired(self, now):
        """Return the events of VMs that have expired, or have crashed and are as then; ``now`` is in ISO 8601 and UTC.

        Unlike all others, these are reported after the first observation too: somebody has to end or start the VM. They
        have other names from the second time on, so that a rule whose action failed or was limited gets them again.
        """
        found = [vm for vm in (self._vms or {}).values() if vm.get("expires") and vm["expires"] <= now]
        known, self._expired = self._expired, {(*_key(vm), vm["expires"]) for vm in found}
        events = [
            _event("vm.still_expired" if (*_key(vm), vm["expires"]) in known else "vm.expired", vm, vm["state"])
            for vm in found
        ]
        crashed = [vm for vm in (self._vms or {}).values() if vm["state"] in (FAILED, self._crashed.get(_key(vm)))]
        return [*events, *(_event("vm.still_crashed", vm, vm["state"]) for vm in crashed)]

    def reported(self, source, name, state, has_crashed=False, reason=None):
        """Return the events of a report that a VM has changed its state; None if the VM is not known.

        ``has_crashed``: the VM is in ``state`` because it crashed.
        """
        keys = [key for key, vm in (self._vms or {}).items() if (vm["source"], vm["name"]) == (source, name)]
        if len(keys) != 1:
            return None
        return self._changed(keys[0], self._vms[keys[0]]["state"], state, has_crashed, reason)

    def _changed(self, key, before, after, has_crashed=False, reason=None):
        if after not in _CHANGED_TO:
            self._vms[key] = {**self._vms[key], "state": before}
            return []
        self._vms[key] = vm = {**self._vms[key], "state": after}
        if after == before or before not in _CHANGED_TO:
            return []
        # A crash that was reported before, as a state of the VM, is not another one when the VM ends.
        kind = "vm.crashed" if has_crashed and before != FAILED else _RESUMED.get((before, after), _CHANGED_TO[after])
        self._crashed[key] = after if kind == "vm.crashed" else None
        return [_event(kind, vm, before, reason)]


def _created(vm):
    """Return the events of a new VM: its creation, and its power state unless it is stopped."""
    created = [_event("vm.created", vm, None)]
    is_news = vm["state"] in _CHANGED_TO and vm["state"] != STOPPED
    return [*created, _event(_CHANGED_TO[vm["state"]], vm, STOPPED)] if is_news else created


def _key(vm):
    return vm["source"], vm["id"] or vm["name"]


def _event(kind, vm, previous_state, reason=None):
    return {"event": kind, "vm": vm, "previous_state": previous_state, "reason": reason}
