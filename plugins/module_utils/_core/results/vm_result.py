# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of modules, the same for every platform: an entry of ``vms``, and an entry of ``diff``."""

from __future__ import annotations

from collections.abc import Mapping

from ..model import ABSENT, COLLECTIONS, STOPPED, Secret
from ..options.option import TOGETHER, VM
from ..planner.differences import pending
from ..planner.drives import MEDIA, in_order, iso_slot, with_first_as_iso, with_iso
from ..record.leases import CREATED, Expiry, created_at, is_expired, iso
from ..record.mark import UNFINISHED, image_of, interrupted_restart, name_of_image, recorded_inputs
from ..units import MIB, human_size, is_size
from ..verbs import CREATING

#: The text that Ansible shows instead of a secret.
MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def describe(vm, platform):
    """Return the VM as in the result of an info module."""
    config = with_first_as_iso(vm.config)
    cpus, memory = (vm.effective.get(key) if config.get(key) is None else config[key] for key in ("cpus", "memory"))
    networks, drives = config.get("networks") or {}, vm.config.get("cdroms") or {}
    return {
        "name": vm.name,
        "id": vm.id,
        "platform": platform,
        "state": vm.power,
        "reason": vm.reason,
        "cpus": cpus,
        "memory_mib": None if memory is None else memory // MIB,
        "description": config.get("description"),
        "tags": list(config.get("tags") or ()),
        "fleet": config.get("fleet") or None,
        "owner": config.get("owner") or None,
        "created": iso(created_at(vm)),
        "expires": iso(config["expires"].at) if config.get("expires") else None,
        "autostart": config.get("autostart"),
        "iso": config.get("iso"),
        "image": image_of(vm),
        "addresses": [{"address": one.address, "source": one.source} for one in vm.addresses],
        "mac_addresses": [entry["mac"] for _position, entry in in_nic_order(networks) if entry.get("mac")],
        "ssh": dict(vm.ssh) if vm.ssh else None,
        "guest_tools": dict(vm.guest_tools) if vm.guest_tools else None,
        "disks": [
            {"slot": slot, **_human_readable(f"disks.{slot}", entry)}
            for slot, entry in sorted((config.get("disks") or {}).items())
        ],
        "cdroms": [{"slot": slot, "source": drives[slot].get("source")} for slot in in_order(drives)],
        "networks": [dict(entry) for _position, entry in in_nic_order(networks)],
        "snapshots": describe_snapshots(vm),
        "settings": _settings(config),
        "native": dict(config.get("native") or {}),
        "restart_required": pending(vm),
    }


def describe_counters(vm):
    """Return the resource usage of a VM as in the result of an info module."""
    found = vm.counters
    return {
        "cpu_time": found.cpu_time,
        "memory_used_mib": None if found.memory_used is None else found.memory_used // MIB,
        "disk_used": found.disk_used,
        "uptime": found.uptime,
    }


#: Settings that have their own key in a result.
_OWN_KEYS = (
    "cpus", "memory", "description", "tags", "fleet", "owner", "expires", CREATED, "autostart", "iso", "cdroms",
    "disks", "networks", "native",
)  # fmt: skip


def _settings(config):
    """Return all other settings by the name of their option; collections as lists, as in a task."""
    result = {}
    for name, value in config.items():
        if name in _OWN_KEYS or value is None:
            continue
        whole = _listed(name, value) if name in COLLECTIONS else plain(value)
        result[name] = _human_readable(name, whole)
    return result


def _listed(name, entries):
    """Return the entries of a list with their names, unless several suboptions together identify them."""
    has_names = VM[name].key != TOGETHER
    return [{**({"name": key} if has_names else {}), **one} for key, one in sorted(entries.items())]


def in_nic_order(networks):
    """Return (position, entry) in the order of the NICs; positions are strings, so "10" must come after "9"."""
    return sorted(networks.items(), key=lambda item: (len(item[0]), item[0]))


def in_tree_order(snapshots):
    """Return snapshots in the order of their tree: parents before children, siblings by age."""
    known = {key for one in snapshots for key in (one.id, one.name)} - {None}
    children = {}
    for one in snapshots:
        # A snapshot with an unknown parent is a root: other tools may have removed the parent.
        children.setdefault(one.parent if one.parent in known else None, []).append(one)
    # A stack, because a chain may be longer than Python permits calls.
    found, waiting = [], _oldest_last(children.get(None, ()))
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += _oldest_last([child for key in {one.id, one.name} - {None} for child in children.get(key, ())])
    return found


def _oldest_last(snapshots):
    return sorted(snapshots, key=lambda one: (one.created is None, one.created or 0))[::-1]


def describe_snapshots(vm):
    """Return the snapshots of a VM as in results, in the order of their tree."""
    return [_snapshot(snapshot) for snapshot in (in_tree_order(vm.snapshots) if vm.snapshots else ())]


def _snapshot(snapshot):
    return {
        "name": snapshot.name,
        "id": snapshot.id,
        "parent": snapshot.parent,
        "state": snapshot.power,
        "description": snapshot.description,
        "kind": snapshot.kind,
        "created": None if snapshot.created is None else int(snapshot.created),
        "current": snapshot.current,
        "unfinished": snapshot.unfinished,
        "expires": iso(snapshot.expires.at) if snapshot.expires else None,
    }


def listed_backups(vm, asked):
    """Return the backups in the result of a task: a restore can choose those of another VM that had the name."""
    from ..backup.backup import own_backups

    return describe_backups(own_backups(vm, with_others=asked.state != "present"))


def describe_backups(backups):
    """Return backups as in results, oldest first."""
    return [_backup(one) for one in sorted(backups, key=lambda one: (one.start, one.id))]


def _backup(backup):
    return {
        "id": backup.id,
        "vm": backup.vm,
        "birth": backup.birth,
        "start": iso(backup.start),
        "consistency": backup.consistency,
        "state": backup.power,
        "host": backup.host,
        "size": backup.size,
        "excluded": list(backup.excluded),
        "protected": backup.protected,
        "unfinished": backup.unfinished,
        "damaged": backup.damaged,
    }


def entry(vm, platform, plan, done=(), error=None, notes=None, changed=None, digest="", deleted=()):
    """Return one entry of ``vms``: the VM and what the task did. ``done`` are the numbers of the complete steps.

    The keys are always the same, also of a VM that does not exist, so that a template can use each of them.
    ``changed`` does not follow from ``done``: half a step changes a VM, and a step is also complete if someone else did
    the same. ``digest`` is that of the plan (plan_content.py), ``deleted`` are the paths that it deletes.
    """
    notes = notes or {}
    kept, not_carried = {}, []
    for step in plan.steps:
        kept.update(step.arguments.get("kept", {}))
        not_carried += (step.arguments.get("creation", {}).get("appliance") or {}).get("not_carried", ())
    return {
        **describe(vm, platform),
        "changed": bool(done) if changed is None else changed,
        "failed": error is not None,
        "msg": str(error) if error else "",
        "steps": [_step(step, number in done, notes.get(number)) for number, step in enumerate(plan.steps)],
        "plan": digest,
        "not_compared": list(plan.not_compared),
        "not_carried": not_carried,
        "deleted": list(deleted) if plan.steps else [],
        "kept": [{"path": path, "reason": why} for path, why in sorted(kept.items())],
    }


def not_in_force(vm, request):
    """Return the warning about options of the task that take effect at the next start, or None."""
    asked = set(request.config) | (MEDIA if MEDIA & set(request.config) else set())
    waiting = [path for path in pending(vm) if path.split(".")[0] in asked]
    if not waiting:
        return None
    remedy = "" if request.policy.allow_restart else " (set allow_restart: true to apply now)"
    return f"{vm.name}: stored, takes effect at the next start: {', '.join(waiting)}{remedy}."


def not_awaited(vm, request):
    """Return the warning about a guest that the task does not wait for, because it leaves the VM off, or None."""
    if request.policy.wait_for == "state" or request.snapshot is not None or request.awaits(vm):
        return None
    return f"{vm.name}: wait_for: the VM is {vm.power}, so the task does not wait. Set state: started to start it."


def from_another_image(vm, request):
    """Return the warning about a VM that was created from another image than the task names, or None."""
    asked, created_from = request.creation.get("image"), image_of(vm)
    if not asked or not created_from:
        return None
    name, known, checksum = name_of_image(asked), created_from, asked.get("checksum") or ""
    if name != known["name"]:
        differs = f"the VM was created from '{known['name']}', and the task names '{name}'"
    elif "://" not in checksum and known["digest"] and checksum and checksum.lower() != known["digest"]:
        differs = f"the VM was created from an image with the checksum {known['digest']}, and the task sets {checksum}"
    else:
        return None
    return f"{vm.name}: image: {differs}. Its disks were not changed; to create it again, delete it first."


def other_cloud_init(vm, request):
    """Return the warning about a VM that was created with other values of cloud_init than the task sets, or None."""
    asked = request.creation.get("cloud_init") or request.config.get("cloud_init")
    recorded = recorded_inputs(vm).get("cloud_init")
    if not asked or not isinstance(recorded, dict):
        return None
    # Most tasks do not set it.
    from ..record.seed_digests import digests_of

    changed = [name for name, digest in digests_of(asked).items() if recorded.get(name) != digest]
    if not changed:
        return None
    return (
        f"{vm.name}: cloud_init: {', '.join(changed)}: the VM was created with other values. They are used at creation"
        " only, so the guest was not changed; to apply them, delete the VM first."
    )


def created_without(planned, request):
    """Return the warning about what the task creates a VM from, and an existing VM was not created from, or None."""
    before = planned.before
    names = [name for name, value in request.creation.items() if value and name not in recorded_inputs(before)]
    is_kept = ABSENT not in (before.power, planned.after.power) and before.reason != UNFINISHED
    if not names or not is_kept or any(step.verb in CREATING for step in planned.steps):
        return None
    return (
        f"{before.name}: {', '.join(sorted(names))}: the record of the VM does not say that it was created from it. It"
        " is used at creation only, so the VM was not changed; to apply it, delete the VM first."
    )


def expired(vm, request):
    """Return the warning about a VM that has expired, or None."""
    if vm.power == ABSENT or not is_expired(vm, request.policy.controller_time):
        return None
    return f"{vm.name}: it has expired ({iso(vm.config['expires'].at)}). To keep it, set another expires."


def left_off(vm, request):
    """Return the warning about a VM that an interrupted restart has left off, perhaps before a later start, or None."""
    power, begun, is_recent = interrupted_restart(vm, request.policy.controller_time)
    is_left = vm.power == STOPPED and request.state == "present" and request.snapshot is request.backup is None
    text = f"{vm.name}: it was {power} until a task that restarted it was interrupted ({begun}). Set state to start it"
    return f"{text}, or to keep it stopped." if power and is_left and not is_recent else None


def doubtful_backups(vm, request, planned):
    """Return the warning about backups that do not count, such as those that others need, or None."""
    if request.backup is None:
        return None
    now = request.policy.controller_time
    notes = [f"backup {one.id}: {note}" for one in vm.backups if one.start == now for note in one.notes]
    found = [f"{one.id}: {why}" for one in vm.backups for why in reasons_against(one, now)]
    found += [f"{one.id}: it is kept, because {one.needed}" for one in planned.before.backups if one.needed]
    doubtful = [f"these backups do not count: {'; '.join(found)}"] if found else []
    return f"{vm.name}: {'. '.join([*notes, *doubtful])}." if notes or doubtful else None


def reasons_against(backup, now):
    """Return why a backup does not count, as texts; of unfinished ones only those that nothing here completes."""
    ahead = "its date is in the future" if backup.is_ahead(now) else ""
    return [one for one in (backup.damaged, ahead, backup.unfinished if backup.is_foreign else "") if one]


def warnings_about(vm, request, planned):
    """Return the warnings about a VM, each a text or None; ``planned`` is the Plan of the task."""
    found = (not_in_force, not_awaited, from_another_image, other_cloud_init, expired, left_off)
    of_plan = created_without(planned, request), doubtful_backups(vm, request, planned)
    return [*(warn(vm, request) for warn in found), *of_plan]


def _step(step, done, note):
    return {
        "verb": step.verb,
        "changes": [
            {
                "path": change.path,
                "before": plain(_value(change, change.old)),
                "after": plain(_value(change, change.new), change.old),
                "cost": change.cost,
            }
            for change in step.changes
        ],
        "cost": step.cost,
        "also": list(step.also),
        "done": done,
        "note": note or step.note,
    }


def _value(change, value):
    """Return a value of a change as its path names it: that of ``iso`` is the image in a drive that is added."""
    is_drive = change.shown and isinstance(value, Mapping)
    return _human_readable(change.path, value.get("source") if is_drive else value)


def plain(value, before=None):
    """Return a value as JSON types with secrets masked; the mask of a secret that differs from ``before`` says so."""
    if isinstance(value, (tuple, list, set, frozenset)):
        former = dict(enumerate(before)) if isinstance(before, (tuple, list)) else {}
        return [plain(item, former.get(number)) for number, item in enumerate(value)]
    if isinstance(value, dict):
        former = before if isinstance(before, dict) else {}
        return {key: plain(item, former.get(key)) for key, item in value.items()}
    if isinstance(value, Secret):
        return MASK if before in (None, value) else f"{MASK} (another)"
    return value


def difference(plan):
    """Return the diff of one VM with only the paths that differ; None if nothing is changed."""
    if not plan.changed:
        return None
    slot = iso_slot(plan.before.config, plan.after.config)
    before, after = (flat(vm.having(config=with_iso(vm.config, slot))) for vm in (plan.before, plan.after))
    if plan.after.restarted and plan.before.power != ABSENT and before.get("state") == after.get("state"):
        before["restarted"], after["restarted"] = False, True
        before["restart_required"], after["restart_required"] = pending(plan.before), pending(plan.after)
    if plan.before.name != plan.after.name:
        before["name"], after["name"] = plan.before.name, plan.after.name
    if plan.after.restored:
        after["restored"] = plan.after.restored
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return {
        "before_header": plan.before.name,
        "after_header": plan.after.name,
        "before": {key: plain(_human_readable(key, before[key])) for key in keys if key in before},
        "after": {key: plain(_human_readable(key, after[key]), before.get(key)) for key in keys if key in after},
    }


def _human_readable(path, value):
    """Return sizes as text such as 8G, which a task accepts, also those in a dictionary; other values are unchanged."""
    if isinstance(value, dict) and not path.startswith("native"):
        return {name: _human_readable(f"{path}.{name}", one) for name, one in value.items()}
    if isinstance(value, Expiry):
        return value.shown
    return human_size(value) if is_size(path) and isinstance(value, int) else value


def flat(vm):
    """Return a VM as a flat {path: value}."""
    backups = {"backups": sorted(one.id for one in vm.backups)} if vm.backups else {}
    backups.update({f"backups.{one.id}.protected": True for one in vm.backups if one.protected})
    if vm.power == ABSENT:
        return {"state": vm.power, **backups}
    paths = {"state": vm.power, **flat_config(vm.config), **backups}
    paths.pop(CREATED, None)
    if vm.snapshots:
        paths["snapshots"] = [snapshot.name for snapshot in in_tree_order(vm.snapshots)]
        paths.update({f"snapshots.{one.name}.expires": one.expires for one in vm.snapshots if one.expires})
    return paths


def flat_config(config):
    """Return a configuration as a flat {path: value}."""
    paths = {}
    for name, value in config.items():
        if name in COLLECTIONS and value:
            for key, attributes in value.items():
                paths.update(_flat_entry(f"{name}.{key}", attributes))
        elif isinstance(value, Mapping):
            paths.update({f"{name}.{key}": one for key, one in value.items()})
        elif value is not None:
            paths[name] = value
    return paths


def _flat_entry(path, attributes):
    # An entry without attributes must still appear in a diff if it is added or removed.
    return {f"{path}.{attribute}": one for attribute, one in attributes.items()} or {path: "present"}
