# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark that this collection stores on a VM: JSON text with the files created for it, to delete them with it.

Each driver decides where the platform stores the text. A mark is valid only if its ``id`` is the id of the VM, and its
``birth`` that of the VM where ids can be used again.

A valid mark is no proof that this collection has created the VM: tags, a lease or an added disk are recorded on any VM.
Only a step that creates a VM writes the key ``created``. Marks of version 1 have no such key: they count as those of
created
VMs, and keep that when they are written again.

Two keys say what is not complete, so that the next task can complete or undo what a killed one has left: ``making``
are the files that a step is about to create, and ``unfinished`` is true until the VM itself is complete. A file at such
a path proves nothing, because anybody may have put it there: ``identities`` are those that the new files will have.
"""

from __future__ import annotations

import json
from hashlib import sha256

from ..errors import InvalidInput
from ..texts import printable, without_secrets
from . import reader
from .leases import CLOCK_TOLERANCE, CREATED, LEASE, is_stored_expiry, iso, read, read_time, stored

VERSION = 2
#: The key of a mark with the identity of a VM that no later VM can have (``Vm.birth``).
BIRTH = "birth"
#: The key of a mark with the host that has the files in it: a VM that is moved takes its mark along, not its old files.
HOST = "host"
#: The power state of a VM that a task restarts, and the time of that, until the VM is on.
INTERRUPTED = "interrupted"
#: Settings that are stored in the mark on platforms that cannot store them otherwise. The last one is not an option.
IN_MARK = ("tags", "fleet", *LEASE, INTERRUPTED)
#: How a line with a mark begins in texts that users write too, such as the notes of a VM or of its snapshot.
PLAIN_LINE, HIDDEN_LINE = "#polyvirt ", "<!-- polyvirt "
#: {path: identities} of files that a step is about to create.
IDENTITIES = "identities"
#: The reason reported for a VM that is not complete.
UNFINISHED = "unfinished: a task is still creating it, or was interrupted"
#: The only key of a mark that cannot be used: the reason.
DAMAGED = "damaged"
_LISTS = (
    "disks", "files", "tags", "nvram", "making", "adding", "reservations", "answers", "births", "slots", "detached",
    "borrowed", "left",
)  # fmt: skip
_TEXTS = ("fleet", "owner", CREATED, BIRTH, HOST, "nonce", "copy_for", "in_force", "description", INTERRUPTED)
_FILES = ("disks", "files", "nvram", "making", "answers", "left")
_MAPPINGS = ("inputs", "snapshots_expire", "checkpoints_expire", "checkpoints", "snapshots", "replacing")


def new_mark(vm_id, birth=None, **parts):
    """Return the mark of a VM; ``parts`` are what its driver has to store."""
    return {"v": VERSION, "id": vm_id, **({BIRTH: birth} if birth else {}), **parts}


def empty_mark(vm_id, birth=None):
    """Return the mark of a VM for which no file was created yet. ``inputs`` is what the VM is created from."""
    return new_mark(vm_id, birth, disks=[], files=[], tags=[], inputs={})


def is_mark_of(mark, vm_id, birth=None):
    """Return whether a mark is of the VM with this id, and this birth if both are known."""
    is_same = bool(mark) and vm_id is not None and mark.get("id") == vm_id
    return is_same and mark.get(BIRTH, birth) == birth


def damage_of(vm):
    """Return why the mark of a VM cannot be used; an empty string if it can, or if there is none."""
    return (vm.mark or {}).get(DAMAGED, "")


def damage_warnings(vms):
    """Return a warning about each VM with a mark that cannot be used."""
    text = "{0}: its ownership record is damaged: {1}. It counts as a VM that others have created."
    return [text.format(vm.name, damage_of(vm)) for vm in vms if damage_of(vm)]


def records_creation(mark):
    """Return whether a mark shows that this collection created its VM, or is creating it."""
    return CREATED in mark or is_unfinished(mark) or mark.get("v", 1) < VERSION


def inputs_of_image(image):
    """Return what the mark of a VM records of its image: its name, address or path, checksum, date, and its slot."""
    recorded = {"image": name_of_image(image), **{key: image.get(key) for key in ("digest", "fetched", "slot")}}
    return {key: value for key, value in recorded.items() if value}


def inputs_of_disk(image):
    """Return what the mark of an unfinished VM records of one disk: its image, and which part of an archive it is."""
    is_part = image.get("packed") or image.get("part")
    return {**inputs_of_image(image), **({"part": digest_of_disk(image)} if is_part else {})}


def digest_of_disk(image):
    """Return a short text that differs for each disk of an appliance, and for each version of the appliance."""
    about = (image["source"], image.get("digest"), image.get("part"), image.get("packed"))
    return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def name_of_image(image):
    """Return the name, address or path of the image that a task sets, without the secrets in an address."""
    return image.get("name") or without_secrets(image["source"])


def image_in(inputs):
    """Return {name, digest, fetched} of the image in the ``inputs`` of a mark, or None."""
    if not inputs.get("image"):
        return None
    # Earlier versions have recorded the whole query of an address.
    return {"name": without_secrets(inputs["image"]), "digest": inputs.get("digest"), "fetched": inputs.get("fetched")}


def recorded_inputs(vm):
    """Return the ``inputs`` in the mark of a VM; empty if they are not known."""
    mark = vm.mark or {}
    return mark.get("inputs", {}) if mark.get("id") is None or vm.owned else {}


def own_disks(vm):
    """Return the files of disks that were created for this VM."""
    return vm.own_disks | frozenset(vm.mark.get("disks", ()) if vm.owned else ())


def image_of(vm):
    """Return {name, digest, fetched} of the image that a VM was created from, or None if it is not known."""
    return image_in(recorded_inputs(vm))


def inputs_of_cloud_init(cloud_init):
    """Return what the mark of a VM records of cloud_init, where it is used at creation only."""
    if not cloud_init:
        return {}
    # Most tasks do not set it.
    from .seed_digests import digests_of

    return {"cloud_init": digests_of(cloud_init)}


def inputs_of(arguments):
    """Return what a step creates a VM from, as ``inputs`` of its mark; ``arguments`` are those of the step."""
    creation = arguments["creation"]
    inputs = inputs_of_cloud_init(creation.get("cloud_init"))
    if creation.get("clone"):
        return {"clone": arguments["source"].id, **inputs}
    if creation.get("appliance"):
        return {"appliance": without_secrets(creation["appliance"]["source"]), **inputs}
    return {**(inputs_of_image(creation["image"]) if creation.get("image") else {}), **inputs}


def sources_in(inputs):
    """Return the ``inputs`` of a mark that say what the VM was created from; the rest is what it was created with.

    A VM that was restored after its loss keeps those of the lost one, and comes from the backup.
    """
    if "backup" in inputs:
        return {"backup": inputs["backup"]}
    return {key: value for key, value in inputs.items() if key != "cloud_init"}


def mark_for(vm_id, mark, birth=None):
    """Return ``mark`` to add to; an empty one if it is of another VM, because that names files of the other VM."""
    if not is_mark_of(mark, vm_id, birth):
        return empty_mark(vm_id, birth)
    creation = {CREATED: mark.get(CREATED, "")} if records_creation(mark) else {}
    return {**empty_mark(vm_id), **mark, **creation, **new_mark(vm_id, birth)}


def own_mark(vm):
    """Return the mark of ``vm`` to add to."""
    return mark_for(vm.id, vm.mark, vm.birth)


def unfinished_mark(mark, making=(), identities=None):
    """Return the mark of a VM that a task begins to create; ``making`` are the files that it will create."""
    return making_mark({**mark, "unfinished": True}, making, identities)


def making_mark(mark, making, identities=None):
    """Return the mark that says which files a step is about to create, with their ``identities`` ({path: identity}).

    Those that are known already are kept: two tasks may complete the same VM.
    """
    known = dict(mark.get(IDENTITIES) or {})
    for path, identity in (identities or {}).items():
        known[path] = [*known.get(path, ()), _text_of(identity)]
    parts = {"making": list(making), IDENTITIES: {path: known[path] for path in making if path in known}}
    kept = {key: value for key, value in mark.items() if key not in parts}
    return {**kept, **{key: value for key, value in parts.items() if value}}


def _text_of(identity):
    return ":".join(map(str, identity or ()))


def why_elsewhere(mark, host):
    """Return why a file in a mark that its VM does not have may be one of others; empty if it was recorded here."""
    recorded = mark.get(HOST)
    if host and recorded == host:  # Without an id of the host, it is not known to be this one.
        return ""
    return f"recorded on the host {recorded}" if recorded else "recorded without a host"


def mark_on(host, mark, is_attached):
    """Return the mark of a VM to add to on ``host``, without files that only the one of another host names.

    Until the host is recorded, what an interrupted task has left is not known to be on this one, nor what a later
    task would overwrite.
    """
    keys = ("making", "answers", "nvram", "left") if HOST not in mark else _FILES
    if host and mark.get(HOST) == host:
        return mark
    here = {key: list(filter(is_attached, mark[key])) for key in keys if key in mark}
    return {**mark, **here, HOST: host}


def finished_mark(mark, *keys):
    """Return the mark of a VM after its creation, or a change, is complete: without ``keys`` of its platform too."""
    return {key: value for key, value in mark.items() if key not in ("unfinished", "making", IDENTITIES, *keys)}


def is_unfinished(mark):
    """Return whether the VM with this mark is not completely created: its task still runs, or was interrupted."""
    return bool(mark and mark.get("unfinished"))


def making_of(mark):
    """Return the files that an interrupted task may have created, and that the VM may not use."""
    return tuple((mark or {}).get("making", ()))


def proven_of(mark, identity):
    """Return those of ``making_of`` that a task has created: ``identity(path)`` is one that it recorded before."""
    recorded = (mark or {}).get(IDENTITIES) or {}
    return tuple(path for path in making_of(mark) if _text_of(identity(path)) in recorded.get(path, ()))


def reusable_of(mark, identity):
    """Return the files that a new disk of the VM may be in: a killed task has created them, or a restore left them.

    The restore of a snapshot has detached the latter ("left"), which keep their content.
    """
    return (*proven_of(mark, identity), *(mark or {}).get("left", ()))


def marked_settings(mark, vm_id, birth=None):
    """Return {option: value} of the settings in a mark. A copy made by a user keeps the tags, and nothing else."""
    mark = mark or {}
    return {"tags": tuple(sorted(mark.get("tags", ()))), **own_settings(mark, vm_id, birth)}


def own_settings(mark, vm_id, birth=None):
    """Return the settings in a mark that are valid only for the VM for which it was written."""
    own = mark if is_mark_of(mark, vm_id, birth) else {}
    return {name: _READ.get(name, str)(own.get(name, "")) for name in IN_MARK if name not in ("tags", INTERRUPTED)}


def interrupted_restart(vm, now=None):
    """Return (power state before a restart that did not end, the time as text, whether that is less than a day ago)."""
    power, _space, begun = ((vm.mark.get(INTERRUPTED) if vm.owned else None) or "").partition(" ")
    at = read_time(begun)
    return power, begun, None not in (at, now) and -CLOCK_TOLERANCE <= now - at < 24 * 3600


_READ = {"expires": read}
_STORED = {"tags": list, "expires": stored}


def with_lease(mark, other):
    """Return ``mark`` with the lease of another one of the same VM: a restored definition contains an old one."""
    keys = (*LEASE, CREATED)
    without = {key: value for key, value in mark.items() if key not in keys}
    return {**without, **{key: other[key] for key in keys if key in other}}


def of_lost_vm(mark):
    """Return what a VM that is restored from a backup keeps of the record of the lost one.

    It has no expiry, which may be over by now: ``reap`` would delete the VM again.
    """
    return {key: mark[key] for key in ("tags", "fleet", "owner", "inputs", CREATED) if key in mark}


def with_settings(mark, values):
    """Return ``mark`` with those of ``values`` ({option: value}) that belong in it; None means unknown."""
    changed = {name: values[name] for name in IN_MARK if values.get(name) is not None}
    changed = {
        name: _STORED.get(name, str)(value) if value or name == "tags" else "" for name, value in changed.items()
    }
    if CREATED in values:
        # Without the time of the controller, the text is empty.
        changed[CREATED] = iso(values[CREATED]) or ""
    return {name: value for name, value in {**mark, **changed}.items() if value != "" or name not in IN_MARK}


def without_record(text, option):
    """Return a text as ``printable`` does. Raises InvalidInput if a platform could read a mark in it.

    A mark in the notes of somebody else's VM would make it a VM that this collection created, which it may delete.
    """
    if any(line.lstrip().startswith((PLAIN_LINE, HIDDEN_LINE)) for line in text.splitlines()):
        raise InvalidInput(
            f"{option}: a line begins with '{PLAIN_LINE.strip()}' or '{HIDDEN_LINE.strip()}', as the ownership records"
            " of this collection do.",
            "Remove the line.",
        )
    return printable(text, option)


def printed(mark):
    return json.dumps(mark, sort_keys=True, separators=(",", ":"))


def parsed(text):
    """Return the mark in ``text``, None without a text, or {DAMAGED: reason}, a mark of no VM, if it is not valid.

    A user may have edited it, or a later version of this collection may have written it.
    """
    if not text:
        return None
    try:
        mark = reader.read(text, _SCHEMA, range(1, VERSION + 1), default=1)
    except reader.Damaged as error:
        return {DAMAGED: str(error)}
    # A key without a value is none, but a VM that has no ID yet.
    given = {key: value for key, value in mark.items() if value is not None or key not in _SCHEMA or key == "id"}
    given.pop(DAMAGED, None)
    # Earlier versions had other keys for a VM that is being created, and for something that is being added.
    if "new" in given:
        given["unfinished"] = given.pop("new")
    if "adding" in given:
        given.update(making=given.pop("adding"), unfinished=False)
    return given


def _are_inputs(value):
    texts = [value.get(key) for key in ("image", "appliance")] if reader.is_mapping(value) else [0]
    return all(map(reader.optional(reader.is_text), texts)) and _TEXT_LIST(value.get("bases"))


def _are_identities(value):
    return reader.is_mapping(value) and all(map(reader.list_of(reader.is_text), value.values()))


_TEXT_LIST = reader.optional(reader.list_of(reader.is_text))
_SCHEMA = {
    **dict.fromkeys(_LISTS, _TEXT_LIST),
    **dict.fromkeys(_TEXTS, reader.optional(reader.is_text)),
    **dict.fromkeys(_MAPPINGS, reader.optional(reader.is_mapping)),
    "inputs": reader.optional(_are_inputs),
    IDENTITIES: reader.optional(_are_identities),
    "expires": reader.optional(is_stored_expiry),
    "id": reader.optional(reader.is_text),
}


def same(value, other):
    """Return whether two marks, or parts of them, have the same content; the order of names has no meaning."""
    return _unordered(value) == _unordered(other)


def _unordered(value):
    if isinstance(value, dict):
        return {key: _unordered(one) for key, one in value.items()}
    return sorted(value) if isinstance(value, list) else value
