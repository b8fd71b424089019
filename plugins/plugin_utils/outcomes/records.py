# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the result of a task says about each of its VMs, as records for events and reports. Pure."""

from __future__ import annotations

from ..tasks.registry import PLATFORMS

INFO, WARNING, ERROR = "info", "warning", "error"
DRIFT, REFUSED, FAILED = "drift", "refused", "failed"
#: How a role that prepares a host has ended (host_roles.py).
PREPARED, HOST_FAILED = "host.prepared", "host.failed"
#: How far a task is that has not ended yet.
PROGRESS = "progress"
SEVERITIES = {DRIFT: WARNING, REFUSED: WARNING, FAILED: ERROR, HOST_FAILED: ERROR}

#: The event of a VM by the verbs that were carried out; the first one that fits. All of its verbs must be among them.
_OF_VERBS = (
    ({"delete", "create"}, "vm.recreated"),
    ({"delete", "clone"}, "vm.recreated"),
    ({"create"}, "vm.created"),
    ({"clone"}, "vm.created"),
    ({"delete"}, "vm.deleted"),
    ({"restore"}, "snapshot.restored"),
    ({"snapshot"}, "snapshot.created"),
    ({"drop_snapshot"}, "snapshot.deleted"),
    ({"edit_snapshot"}, "vm.changed"),
    ({"configure"}, "vm.changed"),
    ({"stop", "start"}, "vm.restarted"),
    ({"kill", "start"}, "vm.restarted"),
    ({"reset"}, "vm.restarted"),
    ({"start"}, "vm.started"),
    ({"stop"}, "vm.stopped"),
    ({"kill"}, "vm.stopped"),
    ({"pause"}, "vm.paused"),
    ({"resume"}, "vm.resumed"),
    ({"suspend"}, "vm.suspended"),
)
_VM, _HOST, _IMAGE = "vm.changed", "host.changed", "image.changed"
#: The event of a task whose result has no VMs, by its module; that of all others is _VM.
_OF_MODULE = {
    "virsh_network": "network.changed",
    "virsh_pool": "pool.changed",
    "hyperv_host_settings": _HOST,
    "wsl_host_settings": _HOST,
    "vmm_marked_lines": _HOST,
    "image": _IMAGE,
    "install_medium": _IMAGE,
}
#: {module: the kind of the one object of a host that it manages}. Results have the object in the key of this name.
_OBJECTS = {"virsh_network": "network", "virsh_pool": "pool"}
_OF_OBJECTS = tuple(f"{kind}.{what}" for kind in _OBJECTS.values() for what in ("created", "changed", "deleted"))
#: All events of a VM, a host, an object of a host, or an image that was changed.
CHANGES = tuple(dict.fromkeys([*(event for _verbs, event in _OF_VERBS), _HOST, *_OF_OBJECTS, _IMAGE]))
_PLATFORM_OF = {
    **{module: name for name, one in PLATFORMS.items() for module in one.modules.values()},
    "virsh_network": "libvirt",
    "virsh_pool": "libvirt",
    "hyperv_host_settings": "hyperv",
    "wsl_host_settings": "wsl",
    "vmm_marked_lines": "vmd",
}
#: The event of the outcome for a VM of modules that run tasks themselves: guarded_run and reap.
_OF_OUTCOME = {"restored": "snapshot.restored", "deleted": "vm.deleted", "stopped": "vm.stopped", "failed": FAILED}
HIDDEN = "The result of the task is hidden (no_log)."


def records_of(result, has_failed, context):
    """Return the records of the ``result`` of a task, one for each of its VMs.

    ``context`` are the keys that all of them share (reader.py): ``module``, ``check``, ``is_ignored`` and others. In a
    record without ``event``, nothing was changed. ``vm`` is None if it is about the task as a whole.
    """
    whole = {**context, "plan": result.get("plan"), "object": _object(context["module"], result)}
    if "censored" in result:
        return _hidden(result, has_failed, whole)
    diffs = _Diffs(result.get("diff"))
    records = [_of_vm(one, diffs, has_failed, context) for one in _vms(result)]
    if has_failed and not any(one["event"] in (REFUSED, FAILED) for one in records):
        message = str(result.get("msg") or "The task failed without a message.")
        is_refused = "plan" in result and result["plan"] is None and not result.get("changed")
        changed = bool(result.get("changed")) and not records
        failure = {**whole, "changed": changed, "message": message, "diff": result.get("diff")}
        records.append(record(REFUSED if is_refused else FAILED, failure))
    elif not records and result.get("changed"):
        event = DRIFT if context["check"] else _event_of_whole(whole, result)
        records = [record(event, {**whole, "changed": True, "diff": result.get("diff")})]
    return records


def _object(module, result):
    """The network or pool that a task is about; None for other modules.

    Of a task that was rejected, only the message has the name.
    """
    kind = _OBJECTS.get(module)
    if kind is None:
        return None
    # After a deletion, the only difference is the object itself.
    found = (result.get(kind) or {}).get("name") or next(iter(_before(result)), None)
    return {"kind": kind, "name": found}


def _before(result):
    diff = result.get("diff")
    return (diff.get("before") or {}) if isinstance(diff, dict) else {}


def _event_of_whole(whole, result):
    about = whole["object"]
    if about is None:
        return _event_of_module(whole["module"])
    if result.get(about["kind"]) is None:
        return f"{about['kind']}.deleted"
    is_new = _before(result).get(about["name"], about) is None
    return f"{about['kind']}.created" if is_new else _event_of_module(whole["module"])


def _vms(result):
    """The entries of ``vms`` that describe a VM; those of snapshot_info only list snapshots."""
    vms = result.get("vms")
    return [one for one in vms if {"state", "outcome"} & set(one)] if isinstance(vms, list) else []


def _hidden(result, has_failed, whole):
    """A task with no_log: it is only known whether it has failed, and whether it has changed something."""
    changed = bool(result.get("changed"))
    if not (changed or has_failed):
        return []
    event = FAILED if has_failed else DRIFT if whole["check"] else _event_of_module(whole["module"])
    return [record(event, {**whole, "plan": None, "changed": changed, "message": HIDDEN})]


def _event_of_module(module):
    return _OF_MODULE.get(module, _VM)


def _of_vm(entry, diffs, has_failed, context):
    steps = [{"verb": one["verb"], "done": one["done"]} for one in entry.get("steps") or ()]
    event = (_event_of_outcome if "outcome" in entry else _event_of_vm)(entry, steps, context["check"])
    changed = bool(entry.get("changed")) or ("outcome" in entry and event in (*CHANGES, DRIFT))
    return record(
        event,
        {
            **context,
            # A task that ends well although a VM has failed: ``failed_when: false``.
            "is_ignored": context["is_ignored"] or (event in (REFUSED, FAILED) and not has_failed),
            "platform": entry.get("platform") or context["platform"],
            "vm": {"name": entry.get("name"), "id": entry.get("id"), "source": entry.get("source")},
            "changed": changed,
            "state": entry.get("state"),
            "steps": steps,
            "diff": diffs.take(entry.get("name")) if changed else None,
            "plan": entry.get("plan"),
            "message": str(entry.get("msg") or ""),
            "info": entry,
        },
    )


def _event_of_outcome(entry, _steps, check):
    event = _OF_OUTCOME.get(entry["outcome"])
    return DRIFT if check and event in CHANGES else event


def _event_of_vm(entry, steps, check):
    if entry.get("failed"):
        # The plan of a VM is null only if the task was rejected before its first step.
        return REFUSED if entry.get("plan", "") is None else FAILED
    if not entry.get("changed"):
        return None
    return DRIFT if check else event_of({one["verb"] for one in steps if one["done"]})


def event_of(verbs):
    """Return the event of a VM to which these steps were done."""
    return next((event for needed, event in _OF_VERBS if needed <= set(verbs)), _VM)


def record(event, given):
    """Return a record with all keys. ``given`` has those of the context, and what differs from the usual.

    A failure that the play ignores is a warning.
    """
    severity = SEVERITIES.get(event, INFO)
    values = {
        "event": event,
        "severity": WARNING if severity == ERROR and given["is_ignored"] else severity,
        "role": None,
        "vm": None,
        "object": None,
        "changed": False,
        "state": None,
        "steps": [],
        "diff": None,
        "plan": None,
        "message": "",
        "info": None,
        **given,
    }
    # ansible-core 2.19 passes None for a task without ignore_errors.
    values["ignored"] = bool(values.pop("is_ignored"))
    return values


class _Diffs:
    """The diffs of a result, of which each belongs to one VM; two VMs of two platforms can have the same name."""

    def __init__(self, diffs):
        self._left = [one for one in diffs if isinstance(one, dict)] if isinstance(diffs, list) else []

    def take(self, name):
        found = next((one for one in self._left if name in (one.get("before_header"), one.get("after_header"))), None)
        if found is not None:
            self._left.remove(found)
        return found


def platform_of(module):
    """Return the platform of a module, None for a module of several platforms."""
    return _PLATFORM_OF.get(module)
