# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as data for its digest, and as lines for people. Pure.

The table in docs/approvals.md says what is part of the digest and what is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from ..frozen import Frozen, fields
from ..model import ABSENT, Secret, Vm
from ..planner.contents import files_of_appliance
from ..planner.drives import MEDIA, inserted_image, media_of, with_first_as_iso
from ..planner.plan_create import find_snapshot
from ..planner.planned_steps import deleted_files
from ..record.document_secrets import is_literal_secret
from ..record.mark import CREATED, name_of_image
from ..record.seed_digests import whole_digests_of
from ..texts import without_secrets
from ..verbs import SNAPSHOT_VERBS, STARTING, VERB
from .vm_result import difference, flat_config

#: Letters without vowels and numbers, in groups: hardly a password is part of such a text, which would be masked.
_LETTERS = "bcdfghjklmnpqrst"
_GROUP, _LENGTH = 4, 32
#: The fields of a Policy that change what is done to a VM; the others are about waiting and permission.
_POLICY = ("extend", "stop_mode", "stop_timeout", "delete_disks", "purge", "on_failure", "at_start")
_CLOUD_INIT, _IMAGE, _APPLIANCE = "cloud_init", "image", "appliance"
_SECRET = {"secret": True}
#: A step that only makes the content of an image available; which content is part of the creation.
_FETCH = "fetch"
_CLONE, _DELETE, _CONFIGURE = "clone", "delete", "configure"
_CREATING = ("create", _CLONE)


def digest(content):
    """Return the digest of plain data, such as plan-bcdf-ghjk-..."""
    text = json.dumps(canonical(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    letters = "".join(_LETTERS[number] for number in _nibbles(hashlib.sha256(text.encode()).digest()))[:_LENGTH]
    return "-".join(["plan", *(letters[place : place + _GROUP] for place in range(0, _LENGTH, _GROUP))])


def _nibbles(data):
    return [half for byte in data for half in (byte >> 4, byte & 15)]


def canonical(value):
    """Return a value as plain data that is the same for the same meaning, with any version of Python and Ansible."""
    if isinstance(value, Secret):
        return _SECRET
    if isinstance(value, str):
        # As it is: of two texts that look alike, each is the name of another file, VM or host.
        return str.__str__(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return int(value) if value == int(value) else value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, Vm):
        return {"name": canonical(value.name), "id": canonical(value.identity)}
    if isinstance(value, Frozen):
        return {name: canonical(getattr(value, name)) for name in fields(value)}
    if isinstance(value, Mapping):
        return {str(canonical(key)): _named(str(key), one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((canonical(one) for one in value), key=json.dumps)
    return [canonical(one) for one in value]


def _named(name, value):
    """Return the value of a key: all values of a dictionary can be secret in results, but few of them are secrets."""
    is_shown = isinstance(value, Secret) and not is_literal_secret(name, value)
    return str.__str__(value) if is_shown else canonical(value)


def content_of(plan, request, versions=(), where="", deleted=()):
    """Return what a plan does to a VM, and what it was decided from. ``versions``: {path: version} of used files.

    ``deleted``: the files that it deletes, also those that another program deletes with its call. ``where``: the host
    or cluster, also if the environment of the task names it, such as a credential of AWX. A plan can show less of
    cloud_init than a new VM gets from the task, such as no documents.
    """
    before = plan.before
    is_new = any(step.verb in _CREATING for step in plan.steps)
    # What ends may have been exchanged for an older state of the same VM.
    generation = before.generation if any(VERB[step.verb].ends for step in plan.steps) else None
    return {
        "where": where,
        "vm": {"name": plan.after.name, "id": before.identity, "power": before.power, "generation": generation},
        "steps": [_step(step, before) for step in plan.steps if step.verb != _FETCH],
        "policy": {name: getattr(request.policy, name) for name in _POLICY},
        _CLOUD_INIT: _seed({**request.config, **request.creation}.get(_CLOUD_INIT)) if is_new else {},
        "versions": dict(versions),
        "deleted": list(deleted),
    }


def _step(step, before):
    return {
        "verb": step.verb,
        "changes": [_change(change) for change in step.changes],
        "arguments": {name: _ARGUMENTS.get(name, _as_is)(value) for name, value in step.arguments.items()},
        "snapshots": [{"id": one.id, "name": one.name, "created": one.created} for one in _snapshots(step, before)],
        "disks": _disks(step, before),
        # A clone gets settings that no option has, too.
        "source": step.arguments["source"].revision if step.verb == _CLONE else None,
    }


def _snapshots(step, before):
    """Return the snapshots that a step restores, deletes or copies; a VM is deleted, or replaced, with all it has."""
    if VERB[step.verb].ends:
        return before.snapshots
    if step.verb == _CLONE:
        name = step.arguments["creation"][_CLONE].get("snapshot")
        return list(filter(None, [find_snapshot(step.arguments["source"], name)]))
    if step.verb not in SNAPSHOT_VERBS:
        return []
    selected = {step.arguments.get("id"), *step.arguments.get("ids", ())} - {None}
    return [one for one in before.snapshots if {one.id, one.name} & selected]


def _disks(step, before):
    """Return {slot: file and size} of the existing disks that a step uses or deletes."""
    vm = step.arguments["source"] if step.verb == _CLONE else before
    disks = vm.config.get("disks") or {}
    if step.verb == _CONFIGURE:
        changed = {change.key for change in step.changes if change.field == "disks"}
        disks = {slot: disk for slot, disk in disks.items() if slot in changed}
    elif step.verb != _CLONE and not VERB[step.verb].uses_disks:
        return {}
    return {slot: {key: disk.get(key) for key in ("source", "size")} for slot, disk in disks.items()}


def _change(change):
    values = {"old": change.old, "new": change.new}
    if change.field == _CLOUD_INIT:
        values = {key: _seed({change.attribute: value}) for key, value in values.items()}
    return {"path": [change.field, change.key, change.attribute], "cost": change.cost, **values}


def _as_is(value):
    return value


def _creation(creation):
    parts = {_IMAGE: _image, _CLOUD_INIT: _seed, _APPLIANCE: _appliance}
    return {name: parts.get(name, _as_is)(value) for name, value in creation.items() if value is not None}


def _config(config):
    return {name: _seed(value) if name == _CLOUD_INIT else value for name, value in config.items() if name != CREATED}


def _image(image):
    slot = {"slot": image["slot"]} if image.get("slot") else {}
    return {"name": name_of_image(image), "digest": image.get("digest"), "linked": bool(image.get("linked")), **slot}


def _appliance(appliance):
    """Return which disks a VM gets; what the descriptor says about the rest is in its settings.

    Whether a host has the copy of a disk already is no part of the plan.
    """
    disks = {slot: {**disk, "fetch": None} for slot, disk in (appliance.get("disks") or {}).items()}
    source = without_secrets(appliance["source"])
    return {"source": source, "checksum": appliance.get("checksum"), "disks": disks}


def _seed(cloud_init):
    """Return the fields of cloud_init as digests, and whether there is a password."""
    given = dict(cloud_init or {})
    return {**whole_digests_of(given), "password": given.get("password") is not None}


def _made(backup):
    """Return what a new backup is like; its ID is its time."""
    return {"consistency": backup.consistency, "excluded": backup.excluded, "protected": backup.protected}


_ARGUMENTS = {"creation": _creation, "config": _config, "kept": sorted, "made": _made}


def written_files(plan):
    """Return the files that a guest writes, and that a plan uses, copies or deletes: their content is no part of it."""
    disks = [disk["source"] for step in plan.steps for disk in _disks(step, plan.before).values()]
    return sorted({path for path in (*disks, *deleted_files(plan)) if path})


def used_files(plan):
    """Return the files that a plan reads or attaches: an image by its path, an ISO image, existing disks."""
    paths = [path for step in plan.steps for path in (*_of_creation(step), *_of_changes(step))]
    paths += files_of_appliance(plan)
    return sorted({path for path in paths if path})


def native_files(plan):
    """Return the files in ``native`` that a plan sets or starts a VM with, such as a kernel: absolute paths."""
    native = plan.after.config.get("native") or {}
    is_used = any(step.verb in (*_CREATING, *STARTING) or _sets_native(step) for step in plan.steps)
    return sorted({one for one in native.values() if isinstance(one, str) and one.startswith("/")}) if is_used else []


def _sets_native(step):
    return any(change.field == "native" for change in step.changes)


def _of_creation(step):
    """Return the files that a VM is created with; a digest identifies an image."""
    config, image = step.arguments.get("config") or {}, (step.arguments.get("creation") or {}).get(_IMAGE) or {}
    yield None if image.get("digest") else image.get("source")
    yield from (path for _option, path in media_of(config))
    for disk in (config.get("disks") or {}).values():
        yield (disk or {}).get("source")


def _of_changes(step):
    for change in step.changes:
        if change.kind == "disks.source":
            yield change.new
        elif change.field in MEDIA:
            yield inserted_image(change)
        elif change.kind == "disks.add":
            yield change.new.get("source")


def obstacle_of(plan, versions=()):
    """Return why a plan cannot be approved, or an empty string: the content at an address can change.

    ``versions``: {path: version} of used files; None if nobody can see whether the file is replaced.
    """
    for step in plan.steps:
        image = (step.arguments.get("creation") or {}).get(_IMAGE) if step.verb == "create" else None
        name = name_of_image(image) if image else ""
        if "://" in name and not image.get("digest"):
            return f"image: {name}: an address without a checksum can have another content later. Set its checksum."
    if any(step.verb == _DELETE for step in plan.steps) and plan.before.identity == "":
        return (
            f"{plan.before.name}: nothing identifies this VM, and a later one can have its name and ID, so its"
            " deletion cannot be approved."
        )
    unknown = next((path for path, version in dict(versions).items() if version is None), None)
    return "" if unknown is None else _unknown(unknown)


def _unknown(path):
    if "://" in path:
        return f"{path}: an address without a checksum can have another content later. Set its checksum."
    return f"{path}: it cannot be seen whether this file is replaced later. Use a file that the task can read."


def lines_of(plan, defaults=None):
    """Return a plan as lines, without secrets: the steps, what they change, and what a deletion destroys.

    A new VM is shown without the ``defaults`` of its platform, and without the settings that it has from its source.
    """
    differs = difference(plan) or {"before": {}, "after": {}}
    before, after = differs["before"], differs["after"]
    known, end = _known(plan, defaults or {}), flat_config(with_first_as_iso(plan.after.config))
    paths = [key for key in sorted({*before, *after}) if key in before or key not in known or end[key] != known[key]]
    # A VM that is deleted had these settings, which is no reason to keep it.
    keys = ["state"] if plan.after.power == ABSENT else paths
    return [
        f"{plan.after.name}: {', '.join(step.verb for step in plan.steps)}",
        *(f"  {key}: {_shown(before, key)} -> {_shown(after, key)}" for key in keys),
        *(line for step in plan.steps for line in _source_lines(step)),
        *(f"  deletes {one}" for one in _deleted(plan)),
    ]


def _known(plan, defaults):
    """Return {path: value} of what a new VM has if the task does not set it."""
    created = [step for step in plan.steps if step.verb in _CREATING]
    found = {}
    for step in created:
        config = step.arguments["source"].config if step.verb == _CLONE else defaults
        found.update(flat_config(with_first_as_iso(config)))
    return found


def _source_lines(step):
    """Yield what a VM is created from."""
    creation = step.arguments.get("creation") or {}
    if step.verb == _CLONE:
        source, snapshot = step.arguments["source"], creation[_CLONE].get("snapshot")
        yield f"  clone of {source.name} ({source.id})" + (f", snapshot {snapshot}" if snapshot else "")
    elif creation.get(_APPLIANCE):
        yield f"  appliance: {without_secrets(creation[_APPLIANCE]['source'])}"
    elif creation.get(_IMAGE):
        image = creation[_IMAGE]
        yield "  ".join(filter(None, (f"  image: {name_of_image(image)}", image.get("digest"))))


def _deleted(plan):
    yield from deleted_files(plan)
    if any(VERB[step.verb].ends for step in plan.steps):
        yield from (f"the snapshot {one.name}" for one in plan.before.snapshots)


def _shown(values, key):
    return json.dumps(values[key], sort_keys=True, default=str) if key in values else "-"
